//! Accepting by polling, which async-io has only as a future.

use std::io;
use std::task::{Context, Poll, ready};

use async_io::Async;
use mimic_core::Error;
use mimic_std::{accept_error, accepted_error};

/// Calls `accept` until it does not say that it would block, and `set_up` with the socket.
pub(crate) fn poll_accept<L, S, T>(
    listener: &Async<L>,
    cx: &mut Context<'_>,
    mut accept: impl FnMut(&L) -> io::Result<S>,
    set_up: impl FnOnce(S) -> io::Result<T>,
) -> Poll<Result<T, Error>> {
    let accepted = loop {
        match accept(listener.get_ref()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => break result,
        }
        if let Err(error) = ready!(listener.poll_readable(cx)) {
            break Err(error);
        }
    };
    let socket = accepted.map_err(accept_error)?;
    Poll::Ready(set_up(socket).map_err(accepted_error))
}
