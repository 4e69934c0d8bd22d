//! The hosts file.
//!
//! ```text
//! # address   names
//! 127.0.0.5   pinned.example.org  alias
//! 2001:db8::5 pinned.example.org    # lines of one name are joined, in order
//! fe80::1%eth0 router
//! ```

use std::collections::HashSet;
use std::io;
use std::net::Ipv6Addr;
use std::path::Path;
use std::sync::Arc;

use mimic_core::roles::Record;

use crate::cached_file::CachedFile;
use crate::numeric::numeric;

/// In bytes. Parsing this much takes some 20 ms, once, on the thread that asks. The system reads a
/// larger file at each look-up, on a thread.
const LIMIT: u64 = 8 << 20;

/// Returns the hosts file of the system, parsed: once for each question, since a file that has just
/// changed is read each time. A file that does not exist has no names.
pub(crate) fn hosts() -> io::Result<Arc<Hosts>> {
    static FILE: CachedFile<Hosts> = CachedFile::new();
    let found = path().and_then(|path| FILE.get(&path, LIMIT, Hosts::parse));
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Arc::default()),
        found => found,
    }
}

#[cfg(not(windows))]
fn path() -> io::Result<std::path::PathBuf> {
    let path = if cfg!(target_os = "android") { "/system/etc/hosts" } else { "/etc/hosts" };
    Ok(Path::new(path).to_owned())
}

#[cfg(windows)]
fn path() -> io::Result<std::path::PathBuf> {
    let root = std::env::var_os("SystemRoot").ok_or(io::ErrorKind::NotFound)?;
    Ok(Path::new(&root).join(r"System32\drivers\etc\hosts"))
}

/// A parsed hosts file: its text, and for each name in it a hash and where its line begins, in
/// order. Twelve bytes for a name, because lists against advertisements have hundreds of thousands.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    text: Vec<u8>,
    names: Vec<(u32, u32)>,
}

impl Hosts {
    fn parse(text: Vec<u8>) -> Self {
        let mut names = Vec::new();
        let mut start = 0;
        for line in text.split(|byte| *byte == b'\n') {
            if let Ok(at) = u32::try_from(start) {
                names.extend(fields(line).skip(1).map(|name| (hash(name), at)));
            }
            start += line.len() + 1;
        }
        names.sort_unstable();
        Self { text, names }
    }

    /// Returns the addresses of a name, of all its lines in their order and each once; none if no
    /// line has the name and an address. Case does not count. A last dot does, as it does for the
    /// system.
    pub(crate) fn find(&self, name: &str) -> Option<Vec<Record>> {
        let hash = hash(name.as_bytes());
        let first = self.names.partition_point(|(other, _)| *other < hash);
        let lines = self.names[first..].iter().take_while(|(other, _)| *other == hash);
        let mut seen = HashSet::new();
        let found: Vec<_> =
            lines.filter_map(|(_, at)| self.line(*at, name)).filter(|r| seen.insert(r.clone())).collect();
        (!found.is_empty()).then_some(found)
    }

    /// Returns the address of the line that begins at `at`, if it has the name.
    fn line(&self, at: u32, name: &str) -> Option<Record> {
        let text = self.text.get(usize::try_from(at).ok()?..)?;
        let mut fields = fields(text.split(|byte| *byte == b'\n').next()?);
        let address = fields.next()?;
        let has = fields.any(|other| other.eq_ignore_ascii_case(name.as_bytes()));
        has.then(|| address_of(address)).flatten()
    }
}

/// Splits a line into its fields, without its comment.
fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
    // As `isspace` has it.
    line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)).filter(|field| !field.is_empty())
}

/// Hashes the name in lower case, by FNV-1a.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193))
}

fn address_of(text: &[u8]) -> Option<Record> {
    match numeric(str::from_utf8(text).ok()?)?.ok()? {
        // The same host, whatever the socket.
        Record::Aaaa(address) => Some(address.to_ipv4_mapped().map_or(Record::Aaaa(address), Record::A)),
        record => Some(record),
    }
}

/// Tells whether the name is `localhost` or below it: DNS is never asked for those (RFC 6761,
/// section 6.3).
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

