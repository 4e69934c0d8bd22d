//! Look-ups and socket files in processes that have or may do little: each test runs itself in
//! another process, whose limits it lowers.

#![cfg(target_os = "linux")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use futures_lite::future::block_on;
use mimic_core::roles::{Question, Record, RecordType, UnixPath};
use mimic_core::{Error, ErrorKind, Phase};
use mimic_std::{SocketFile, enough_descriptors, lookup};
use rlimit::Resource;

const WITHIN: &str = "MIMIC_LIMITS";

/// Runs a test of this program in another process, by itself; with `args` before it, if it is to be
/// another user's.
fn alone(test: &str, before: &[&str], run: impl FnOnce()) {
    if std::env::var_os(WITHIN).is_some() {
        return run();
    }
    let mut line = ["timeout", "60"].iter().chain(before).map(std::ffi::OsStr::new).collect::<Vec<_>>();
    let program = std::env::current_exe().unwrap();
    line.extend([program.as_os_str(), "--exact".as_ref(), test.as_ref(), "--nocapture".as_ref()]);
    let output = Command::new(line[0]).args(&line[1..]).env(WITHIN, "1").output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !before.is_empty() && !text.contains("running 1 test") {
        assert!(std::env::var_os("MIMIC_REQUIRE_TOOLS").is_none(), "{test}: {text}");
        eprintln!("SKIPPED {test}: {text}");
        return;
    }
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn ask(name: &str, record_type: RecordType) -> Result<Vec<Record>, Error> {
    block_on(lookup(Question { name: name.into(), record_type }))
}

/// The system's resolver finds out by itself that this is none.
const NO_NAME: &str = "no..name";

const ALL: [RecordType; 3] = [RecordType::A, RecordType::Aaaa, RecordType::Addresses];

/// It is not the name that is missing.
#[test]
fn no_file_descriptors() {
    alone("no_file_descriptors", &[], || {
        let (_, hard) = Resource::NOFILE.get().unwrap();
        Resource::NOFILE.set(64, hard).unwrap();
        let mut files = Vec::new();
        let full = loop {
            match File::open("/dev/null") {
                Ok(file) => files.push(file),
                Err(error) => break error,
            }
        };
        assert_eq!(full.raw_os_error(), Some(24));
        // One that is free is too few: the resolver opens several.
        for free in 0..2 {
            files.truncate(files.len() - free);
            for record_type in ALL {
                let error = ask(NO_NAME, record_type).unwrap_err();
                let text = error.to_string();
                assert_eq!((error.kind(), error.phase()), (ErrorKind::Other, Some(Phase::Lookup)), "{text}");
                assert!(text.contains("no file descriptor is left") && text.contains("ulimit -n"), "{text}");
            }
        }
        assert!(enough_descriptors().is_err());
        // What needs none is answered.
        assert_eq!(ask("app.localhost", RecordType::A).unwrap().len(), 1);
        drop(files);
        assert!(enough_descriptors().is_ok());
    });
}

/// What comes before a program that is to run without the rights of root.
fn unprivileged() -> &'static [&'static str] {
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if root { &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"] } else { &[] }
}

/// The limit of a user's threads does not count for root.
#[test]
fn no_threads() {
    alone("no_threads", unprivileged(), || {
        let (soft, hard) = Resource::NPROC.get().unwrap();
        Resource::NPROC.set(1, hard).unwrap();
        for record_type in ALL {
            let error = ask(NO_NAME, record_type).unwrap_err();
            let text = error.to_string();
            assert_eq!((error.kind(), error.phase()), (ErrorKind::Other, Some(Phase::Lookup)), "{text}");
            assert!(text.contains("no thread is left") && text.contains("ulimit -u"), "{text}");
        }
        assert_eq!(ask("app.localhost", RecordType::Aaaa).unwrap().len(), 1);
        // With one again, names are asked of the system again.
        Resource::NPROC.set(soft, hard).unwrap();
        assert_eq!(ask("127.1", RecordType::A).unwrap().len(), 1);
    });
}

/// The lock of another user is told from a directory of another user.
#[test]
fn a_socket_file_that_may_not_be_locked() {
    alone("a_socket_file_that_may_not_be_locked", unprivileged(), || {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join(".socket.mimic-lock");
        let path = UnixPath::new(dir.path().join("socket").to_str().unwrap()).unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        File::create(&lock).unwrap();
        set(&lock, 0o000);
        for (in_the_way, advised) in [(true, "remove that file"), (false, "write to its directory")] {
            if !in_the_way {
                fs::remove_file(&lock).unwrap();
                set(dir.path(), 0o500);
            }
            let error = SocketFile::bind(&path, None).unwrap_err();
            assert_eq!((error.kind(), error.phase()), (ErrorKind::PermissionDenied, Some(Phase::Bind)));
            assert!(error.reason().contains(lock.to_str().unwrap()), "{error}");
            assert!(error.advice().is_some_and(|advice| advice.contains(advised)), "{error}");
        }
        set(dir.path(), 0o700);
    });
}
