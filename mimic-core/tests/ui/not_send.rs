use std::rc::Rc;

use mimic_core::{Context, Flow};
use mimic_core::io::memory_pair;
use mimic_core::roles::Transport;

fn main() {
    let port = Rc::new(80_u16);
    let _ = Context::new().register(Transport, "tcp", 0, (), move |_to, ()| {
        let _ = *port;
        async { Ok(Box::new(memory_pair(1).0) as Box<dyn Flow + Send>) }
    });
}