/// Returns the addresses of `localhost` if the hosts file has none.
pub(crate) fn loopback() -> Vec<Record> {
    vec![Record::Aaaa(Ipv6Addr::LOCALHOST), Record::A([127, 0, 0, 1].into())]
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn find(text: &str, name: &str) -> Option<Vec<Record>> {
        Hosts::parse(text.into()).find(name)
    }

    fn records(addresses: &[&str]) -> Option<Vec<Record>> {
        Some(addresses.iter().map(|address| address.parse::<IpAddr>().unwrap().into()).collect())
    }

    /// Names and lines as glibc 2.36 reads them if both families are asked for.
    #[test]
    fn as_glibc_reads_it() {
        let text = "::1 six\n::ffff:1.2.3.4 mapped\n127.0.0.1\tone alias # c\n10.0.0.1 ONE\r\n2001:db8::1 one#x\n\
            \x0b 10.9.9.9  indented\n10.1 short\n010.0.0.1 octal\n0x7f.0.0.1 hex\nbad one\n\n#10.0.0.6 off\n10.0.0.7\n\
            10.0.0.7 dotted. twice\n10.0.0.7 twice\n10.0.0.8 tail#c more\n10.0.0.9 läst";
        assert_eq!(find(text, "six"), records(&["::1"]));
        assert_eq!(find(text, "mapped"), records(&["1.2.3.4"]));
        for name in ["one", "One", "ONE"] {
            assert_eq!(find(text, name), records(&["127.0.0.1", "10.0.0.1", "2001:db8::1"]), "{name}");
        }
        assert_eq!(find(text, "alias"), records(&["127.0.0.1"]));
        assert_eq!(find(text, "indented"), records(&["10.9.9.9"]));
        assert_eq!(find(text, "dotted."), records(&["10.0.0.7"]));
        assert_eq!(find(text, "twice"), records(&["10.0.0.7"]));
        assert_eq!(find(text, "tail"), records(&["10.0.0.8"]));
        assert_eq!(find(text, "läst"), records(&["10.0.0.9"]));
        for name in [
            "short",
            "octal",
            "hex",
            "more",
            "off",
            "#10.0.0.6",
            "c",
            "#",
            "",
            ".",
            "10.0.0.7",
            "on",
            "ones",
            "one.",
            "dotted",
        ] {
            assert_eq!(find(text, name), None, "{name}");
        }
        assert_eq!(find("", "one"), None);
        assert_eq!(Hosts::parse(b"1.2.3.4 \xff one\n1.2.3.5".into()).find("one"), records(&["1.2.3.4"]));
    }

    #[test]
    fn zones() {
        assert_eq!(find("fe80::1%7 router", "router"), Some(vec![Record::Scoped("fe80::1".parse().unwrap(), 7)]));
        assert_eq!(find("fe80::1%no-such-if router\n1.2.3.4%7 router", "router"), None);
    }

    #[test]
    fn localhosts() {
        for name in ["localhost", "LocalHost.", "app.localhost", "a.b.localhost."] {
            assert!(is_localhost(name), "{name}");
        }
        for name in ["localhost.localdomain", "mylocalhost", "localhost..", "", ".", "localhos"] {
            assert!(!is_localhost(name), "{name}");
        }
    }

    #[test]
    fn many() {
        let text: String =
            (0..200_000).map(|n| format!("10.{}.{}.{} n{n}.test\n", n >> 16, n >> 8 & 255, n & 255)).collect();
        let hosts = Hosts::parse(text.into());
        for n in (0..200_000u32).step_by(7) {
            let octets = n.to_be_bytes();
            let address = [10, octets[1], octets[2], octets[3]];
            assert_eq!(hosts.find(&format!("N{n}.test")), Some(vec![Record::A(address.into())]));
        }
    }

    /// Two words that FNV-1a does not tell apart.
    #[test]
    fn of_one_hash() {
        assert_eq!(hash(b"costarring"), hash(b"liquid"));
        let text = "10.0.0.1 costarring\n10.0.0.2 liquid\n";
        assert_eq!((find(text, "costarring"), find(text, "Liquid")), (records(&["10.0.0.1"]), records(&["10.0.0.2"])));
    }
}
