//! Conversions to and from `std`: errors, and the paths of Unix sockets.

use std::io;

use crate::Error;

impl From<io::Error> for Error {
    /// Keeps the error as its source; one of mimic's own that went through `std::io` comes back as
    /// it was.
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

#[cfg(unix)]
impl AsRef<std::path::Path> for crate::UnixPath {
    fn as_ref(&self) -> &std::path::Path {
        std::path::Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(self.as_bytes()))
    }
}
