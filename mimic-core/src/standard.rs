//! The standard keys and roles, and what their targets and outputs are made of.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use core::time::Duration;

use embedded_io_async::ErrorKind;

use crate::endpoint::{decode_path, split_at, write_host};
use crate::text::{Clean, Plain};
use crate::until::Until;
use crate::{Error, FlowExt, Handshake, Mode, Phase, Role, Secret, Text};

crate::key! {
    /// The scheme of the endpoint, in lower case: `tcp`, `unix`, `http`.
    pub Scheme: Text;
    /// The host of the endpoint: a name, an IPv4 address, or an IPv6 address without brackets,
    /// perhaps with a zone (`fe80::1%eth0`). A zone means something on this machine alone: it must
    /// not go into the `Host` of an HTTP request (RFC 6874, section 4).
    pub Host: Text;
    /// The port of the endpoint.
    pub Port: u16;
    /// The path of the endpoint as written, still percent-encoded, without the query ([`Query`]).
    /// [`percent_decode`](crate::percent_decode) decodes it.
    pub Path: Text;
    /// How long a resolve, or a dial through a kept dialer, may take in all: look-ups, connecting,
    /// proxies and handshakes together. For a listener it covers the bind only. Needs something
    /// that fills [`Sleep`].
    pub Deadline: Duration;
    /// Whether TCP sends small writes at once (`TCP_NODELAY`); adapters take it as true when it is
    /// not given.
    pub NoDelay: bool;
    /// TCP keepalive: the idle time before the first probe; off when not given. Less than a second
    /// is a second, and systems that count in whole seconds round down, to 32,767 s at most.
    pub KeepAlive: Duration;
    /// Whether a TCP listener at an IPv6 address takes IPv6 peers alone (`IPV6_V6ONLY`); as the
    /// system does when not given. Linux's `[::]` takes IPv4 peers too, and then `0.0.0.0` at the
    /// same port is in use.
    pub V6Only: bool;
    /// The permissions of the file of a Unix listener, as of `chmod`: 0o600 lets its owner connect
    /// alone. Set before a peer can connect. As the umask of the process has it when not given.
    pub UnixMode: u32;
}

crate::key! {
    /// The user of the endpoint, percent-decoded: `git` of `ssh://git@host/`.
    secret pub User: Text;
    /// The password of the endpoint, percent-decoded: for the protocol that logs in, above the
    /// flow.
    secret pub Password: Secret;
    /// The query of the endpoint as written, still percent-encoded, without its `?`: `baud=115200`
    /// of `serial:///dev/ttyUSB0?baud=115200`. [`percent_decode`](crate::percent_decode) decodes
    /// it. The scheme says what it means; one that reads none ignores it, as `tcp` does, and `unix`
    /// refuses it, because what follows the `?` may be meant for the name of the file.
    secret pub Query: Text;
}

crate::key! {
    /// Attribute of a flow: the address of the peer of its socket. Behind a proxy that is the
    /// proxy's, not that of the host that was asked for, which the socket does not know.
    pub PeerAddr: SocketAddr;
    /// Attribute of a flow: the local address.
    pub LocalAddr: SocketAddr;
    /// Attribute of a flow: the version of TLS that protects it, as on the wire (0x0303 is TLS 1.2,
    /// 0x0304 TLS 1.3).
    pub TlsVersion: u16;
    /// The application protocols that a client offers by ALPN, the preferred one first, each as on
    /// the wire (`h2`, `http/1.1`). An empty list is as none given. It is of any protocol that
    /// negotiates by ALPN (RFC 7301), such as TLS and QUIC.
    pub Alpn: Vec<Vec<u8>>;
    /// Attribute of a flow: the application protocol that was negotiated by ALPN, if one was, as on
    /// the wire. It is of any protocol that negotiates by ALPN (RFC 7301), such as TLS and QUIC.
    pub AlpnProtocol: Vec<u8>;
    /// Attribute of a flow: the protocol that protects it, and the peer that was authenticated. A
    /// flow that protects without authenticating its peer answers `None` by
    /// [`Ask::know`](crate::Ask::know): the peer of a flow below is not its own.
    pub Protection: Protected;
    /// Attribute of the client's end of a TLS flow: the name or address of the server, which TLS
    /// authenticated.
    pub ServerName: Text;
    /// Attribute of the server's end of a TLS flow: the name that the client asked for (SNI).
    /// Nothing vouches for it.
    pub RequestedName: Text;
}

