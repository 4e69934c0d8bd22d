//! The targets of roles: hosts with ports, and the paths of Unix sockets.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::fmt::Write as _;
use core::net::{SocketAddr, SocketAddrV6};

use super::endpoint::write_host;
use super::percent::decode_path;
use super::redact::{fault, split};
use crate::escape::{Clean, Escaped, debug_as_display};
use crate::{Error, Text};

/// The target of [`Transport`](crate::Transport): a host, not looked up yet, and a port.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A name, an IPv4 address, or an IPv6 address without brackets, perhaps with a zone
    /// (`fe80::1%eth0`).
    pub host: Text,
    /// The port.
    pub port: u16,
}

impl HostPort {
    /// Makes a target.
    #[must_use]
    pub fn new(host: impl Into<Text>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Returns the socket address, if the host is an address rather than a name.
    ///
    /// A zone that is a number is its scope id. Returns `None` for a zone by name (`fe80::1%eth0`):
    /// only the system knows that interface, so [`Lookup`](crate::Lookup) is asked, as for a name.
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

/// Prints as in an endpoint string: `example.org:7`, `[::1]:7`, `[fe80::1%25eth0]:7`. Escapes
/// control characters.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_host(&mut Clean(f), &self.host)?;
        write!(f, ":{}", self.port)
    }
}

debug_as_display!(HostPort);

/// The target of [`Unix`](crate::Unix): a path, as bytes, because a path need not be UTF-8.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UnixPath(Box<[u8]>);

impl UnixPath {
    /// Makes a path of bytes.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if it is empty or contains a NUL (Linux's
    /// abstract names are not supported).
    pub fn new(path: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let path = path.into();
        let reason = match path.as_slice() {
            [] => "the path of a Unix socket is empty",
            bytes if bytes.contains(&0) => "the path of a Unix socket contains a NUL byte",
            _ => return Ok(Self(path.into())),
        };
        let error = fault(reason, "give the path of a file: Linux's abstract names are not supported");
        Err(error.to_target(Escaped(&String::from_utf8_lossy(&path))))
    }

    /// Decodes a path as an endpoint string writes it, percent-encoded.
    ///
    /// # Errors
    /// As [`new`](UnixPath::new), and for bad percent-encoding.
    pub fn decode(path: &str) -> Result<Self, Error> {
        Self::new(decode_path(path)?)
    }

    /// Returns the path.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Prints for people: escapes control characters, and replaces bytes that are not UTF-8.
impl fmt::Display for UnixPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Clean(f).write_str(&String::from_utf8_lossy(&self.0))
    }
}

debug_as_display!(UnixPath);
