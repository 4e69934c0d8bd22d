//! Registers TLS in a context.
//!
//! ```text
//!   client   Connect "tls", "https" ─► Secure "tls" ─► Transport
//!                                         │
//!                                         └► TlsConfig ◄─ "platform trust", asked last
//!
//!   server   Listen "tls", "https" ─► Lookup, TcpListen, Sleep, TlsServerConfig
//! ```
//!
//! `Secure` passes its handshake down with the target: a layer below that connects to several
//! addresses may run it on each, and then it is not run again.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use mimic_core::adapter::{dial_host, listen_addresses};
use mimic_core::keys::{Alpn, Host, Port, Scheme};
use mimic_core::needs::{is, opt, or_default, over, req, when};
use mimic_core::roles::{Connect, HostPort, Listen, Lookup, Secure, Sleep, TcpListen, Transport};
use mimic_core::{Ctx, Dialer, Error, ErrorKind, Handshake, Install, Mode, Phase, Priority, Text, for_each_mode, key};
use rustls::{ClientConfig, ServerConfig};

use crate::connect::{can_serve, check, connect_with};
use crate::dial_id::DialId;
use crate::key_log::{self, TlsKeyLog};
use crate::limits::{Conduct, HandshakeLimits, HandshakeObserver, Handshaking, Limits};
use crate::listener::TlsListener;
use crate::machine::ROOM;
use crate::platform::DefaultConfig;

key! {
    /// The configuration of a client, as rustls has it: trust, crypto provider, versions. A value
    /// of [`Alpn`] replaces its protocols.
    ///
    /// With the feature `platform` and a provider there is a default, derived from the platform's
    /// trust store. The store is read once per process, on a thread of its own, while the resolve
    /// waits. Sessions belong to the context. The default is asked last ([`Priority::NONE`]): a
    /// function of any rank comes before it, in whatever order the two are installed or merged. A
    /// function that returns `None`, or lacks a need, leaves the question to the default. A
    /// function that must not do so returns an error instead.
    ///
    /// A value comes before every function, even a merged value. An application that merges
    /// contexts that it does not trust gives its configuration last, as a value.
    pub TlsConfig: Arc<ClientConfig>;
    /// The configuration of a server, as rustls has it: certificates, client authentication.
    pub TlsServerConfig: Arc<ServerConfig>;
    /// The most bytes that an unfinished handshake message of the peer may have, certificates above
    /// all. The default is 64 KiB, the most that rustls takes, and 16 KiB without `std`. The
    /// headers and tags of its records may take an eighth more.
    ///
    /// A longer message is an error of kind [`InvalidData`](ErrorKind::InvalidData) that names this
    /// key. The error ends both directions. The peer gets no alert, because rustls has none for it.
    /// Buffers grow to the bytes that have come and are announced, not to the limit. See
    /// [TlsFlow](crate::TlsFlow#memory).
    pub HandshakeRoom: usize;
}

/// Installs TLS for both sides: [`TlsClient`] and [`TlsServer`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Tls;

/// Installs TLS for clients: [`Secure`] over [`Transport`], the schemes `tls` and `https` (port
/// 443) for [`Connect`] and, where features allow, a default for [`TlsConfig`].
#[derive(Clone, Copy, Debug, Default)]
pub struct TlsClient;

/// Installs TLS for servers: the schemes `tls` and `https` for [`Listen`].
///
/// A listener carries on many handshakes at once. Each has a timeout of 10 s. While 256 are under
/// way, a newcomer evicts the one that began first, once that is 1 s old ([`HandshakeLimits`]).
/// Only time in which the listener is polled counts.
///
/// `accept` returns flows after their handshake, and the errors of the listener below. A handshake
/// that fails, or is given up, is an error for [`HandshakeObserver`] and not for `accept`: it
/// concerns one client, and the next is served at once. A configuration with which no handshake can
/// succeed (early data, tickets without a clock) is an error of `listen`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TlsServer;

const PRIORITY: i32 = 100;

/// The candidate of [`Secure`], as errors name it.
const LAYER: &str = "Secure \"tls\"";

