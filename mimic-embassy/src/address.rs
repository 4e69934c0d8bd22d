//! Addresses: embassy-net's and core's, and what the stack can reach.

use core::net::{IpAddr, SocketAddr};

use embassy_net::{IpAddress, IpEndpoint, IpListenEndpoint, Stack};
use mimic_core::{Error, ErrorKind, Phase};
#[cfg(feature = "happy-eyeballs")]
use mimic_happy_eyeballs::Source;

pub(crate) fn to_core(endpoint: IpEndpoint) -> SocketAddr {
    SocketAddr::new(endpoint.addr.into(), endpoint.port)
}

/// `None` for a family that is not built in.
fn from_core(address: IpAddr) -> Option<IpAddress> {
    match address {
        #[cfg(feature = "proto-ipv4")]
        IpAddr::V4(address) => Some(address.into()),
        #[cfg(feature = "proto-ipv6")]
        IpAddr::V6(address) => Some(address.into()),
        #[cfg(not(all(feature = "proto-ipv4", feature = "proto-ipv6")))]
        _ => None,
    }
}

/// The address that the stack would connect from; `None` without an address of the family, and
/// without a way there.
pub(crate) fn local(stack: Stack<'_>, to: IpAddr) -> Option<IpAddr> {
    match to {
        #[cfg(feature = "proto-ipv4")]
        IpAddr::V4(to) => {
            let config = stack.config_v4()?;
            let reachable = config.gateway.is_some() || config.address.contains_addr(&to);
            reachable.then(|| config.address.address().into())
        }
        #[cfg(feature = "proto-ipv6")]
        IpAddr::V6(to) => {
            let config = stack.config_v6()?;
            let reachable = config.gateway.is_some() || config.address.contains_addr(&to);
            reachable.then(|| config.address.address().into())
        }
        #[cfg(not(all(feature = "proto-ipv4", feature = "proto-ipv6")))]
        _ => None,
    }
}

#[cfg(feature = "happy-eyeballs")]
pub(crate) fn source(stack: Stack<'_>, to: IpAddr) -> Source {
    local(stack, to).map_or(Source::Unreachable, Source::Address)
}

/// Where to connect to, if there is a way.
pub(crate) fn route(stack: Stack<'_>, to: SocketAddr) -> Option<IpEndpoint> {
    local(stack, to.ip())?;
    Some(IpEndpoint::new(from_core(to.ip())?, to.port()))
}

/// Whether the stack has an address of IPv4, and of IPv6.
pub(crate) fn families(stack: Stack<'_>) -> (bool, bool) {
    #[cfg(feature = "proto-ipv4")]
    let ipv4 = stack.config_v4().is_some();
    #[cfg(not(feature = "proto-ipv4"))]
    let ipv4 = false;
    #[cfg(feature = "proto-ipv6")]
    let ipv6 = stack.config_v6().is_some();
    #[cfg(not(feature = "proto-ipv6"))]
    let ipv6 = false;
    (ipv4, ipv6)
}

pub(crate) fn dns_servers(stack: Stack<'_>) -> usize {
    #[cfg(feature = "proto-ipv4")]
    let ipv4 = stack.config_v4().map_or(0, |config| config.dns_servers.len());
    #[cfg(not(feature = "proto-ipv4"))]
    let ipv4 = 0;
    #[cfg(feature = "proto-ipv6")]
    let ipv6 = stack.config_v6().map_or(0, |config| config.dns_servers.len());
    #[cfg(not(feature = "proto-ipv6"))]
    let ipv6 = 0;
    ipv4 + ipv6
}

/// Whether the link has neighbours to be found, and is not one to a single peer.
pub(crate) fn has_neighbours(stack: Stack<'_>) -> bool {
    #[cfg(feature = "medium-ip")]
    let alone = stack.hardware_address() == embassy_net::HardwareAddress::Ip;
    #[cfg(not(feature = "medium-ip"))]
    let alone = {
        let _ = stack;
        false
    };
    !alone
}

/// Where to listen: everywhere, or at an address of the stack.
pub(crate) fn listen(stack: Stack<'_>, at: SocketAddr) -> Result<IpListenEndpoint, Error> {
    if at.ip().is_unspecified() {
        return Ok(at.port().into());
    }
    match from_core(at.ip()).filter(|_| local(stack, at.ip()) == Some(at.ip())) {
        Some(addr) => Ok(IpListenEndpoint { addr: Some(addr), port: at.port() }),
        None => Err(Error::new(ErrorKind::AddrNotAvailable, "it is no address of the stack")
            .in_phase(Phase::Bind)
            .advise("listen at 0.0.0.0 or [::], which are all addresses of both families")),
    }
}
