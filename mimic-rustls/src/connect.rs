//! TLS over a given flow: connects, accepts, and upgrades in place.

use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::net::{Ipv6Addr, SocketAddr};
use core::task::{Context, Poll};

use mimic_core::embedded_io_async::Read;
use mimic_core::io::BufReader;
use mimic_core::keys::PeerAddr;
use mimic_core::{Error, ErrorKind, Escaped, Flow, FlowExt, Phase, Text};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName as Name;
use rustls::server::{ClientHello, ResolvesServerCert, UnbufferedServerConnection};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ServerConfig};

use crate::error::unable;
use crate::flow::TlsFlow;
use crate::machine::ROOM;
use crate::side::{Client, Server};

/// Runs a handshake as client over `flow`, with the server `name`: a host name or an address. The
/// zone of an address (`fe80::1%eth0`) takes no part in it.
///
/// `alpn` replaces the protocols of the configuration, unless it is empty.
///
/// # Errors
/// If the handshake fails. The error says why, its alert was sent, and `flow` is dropped. Before
/// the first byte: if `name` is neither, and if the clock of the configuration does not know the
/// time.
pub async fn connect<F: Flow>(
    flow: F,
    config: Arc<ClientConfig>,
    alpn: Vec<Vec<u8>>,
    name: &str,
) -> Result<TlsFlow<F, Client>, Error> {
    connect_with(flow, config, alpn, name, ROOM).await
}

/// As [`connect`], with `room` bytes for an unfinished handshake message.
pub(crate) async fn connect_with<F: Flow>(
    flow: F,
    config: Arc<ClientConfig>,
    alpn: Vec<Vec<u8>>,
    name: &str,
    room: usize,
) -> Result<TlsFlow<F, Client>, Error> {
    let server = check(&config, name)?;
    let alpn = if alpn.is_empty() { config.alpn_protocols.clone() } else { alpn };
    let connection = UnbufferedClientConnection::new_with_alpn(config, server, alpn).map_err(unable)?;
    let mut flow = TlsFlow::new(flow, connection, Some(name.into()), room);
    flow.handshake().await?;
    Ok(flow)
}

/// Checks what a handshake with `name` needs on this side. Returns the name as rustls has it. Call
/// it before connecting.
pub(crate) fn check(config: &ClientConfig, name: &str) -> Result<Name<'static>, Error> {
    // The zone of an address means something on this machine alone (RFC 6874, section 1), so no
    // certificate has one.
    let address = name.split_once('%').map_or(name, |(address, _)| address);
    let checked = if address.parse::<Ipv6Addr>().is_ok() { address } else { name };
    let server = Name::try_from(checked.to_string()).map_err(|_| {
        Error::new(ErrorKind::InvalidInput, "neither a host name nor an address, so no certificate can be for it")
            .in_phase(Phase::Handshake)
            .to_target(Escaped(name))
    })?;
    knows_time(&*config.time_provider)?;
    Ok(server)
}

/// Runs a handshake as server over `flow`.
///
/// # Errors
/// If the handshake fails. The error says why, its alert was sent, and `flow` is dropped. Before
/// the first byte: if the configuration allows early data, or issues tickets of TLS 1.3 without a
/// clock. Early data may be a replay, and a byte stream cannot say so.
pub async fn accept<F: Flow>(flow: F, config: &ServerConfig) -> Result<TlsFlow<F, Server>, Error> {
    let mut accepting = Accepting::new(flow, config, ROOM)?;
    poll_fn(|cx| accepting.poll(cx)).await?;
    Ok(accepting.done())
}

/// As [`connect`], in the middle of a conversation (STARTTLS).
///
/// # Errors
/// As [`connect`]; and [`InvalidData`](ErrorKind::InvalidData) if the reader has buffered
/// plaintext. The peer, or an attacker in between, sent it before the handshake. Reading it as
/// protected would be an injection.
pub async fn upgrade<F: Flow + Read>(
    reader: BufReader<F>,
    config: Arc<ClientConfig>,
    alpn: Vec<Vec<u8>>,
    name: &str,
) -> Result<TlsFlow<F, Client>, Error> {
    connect(unbuffered(reader)?, config, alpn, name).await
}

/// As [`accept`], in the middle of a conversation (STARTTLS).
///
/// # Errors
/// As [`accept`], and as [`upgrade`] if the reader has buffered plaintext.
pub async fn upgrade_server<F: Flow + Read>(
    reader: BufReader<F>,
    config: &ServerConfig,
) -> Result<TlsFlow<F, Server>, Error> {
    accept(unbuffered(reader)?, config).await
}

fn unbuffered<F: Read>(reader: BufReader<F>) -> Result<F, Error> {
    match reader.buffered().len() {
        0 => Ok(reader.into_inner()),
        n => Err(Error::new(
            ErrorKind::InvalidData,
            format!("{n} bytes of plaintext came before the handshake: refused"),
        )
        .in_phase(Phase::Handshake)
        .advise("the peer, or somebody in between, spoke out of turn; close the connection")),
    }
}

fn knows_time(clock: &dyn TimeProvider) -> Result<(), Error> {
    match clock.current_time() {
        Some(_) => Ok(()),
        None => Err(unable(rustls::Error::FailedToGetCurrentTime)),
    }
}

/// Checks what would make every handshake of a server fail, before the first byte.
pub(crate) fn can_serve(config: &ServerConfig) -> Result<(), Error> {
    if config.max_early_data_size > 0 {
        return Err(Error::new(ErrorKind::Unsupported, "early data is not supported")
            .in_phase(Phase::Handshake)
            .advise("leave `max_early_data_size` of the ServerConfig at 0"));
    }
    match config.send_tls13_tickets {
        0 => Ok(()),
        _ => knows_time(&*config.time_provider),
    }
}

/// A server's handshake that is under way.
pub(crate) struct Accepting<F> {
    flow: TlsFlow<F, Server>,
    asked: Arc<Asked>,
}

impl<F: Flow> Accepting<F> {
    pub(crate) fn new(flow: F, config: &ServerConfig, room: usize) -> Result<Self, Error> {
        can_serve(config)?;
        // The unbuffered connection does not tell the name. rustls tells the resolver of
        // certificates.
        let asked = Arc::new(Asked { resolver: config.cert_resolver.clone(), name: spin::Once::new() });
        let mut config = config.clone();
        config.cert_resolver = asked.clone();
        let connection = UnbufferedServerConnection::new(Arc::new(config)).map_err(unable)?;
        Ok(Self { flow: TlsFlow::new(flow, connection, None, room), asked })
    }

    /// Returns the client's address, if the flow below knows it.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.flow.attribute(PeerAddr)
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.flow.poll_handshake(cx)
    }

    pub(crate) fn done(mut self) -> TlsFlow<F, Server> {
        self.flow.set_requested(self.asked.name.get().cloned());
        self.flow
    }
}

/// Notes the name that the client asks for, and leaves the choice of a certificate to `resolver`.
#[derive(Debug)]
struct Asked {
    resolver: Arc<dyn ResolvesServerCert>,
    name: spin::Once<Text>,
}

impl ResolvesServerCert for Asked {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(name) = hello.server_name() {
            self.name.call_once(|| name.into());
        }
        self.resolver.resolve(hello)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.resolver.only_raw_public_keys()
    }
}
