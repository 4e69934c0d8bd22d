use mimic_core::{Context, Flow, Host, Port, Text, Transport, memory_pair, opt, req};

fn main() {
    let _ = Context::new().register(
        Transport,
        "tcp",
        0,
        (req(Host), opt(Port)),
        |_to, (_host, _port): (Text, u16)| async { Ok(Box::new(memory_pair(1).0) as Box<dyn Flow + Send>) },
    );
}
