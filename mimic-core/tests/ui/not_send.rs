use std::rc::Rc;

use mimic_core::{Context, Flow, Transport, memory_pair};

fn main() {
    let port = Rc::new(80_u16);
    let _ = Context::new().register(Transport, "tcp", 0, (), move |_to, ()| {
        let _ = *port;
        async { Ok(Box::new(memory_pair(1).0) as Box<dyn Flow + Send>) }
    });
}
