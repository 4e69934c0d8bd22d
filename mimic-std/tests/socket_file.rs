//! The files of Unix listeners.

// Miri has no Unix sockets.
#![cfg(all(unix, not(miri)))]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;

use mimic_core::roles::UnixPath;
use mimic_core::{ErrorKind, Phase};
use mimic_std::SocketFile;
use tempfile::TempDir;

/// A path in a directory of its own.
struct Spot(PathBuf, TempDir);

impl Spot {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self(dir.path().join("socket"), dir)
    }

    fn path(&self) -> UnixPath {
        UnixPath::new(self.0.to_str().unwrap()).unwrap()
    }

    fn lock(&self) -> PathBuf {
        self.0.with_file_name(".socket.mimic-lock")
    }

    /// The names in the directory.
    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.1.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    /// Leaves the file of a dead server.
    fn die(&self) {
        drop(UnixListener::bind(&self.0).unwrap());
    }
}

#[test]
fn the_file_goes_with_its_listener() {
    let spot = Spot::new();
    let (file, listener) = SocketFile::bind(&spot.path(), None).unwrap();
    assert_eq!(spot.files(), ["socket"], "and no lock");
    UnixStream::connect(&spot.0).unwrap();
    assert!(listener.accept().is_ok());
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    drop(file);
    assert!(spot.files().is_empty());
}

#[test]
fn a_file_that_is_served_is_an_error_with_advice() {
    let spot = Spot::new();
    let (_file, _listener) = SocketFile::bind(&spot.path(), None).unwrap();
    let error = SocketFile::bind(&spot.path(), None).unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::AddrInUse, Some(Phase::Bind)));
    assert!(error.advice().is_some_and(|advice| advice.contains("stop it")), "{error}");
    assert_eq!(spot.files(), ["socket"], "what another made is left alone");
    UnixStream::connect(&spot.0).unwrap();
}

#[test]
fn a_file_of_a_dead_server_is_replaced() {
    let spot = Spot::new();
    spot.die();
    let (file, _listener) = SocketFile::bind(&spot.path(), Some(0o640)).unwrap();
    UnixStream::connect(&spot.0).unwrap();
    assert_eq!(fs::metadata(&spot.0).unwrap().permissions().mode() & 0o777, 0o640);
    drop(file);
    assert!(spot.files().is_empty());
}

/// Of servers that find a dead file at once one gets the path, keeps it, and the others hear that
/// it is in use.
#[test]
fn servers_that_start_at_once() {
    const SERVERS: usize = 8;
    let spot = Spot::new();
    for round in 0..200 {
        if round % 2 == 0 {
            spot.die();
        }
        let barrier = Barrier::new(SERVERS);
        let bind = || {
            barrier.wait();
            SocketFile::bind(&spot.path(), None)
        };
        let bound: Vec<_> = thread::scope(|scope| {
            let servers: Vec<_> = (0..SERVERS).map(|_| scope.spawn(bind)).collect();
            servers.into_iter().map(|server| server.join().unwrap()).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = bound.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "round {round}: {won:?} {lost:?}");
        for error in lost.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "round {round}: {error}");
        }
        UnixStream::connect(&spot.0).unwrap();
        assert_eq!(spot.files(), ["socket"]);
        drop(won);
        assert!(spot.files().is_empty());
    }
}

/// A server that was killed while it was binding leaves the lock's file, which holds nothing up.
#[test]
fn a_lock_of_a_dead_server_holds_nothing_up() {
    let spot = Spot::new();
    spot.die();
    fs::write(spot.lock(), "").unwrap();
    let (_file, _listener) = SocketFile::bind(&spot.path(), None).unwrap();
    assert_eq!(spot.files(), ["socket"]);
}

/// One that is just binding, and does not listen yet, is not taken for dead.
#[test]
fn a_server_that_is_just_starting_is_left_alone() {
    let spot = Spot::new();
    spot.die();
    let lock = fs::File::create(spot.lock()).unwrap();
    lock.lock().unwrap();
    let error = SocketFile::bind(&spot.path(), None).unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::AddrInUse, Some(Phase::Bind)));
    assert!(error.reason().contains("just starting") && error.reason().contains(".socket.mimic-lock"), "{error}");
    assert!(spot.0.exists());
}

