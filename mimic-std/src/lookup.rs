//! Look-ups by the system's resolver.

use std::io;

use dns_lookup::{AddrFamily, AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};
use mimic_core::{Error, ErrorKind, Phase, Question, Record, RecordType};

/// Asks the system's resolver, and so `/etc/hosts` and whatever else it asks, for one family or for both. It blocks the
/// thread while it thinks: adapters call it on a thread for such work.
///
/// What [`Lookup`](mimic_core::Lookup) promises: no address of that family is an empty list. Systems do not always tell
/// that from a name that does not exist; then the other family is asked too. In one family no address comes twice. The
/// addresses of interfaces are not looked at (no `AI_ADDRCONFIG`), so that the names of the loopback work without a
/// network.
///
/// Nothing can cancel it: whoever stops waiting leaves it to finish.
///
/// # Errors
/// [`NotFound`](ErrorKind::NotFound) if the name does not exist; [`Unsupported`](ErrorKind::Unsupported) for HTTPS
/// records; that of the system, if it could not find out.
pub fn lookup(question: &Question) -> Result<Vec<Record>, Error> {
    let (family, other) = match question.record_type {
        RecordType::A => (AddrFamily::Inet.into(), Some(AddrFamily::Inet6.into())),
        RecordType::Aaaa => (AddrFamily::Inet6.into(), Some(AddrFamily::Inet.into())),
        RecordType::Addresses => (ANY_FAMILY, None),
        _ => {
            return Err(Error::new(ErrorKind::Unsupported, "the system's resolver knows addresses only")
                .in_phase(Phase::Lookup)
                .advise("ask a resolver of your own, or do not ask for HTTPS records"));
        }
    };
    match ask(&question.name, family) {
        Ok(found) => Ok(found),
        Err(error) => match absence(&error) {
            Some(Absence::Address) => Ok(Vec::new()),
            Some(Absence::Name) if other.is_some_and(|other| exists(&question.name, other)) => Ok(Vec::new()),
            Some(Absence::Name) => Err(Error::new(ErrorKind::NotFound, "the name does not exist")),
            None => Err(io::Error::from(error).into()),
        },
    }
    .map_err(|error| error.in_phase(Phase::Lookup))
}

/// `AF_UNSPEC`, everywhere.
const ANY_FAMILY: i32 = 0;

fn ask(name: &str, family: i32) -> Result<Vec<Record>, LookupError> {
    // Of one socket type: else each address comes once for each.
    let hints = AddrInfoHints { address: family, socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let mut found = Vec::new();
    for info in getaddrinfo(Some(name), None, Some(hints))? {
        let record = Record::from(info?.sockaddr);
        // The hosts file may say it twice; and to glibc its `::1` is `127.0.0.1` too.
        if !found.contains(&record) {
            found.push(record);
        }
    }
    Ok(found)
}

fn exists(name: &str, family: i32) -> bool {
    match ask(name, family) {
        Ok(_) => true,
        Err(error) => absence(&error) == Some(Absence::Address),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absence {
    Name,
    Address,
}

/// What a failed look-up says is not there, if that is what it says.
fn absence(error: &LookupError) -> Option<Absence> {
    match error.kind() {
        LookupErrorKind::NoName => Some(Absence::Name),
        LookupErrorKind::NoData => Some(Absence::Address),
        _ => (Some(error.error_num()) == EAI_ADDRFAMILY).then_some(Absence::Address),
    }
}

/// The name has addresses, and none of this family. Not in POSIX any more, and `dns-lookup` does not name it.
const EAI_ADDRFAMILY: Option<i32> = if cfg!(target_os = "linux") {
    Some(-9)
} else if cfg!(any(target_vendor = "apple", target_os = "android", target_os = "freebsd")) {
    Some(1)
} else {
    None
};

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, record_type: RecordType) -> Question {
        Question { name: name.into(), record_type }
    }

    #[test]
    fn one_family() {
        let v4 = lookup(&question("localhost", RecordType::A)).unwrap();
        assert!(v4.iter().all(|record| matches!(record, Record::A(_))), "{v4:?}");
        let v6 = lookup(&question("localhost", RecordType::Aaaa)).unwrap();
        assert!(v6.iter().all(|record| matches!(record, Record::Aaaa(_))), "{v6:?}");
        let all = lookup(&question("localhost", RecordType::Addresses)).unwrap();
        assert!(!all.is_empty() && all.len() == v4.len() + v6.len(), "{all:?}");
    }

    /// An address is a name with one record. Never asked by mimic; it is what shows EAI_ADDRFAMILY without a network.
    #[test]
    fn the_other_family() {
        assert_eq!(lookup(&question("192.0.2.1", RecordType::A)).unwrap(), [Record::A([192, 0, 2, 1].into())]);
        assert_eq!(lookup(&question("192.0.2.1", RecordType::Aaaa)).unwrap(), []);
        assert_eq!(lookup(&question("2001:db8::1", RecordType::A)).unwrap(), []);
    }

    #[test]
    fn what_it_does_not_find() {
        let error = lookup(&question("a name.invalid", RecordType::A)).unwrap_err();
        assert_eq!(error.phase(), Some(Phase::Lookup), "{error:?}");
        let error = lookup(&question("nul\0", RecordType::Aaaa)).unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidInput, Some(Phase::Lookup)));
        let error = lookup(&question("localhost", RecordType::Https)).unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Unsupported, Some(Phase::Lookup)));
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
