//! A gate stands before the needs, and not among them.

use mimic_core::{Context, Error, Host, Scheme, Connect, is, req};

fn main() {
    let _ = Context::new().register(Connect, "", 0, (is(Scheme, "tcp"), req(Host)), |(), _| async {
        Err(Error::from(mimic_core::ErrorKind::Other))
    });
}
