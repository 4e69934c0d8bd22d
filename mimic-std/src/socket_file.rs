//! The file of a Unix listener.
//!
//! A server that was killed leaves its file behind, and binding refuses a file that is there.
//! Removing it unseen would cut off a server that lives. So a file that is in the way is connected
//! to:
//!
//! ```text
//! lock PATH.lock ── bind ── chmod ── listen ── unlock
//!      │              └─ in use: connect ─┬─ accepted, or its backlog is full ─► AddrInUse
//!      │                                  └─ refused ─► remove the file, bind
//!      └─ taken ─► AddrInUse
//! ```
//!
//! - Between bind and listen a socket refuses connections as a dead one does, and two servers may
//!   find the same dead file at once. The lock keeps them apart: the second is told that the path
//!   is in use, as it is a moment later.
//! - Before listen no peer can connect, so no peer gets in by permissions that chmod then takes
//!   away.

use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{self, Path, PathBuf};

use mimic_core::{Error, ErrorKind, Phase, UnixPath};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::connect_unix::try_connect;
use crate::listening::BACKLOG;

/// The file that a Unix listener made. Dropping it removes the file, unless another has taken its place.
///
/// Drop it before the listener: an open socket keeps its inode, so no other file can have the same number.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    id: Id,
}

impl SocketFile {
    /// Binds a listener, which does not block, and so makes the file, with the permissions `mode`
    /// (as of `chmod`) or those that the umask leaves. No peer can connect before the file has
    /// them.
    ///
    /// A socket that refuses connections is left over from a server that was killed: its file is
    /// replaced. On BSD and macOS a server with a full backlog refuses, too. A program other than
    /// mimic that starts at the same moment may be taken for a dead one between its bind and
    /// listen.
    ///
    /// While it binds there is a file beside it, whose name ends in `.lock`.
    ///
    /// # Errors
    /// In [`Phase::Bind`]: [`AddrInUse`](ErrorKind::AddrInUse) if a server listens there or is just
    /// starting, or if the file is no socket, which is never removed;
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a mode above 0o777; or that of the system.
    pub fn bind(path: &UnixPath, mode: Option<u32>) -> Result<(Self, UnixListener), Error> {
        if mode.is_some_and(|mode| mode > 0o777) {
            return Err(Error::new(ErrorKind::InvalidInput, "the mode of the socket file is more than permissions")
                .in_phase(Phase::Bind)
                .advise("write it in octal, as in `0o600`"));
        }
        Self::locked(path, mode).map_err(|error| {
            match error.kind() {
                ErrorKind::NotFound => error.advise("make its directory first"),
                ErrorKind::PermissionDenied => error.advise("the server needs to write to its directory"),
                _ => error,
            }
            .in_phase(Phase::Bind)
        })
    }

    fn locked(path: &UnixPath, mode: Option<u32>) -> Result<(Self, UnixListener), Error> {
        // First, because it refuses a path that is too long.
        let address = SockAddr::unix(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        let _lock = Lock::take(path.as_ref())?;
        match socket.bind(&address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_dead(path)?;
                socket.bind(&address)?;
            }
            result => result?,
        }
        // The working directory may have changed by the time the file is removed.
        let file = Self { id: Id::at(path.as_ref())?, path: path::absolute(path)? };
        if let Some(mode) = mode {
            fs::set_permissions(&file.path, Permissions::from_mode(mode))?;
        }
        socket.listen(BACKLOG)?;
        Ok((file, socket.into()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if Id::at(&self.path).is_ok_and(|id| id == self.id) {
            // There is no caller left to tell.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the file of a socket that no server listens on.
fn remove_dead(path: &UnixPath) -> Result<(), Error> {
    let in_use = |reason| Error::new(ErrorKind::AddrInUse, reason);
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata?,
    };
    if !metadata.file_type().is_socket() {
        return Err(in_use("the file exists and is no socket").advise("choose another path, or move the file"));
    }
    match try_connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // The backlog is full.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(served()),
        // It cannot be told: perhaps the permissions are missing, or it is a socket of another
        // type.
        Err(error) => {
            return Err(Error::with_source(ErrorKind::AddrInUse, error)
                .advise("the file exists; if no server uses it, remove the file"));
        }
        Ok(_) => return Err(served()),
    }
    match Id::at(path.as_ref()) {
        Ok(id) if id != Id::of(&metadata) => Err(in_use("another file took the place of a dead socket")),
        _ => match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => Ok(result?),
        },
    }
}

fn served() -> Error {
    Error::new(ErrorKind::AddrInUse, "a server listens there").advise("stop it, or choose another path")
}

/// Held while a path is bound. Its file goes with it.
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    fn take(path: &Path) -> Result<Self, Error> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
            let file = options.open(&path)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::new(ErrorKind::AddrInUse, "another server is just starting there")
                        .advise("start one server for each path"));
                }
                // A file system without locks binds without.
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
            // The holder before may have removed this very file, and the next one locks another.
            if Id::at(&path).is_ok_and(|id| file.metadata().is_ok_and(|metadata| id == Id::of(&metadata))) {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before the lock is released, so that it is ours that is removed.
        let _ = fs::remove_file(&self.path);
    }
}

/// Device and inode of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id(u64, u64);

impl Id {
    fn at(path: &Path) -> io::Result<Self> {
        fs::symlink_metadata(path).map(|metadata| Self::of(&metadata))
    }

    fn of(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}
