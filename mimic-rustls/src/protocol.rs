//! What TLS fills: `Secure` over `Transport`, and the schemes `tls` and `https` over `Secure`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use mimic_core::{
    Bind, Ctx, Dialer, Error, ErrorKind, Handshake, Host, HostPort, Install, Listen, Lookup, Mode, Phase, Port,
    Priority, Scheme, Secure, Sleep, Stream, Text, Transport, dial_host, for_each_mode, is, key, listen_addresses, opt,
    or_default, over, req, when,
};
use rustls::{ClientConfig, ServerConfig};

use crate::connect::{can_serve, check, connect_with};
use crate::limits::{Conduct, HandshakeLimits, HandshakeObserver, Handshaking, Limits};
use crate::listener::TlsListener;
use crate::machine::ROOM;
use crate::mark::Mark;

key! {
    /// What a client trusts and offers: rustls's own configuration, with any crypto provider. With
    /// the feature `platform` and a provider, it is derived from the platform's trust store when
    /// none is given. The store is read once per process, on a thread of its own, while the resolve
    /// waits; sessions are those of the context. This default is asked last ([`Priority::NONE`]): a
    /// function of any rank comes before it, in whatever order the two are installed or merged. A
    /// function that says "not me", or lacks a need, leaves the question to the default; one that
    /// is never to do so fails instead.
    ///
    /// A value comes before every function, also one that is merged. An application that merges
    /// contexts that it does not trust gives its configuration last, as a value.
    pub TlsConfig: Arc<ClientConfig>;
    /// What a server presents and asks for: rustls's own configuration.
    pub TlsServerConfig: Arc<ServerConfig>;
    /// The protocols that a client offers by ALPN, in place of those of [`TlsConfig`].
    pub Alpn: Vec<Vec<u8>>;
    /// How many bytes an unfinished handshake message of the peer may have, certificates above all:
    /// 64 KiB by default, the most that rustls takes, and 16 KiB without `std`. The headers and
    /// tags of its records may take an eighth more.
    ///
    /// A peer that exceeds it is refused with an error of kind
    /// [`InvalidData`](ErrorKind::InvalidData) that names this key. The error ends both directions.
    /// The peer gets no alert, for rustls sends none. Buffers grow to what has come and is
    /// announced, not to the limit. See [TlsFlow](crate::TlsFlow#memory).
    pub HandshakeRoom: usize;
}

/// Installs TLS for both sides: [`TlsClient`] and [`TlsServer`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Tls;

/// Installs TLS for clients: [`Secure`] over [`Transport`], the schemes `tls` and `https` (port
/// 443) for [`Stream`] and, where features allow, a default for [`TlsConfig`].
#[derive(Clone, Copy, Debug, Default)]
pub struct TlsClient;

/// Installs TLS for servers: the schemes `tls` and `https` for [`Listen`].
///
/// A listener's handshakes go on side by side. A client has 10 s for its own; while 256 are under
/// way, a newcomer takes the place of the one that began first, once that had 1 s
/// ([`HandshakeLimits`]). Only time in which the listener is polled counts.
///
/// `accept` returns flows whose handshake is done, and the errors of the listener below. A
/// handshake that fails, or is given up, goes to [`HandshakeObserver`] and not to `accept`: it
/// concerns one client, and there is nothing to wait for. A configuration with which no handshake
/// can succeed (early data, tickets without a clock) is an error of `listen`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TlsServer;

const PRIORITY: i32 = 100;

/// The candidate of [`Secure`], as errors name it.
const LAYER: &str = "Secure \"tls\"";

for_each_mode!(M => {
    /// The handshake of a client, for whoever connects: the flow that comes of it bears the mark.
    fn handshake(
        host: Text,
        config: Arc<ClientConfig>,
        alpn: Vec<Vec<u8>>,
        room: usize,
        mark: Mark,
    ) -> Handshake<M> {
        Handshake::<M>::new(move |flow| {
            let (host, config, alpn, mark) = (host.clone(), config.clone(), alpn.clone(), mark.clone());
            async move {
                // Whoever runs it may be another layer, whose failure it is not.
                let flow = connect_with(flow, config, alpn, &host, room).await.map_err(|error| error.located_at(LAYER))?;
                Ok(Box::new(flow.marked(mark)) as <M as Mode>::Flow)
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
            let config = crate::platform::Default::new();
            ctx.derive_as(TlsConfig, "platform trust", Priority::NONE, (), move |()| {
                    let config = config.clone();
                    async move { config.get().await.map(Some) }
                })
                .register(
                    Secure,
                    "tls",
                    PRIORITY,
                    (req(TlsConfig), or_default(Alpn, Vec::new()), or_default(HandshakeRoom, ROOM), over(Transport)),
                    |to: HostPort, (config, alpn, room, transport)| async move {
                        check(&config, &to.host)?;
                        let mark = Mark::default();
                        let handshake = handshake(to.host.clone(), config, alpn, room, mark.clone());
                        let flow = transport.dial_with(to, handshake.clone()).await?;
                        // Whoever connected may have done it, to choose between addresses by it.
                        match mark.is_on(&flow) {
                            true => Ok(flow),
                            false if mark.is_hidden() => Err(hidden()),
                            false => handshake.run(flow).await,
                        }
                    },
                )
                .register(Stream, "tls", PRIORITY, when(is(Scheme, "tls")).needs((req(Host), req(Port), over(Secure))), dial_host)
                .register(
                    Stream,
                    "https",
                    PRIORITY,
                    when(is(Scheme, "https")).needs((req(Host), or_default(Port, 443), over(Secure))),
                    dial_host,
                )
        }
    }

    impl Install<M> for TlsServer {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            let conduct = (or_default(HandshakeLimits, Limits::new()), or_default(HandshakeRoom, ROOM), opt(HandshakeObserver));
            ctx.derive(Handshaking, conduct, |(limits, room, observer)| async move { Ok(Some(Conduct { limits, room, observer })) })
                .register(
                    Listen,
                    "tls",
                    PRIORITY,
                    when(is(Scheme, "tls")).needs((req(Host), req(Port), req(TlsServerConfig), req(Handshaking), over(Lookup), over(Bind), over(Sleep))),
                    |(), args| async move { Ok(Box::new(listen(args).await?) as <M as Mode>::Listener) },
                )
                .register(
                    Listen,
                    "https",
                    PRIORITY,
                    when(is(Scheme, "https")).needs((req(Host), or_default(Port, 443), req(TlsServerConfig), req(Handshaking), over(Lookup), over(Bind), over(Sleep))),
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

type Listening<M> = (Text, u16, Arc<ServerConfig>, Conduct, Dialer<Lookup, M>, Dialer<Bind, M>, Dialer<Sleep, M>);

async fn listen<M: Mode>(args: Listening<M>) -> Result<TlsListener<M>, Error> {
    let (host, port, config, conduct, lookup, bind, sleep) = args;
    can_serve(&config)?;
    let timer = sleep.dial(()).await?;
    let below = listen_addresses(&lookup, &bind, &HostPort::new(host, port)).await?;
    Ok(TlsListener::new(below, config, timer, conduct))
}
