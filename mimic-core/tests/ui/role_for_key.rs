use mimic_core::{Transport, req};

fn main() {
    let _ = req(Transport);
}
