//! For authors of adapters on `std`: what one runtime's sockets have in common with another's.
//!
//! Errors convert to and from [`std::io::Error`]. [`Ends`] keeps the promises of [`Flow`](crate::Flow) over streams
//! with the habits of `std::io`; [`with_io_slices`] and [`with_byte_slices`] convert vectored writes without
//! allocating; [`lookup`] asks the system for addresses; [`SocketFile`] is the file of a Unix listener.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::task::{Poll, ready};
use std::io::{self, IoSlice};
use std::net::ToSocketAddrs;

use embedded_io_async::ErrorKind;

use crate::error::{Error, Phase};
use crate::standard::{Question, Record, RecordType};

impl From<io::Error> for Error {
    /// Keeps the error as its source; one of mimic's own that went through `std::io` comes back as it was.
    fn from(error: io::Error) -> Self {
        match error.downcast::<Error>() {
            Ok(error) => error,
            Err(error) => Error::with_source(error.kind().into(), error),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::new(error.kind().into(), error)
    }
}

/// The two directions of a flow over a stream that promises less than [`Flow`](crate::Flow) does.
///
/// Each method takes the call to the stream as a closure, and calls it only while it makes sense. So: empty buffers are
/// answered at once; end of stream stays; an error stays, lest a reset is taken for the end of stream that a socket
/// reports after it; a write that takes nothing is an error, and so is one after the writing side was closed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ends {
    read: End,
    write: End,
}

#[derive(Clone, Copy, Debug, Default)]
enum End {
    #[default]
    Open,
    Closed,
    Failed(ErrorKind),
}

