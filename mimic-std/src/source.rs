//! The source address of a destination.

use std::io;
#[cfg(feature = "happy-eyeballs")]
use std::net::Ipv4Addr;
use std::net::{IpAddr, SocketAddr};

#[cfg(feature = "happy-eyeballs")]
use mimic_happy_eyeballs::Source;
use socket2::{Domain, Socket, Type};

/// Returns the address that the system would connect from, with the zone of `to`: the local address
/// of a connected UDP socket, which sends nothing.
///
/// All of `127.0.0.0/8` is reached from `127.0.0.1`. No route, or no address to use on it, is
/// [`Source::Unreachable`]. Any other error is [`Source::Unknown`].
#[cfg(feature = "happy-eyeballs")]
#[must_use]
pub fn source(to: SocketAddr) -> Source {
    // Known without a socket, and asked at each connect to `localhost`.
    if matches!(to.ip(), IpAddr::V4(address) if address.is_loopback()) {
        return Source::Address(Ipv4Addr::LOCALHOST.into());
    }
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
    // Connecting binds it. Binding before that would look for a port twice.
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM, None)?;
    socket.connect(&to.into())?;
    socket.local_addr()?.as_socket().map(|local| local.ip()).ok_or(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, feature = "happy-eyeballs"))]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        // As a socket has it.
        for to in [([127, 0, 0, 1], 9), ([127, 0, 0, 5], 9)].map(SocketAddr::from) {
            assert_eq!(source(to), Source::Address([127, 0, 0, 1].into()));
            assert_eq!(source(to), Source::Address(local_address(to).unwrap()));
        }
        // An address without a zone, which leads nowhere.
        assert!(!matches!(source("[fe80::1]:9".parse().unwrap()), Source::Address(address) if address.is_ipv4()));
        let _ = source(([255, 255, 255, 255], 9).into());
    }
}
