//! What only a peer of another make can confirm: the group of the key exchange, and the secrets in
//! the key log.

#![cfg(unix)]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

use std::collections::BTreeSet;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use mimic_core::keys::TlsVersion;
use mimic_core::{Context, FlowExt};
use mimic_rustls::rustls::KeyLog;
use mimic_rustls::{KeyExchangeGroup, TlsConfig, TlsKeyLog, trust};

/// The time within which a program must have said or written something.
const LIMIT: Duration = Duration::from_secs(30);

/// A server of OpenSSL, with a certificate for 127.0.0.1. A drop ends it.
struct Server {
    child: Child,
    url: String,
    certificate: String,
    dir: tempfile::TempDir,
}

impl Server {
    /// Returns `None` if OpenSSL does not know an option.
    fn start(options: &[&str]) -> Option<Self> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".into()]).unwrap();
        let certificate = made.cert.pem();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("cert"), &certificate).unwrap();
        std::fs::write(dir.path().join("key"), made.signing_key.serialize_pem()).unwrap();
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-cert", "cert", "-key", "key", "-keylogfile", "keys"]);
        command.args(options).current_dir(&dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        // It says where it accepts, or ends.
        let address = loop {
            let mut line = String::new();
            if said.read_line(&mut line).unwrap() == 0 {
                child.wait().unwrap();
                return None;
            }
            if let Some(address) = line.trim_end().strip_prefix("ACCEPT ") {
                break address.to_owned();
            }
        };
        // What it says of connections must not fill the pipe.
        thread::spawn(move || said.read_to_end(&mut Vec::new()));
        Some(Self { child, url: format!("tls://{address}"), certificate, dir })
    }

    fn context(&self) -> Context {
        let config = trust(&self.certificate).unwrap().config().unwrap();
        mimic_tokio::context().with(TlsConfig, config).with_url(&self.url).unwrap()
    }

    /// Returns its key log, once it has that many lines.
    fn key_log(&self, lines: usize) -> BTreeSet<String> {
        let ends = Instant::now() + LIMIT;
        loop {
            let text = std::fs::read_to_string(self.dir.path().join("keys")).unwrap_or_default();
            let found: BTreeSet<_> = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
            if found.len() >= lines || Instant::now() > ends {
                return found;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_ok();
    assert!(found || std::env::var_os("MIMIC_REQUIRE_TOOLS").is_none(), "no openssl");
    if !found {
        eprintln!("skipped: no openssl");
    }
    found
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, future).await.unwrap() })
}

/// The group that the server allows alone is the one that the flow tells.
#[test]
fn the_group_is_the_one_that_openssl_allows() {
    if !has_openssl() {
        return;
    }
    for (name, group) in [("P-256", 0x17), ("P-384", 0x18), ("X25519", 0x1d), ("X25519MLKEM768", 0x11ec)] {
        let Some(server) = Server::start(&["-groups", name]) else {
            // OpenSSL has it since version 3.5.
            assert_eq!(name, "X25519MLKEM768");
            eprintln!("skipped: an openssl without {name}");
            continue;
        };
        let flow = block_on(server.context().connect()).unwrap();
        assert_eq!(flow.attribute(KeyExchangeGroup), Some(group), "{name}");
    }
}

/// Writes lines as NSS does.
#[derive(Default)]
struct Lines(Mutex<BTreeSet<String>>);

impl KeyLog for Lines {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        self.0.lock().unwrap().insert(format!("{label} {} {}", hex(client_random), hex(secret)));
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines")
    }
}

#[test]
fn openssl_logs_the_same_secrets() {
    if !has_openssl() {
        return;
    }
    for (option, version, count) in [("-tls1_3", 0x304, 5), ("-tls1_2", 0x303, 1)] {
        let server = Server::start(&[option]).unwrap();
        let lines = Arc::new(Lines::default());
        let ctx = server.context().with(TlsKeyLog, lines.clone());
        let flow = block_on(ctx.connect()).unwrap();
        assert_eq!(flow.attribute(TlsVersion), Some(version));
        let ours = lines.0.lock().unwrap().clone();
        assert_eq!(ours.len(), count, "{ours:?}");
        let theirs = server.key_log(count);
        let lower: BTreeSet<_> = theirs
            .iter()
            .map(|line| line.split_once(' ').map(|(label, rest)| format!("{label} {}", rest.to_lowercase())).unwrap())
            .collect();
        assert_eq!(ours, lower);
    }
}
