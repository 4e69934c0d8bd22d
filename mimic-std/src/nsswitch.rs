//! The sources that the system asks for names, in their order: the line `hosts:` of
//! `/etc/nsswitch.conf`.
//!
//! | `hosts:` | the hosts file first | families apart |
//! |---|---|---|
//! | `files dns` | yes | yes |
//! | `files mdns4_minimal [NOTFOUND=return] dns` | yes | names of the network alone |
//! | `files sss dns` | yes | no |
//! | `dns files`, `mymachines files dns` | no | no |
//!
//! A question for one family passes by each source that has the name in the other family alone, up
//! to one that does not know the name as the first one does. So the families are asked apart only
//! where DNS is left to be asked.

use std::sync::Arc;

use crate::cached_file::CachedFile;

/// In bytes: the file has a line per database.
const LIMIT: u64 = 1 << 16;

/// The content of `hosts:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sources {
    /// The hosts file is asked first, and its addresses are the answer.
    pub(crate) files_first: bool,
    apart: Apart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Apart {
    /// DNS is all that is asked beside the hosts file.
    Always,
    /// Sources of this machine and its link are asked too.
    NamesOfTheNetwork,
    Never,
}

/// Reads them from the system's configuration. Without the file or the line it is the default of
/// the system: glibc's is documented as `dns [!UNAVAIL=return] files` and was `files dns` in others
/// of its versions, so neither is relied on. Systems without such a file ask the hosts file first.
pub(crate) fn sources() -> Sources {
    static FILE: CachedFile<Option<Sources>> = CachedFile::new();
    let read = if cfg!(unix) {
        FILE.get("/etc/nsswitch.conf".as_ref(), LIMIT, |text| parse(&String::from_utf8_lossy(&text)))
    } else {
        Ok(Arc::new(None))
    };
    let default = if cfg!(all(target_os = "linux", target_env = "gnu")) { UNKNOWN } else { FILES_AND_DNS };
    read.ok().and_then(|read| *read).unwrap_or(default)
}

const UNKNOWN: Sources = Sources { files_first: false, apart: Apart::Never };
const FILES_AND_DNS: Sources = Sources { files_first: true, apart: Apart::Always };

impl Sources {
    /// Tells whether the addresses of this name may be asked for by family.
    pub(crate) fn asks_apart(self, name: &str) -> bool {
        match self.apart {
            Apart::Always => true,
            Apart::NamesOfTheNetwork => {
                let name = name.strip_suffix('.').unwrap_or(name);
                name.rsplit_once('.').is_some_and(|(_, last)| !last.eq_ignore_ascii_case("local"))
            }
            Apart::Never => false,
        }
    }
}

fn parse(text: &str) -> Option<Sources> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let mut lines = lines.filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() == "hosts");
    let (_, line) = lines.next()?;
    // It is not documented which of several counts.
    if lines.next().is_some() {
        return Some(UNKNOWN);
    }
    let mut apart = Apart::Always;
    let mut sources = 0;
    let mut files_first = false;
    let mut rest = line.trim();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (actions, after) = after.split_once(']').unwrap_or((after, ""));
            let actions = actions.to_ascii_lowercase();
            // Not the end, where the file knows the name; a negation may include that.
            if sources == 1 && (actions.contains("success") || actions.contains('!')) {
                files_first = false;
            }
            rest = after.trim_start();
            continue;
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == '[').unwrap_or(rest.len());
        let (source, after) = rest.split_at(end);
        match source {
            "files" => files_first |= sources == 0,
            "dns" | "resolve" => {}
            "myhostname" | "mymachines" => apart = apart.max(Apart::NamesOfTheNetwork),
            _ if source.ends_with("_minimal") => apart = apart.max(Apart::NamesOfTheNetwork),
            _ => apart = Apart::Never,
        }
        sources += 1;
        rest = after.trim_start();
    }
    match sources {
        0 => None,
        _ if files_first => Some(Sources { files_first, apart }),
        _ => Some(UNKNOWN),
    }
}

impl Apart {
    fn max(self, other: Self) -> Self {
        if self == Self::Never { self } else { other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: Sources = Sources { files_first: true, apart: Apart::NamesOfTheNetwork };
    const TOGETHER: Sources = Sources { files_first: true, apart: Apart::Never };

    #[test]
    fn orders() {
        for (line, wanted) in [
            ("files dns", Some(FILES_AND_DNS)),
            ("files", Some(FILES_AND_DNS)),
            ("\tfiles   dns # mdns", Some(FILES_AND_DNS)),
            ("files resolve [!UNAVAIL=return] dns", Some(FILES_AND_DNS)),
            ("files [NOTFOUND=continue UNAVAIL=return] dns", Some(FILES_AND_DNS)),
            ("files myhostname resolve [!UNAVAIL=return] dns", Some(NETWORK)),
            ("files mdns4_minimal [NOTFOUND=return] dns", Some(NETWORK)),
            ("files mymachines myhostname dns", Some(NETWORK)),
            ("files mdns4 dns", Some(TOGETHER)),
            ("files sss dns myhostname", Some(TOGETHER)),
            ("files dns wins", Some(TOGETHER)),
            ("files [SUCCESS=merge] dns", Some(UNKNOWN)),
            ("files[success=continue]dns", Some(UNKNOWN)),
            ("files [!NOTFOUND=continue] dns", Some(UNKNOWN)),
            ("dns files", Some(UNKNOWN)),
            ("dns [!UNAVAIL=return] files", Some(UNKNOWN)),
            ("mymachines files dns", Some(UNKNOWN)),
            ("mdns4_minimal [NOTFOUND=return] files", Some(UNKNOWN)),
            ("[NOTFOUND=return", None),
            ("", None),
        ] {
            assert_eq!(parse(&format!("passwd: dns\n# hosts: dns\n hosts:{line}\n")), wanted, "{line}");
        }
        assert_eq!(parse("hosts: files dns\nhosts: files dns"), Some(UNKNOWN));
        assert_eq!(parse("passwd: files\nhosts files"), None);
    }

    #[test]
    fn names_of_the_network() {
        assert!(FILES_AND_DNS.asks_apart("host") && !TOGETHER.asks_apart("example.org"));
        for (name, apart) in [
            ("example.org", true),
            ("a.example.org.", true),
            ("host", false),
            ("host.", false),
            ("printer.local", false),
            ("Printer.LOCAL.", false),
        ] {
            assert_eq!(NETWORK.asks_apart(name), apart, "{name}");
        }
    }
}
