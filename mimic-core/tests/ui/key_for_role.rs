use mimic_core::{Port, over};

fn main() {
    let _ = over(Port);
}
