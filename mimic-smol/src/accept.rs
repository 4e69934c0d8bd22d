//! Accepting by polling, which async-io has only as a future.

use std::io;
use std::task::{Context, Poll, ready};

use async_io::Async;
use mimic_core::{Error, Phase};

/// Calls `accept` until it does not say that it would block.
pub(crate) fn poll_accept<L, T>(
    listener: &Async<L>,
    cx: &mut Context<'_>,
    mut accept: impl FnMut(&L) -> io::Result<T>,
) -> Poll<Result<T, Error>> {
    let result = loop {
        match accept(listener.get_ref()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => break result,
        }
        if let Err(error) = ready!(listener.poll_readable(cx)) {
            break Err(error);
        }
    };
    Poll::Ready(result.map_err(|error| Error::from(error).in_phase(Phase::Accept)))
}