/// The value of [`Protection`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Protected {
    /// The protocol that encrypts and authenticates: "TLS 1.3", "Noise", "SSH".
    pub protocol: Text,
    /// The peer that it authenticated, named as the dialer named it. Never a name that only the
    /// peer gave.
    pub peer: Text,
}

impl Protected {
    /// Says that `protocol` protects a flow and has authenticated `peer`.
    #[must_use]
    pub fn new(protocol: impl Into<Text>, peer: impl Into<Text>) -> Self {
        Self { protocol: protocol.into(), peer: peer.into() }
    }
}

crate::role! {
    /// The root: from nothing to a flow, decided by [`Scheme`], [`Host`], [`Port`] and [`Path`].
    /// [`Ctx::connect`](crate::Ctx::connect) resolves it.
    pub Stream: ();
    /// From a socket address to a byte stream: TCP.
    pub Link: SocketAddr;
    /// From a path to a byte stream: a Unix socket.
    pub Unix: UnixPath;
}

/// From a host and port to a byte stream between here and there, in clear text. Proxies are layers
/// on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transport;

impl Role for Transport {
    type Target = HostPort;
    type Output<M: Mode> = M::Flow;
    const NAME: &'static str = "Transport";

    fn arrive(&self, target: HostPort) -> HostPort {
        HostPort { offered: target.until, until: None, ..target }
    }
}

/// As [`Transport`], authenticated and encrypted, by TLS or any other protocol.
///
/// A flow is refused unless it answers [`Protection`] with a peer that equals the host of the
/// target, letter by letter. The protection of a proxy on the way is not enough, nor is a name that
/// a peer merely asked for ([`RequestedName`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Secure;

impl Role for Secure {
    type Target = HostPort;
    type Output<M: Mode> = M::Flow;
    const NAME: &'static str = "Secure";

    fn accept<M: Mode>(&self, target: &HostPort, flow: &M::Flow) -> Result<(), Error> {
        let reason = match flow.attribute(Protection) {
            None => "the flow is not protected, or its peer not authenticated".into(),
            Some(by) if by.peer == target.host => return Ok(()),
            Some(by) => format!("{} has authenticated {:?}, not {:?}", by.protocol, by.peer, target.host),
        };
        Err(Error::new(ErrorKind::Unsupported, reason)
            .in_phase(Phase::Handshake)
            .advise("what fills Secure must answer the attribute Protection; do not register clear text there"))
    }
}

crate::role! {
    /// From a name and record type to records.
    ///
    /// No record of that type is an empty list; a name that does not exist is an error of kind
    /// [`NotFound`](ErrorKind::NotFound).
    pub Lookup: Question => Vec<Record>;
    /// From nothing to a [`Timer`](crate::Timer), which tells the time and wakes. No deadline
    /// applies to it.
    pub Sleep: () => M::Timer;
    /// The root of the server side: from nothing to a listener, decided by the keys that decide
    /// [`Stream`]. [`Ctx::listen`](crate::Ctx::listen) resolves it.
    pub Listen: () => M::Listener;
    /// From a socket address to a listener: TCP. Port 0 lets the system choose.
    pub Bind: SocketAddr => M::Listener;
    /// From a path to a listener: a Unix socket, with the permissions of [`UnixMode`]. A socket
    /// file that refuses connections is left over, and replaced. One that is served is
    /// [`AddrInUse`](ErrorKind::AddrInUse), and so is a file that is no socket.
    pub BindUnix: UnixPath => M::Listener;
}

/// The target of [`Transport`]: a host, not looked up yet, and a port. Two are equal if these are.
#[derive(Clone)]
pub struct HostPort {
    /// A name, an IPv4 address, or an IPv6 address without brackets, perhaps with a zone
    /// (`fe80::1%eth0`).
    pub host: Text,
    /// The port.
    pub port: u16,
    /// What connecting is to include.
    until: Option<Until>,
    /// The handshake that this target arrived with. The receiver may claim it; dialling the target
    /// onwards drops it.
    offered: Option<Until>,
}

impl PartialEq for HostPort {
    fn eq(&self, other: &Self) -> bool {
        (&self.host, self.port) == (&other.host, other.port)
    }
}

impl Eq for HostPort {}

