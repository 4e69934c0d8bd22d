use mimic_core::Context;
use mimic_core::keys::Port;
use mimic_core::roles::Transport;

fn main() {
    let _ = Context::new().register(Transport, "tcp", 0, Port, |_to, _port| async { todo!() });
}
