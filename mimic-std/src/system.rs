//! The system's resolver, which blocks its thread.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use dns_lookup::{AddrFamily, AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};
use mimic_core::roles::{Record, RecordType};
use mimic_core::{Error, ErrorKind, Phase, Text};
use socket2::{Domain, Socket, Type};

use crate::search::{Completion, completion};

/// A question for the system. The same question is asked once at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ask {
    pub(crate) name: Text,
    /// One family, or both: [`RecordType::Addresses`].
    pub(crate) record_type: RecordType,
}

pub(crate) type Answer = Result<Vec<Record>, Failure>;

/// The reason why there is no answer. All waiting tasks get it.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The name does not exist.
    Name,
    /// The error of the system.
    System(Arc<io::Error>),
    /// No file descriptor is left, which the resolver needs.
    Descriptors(Arc<io::Error>),
    /// No thread is left for the resolver.
    Threads(Arc<io::Error>),
    /// The thread ended without an answer.
    Lost,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let error = match failure {
            Failure::Name => Self::new(ErrorKind::NotFound, "the name does not exist"),
            Failure::System(error) => Self::with_source(error.kind().into(), error),
            Failure::Descriptors(error) => Self::with_source(ErrorKind::Other, Short("file descriptor", error))
                .advise("close files and sockets, or raise the limit of open files (`ulimit -n`)"),
            Failure::Threads(error) => Self::with_source(ErrorKind::Other, Short("thread", error)).advise(
                "end threads and processes, or raise their limit (`ulimit -u`, or `pids.max` of the control group)",
            ),
            Failure::Lost => Self::new(ErrorKind::Other, "the look-up ended without an answer"),
        };
        error.in_phase(Phase::Lookup)
    }
}

/// The resource that the system is short of, and its error.
#[derive(Debug)]
struct Short(&'static str, Arc<io::Error>);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no {} is left for the look-up: {}", self.0, self.1)
    }
}

impl std::error::Error for Short {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.1)
    }
}

/// Asks the system's resolver, and waits for it. The answer may have the other family too.
///
/// An empty list is a name without such addresses. Systems do not always tell that from a name that
/// does not exist; then the other family is asked too. A name that the search list completes last
/// is asked for as it stands, and for both families at once if it has neither. No address comes
/// twice. The addresses of interfaces are not looked at (no `AI_ADDRCONFIG`), so that a name is the
/// same with and without a network.
pub(crate) fn ask(ask: &Ask) -> Answer {
    let (family, other) = match ask.record_type {
        RecordType::A => (AddrFamily::Inet.into(), AddrFamily::Inet6.into()),
        RecordType::Aaaa => (AddrFamily::Inet6.into(), AddrFamily::Inet.into()),
        _ => return resolve(&ask.name, ANY_FAMILY).or_else(|error| absent(error, || false)),
    };
    if completion(&ask.name) == Completion::Never {
        return resolve(&ask.name, family).or_else(|error| absent(error, || exists(&ask.name, other)));
    }
    let whole = format!("{}.", ask.name);
    match resolve(&whole, family) {
        Err(error) if absence(&error).is_some() => match resolve(&whole, other) {
            Ok(_) => Ok(Vec::new()),
            Err(error) if absence(&error).is_some() => {
                resolve(&ask.name, ANY_FAMILY).or_else(|error| absent(error, || false))
            }
            Err(error) => absent(error, || false),
        },
        found => found.or_else(|error| absent(error, || false)),
    }
}

/// Converts a failed look-up: to no address, or to the reason why there is no answer.
fn absent(error: LookupError, exists: impl FnOnce() -> bool) -> Answer {
    let failure = match absence(&error) {
        Some(Absence::Address) => return Ok(Vec::new()),
        Some(Absence::Name) if exists() => return Ok(Vec::new()),
        Some(Absence::Name) => Failure::Name,
        None => Failure::System(Arc::new(error.into())),
    };
    // Resolvers that could not open a file or a socket report that the name does not exist, or to
    // try again.
    Err(shortage().map_or(failure, |error| Failure::Descriptors(Arc::new(error))))
}

