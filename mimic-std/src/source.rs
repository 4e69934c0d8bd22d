//! The source address of a destination.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

#[cfg(feature = "happy-eyeballs")]
use mimic_happy_eyeballs::Source;

/// Returns the address that the system would connect from, with the zone of `to`: the local address
/// of a connected UDP socket, which sends nothing.
///
/// No route, or no address to use on it, is [`Source::Unreachable`]; whatever else goes wrong is
/// [`Source::Unknown`].
#[cfg(feature = "happy-eyeballs")]
#[must_use]
pub fn source(to: SocketAddr) -> Source {
    match local_address(to) {
        Ok(local) if local.is_unspecified() => Source::Unknown,
        Ok(local) => Source::Address(local),
        Err(error) => match error.kind() {
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::AddrNotAvailable => {
                Source::Unreachable
            }
            _ => Source::Unknown,
        },
    }
}

pub(crate) fn local_address(to: SocketAddr) -> io::Result<IpAddr> {
    let any = match to {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(to)?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(all(test, feature = "happy-eyeballs"))]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        assert_eq!(source(([127, 0, 0, 1], 9).into()), Source::Address([127, 0, 0, 1].into()));
        // What nobody can be connected to by, and no zone to say where it is.
        assert!(!matches!(source("[fe80::1]:9".parse().unwrap()), Source::Address(address) if address.is_ipv4()));
        let _ = source(([255, 255, 255, 255], 9).into());
    }
}
