use mimic_core::{Context, Flow, Text};
use mimic_core::io::memory_pair;
use mimic_core::keys::{Host, Port};
use mimic_core::needs::{opt, req};
use mimic_core::roles::Transport;

fn main() {
    let _ = Context::new().register(
        Transport,
        "tcp",
        0,
        (req(Host), opt(Port)),
        |_to, (_host, _port): (Text, u16)| async { Ok(Box::new(memory_pair(1).0) as Box<dyn Flow + Send>) },
    );
}
