//! The file of a Unix listener.
//!
//! A server that was killed leaves its file behind, and binding refuses a file that is there.
//! Removing it unseen would cut off a server that lives. So a file that is in the way is connected
//! to:
//!
//! ```text
//! lock ──────────── bind ── chmod ── listen ── unlock
//!      │              └─ in use: connect ─┬─ accepted, or its backlog is full ─► AddrInUse
//!      │                                  └─ refused ─► remove the file, bind
//!      └─ taken ─► AddrInUse
//! ```
//!
//! - Between bind and listen a socket refuses connections as a dead one does, and two servers may
//!   find the same dead file at once. The lock keeps them apart: the second is told that the path
//!   is in use, as it is a moment later.
//! - The lock is that of an empty file beside it, `.NAME.mimic-lock`. A file of that name with
//!   content belongs to another program.
//! - Before listen no peer can connect, so no peer gets in by permissions that chmod then takes
//!   away.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{self, Path, PathBuf};

use mimic_core::roles::UnixPath;
use mimic_core::{Error, ErrorKind, Phase};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::accept::BACKLOG;
use crate::connect_unix::try_connect;

/// The file that a Unix listener made. Dropping it removes the file, unless another file has taken
/// its place.
///
/// Drop it before the listener: an open socket keeps its inode, so no other file can have the same
/// number.
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
    /// While it binds there is an empty file beside it, `.NAME.mimic-lock` for a socket `NAME`. A
    /// file of that name that is not empty is another program's, and left alone.
    ///
    /// The directory should belong to the server, or to root, and no other user should be able to
    /// write to it. Another user could replace the socket by another one, and keep the server from
    /// binding. Permissions are given to what was bound, and never follow a symbolic link; but
    /// on systems other than Linux, and without `/proc`, a link that takes the socket's place at
    /// the very moment is followed.
    ///
    /// # Errors
    /// In [`Phase::Bind`]: [`AddrInUse`](ErrorKind::AddrInUse) if a server listens there or is just
    /// starting, if the file is no socket, which is never removed, or if the lock's file is another
    /// program's; [`InvalidInput`](ErrorKind::InvalidInput) for a mode above 0o777, or a path
    /// without the name of a file; or that of the system. Errors of the lock name its file.
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
            chmod(&file.path, file.id, mode)?;
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
        // Perhaps the permissions are missing, or it is a socket of another type.
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

/// Sets the permissions of the socket `id` at `path`. A file that took its place is left alone.
fn chmod(path: &Path, id: Id, mode: u32) -> Result<(), Error> {
    let permissions = Permissions::from_mode(mode);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use std::os::fd::AsRawFd;

        let mut options = OpenOptions::new();
        let file = options.read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW).open(path)?;
        id.check(&file.metadata()?)?;
        // No other file can take this name of an open file.
        match fs::set_permissions(format!("/proc/self/fd/{}", file.as_raw_fd()), permissions.clone()) {
            // `/proc` is not mounted.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return Ok(result?),
        }
    }
    id.check(&fs::symlink_metadata(path)?)?;
    Ok(fs::set_permissions(path, permissions)?)
}

/// The lock of a path while it is bound. Dropping it removes its file.
struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    fn take(path: &Path) -> Result<Self, Error> {
        let Some(name) = path.file_name() else {
            return Err(Error::new(ErrorKind::InvalidInput, "the path ends without the name of a file"));
        };
        let mut lock = OsString::from(".");
        lock.push(name);
        lock.push(".mimic-lock");
        let path = path.with_file_name(lock);
        let in_use = |reason| Error::new(ErrorKind::AddrInUse, format!("{reason}: {}", path.display()));
        loop {
            let mut options = OpenOptions::new();
            // Opening a pipe would wait.
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
            let file = options.open(&path).map_err(|error| not_opened(&path, error))?;
            // A file system without locks binds without.
            if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
                return Err(in_use("another server is just starting there, and has locked a file")
                    .advise("start one server for each path"));
            }
            let metadata = file.metadata().map_err(|error| of_lock(&path, error))?;
            if !is_ours(&metadata) {
                return Err(in_use("a file of another program is where the lock's would be").advise(LOCK_ADVICE));
            }
            // The last holder may have removed this very file. Then the next one locks another
            // file.
            if Id::at(&path).is_ok_and(|id| id == Id::of(&metadata)) {
                return Ok(Self { path, file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before the lock is released, so that it is ours that is removed.
        let ours = self
            .file
            .metadata()
            .is_ok_and(|metadata| is_ours(&metadata) && Id::at(&self.path).is_ok_and(|id| id == Id::of(&metadata)));
        if ours {
            // There is no caller left to tell.
            let _ = fs::remove_file(&self.path);
        }
    }
}

const LOCK_ADVICE: &str = "remove that file if nothing uses it, or choose a directory of the server's own";

/// Tells whether the file may be a lock's: nothing is ever written to those.
fn is_ours(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.len() == 0
}

fn of_lock(path: &Path, error: io::Error) -> Error {
    let kind = error.kind().into();
    Error::with_source(kind, io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// Tells a file that is in the way, as another user's or as a link, from a directory that cannot be
/// written to.
fn not_opened(path: &Path, error: io::Error) -> Error {
    let in_the_way = fs::symlink_metadata(path)
        .is_ok_and(|there| !there.is_file() || error.kind() == io::ErrorKind::PermissionDenied);
    let error = of_lock(path, error);
    if in_the_way { error.advise(LOCK_ADVICE) } else { error }
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

    /// Returns an error if `metadata` are those of another file, or of no socket.
    fn check(self, metadata: &Metadata) -> Result<(), Error> {
        if self == Self::of(metadata) && metadata.file_type().is_socket() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::AddrInUse, "another file took the place of the socket")
            .advise("choose a directory of the server's own"))
    }
}

// Miri has no Unix sockets.
#[cfg(not(miri))]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn permissions_are_those_of_the_socket_alone() {
        let dir = tempfile::tempdir().unwrap();
        let [path, other] = ["socket", "other"].map(|name| dir.path().join(name));
        let _socket = UnixListener::bind(&path).unwrap();
        let id = Id::at(&path).unwrap();
        chmod(&path, id, 0o606).unwrap();
        assert_eq!(mode(&path), 0o606);

        let _other = UnixDatagram::bind(&other).unwrap();
        fs::set_permissions(&other, Permissions::from_mode(0o640)).unwrap();
        // Kept, so that its inode is in use.
        fs::rename(&path, dir.path().join("kept")).unwrap();
        let refused = |what| {
            for id in [id, Id::at(&path).unwrap()] {
                let error = chmod(&path, id, 0o666).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::AddrInUse, "{what}: {error}");
            }
            assert_eq!(mode(&other), 0o640, "{what}");
        };
        for target in [&other, &dir.path().join("kept")] {
            symlink(target, &path).unwrap();
            refused("a link");
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(mode(&dir.path().join("kept")), 0o606);
        fs::write(&path, "").unwrap();
        refused("a file");
        fs::remove_file(&path).unwrap();
        fs::hard_link(&other, &path).unwrap();
        assert_eq!(chmod(&path, id, 0o666).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(mode(&other), 0o640);
    }

    #[test]
    fn a_lock_that_is_written_to_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".socket.mimic-lock");
        drop(Lock::take(&dir.path().join("socket")).unwrap());
        assert!(!path.exists());
        let lock = Lock::take(&dir.path().join("socket")).unwrap();
        fs::write(&path, "4711").unwrap();
        drop(lock);
        assert_eq!(fs::read(&path).unwrap(), b"4711");
    }
}
