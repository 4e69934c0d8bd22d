//! Names that are addresses, with their zones (RFC 4007, section 11).

use std::io;
use std::net::{IpAddr, SocketAddr};

use dns_lookup::{AddrInfoHints, getaddrinfo};
use mimic_core::roles::Record;
use mimic_core::{Error, ErrorKind, Phase};

/// `AI_NUMERICHOST`: nothing is asked. The same number on all systems but those of Sun.
const NUMERIC: i32 = if cfg!(any(target_os = "solaris", target_os = "illumos")) { 0x10 } else { 4 };

/// Returns the address that a name spells out, as `192.0.2.1`, `2001:db8::1`, `fe80::1%eth0` or
/// `fe80::1%2`; none for other names. Asks no resolver.
///
/// # Errors
/// [`AddrNotAvailable`](ErrorKind::AddrNotAvailable) if this machine has no interface of the zone's
/// name, [`InvalidInput`](ErrorKind::InvalidInput) for a zone of an IPv4 address.
pub(crate) fn numeric(name: &str) -> Option<Result<Record, Error>> {
    let Some((address, zone)) = name.split_once('%') else {
        return name.parse::<IpAddr>().ok().map(|address| Ok(address.into()));
    };
    Some(match address.parse().ok()? {
        IpAddr::V6(address) => zone_index(zone).map(|index| match index {
            0 => Record::Aaaa(address),
            index => Record::Scoped(address, index),
        }),
        IpAddr::V4(_) => {
            Err(Error::new(ErrorKind::InvalidInput, "an IPv4 address has no zone").in_phase(Phase::Lookup))
        }
    })
}

/// Returns the number of an interface, which its zone may be.
pub(crate) fn zone_index(zone: &str) -> Result<u32, Error> {
    if let Ok(index) = zone.parse() {
        return Ok(index);
    }
    // The system takes the name of an interface as the zone of a link-local address.
    let hints = AddrInfoHints { flags: NUMERIC, ..AddrInfoHints::default() };
    let found = match getaddrinfo(Some(&format!("fe80::1%{zone}")), None, Some(hints)) {
        Ok(mut found) => found.next(),
        Err(error) => Some(Err(io::Error::from(error))),
    };
    if let Some(Ok(found)) = found
        && let SocketAddr::V6(address) = found.sockaddr
    {
        return Ok(address.scope_id());
    }
    Err(Error::new(ErrorKind::AddrNotAvailable, format!("this machine has no interface {zone:?}"))
        .in_phase(Phase::Lookup)
        .advise("name one of its interfaces after the `%`, or give its number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names() {
        assert_eq!(numeric("192.0.2.1").unwrap().unwrap(), Record::A([192, 0, 2, 1].into()));
        assert_eq!(numeric("2001:db8::1").unwrap().unwrap(), Record::Aaaa("2001:db8::1".parse().unwrap()));
        for name in ["example.org", "1.2.3", "a%b", "%", "fe80::1.%lo", ""] {
            assert!(numeric(name).is_none(), "{name}");
        }
    }

    #[test]
    fn zones() {
        let link_local = "fe80::1".parse().unwrap();
        assert_eq!(numeric("fe80::1%7").unwrap().unwrap(), Record::Scoped(link_local, 7));
        assert_eq!(numeric("fe80::1%0").unwrap().unwrap(), Record::Aaaa(link_local));
        let error = numeric("fe80::1%no-such-if").unwrap().unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::AddrNotAvailable, Some(Phase::Lookup)));
        assert!(error.to_string().contains("no interface \"no-such-if\""), "{error}");
        for bad in ["fe80::1%", "fe80::1%a\0b", "fe80::1%a%b"] {
            assert_eq!(numeric(bad).unwrap().unwrap_err().kind(), ErrorKind::AddrNotAvailable, "{bad:?}");
        }
        assert_eq!(numeric("192.0.2.1%1").unwrap().unwrap_err().kind(), ErrorKind::InvalidInput);
        // The loopback is the first interface, by its name too.
        #[cfg(target_os = "linux")]
        {
            assert_eq!(numeric("fe80::1%lo").unwrap().unwrap(), Record::Scoped(link_local, 1));
            assert_eq!(numeric("::1%lo").unwrap().unwrap(), Record::Scoped("::1".parse().unwrap(), 1));
        }
    }
}