impl Ends {
    /// [`Flow::poll_read`](crate::Flow::poll_read) by a call that reads.
    ///
    /// # Errors
    /// That of `poll`, in [`Phase::Read`].
    #[inline]
    pub fn read(
        &mut self,
        buf: &mut [u8],
        poll: impl FnOnce(&mut [u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<Result<usize, Error>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        match self.read {
            End::Open => {}
            End::Closed => return Poll::Ready(Ok(0)),
            End::Failed(kind) => return Poll::Ready(Err(again(kind, Phase::Read))),
        }
        let count = ready!(poll(buf)).map_err(|error| self.read.fail(error, Phase::Read))?;
        if count == 0 {
            self.read = End::Closed;
        }
        Poll::Ready(Ok(count))
    }

    /// [`Flow::poll_write`](crate::Flow::poll_write), or its vectored form, of `bufs` by a call that writes.
    ///
    /// # Errors
    /// That of `poll`, in [`Phase::Write`]; [`BrokenPipe`](ErrorKind::BrokenPipe) after the writing side was closed;
    /// [`WriteZero`](ErrorKind::WriteZero) if the stream takes nothing.
    #[inline]
    pub fn write(
        &mut self,
        bufs: &[&[u8]],
        poll: impl FnOnce() -> Poll<io::Result<usize>>,
    ) -> Poll<Result<usize, Error>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        match self.write {
            End::Open => {}
            End::Closed => {
                let error = Error::new(ErrorKind::BrokenPipe, "the writing side is closed");
                return Poll::Ready(Err(error.in_phase(Phase::Write)));
            }
            End::Failed(kind) => return Poll::Ready(Err(again(kind, Phase::Write))),
        }
        match ready!(poll()) {
            Ok(0) => Poll::Ready(Err(self.write.fail(io::ErrorKind::WriteZero.into(), Phase::Write))),
            Ok(count) => Poll::Ready(Ok(count)),
            Err(error) => Poll::Ready(Err(self.write.fail(error, Phase::Write))),
        }
    }

    /// [`Flow::poll_flush`](crate::Flow::poll_flush) by a call that flushes.
    ///
    /// # Errors
    /// That of `poll`, in [`Phase::Write`].
    #[inline]
    pub fn flush(&mut self, poll: impl FnOnce() -> Poll<io::Result<()>>) -> Poll<Result<(), Error>> {
        match self.write {
            End::Open => poll().map_err(|error| self.write.fail(error, Phase::Write)),
            // Closing has flushed.
            End::Closed => Poll::Ready(Ok(())),
            End::Failed(kind) => Poll::Ready(Err(again(kind, Phase::Write))),
        }
    }

    /// [`Flow::poll_shutdown`](crate::Flow::poll_shutdown) by a call that flushes and closes.
    ///
    /// # Errors
    /// That of `poll`, in [`Phase::Shutdown`].
    pub fn shutdown(&mut self, poll: impl FnOnce() -> Poll<io::Result<()>>) -> Poll<Result<(), Error>> {
        match self.write {
            End::Open => {
                ready!(poll()).map_err(|error| self.write.fail(error, Phase::Shutdown))?;
                self.write = End::Closed;
                Poll::Ready(Ok(()))
            }
            End::Closed => Poll::Ready(Ok(())),
            End::Failed(kind) => Poll::Ready(Err(again(kind, Phase::Shutdown))),
        }
    }

    /// Ends both directions, as [`Flow::abort`](crate::Flow::abort) does.
    pub fn abort(&mut self) {
        *self = Self { read: End::Closed, write: End::Closed };
    }
}

impl End {
    #[cold]
    fn fail(&mut self, error: io::Error, phase: Phase) -> Error {
        let error = Error::from(error).in_phase(phase);
        if error.kind() != ErrorKind::Interrupted {
            *self = Self::Failed(error.kind());
        }
        error
    }
}

#[cold]
fn again(kind: ErrorKind, phase: Phase) -> Error {
    Error::new(kind, "it failed before and stays so").in_phase(phase)
}

/// How many slices one vectored write takes; more wait for the next.
const SLICES: usize = 16;

/// Calls `write` with `bufs`, or the first sixteen of them that are not empty, as `std` wants them.
#[inline]
pub fn with_io_slices<T>(bufs: &[&[u8]], write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut count = 0;
    for (slice, buf) in slices.iter_mut().zip(bufs.iter().filter(|buf| !buf.is_empty())) {
        *slice = IoSlice::new(buf);
        count += 1;
    }
    write(&slices[..count])
}

/// Calls `write` with `slices`, or the first sixteen of them that are not empty, as [`Flow`](crate::Flow) wants them.
#[inline]
pub fn with_byte_slices<T>(slices: &[IoSlice<'_>], write: impl FnOnce(&[&[u8]]) -> T) -> T {
    let mut bufs: [&[u8]; SLICES] = [&[]; SLICES];
    let mut count = 0;
    for (buf, slice) in bufs.iter_mut().zip(slices.iter().filter(|slice| !slice.is_empty())) {
        *buf = slice;
        count += 1;
    }
    write(&bufs[..count])
}

/// Asks the system's resolver, and blocks the thread while it thinks: adapters call it on a thread for such work.
///
/// Nothing can cancel it: whoever stops waiting leaves it to finish. What a link-local address says about its zone is
/// lost.
///
/// # Errors
/// [`NotFound`](ErrorKind::NotFound) if the name does not exist; that of the system, if it could not find out.
pub fn lookup(question: &Question) -> Result<Vec<Record>, Error> {
    let wanted = match question.record_type {
        RecordType::Addresses => |_: &IpAddr| true,
        RecordType::A => IpAddr::is_ipv4,
        RecordType::Aaaa => IpAddr::is_ipv6,
        RecordType::Https => {
            return Err(Error::new(ErrorKind::Unsupported, "the system's resolver knows addresses only")
                .in_phase(Phase::Lookup)
                .advise("ask a resolver of your own, or do not ask for HTTPS records"));
        }
    };
    match (&*question.name, 0).to_socket_addrs() {
        Ok(found) => Ok(found.map(|address| address.ip()).filter(wanted).map(Record::from).collect()),
        Err(error) => match absence(&error) {
            Some(Absence::Address) => Ok(Vec::new()),
            Some(Absence::Name) => {
                Err(Error::new(ErrorKind::NotFound, "the name does not exist").in_phase(Phase::Lookup))
            }
            None => Err(Error::from(error).in_phase(Phase::Lookup)),
        },
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absence {
    Name,
    Address,
}

/// What a failed look-up says is not there, if that is what it says.
///
/// On Unix, `std` drops the code of `getaddrinfo` and keeps its text, so the text decides.
fn absence(error: &io::Error) -> Option<Absence> {
    const WSAHOST_NOT_FOUND: i32 = 11001;
    const WSANO_DATA: i32 = 11004;
    match error.raw_os_error() {
        Some(WSAHOST_NOT_FOUND) if cfg!(windows) => return Some(Absence::Name),
        Some(WSANO_DATA) if cfg!(windows) => return Some(Absence::Address),
        _ => {}
    }
    let text = alloc::string::ToString::to_string(error);
    [
        // glibc; macOS and the BSDs; musl; Android.
        ("Name or service not known", Absence::Name),
        ("nodename nor servname provided, or not known", Absence::Name),
        ("Name does not resolve", Absence::Name),
        ("No address associated with hostname", Absence::Address),
        ("Name has no usable address", Absence::Address),
    ]
    .into_iter()
    .find_map(|(part, absence)| text.contains(part).then_some(absence))
}

#[cfg(unix)]
pub use self::unix::SocketFile;

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::fs;
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixListener;
    use std::path::{self, Path, PathBuf};

    use embedded_io_async::ErrorKind;

    use crate::error::{Error, Phase};
    use crate::standard::UnixPath;

    impl AsRef<Path> for UnixPath {
        fn as_ref(&self) -> &Path {
            Path::new(OsStr::from_bytes(self.as_bytes()))
        }
    }

    /// The file that a Unix listener made. Dropping it removes the file, unless another has taken its place.
    ///
    /// Drop it before the listener: an open socket keeps its inode, so no other file can have the same number.
    #[derive(Debug)]
    pub struct SocketFile {
        path: PathBuf,
        /// Device and inode.
        id: (u64, u64),
    }

    impl SocketFile {
        /// Binds a listener, which does not block, and so makes the file.
        ///
        /// # Errors
        /// [`AddrInUse`](ErrorKind::AddrInUse) if the file exists, even if nobody listens: mimic removes no file that
        /// it did not make.
        pub fn bind(path: &UnixPath) -> Result<(Self, UnixListener), Error> {
            Self::try_bind(path.as_ref()).map_err(|error| {
                match error.kind() {
                    io::ErrorKind::AddrInUse => Error::new(ErrorKind::AddrInUse, "the file exists")
                        .advise("stop the server that uses it; if there is none, remove the file"),
                    _ => error.into(),
                }
                .in_phase(Phase::Bind)
            })
        }

        fn try_bind(path: &Path) -> io::Result<(Self, UnixListener)> {
            let listener = UnixListener::bind(path)?;
            // The working directory may have changed by the time the file is removed.
            let file = Self { id: id(path)?, path: path::absolute(path)? };
            listener.set_nonblocking(true)?;
            Ok((file, listener))
        }
    }

    impl Drop for SocketFile {
        fn drop(&mut self) {
            if id(&self.path).is_ok_and(|id| id == self.id) {
                // Nobody is left to tell.
                let _ = fs::remove_file(&self.path);
            }
        }
    }

    fn id(path: &Path) -> io::Result<(u64, u64)> {
        let metadata = fs::symlink_metadata(path)?;
        Ok((metadata.dev(), metadata.ino()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_skip_what_is_empty() {
        let many: Vec<&[u8]> = (0..40).map(|n| if n % 2 == 0 { &b""[..] } else { b"x" }).collect();
        let lengths = |slices: &[IoSlice<'_>]| slices.iter().map(|slice| slice.len()).collect::<Vec<_>>();
        assert_eq!(with_io_slices(&many, lengths), [1; 16]);
        let slices: Vec<_> = many.iter().map(|buf| IoSlice::new(buf)).collect();
        assert_eq!(with_byte_slices(&slices, |bufs| bufs.concat()), b"x".repeat(16));
    }

    #[test]
    fn what_is_not_there() {
        let text =
            |text: &str| absence(&io::Error::other(alloc::format!("failed to lookup address information: {text}")));
        assert_eq!(text("Name or service not known"), Some(Absence::Name));
        assert_eq!(text("No address associated with hostname"), Some(Absence::Address));
        assert_eq!(text("Temporary failure in name resolution"), None);
    }

    #[test]
    fn codes_of_windows_mean_something_there_alone() {
        let of = |code| absence(&io::Error::from_raw_os_error(code));
        let there = |absence| cfg!(windows).then_some(absence);
        assert_eq!((of(11001), of(11004)), (there(Absence::Name), there(Absence::Address)));
    }

    #[test]
    fn ends() {
        let mut ends = Ends::default();
        let mut buf = [0; 1];
        let reset = || Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        assert!(matches!(ends.read(&mut [], |_| unreachable!()), Poll::Ready(Ok(0))));
        assert!(matches!(ends.read(&mut buf, |_| Poll::Pending), Poll::Pending));
        assert!(matches!(ends.read(&mut buf, |_| reset()), Poll::Ready(Err(_))));
        let Poll::Ready(Err(error)) = ends.read(&mut buf, |_| Poll::Ready(Ok(0))) else { unreachable!() };
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "a reset does not turn into end of stream");
        assert!(matches!(ends.write(&[b"", b""], || unreachable!()), Poll::Ready(Ok(0))));
        assert!(matches!(ends.write(&[b"", b"a"], || Poll::Ready(Ok(1))), Poll::Ready(Ok(1))));
        assert!(matches!(ends.shutdown(|| Poll::Pending), Poll::Pending));
        assert!(matches!(ends.shutdown(|| Poll::Ready(Ok(()))), Poll::Ready(Ok(()))));
        assert!(matches!(ends.shutdown(|| unreachable!()), Poll::Ready(Ok(()))));
        let Poll::Ready(Err(error)) = ends.write(&[b"a"], || unreachable!()) else { unreachable!() };
        assert_eq!((error.kind(), error.phase()), (ErrorKind::BrokenPipe, Some(Phase::Write)));
    }
}
