//! Accepting: the number of peers that may wait for it, and its errors as an accept loop needs to
//! know them.

use std::io;

use mimic_core::{Error, ErrorKind, Phase};

/// The number of peers that may wait to be accepted, unless the system allows fewer.
pub(crate) const BACKLOG: i32 = 1024;

/// Converts an error of accepting, so that its kind says what [`ListenerExt::accept_ok`] does.
///
/// A shortage of descriptors or memory is [`OutOfMemory`](ErrorKind::OutOfMemory). An error of one
/// peer before it was accepted is [`ConnectionAborted`](ErrorKind::ConnectionAborted). Others keep
/// their kinds.
///
/// [`ListenerExt::accept_ok`]: mimic_core::ListenerExt::accept_ok
pub(crate) fn accept_error(error: io::Error) -> Error {
    match cause(&error) {
        Some(Cause::Descriptors) => Error::with_source(ErrorKind::OutOfMemory, error)
            .advise("raise the limit of open files (`ulimit -n`), or serve fewer peers at once"),
        Some(Cause::Memory) => Error::with_source(ErrorKind::OutOfMemory, error),
        Some(Cause::Peer) => Error::with_source(ErrorKind::ConnectionAborted, error),
        None => Error::from(error),
    }
    .in_phase(Phase::Accept)
}

/// Converts an error of setting up a socket that was accepted, as [`accept_error`]. An error that
/// is no shortage concerns that peer alone: [`ConnectionAborted`](ErrorKind::ConnectionAborted).
pub(crate) fn accepted_error(error: io::Error) -> Error {
    match cause(&error) {
        Some(Cause::Descriptors | Cause::Memory) => accept_error(error),
        Some(Cause::Peer) | None => Error::with_source(ErrorKind::ConnectionAborted, error).in_phase(Phase::Accept),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Descriptors,
    Memory,
    Peer,
}

/// Returns the cause by the system's number: `std` has no kind for most of these.
#[cfg(unix)]
fn cause(error: &io::Error) -> Option<Cause> {
    match error.raw_os_error()? {
        libc::EMFILE | libc::ENFILE => Some(Cause::Descriptors),
        // epoll reports too many sockets as ENOSPC.
        libc::ENOBUFS | libc::ENOMEM | libc::ENOSPC => Some(Cause::Memory),
        // Linux passes on errors of the connection while it waited, see accept(2).
        libc::ECONNABORTED
        | libc::ECONNRESET
        | libc::EPROTO
        | libc::ETIMEDOUT
        | libc::ENETDOWN
        | libc::ENETUNREACH
        | libc::EHOSTDOWN
        | libc::EHOSTUNREACH => Some(Cause::Peer),
        _ => None,
    }
}

#[cfg(windows)]
fn cause(error: &io::Error) -> Option<Cause> {
    const ERROR_NOT_ENOUGH_MEMORY: i32 = 8;
    const WSAEMFILE: i32 = 10_024;
    const WSAENOBUFS: i32 = 10_055;
    match error.raw_os_error()? {
        WSAEMFILE => Some(Cause::Descriptors),
        ERROR_NOT_ENOUGH_MEMORY | WSAENOBUFS => Some(Cause::Memory),
        _ => matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
            .then_some(Cause::Peer),
    }
}

#[cfg(not(any(unix, windows)))]
fn cause(_: &io::Error) -> Option<Cause> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        let of = |code| accept_error(io::Error::from_raw_os_error(code)).kind();
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
            assert_eq!(of(code), ErrorKind::OutOfMemory, "{code}");
        }
        assert_eq!(of(libc::ECONNABORTED), ErrorKind::ConnectionAborted);
        assert_eq!(of(libc::EPROTO), ErrorKind::ConnectionAborted);
        assert_eq!(of(libc::EINVAL), ErrorKind::InvalidInput);
        assert_eq!(of(libc::EBADF), ErrorKind::Other);
        let advice = accept_error(io::Error::from_raw_os_error(libc::EMFILE));
        assert!(advice.to_string().contains("ulimit -n"), "{advice}");

        let of = |code| accepted_error(io::Error::from_raw_os_error(code)).kind();
        assert_eq!(of(libc::EINVAL), ErrorKind::ConnectionAborted);
        assert_eq!(of(libc::EMFILE), ErrorKind::OutOfMemory);
        assert_eq!(of(libc::ENOSPC), ErrorKind::OutOfMemory);
    }
}