impl core::hash::Hash for HostPort {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (&self.host, self.port).hash(state);
    }
}

impl HostPort {
    /// A target.
    #[must_use]
    pub fn new(host: impl Into<Text>, port: u16) -> Self {
        Self { host: host.into(), port, until: None, offered: None }
    }

    /// The same, to be taken for connected only after `handshake`.
    #[must_use]
    pub fn until<M: Mode>(self, handshake: Handshake<M>) -> Self {
        Self { until: M::until(handshake), ..self }
    }

    /// Takes out the handshake after which it is connected, if there is one of this mode. A layer
    /// that is dialled with one finds it here, and dials without unless it says
    /// [`until`](Self::until) again.
    #[must_use]
    pub fn take_handshake<M: Mode>(&mut self) -> Option<Handshake<M>> {
        M::handshake(self.until.take().or(self.offered.take())?)
    }

    /// Returns the socket address, if the host is an address rather than a name.
    ///
    /// A zone that is a number is its scope id. An address with a zone by name (`fe80::1%eth0`) is
    /// none here: which interface that is, only the system knows, so [`Lookup`] is asked, as for a
    /// name.
    #[must_use]
    pub fn as_addr(&self) -> Option<SocketAddr> {
        let Some((address, zone)) = split_at(&self.host, b'%') else {
            return self.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, self.port));
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
                .to_target(Plain(&String::from_utf8_lossy(path)))
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

/// The target of [`Lookup`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// The name to look up. Never an address, but for one: an IPv6 address with a zone by name
    /// (`fe80::1%eth0`), which is answered by itself in that zone ([`Record::Scoped`]).
    pub name: Text,
    /// What is asked of it.
    pub record_type: RecordType,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Clean(f), "{} ({:?})", self.name, self.record_type)
    }
}

/// What to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordType {
    /// Addresses of both families, in the order in which the system prefers them.
    Addresses,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// How to reach a service over HTTP ([RFC 9460](https://www.rfc-editor.org/rfc/rfc9460)).
    Https,
}

/// One answer of [`Lookup`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Record {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// An IPv6 address that means something within a zone alone (RFC 4007): a link-local one, and
    /// the number of the interface that leads to it, as in `SocketAddrV6`. Answers a question for
    /// [`RecordType::Aaaa`] or [`RecordType::Addresses`].
    Scoped(Ipv6Addr, u32),
    /// One way to reach a service.
    Https(Service),
}

/// One way to reach a service: an HTTPS record ([RFC
/// 9460](https://www.rfc-editor.org/rfc/rfc9460)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Service {
    /// Lower comes first; 0 is an alias: another name to ask instead.
    pub priority: u16,
    /// Whose addresses to use, or the alias. Empty: the name that was asked.
    pub target: Text,
    /// The protocols that it speaks, by their ALPN names, beside the scheme's default.
    pub alpn: Vec<Vec<u8>>,
    /// Whether it does not speak the scheme's default.
    pub no_default_alpn: bool,
    /// The port, if it is another.
    pub port: Option<u16>,
    /// Addresses to use until those of the target are known.
    pub hints: Vec<IpAddr>,
    /// Whether it offers Encrypted Client Hello.
    pub ech: bool,
    /// Whether whoever does not know more about it than is told here must not use it.
    pub unsupported: bool,
}

impl Record {
    /// The address, if it is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::A(address) => Some(IpAddr::V4(*address)),
            Self::Aaaa(address) | Self::Scoped(address, _) => Some(IpAddr::V6(*address)),
            Self::Https(_) => None,
        }
    }

    /// The address with `port`, and with its zone, if it is an address.
    #[must_use]
    pub fn socket_addr(&self, port: u16) -> Option<SocketAddr> {
        match self {
            Self::Scoped(address, scope_id) => Some(SocketAddrV6::new(*address, port, 0, *scope_id).into()),
            _ => Some(SocketAddr::new(self.address()?, port)),
        }
    }
}

impl From<IpAddr> for Record {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::A(address),
            IpAddr::V6(address) => Self::Aaaa(address),
        }
    }
}

/// Without the port; with the zone, if it has one.
impl From<SocketAddr> for Record {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V6(address) if address.scope_id() != 0 => Self::Scoped(*address.ip(), address.scope_id()),
            _ => Self::from(address.ip()),
        }
    }
}
