//! The targets of roles: hosts with ports, and the paths of Unix sockets.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::fmt::Write as _;
use core::net::{SocketAddr, SocketAddrV6};

use embedded_io_async::ErrorKind;

use super::endpoint::write_host;
use super::percent::decode_path;
use super::redact::split;
use crate::escape::{Clean, Escaped};
use crate::{Error, Phase, Text};

/// The target of [`Transport`]: a host, not looked up yet, and a port.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A name, an IPv4 address, or an IPv6 address without brackets, perhaps with a zone
    /// (`fe80::1%eth0`).
    pub host: Text,
    /// The port.
    pub port: u16,
}

impl HostPort {
    /// A target.
    #[must_use]
    pub fn new(host: impl Into<Text>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Returns the socket address, if the host is an address rather than a name.
    ///
    /// A zone that is a number is its scope id. An address with a zone by name (`fe80::1%eth0`) is
    /// none here: which interface that is, only the system knows, so [`Lookup`] is asked, as for a
    /// name.
    #[must_use]
    pub fn as_addr(&self) -> Option<SocketAddr> {
        let (address, Some(zone)) = split(&self.host, b'%') else {
            return Some(SocketAddr::new(self.host.parse().ok()?, self.port));
        };
        let is_number = zone.bytes().all(|letter| letter.is_ascii_digit());
        let scope_id = zone.parse().ok().filter(|_| is_number)?;
        Some(SocketAddrV6::new(address.parse().ok()?, self.port, 0, scope_id).into())
    }
}

/// As in an endpoint string: `example.org:7`, `[::1]:7`, `[fe80::1%25eth0]:7`; control characters
/// are escaped.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_host(&mut Clean(f), &self.host)?;
        write!(f, ":{}", self.port)
    }
}

impl fmt::Debug for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The target of [`Unix`]: a path, as bytes, because a path need not be UTF-8.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UnixPath(Box<[u8]>);

impl UnixPath {
    /// A path given as bytes.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) if it is empty or contains a NUL (Linux's abstract
    /// names are not supported).
    pub fn new(path: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let path = path.into();
        let fault = |reason, path: &[u8]| {
            Err(Error::new(ErrorKind::InvalidInput, reason)
                .in_phase(Phase::Endpoint)
                .to_target(Escaped(&String::from_utf8_lossy(path)))
                .advise("give the path of a file: Linux's abstract names are not supported"))
        };
        match path.as_slice() {
            [] => fault("the path of a Unix socket is empty", &[]),
            bytes if bytes.contains(&0) => fault("the path of a Unix socket contains a NUL byte", bytes),
            _ => Ok(Self(path.into())),
        }
    }

    /// A path as an endpoint string writes it, percent-encoded.
    ///
    /// # Errors
    /// As [`new`](UnixPath::new), and for bad percent-encoding.
    pub fn decode(path: &str) -> Result<Self, Error> {
        Self::new(decode_path(path)?)
    }

    /// The path.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// For people: control characters are escaped, and what is not UTF-8 is replaced.
impl fmt::Display for UnixPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Clean(f).write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for UnixPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
