//! A context with a UART, as in the documentation of the crate.

use std::cell::RefCell;

use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::pump;
use mimic_core::keys::Scheme;
use mimic_core::needs::{is, when};
use mimic_core::roles::Connect;
use mimic_core::{Error, ErrorKind, LocalContext};

/// With it, `uart:/` connects, once: the device is the flow's from then on.
pub(crate) fn with_uart(ctx: LocalContext, rx: impl Read + 'static, tx: impl Write + 'static) -> LocalContext {
    let halves = RefCell::new(Some((rx, tx)));
    ctx.register(Connect, "uart", 100, when(is(Scheme, "uart")), move |(), ()| {
        let halves = halves.take();
        async move {
            let (rx, tx) = halves.ok_or_else(|| Error::new(ErrorKind::NotConnected, "the UART is in use"))?;
            Ok(Box::new(pump(rx, tx, 128)) as _)
        }
    })
}
