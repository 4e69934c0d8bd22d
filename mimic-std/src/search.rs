//! The search list of the system. It completes names that do not end with the root's dot.
//!
//! | name | `search lan` | `search lan`, `options ndots:2` | no list |
//! |---|---|---|---|
//! | `example.org.` | never | never | never |
//! | `example.org` | last | first | never |
//! | `printer` | first | first | never |
//!
//! A question for one family goes through the list by itself, and past names that have the other
//! family alone: the AAAA record of `example.org.lan` would stand beside the A record of
//! `example.org`. So a name that the list completes first is asked for both families at once, and
//! one that it completes last is asked by family as it stands, and for both at once if it has
//! neither.

use std::env;
use std::sync::Arc;

use crate::cached_file::CachedFile;

/// In bytes: the file has a few lines.
const LIMIT: u64 = 1 << 16;

/// The order of a name as it stands and as the search list completes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    Never,
    /// If the name as it stands has no address.
    Last,
    /// Before the name is asked for as it stands.
    First,
}

/// The options of `/etc/resolv.conf` and the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Search {
    /// True if there is a list. `None` if no line tells.
    list: Option<bool>,
    /// A name with so many dots is asked for as it stands first.
    ndots: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self { list: None, ndots: 1 }
    }
}

/// Tells when the search list completes `name`, as resolv.conf(5) has it. Assumes a list where that
/// is not known.
pub(crate) fn completion(name: &str) -> Completion {
    static FILE: CachedFile<Search> = CachedFile::new();
    let parse = |text: Vec<u8>| parse(&String::from_utf8_lossy(&text));
    let read = if cfg!(unix) { FILE.get("/etc/resolv.conf".as_ref(), LIMIT, parse).ok() } else { None };
    let mut search = read.map_or_else(Search::default, Arc::unwrap_or_clone);
    if let Ok(domains) = env::var("LOCALDOMAIN") {
        search.list = Some(has_domain(&domains));
    }
    if let Ok(options) = env::var("RES_OPTIONS") {
        search.options(&options);
    }
    search.completion(name, has_domain_of_its_own)
}

impl Search {
    fn completion(self, name: &str, own: impl FnOnce() -> bool) -> Completion {
        if name.ends_with('.') || !self.list.unwrap_or_else(own) {
            Completion::Never
        } else if name.bytes().filter(|byte| *byte == b'.').count() >= self.ndots {
            Completion::Last
        } else {
            Completion::First
        }
    }

    fn options(&mut self, options: &str) {
        let ndots = options.split_whitespace().filter_map(|option| option.strip_prefix("ndots:"));
        // The system caps it.
        self.ndots =
            ndots.filter_map(|dots| dots.parse().ok()).next_back().map_or(self.ndots, |dots: usize| dots.min(15));
    }
}

fn parse(text: &str) -> Search {
    let mut search = Search::default();
    for line in text.lines() {
        match line.split_once(char::is_whitespace) {
            // The last of these lines counts.
            Some(("search" | "domain", domains)) => search.list = Some(has_domain(domains)),
            Some(("options", options)) => search.options(options),
            _ => {}
        }
    }
    search
}

/// Tells whether a domain other than the root is listed: the root completes nothing.
fn has_domain(domains: &str) -> bool {
    domains.split_whitespace().any(|domain| domain != ".")
}

/// Tells whether the host's own name has a domain. glibc searches it if no line tells another.
fn has_domain_of_its_own() -> bool {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or(true, |name| name.trim_end().contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        use Completion::{First, Last, Never};
        for (text, [host, dotted]) in [
            ("nameserver 192.0.2.1\nsearch lan\n", [First, Last]),
            ("domain\tlan", [First, Last]),
            ("search lan\noptions timeout:1 ndots:2 rotate", [First, First]),
            ("search lan\noptions ndots:0", [Last, Last]),
            ("search lan\noptions ndots:many\n", [First, Last]),
            ("search .\n", [Never, Never]),
            ("search lan\nsearch .\n", [Never, Never]),
            ("# search lan\nsearchlan\n", [Never, Never]),
        ] {
            let of = |name| parse(text).completion(name, || false);
            assert_eq!([of("host"), of("a.b")], [host, dotted], "{text}");
            assert_eq!([of("host."), of("a.b.")], [Never; 2], "{text}");
        }
        assert_eq!(parse("").completion("host", || true), First);
    }
}
