//! The default configuration: the platform's trust store.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]
#![cfg(feature = "platform")]

mod common;

#[cfg(target_os = "linux")]
use std::process::Command;
use std::sync::Mutex;

use common::{Authority, BOTH, NAME};
use futures_lite::future::{block_on, poll_once, zip};
use mimic_core::io::{Memory, memory_pair};
use mimic_core::roles::Transport;
use mimic_core::{Ctx, ErrorKind, Mode, Phase, Shared};
use mimic_rustls::rustls::{self, CertificateError};
use mimic_rustls::{Tls, accept, platform_config, tls_error};

/// Returns a context that connects every target by `near`.
fn context(near: Memory<Shared>) -> Ctx<Shared> {
    let near = Mutex::new(Some(near));
    Ctx::<Shared>::new()
        .install(Tls)
        .register(Transport, "memory", 0, (), move |_, ()| {
            let near = near.lock().unwrap().take().unwrap();
            async move { Ok(Box::new(near) as <Shared as Mode>::Flow) }
        })
        .with_url(&format!("tls://{NAME}:1"))
        .unwrap()
}

/// The store is read while the resolve waits, also after a resolve that wanted it was dropped. It
/// does not trust our authority.
#[test]
fn the_store_is_read_on_a_thread_of_its_own() {
    let server = Authority::new().server(&[NAME], &BOTH);
    let (near, far) = memory_pair::<Shared>(1 << 16);
    let ctx = context(near);
    assert!(block_on(poll_once(ctx.connect())).is_none(), "the task does not read it");
    let (client, server) = block_on(zip(ctx.connect(), accept(far, &server)));
    let error = client.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    assert_eq!(tls_error(&error), Some(&unknown), "{error}");
    assert!(server.is_err());
}

#[test]
fn what_keeps_the_store_from_use_can_be_matched_on() {
    let nothing = rustls::crypto::CryptoProvider { cipher_suites: Vec::new(), ..common::provider().as_ref().clone() };
    let error = platform_config(nothing.into()).map(drop).unwrap_err();
    assert!(matches!(tls_error(&error), Some(rustls::Error::General(_))), "{error}");
    assert_eq!((error.kind(), error.phase()), (ErrorKind::NotFound, Some(Phase::Plan)));
    assert!(error.to_string().contains("no usable cipher suites"), "{error}");
}

/// Runs a test of this file in a process of its own, with `MIMIC_TEST_CHILD` set. Returns its
/// output.
#[cfg(target_os = "linux")]
fn in_a_process(test: &str, variables: &[(&str, &std::path::Path)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env("MIMIC_TEST_CHILD", "1");
    command.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR").envs(variables.iter().copied());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    said
}

#[cfg(target_os = "linux")]
fn is_child() -> bool {
    std::env::var_os("MIMIC_TEST_CHILD").is_some()
}

/// A directory for a test. A drop removes it.
#[cfg(target_os = "linux")]
struct Dir(std::path::PathBuf);

#[cfg(target_os = "linux")]
impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("mimic-platform-{name}-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        Self(dir)
    }
}

#[cfg(target_os = "linux")]
impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Many contexts at once, as one-line connects make them: one thread reads one file, once. The file
/// is a pipe, so the test decides when reading ends, and a second reader would wait for ever.
#[test]
#[cfg(target_os = "linux")]
fn the_store_is_read_once_per_process() {
    use std::io::Write;

    if !is_child() {
        let dir = Dir::new("once");
        let pipe = dir.0.join("roots.pem");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        in_a_process("the_store_is_read_once_per_process", &[("SSL_CERT_FILE", &pipe)]);
        return;
    }
    let authority = Authority::new();
    let server = authority.server(&[NAME], &BOTH);
    let readers = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names.filter(|name| name.starts_with("mimic-trust")).count()
    };
    // A thread gets its name a moment after it was started, and is gone a moment after its answer.
    let settle = |wanted: usize| {
        let soon = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while readers() != wanted && std::time::Instant::now() < soon {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert_eq!(readers(), wanted, "threads that read");
    };
    let pairs: Vec<_> = (0..50).map(|_| memory_pair::<Shared>(1 << 16)).collect();
    let (nears, fars): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let contexts: Vec<_> = nears.into_iter().map(context).collect();
    let mut connects: Vec<_> = contexts.iter().map(|ctx| Box::pin(ctx.connect())).collect();
    for connect in &mut connects {
        assert!(block_on(poll_once(connect)).is_none());
    }
    settle(1);
    let pipe = std::env::var_os("SSL_CERT_FILE").unwrap();
    // Opening the pipe waits for the reader, and the reader waits until it is closed.
    let mut file = std::fs::OpenOptions::new().write(true).open(pipe).unwrap();
    file.write_all(authority.pem.as_bytes()).unwrap();
    drop(file);
    for (connect, far) in connects.into_iter().zip(fars) {
        let (client, server) = block_on(zip(connect, accept(far, &server)));
        assert!(client.is_ok() && server.is_ok());
    }
    // The same for a context that comes later.
    let (near, far) = memory_pair::<Shared>(1 << 16);
    let ctx = context(near);
    let (client, server) = block_on(zip(ctx.connect(), accept(far, &server)));
    assert!(client.is_ok() && server.is_ok());
    settle(0);
}

/// The error names the variable that misleads, and its fault.
#[test]
#[cfg(target_os = "linux")]
fn a_variable_that_misleads_is_named() {
    if is_child() {
        let (near, _far) = memory_pair::<Shared>(1 << 16);
        let error = block_on(context(near).connect()).map(drop).unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::NotFound, Some(Phase::Plan)), "{error}");
        println!("SAID {error}");
        return;
    }
    let dir = Dir::new("misled");
    let (missing, empty, der, text) = (dir.0.join("none"), dir.0.join("empty"), dir.0.join("der"), dir.0.join("text"));
    let folder = dir.0.join("folder");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(&empty, "").unwrap();
    std::fs::write(&der, [0x30, 0x82, 1, 2]).unwrap();
    std::fs::write(&text, "no certificate").unwrap();
    for (variable, path, says) in [
        ("SSL_CERT_FILE", &missing, "cannot be read: No such file"),
        ("SSL_CERT_FILE", &empty, "is empty"),
        ("SSL_CERT_FILE", &der, "is in DER format, not in PEM"),
        ("SSL_CERT_FILE", &text, "has no certificate in PEM format"),
        ("SSL_CERT_FILE", &folder, "is a directory, which SSL_CERT_DIR is for"),
        ("SSL_CERT_DIR", &missing, "cannot be read: No such file"),
        ("SSL_CERT_DIR", &empty, "cannot be read: Not a directory"),
        ("SSL_CERT_DIR", &folder, "has no file with a certificate in PEM format"),
    ] {
        let said = in_a_process("a_variable_that_misleads_is_named", &[(variable, path)]);
        let line = said.lines().find(|line| line.contains("SAID ")).unwrap();
        for word in [variable, path.to_str().unwrap(), says, "unset the variable"] {
            assert!(line.contains(word), "no {word:?} in: {line}");
        }
    }
}
