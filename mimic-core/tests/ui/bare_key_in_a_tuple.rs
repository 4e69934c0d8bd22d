use mimic_core::Context;
use mimic_core::keys::{Host, Port};
use mimic_core::needs::req;
use mimic_core::roles::Transport;

fn main() {
    let _ = Context::new().register(Transport, "tcp", 0, (req(Host), Port), |_to, _args| async { todo!() });
}
