use mimic_core::{Context, Port, Transport};

fn main() {
    let _ = Context::new().register(Transport, "tcp", 0, Port, |_to, _port| async { todo!() });
}
