//! A gate stands before the needs, and not among them.

use mimic_core::{Context, Error};
use mimic_core::keys::{Host, Scheme};
use mimic_core::needs::{is, req};
use mimic_core::roles::Connect;

fn main() {
    let _ = Context::new().register(Connect, "", 0, (is(Scheme, "tcp"), req(Host)), |(), _| async {
        Err(Error::from(mimic_core::ErrorKind::Other))
    });
}
