//! The standard keys, and the attributes of flows.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::{Secret, Text};

crate::key! {
    /// The scheme of the endpoint, in lower case: `tcp`, `unix`, `http`.
    pub Scheme: Text;
    /// The host of the endpoint: a name, an IPv4 address, or an IPv6 address without brackets,
    /// perhaps with a zone (`fe80::1%eth0`). A zone has a meaning only on this machine: it must not
    /// go into the `Host` of an HTTP request (RFC 6874, section 4).
    pub Host: Text;
    /// The port of the endpoint.
    pub Port: u16;
    /// The path of the endpoint as written, still percent-encoded, without the query ([`Query`]).
    /// [`percent_decode`](crate::percent_decode) decodes it.
    pub Path: Text;
    /// The time that a resolve, or a dial by a prepared dialer, may take in all: look-ups,
    /// connecting, proxies and handshakes together. For a listener it covers only the bind. Needs a
    /// candidate of [`Sleep`](crate::Sleep).
    pub Deadline: Duration;
    /// Whether TCP sends small writes at once (`TCP_NODELAY`). Without a value, adapters take it as
    /// true.
    pub NoDelay: bool;
    /// The idle time before the first probe of TCP keepalive. Without a value, keepalive is off.
    /// Less than a second is a second. Systems that count in whole seconds round down, to 32,767 s
    /// at most.
    pub KeepAlive: Duration;
    /// Whether a TCP listener at an IPv6 address takes only IPv6 peers (`IPV6_V6ONLY`). Without a
    /// value, the system decides. Linux's `[::]` takes IPv4 peers too, and then `0.0.0.0` at the
    /// same port is in use.
    pub V6Only: bool;
    /// The permissions of the file of a Unix listener, as of `chmod`: with 0o600 only its owner can
    /// connect. They are set before a peer can connect. Without a value, the umask of the process
    /// decides.
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
    /// it. The scheme gives it a meaning. A scheme that reads none ignores it, as `tcp` does.
    /// `unix` refuses it, because the `?` may be meant as part of the name of the file.
    secret pub Query: Text;
}

crate::key! {
    /// Attribute of a flow: the address of the peer of its socket. Behind a proxy that is the
    /// proxy's address, because the socket does not know that of the host.
    pub PeerAddr: SocketAddr;
    /// Attribute of a flow: the hops between its ends, such as proxies, the nearest first, each as
    /// it was dialled (`proxy.example:1080`). A layer that dials a hop adds it to those of the flow
    /// below.
    pub Via: Vec<Text>;
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
    /// [`AttributeRequest::provide_final`](crate::AttributeRequest::provide_final): the peer of a
    /// flow below is not its own.
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