/// Whether the path is free or not.
#[test]
fn a_lock_of_another_program_is_left_alone() {
    for (dead, locked) in [(false, false), (true, false), (true, true)] {
        let spot = Spot::new();
        if dead {
            spot.die();
        }
        // As PostgreSQL has it, and where it would be by such a rule.
        for lock in [spot.0.with_extension("lock"), spot.lock()] {
            fs::write(lock, "4711\n").unwrap();
        }
        let lock = fs::File::open(spot.lock()).unwrap();
        if locked {
            lock.lock().unwrap();
        }
        let error = SocketFile::bind(&spot.path(), None).unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::AddrInUse, Some(Phase::Bind)));
        assert!(error.reason().contains(spot.lock().to_str().unwrap()), "{error}");
        assert_eq!(fs::read(spot.lock()).unwrap(), b"4711\n");
        assert_eq!(spot.0.exists(), dead);

        // Without it, the one of a name that is not mimic's holds nothing up.
        fs::remove_file(spot.lock()).unwrap();
        drop(SocketFile::bind(&spot.path(), None).unwrap());
        assert_eq!(spot.files(), ["socket.lock"]);
    }
}

/// Errors of the lock name its file, and say what to do.
#[test]
fn what_is_in_the_way_of_the_lock() {
    type Put = fn(&std::path::Path);
    let kinds: [(&str, Put); 4] = [
        ("a directory", |lock| fs::create_dir(lock).unwrap()),
        ("a dangling link", |lock| std::os::unix::fs::symlink("nowhere", lock).unwrap()),
        ("a link", |lock| std::os::unix::fs::symlink("/dev/null", lock).unwrap()),
        ("a socket", |lock| drop(UnixListener::bind(lock).unwrap())),
    ];
    for (what, put) in kinds {
        let spot = Spot::new();
        put(&spot.lock());
        let error = SocketFile::bind(&spot.path(), None).unwrap_err();
        assert_eq!(error.phase(), Some(Phase::Bind));
        assert!(error.reason().contains(spot.lock().to_str().unwrap()), "{what}: {error}");
        let advice = error.advice().unwrap();
        assert!(advice.contains("remove that file") && advice.contains("server's own"), "{what}: {error}");
        assert_eq!(spot.files(), [".socket.mimic-lock"], "{what}");
    }
}

#[test]
fn what_is_no_stream_socket_is_left_alone() {
    let spot = Spot::new();
    fs::write(&spot.0, "precious").unwrap();
    let error = SocketFile::bind(&spot.path(), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(fs::read(&spot.0).unwrap(), b"precious");
    fs::remove_file(&spot.0).unwrap();

    let _datagrams = std::os::unix::net::UnixDatagram::bind(&spot.0).unwrap();
    let error = SocketFile::bind(&spot.path(), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.advice().is_some_and(|advice| advice.contains("remove the file")), "{error}");
    assert_eq!(spot.files(), ["socket"]);
}

#[test]
fn a_directory_that_is_not_there_is_an_error_of_the_bind() {
    let path = UnixPath::new("/nowhere-mimic/socket").unwrap();
    let error = SocketFile::bind(&path, None).unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::NotFound, Some(Phase::Bind)));
    assert!(error.advice().is_some_and(|advice| advice.contains("make its directory")), "{error}");

    let error = SocketFile::bind(&UnixPath::new("..").unwrap(), None).unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidInput, Some(Phase::Bind)));
}

#[test]
fn a_file_that_took_its_place_is_left_alone() {
    let spot = Spot::new();
    let (file, _listener) = SocketFile::bind(&spot.path(), None).unwrap();
    fs::remove_file(&spot.0).unwrap();
    let _other = UnixListener::bind(&spot.0).unwrap();
    drop(file);
    assert!(spot.0.exists());
}
