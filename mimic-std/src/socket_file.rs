//! The file of a Unix listener.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{self, Path, PathBuf};

use mimic_core::{Error, ErrorKind, Phase, UnixPath};

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