for_each_mode!(M => {
    /// Returns the handshake of a client, to pass down to the layer that connects. Its flow carries
    /// the id of the dial.
    fn handshake(
        host: Text,
        config: Arc<ClientConfig>,
        alpn: Vec<Vec<u8>>,
        room: usize,
        id: DialId,
    ) -> Handshake<M> {
        Handshake::<M>::new(move |flow| {
            let (host, config, alpn, id) = (host.clone(), config.clone(), alpn.clone(), id.clone());
            async move {
                // Another layer may run it, so the error names this one.
                let flow = connect_with(flow, config, alpn, &host, room).await.map_err(|error| error.located_at(LAYER))?;
                Ok(Box::new(flow.with_dial_id(id)) as <M as Mode>::Flow)
            }
        })
    }

    impl Install<M> for Tls {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            ctx.install(TlsClient).install(TlsServer)
        }
    }

    impl Install<M> for TlsClient {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            let config = DefaultConfig::new();
            ctx.derive_as(TlsConfig, "platform trust", Priority::NONE, (), move |()| {
                    let config = config.clone();
                    async move { config.get().await.map(Some) }
                })
                .register(
                    Secure,
                    "tls",
                    PRIORITY,
                    (req(TlsConfig), opt(TlsKeyLog), or_default(Alpn, Vec::new()), or_default(HandshakeRoom, ROOM), over(Transport)),
                    |to: HostPort, (config, log, alpn, room, transport)| async move {
                        check(&config, &to.host)?;
                        let config = key_log::client(config, log);
                        let id = DialId::default();
                        let handshake = handshake(to.host.clone(), config, alpn, room, id.clone());
                        let flow = transport.dial_with(to, handshake.clone()).await?;
                        // The layer that connected may have run the handshake, to choose between
                        // addresses by its result.
                        match id.is_on(&flow) {
                            true => Ok(flow),
                            false if id.is_hidden() => Err(hidden()),
                            false => handshake.run(flow).await,
                        }
                    },
                )
                .register(Connect, "tls", PRIORITY, when(is(Scheme, "tls")).needs((req(Host), req(Port), over(Secure))), dial_host)
                .register(
                    Connect,
                    "https",
                    PRIORITY,
                    when(is(Scheme, "https")).needs((req(Host), or_default(Port, 443), over(Secure))),
                    dial_host,
                )
        }
    }

    impl Install<M> for TlsServer {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            let conduct = (
                or_default(HandshakeLimits, Limits::new()),
                or_default(HandshakeRoom, ROOM),
                opt(HandshakeObserver),
                opt(TlsKeyLog),
            );
            ctx.derive(Handshaking, conduct, |(limits, room, observer, key_log)| async move {
                    Ok(Some(Conduct { limits, room, observer, key_log }))
                })
                .register(
                    Listen,
                    "tls",
                    PRIORITY,
                    when(is(Scheme, "tls")).needs((req(Host), req(Port), req(TlsServerConfig), req(Handshaking), over(Lookup), over(TcpListen), over(Sleep))),
                    |(), args| async move { Ok(Box::new(listen(args).await?) as <M as Mode>::Listener) },
                )
                .register(
                    Listen,
                    "https",
                    PRIORITY,
                    when(is(Scheme, "https")).needs((req(Host), or_default(Port, 443), req(TlsServerConfig), req(Handshaking), over(Lookup), over(TcpListen), over(Sleep))),
                    |(), args| async move { Ok(Box::new(listen(args).await?) as <M as Mode>::Listener) },
                )
        }
    }
});

fn hidden() -> Error {
    Error::new(ErrorKind::Unsupported, "a layer hides the TLS below it")
        .in_phase(Phase::Handshake)
        .advise("let the flow of the layer that passes the handshake on answer Flow::inner")
}

type Listening<M> = (Text, u16, Arc<ServerConfig>, Conduct, Dialer<Lookup, M>, Dialer<TcpListen, M>, Dialer<Sleep, M>);

async fn listen<M: Mode>(args: Listening<M>) -> Result<TlsListener<M>, Error> {
    let (host, port, config, conduct, lookup, bind, sleep) = args;
    can_serve(&config)?;
    let config = key_log::server(config, conduct.key_log.clone());
    let timer = sleep.dial(()).await?;
    let below = listen_addresses(&lookup, &bind, &HostPort::new(host, port)).await?;
    Ok(TlsListener::new(below, config, timer, conduct))
}
