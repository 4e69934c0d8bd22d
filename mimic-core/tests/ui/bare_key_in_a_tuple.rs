use mimic_core::{Context, Host, Port, Transport, req};

fn main() {
    let _ = Context::new().register(Transport, "tcp", 0, (req(Host), Port), |_to, _args| async { todo!() });
}