/// `AF_UNSPEC`, everywhere.
const ANY_FAMILY: i32 = 0;

fn resolve(name: &str, family: i32) -> Result<Vec<Record>, LookupError> {
    // Of one socket type: else each address comes once for each.
    let hints = AddrInfoHints { address: family, socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for info in getaddrinfo(Some(name), None, Some(hints))? {
        let record = Record::from(info?.sockaddr);
        if seen.insert(record.clone()) {
            found.push(record);
        }
    }
    Ok(found)
}

fn exists(name: &str, family: i32) -> bool {
    match resolve(name, family) {
        Ok(_) => true,
        Err(error) => absence(&error) == Some(Absence::Address),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absence {
    Name,
    Address,
}

/// Returns what is absent, if the error reports an absence.
fn absence(error: &LookupError) -> Option<Absence> {
    match error.kind() {
        LookupErrorKind::NoName => Some(Absence::Name),
        LookupErrorKind::NoData => Some(Absence::Address),
        _ => (Some(error.error_num()) == EAI_ADDRFAMILY).then_some(Absence::Address),
    }
}

/// The name has addresses, and none of this family. Not in POSIX any more, and `dns-lookup` does
/// not name it.
const EAI_ADDRFAMILY: Option<i32> = if cfg!(target_os = "linux") {
    Some(-9)
} else if cfg!(any(target_vendor = "apple", target_os = "android", target_os = "freebsd")) {
    Some(1)
} else {
    None
};

/// A resolver has this many descriptors open at a time: a file, and a socket for each of three
/// servers.
const DESCRIPTORS: usize = 4;

/// Returns the error of the process or the system if it is short of file descriptors now.
fn shortage() -> Option<io::Error> {
    // Those of Linux, the BSDs and macOS: the system's table is full, and the process's; and
    // Windows' own.
    const FULL: [i32; 2] = if cfg!(windows) { [10024, 10024] } else { [23, 24] };
    let opened: Result<Vec<_>, _> = (0..DESCRIPTORS).map(|_| Socket::new(Domain::IPV4, Type::DGRAM, None)).collect();
    opened.err().filter(|error| error.raw_os_error().is_some_and(|code| FULL.contains(&code)))
}

/// Returns an error if the process or the system is short of file descriptors now, as
/// [`lookup`](crate::lookup) does in that case. It serves resolvers that cannot tell a name that
/// does not exist from a name that they could not ask for.
///
/// # Errors
/// [`Other`](ErrorKind::Other), with advice.
pub fn enough_descriptors() -> Result<(), Error> {
    shortage().map_or(Ok(()), |error| Err(Failure::Descriptors(Arc::new(error)).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, record_type: RecordType) -> Answer {
        ask(&Ask { name: name.into(), record_type })
    }

    /// An address is a name with one record. Never asked by mimic; it is what shows EAI_ADDRFAMILY
    /// without a network.
    #[test]
    fn the_other_family() {
        assert_eq!(one("192.0.2.1", RecordType::A).unwrap(), [Record::A([192, 0, 2, 1].into())]);
        assert_eq!(one("192.0.2.1", RecordType::Aaaa).unwrap(), []);
        assert_eq!(one("2001:db8::1", RecordType::A).unwrap(), []);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn zones_are_kept() {
        let scoped = Record::Scoped("fe80::1".parse().unwrap(), 1);
        assert_eq!(one("fe80::1%lo", RecordType::Aaaa).unwrap(), std::slice::from_ref(&scoped));
        assert_eq!(one("fe80::1%1", RecordType::Addresses).unwrap(), [scoped]);
    }

    #[test]
    fn codes() {
        assert_eq!(absence(&LookupError::from(io::Error::other("anything"))), None);
        #[cfg(target_os = "linux")]
        for (code, meaning) in [
            (-2, Some(Absence::Name)),
            (-5, Some(Absence::Address)),
            (-9, Some(Absence::Address)),
            (-3, None),
            (-4, None),
        ] {
            assert_eq!(absence(&LookupError::new(code)), meaning, "{code}");
        }
    }
}
