//! Tests in namespaces of their own: the files of the system are theirs, and so is the network,
//! with a name server.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// Where the files are, within.
const WITHIN: &str = "MIMIC_NAMESPACE";

/// What the shell does first: `$D` has the files. It fails with 77 where it may not.
const SETUP: &str = r#"
ip link set lo up && mount --bind "$D/hosts" /etc/hosts && mount --bind "$D/resolv.conf" /etc/resolv.conf &&
mount --bind "$D/nsswitch.conf" /etc/nsswitch.conf || exit 77
exec "$@"
"#;

/// Runs a test of this program in namespaces of its own: by itself, in another process. Where there
/// may be none it is skipped with a visible line, unless `MIMIC_REQUIRE_TOOLS` is set.
pub(crate) fn alone(test: &str, run: impl FnOnce()) {
    if std::env::var_os(WITHIN).is_some() {
        return run();
    }
    // Without the name of the crate.
    let (_, test) = test.split_once("::").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("hosts", "127.0.0.1 localhost\n::1 localhost\n");
    write("resolv.conf", "nameserver 127.0.0.1\n");
    write("nsswitch.conf", "hosts: files dns\n");
    // As root, or as the root of a namespace of users.
    for kinds in ["-mn", "-rmn"] {
        let mut shell = Command::new("unshare");
        shell.args([kinds, "--", "sh", "-c", SETUP, "sh"]).env("D", dir.path()).env(WITHIN, dir.path());
        let output = match shell.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]).output() {
            Ok(output) => output,
            Err(error) => return skipped(test, &error.to_string()),
        };
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        match output.status.code() {
            Some(0) => return assert!(text.contains("1 passed"), "no such test? {text}"),
            Some(1 | 77) if !text.contains("running 1 test") => {
                if kinds == "-rmn" {
                    return skipped(test, &text);
                }
            }
            _ => panic!("within: {text}"),
        }
    }
}

fn skipped(test: &str, why: &str) {
    assert!(std::env::var_os("MIMIC_REQUIRE_TOOLS").is_none(), "{test}: no namespaces: {why}");
    eprintln!("SKIPPED {test}: no namespaces: {why}");
}

/// Replaces a file of the system, in place.
pub(crate) fn write(path: &str, text: &str) {
    fs::write(path, text).unwrap();
}

pub(crate) fn run(line: &str) {
    let status = Command::new("sh").args(["-ec", line]).status().unwrap();
    assert!(status.success(), "{line}");
}

/// A name server on the loopback. Names that it does not have do not exist; without a list it is
/// silent.
pub(crate) struct Server {
    asked: Arc<Mutex<Vec<String>>>,
    names: Arc<Mutex<HashMap<String, Option<Vec<IpAddr>>>>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
        let server = Self { asked: Arc::default(), names: Arc::default() };
        let (asked, names) = (server.asked.clone(), server.names.clone());
        // It ends with the process.
        std::thread::spawn(move || {
            let mut buf = [0; 1500];
            loop {
                let (len, from) = socket.recv_from(&mut buf).unwrap();
                let (name, kind, end) = question(&buf[..len]);
                asked.lock().unwrap().push(format!("{name} {kind}"));
                let names = names.lock().unwrap();
                let list = match names.get(&name) {
                    Some(Some(list)) => Some(list),
                    Some(None) => continue,
                    None => None,
                };
                let _ = socket.send_to(&reply(&buf[..end], kind, list), from);
            }
        });
        server
    }

    /// Gives a name addresses, or silence.
    pub(crate) fn name(&self, name: &str, addresses: Option<&[&str]>) {
        let addresses = addresses.map(|list| list.iter().map(|address| address.parse().unwrap()).collect());
        self.names.lock().unwrap().insert(name.into(), addresses);
    }

    /// What was asked since the last time, sorted, each once: a name, and 1 for A, 28 for AAAA.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort();
        asked.dedup();
        asked
    }
}

/// The name, the type, and where the question ends.
fn question(packet: &[u8]) -> (String, u8, usize) {
    let (mut at, mut name) = (12, String::new());
    while packet[at] != 0 {
        let end = at + 1 + usize::from(packet[at]);
        name += &String::from_utf8_lossy(&packet[at + 1..end]).to_lowercase();
        name.push('.');
        at = end;
    }
    (name.trim_end_matches('.').into(), packet[at + 2], at + 5)
}

fn reply(query: &[u8], kind: u8, list: Option<&Vec<IpAddr>>) -> Vec<u8> {
    let wanted = list.into_iter().flatten().filter(|address| address.is_ipv4() == (kind == 1));
    let records: Vec<_> = wanted.collect();
    let code = if list.is_some() { 0x80 } else { 0x83 };
    let mut reply = [&query[..2], &[0x81, code, 0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]].concat();
    reply.extend(&query[12..]);
    for record in records {
        let octets = match record {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        // The name of the question, class IN, for no time.
        reply.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0, 0, u8::try_from(octets.len()).unwrap()]);
        reply.extend(octets);
    }
    reply
}
