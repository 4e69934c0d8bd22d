//! The columns: five ways to carry the bytes of a client to a TCP port on this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::memory_pair;
use mimic_core::keys::Alpn;
use mimic_core::roles::{HostPort, Lookup, Transport};
use mimic_core::{Context, Dialer, Error, ErrorKind, Flow, FlowExt, Listener, ListenerExt, Shared};
use mimic_example_clients::Runtime;
use mimic_rustls::rustls::ClientConfig;
use mimic_rustls::{ServerOptions, TlsConfig, TlsServerConfig, identity, trust};
use mimic_tokio::ToTokio;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::TcpStream;

use crate::servers::{self, Server};

/// A way to carry bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Tcp,
    Tls,
    Unix,
    Socks5,
    Memory,
}

pub(crate) const COLUMNS: [Column; 5] = [Column::Tcp, Column::Tls, Column::Unix, Column::Socks5, Column::Memory];

/// Counts the flows that a column carried.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried(Arc<AtomicUsize>);

impl Carried {
    fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// The relays and the servers of this process run on it.
pub(crate) static BACKGROUND: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

/// A certificate for `localhost` and its key, as PEM.
pub(crate) static LOCALHOST: LazyLock<(String, String)> = LazyLock::new(|| {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".into()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
});

/// Trusts [`LOCALHOST`].
pub(crate) fn trusting() -> Arc<ClientConfig> {
    trust(&LOCALHOST.0).unwrap().config().unwrap()
}

impl Column {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Unix => "unix",
            Self::Socks5 => "socks5",
            Self::Memory => "memory",
        }
    }

    /// Returns a context whose flows reach `server`, and the count of them. `None` after saying
    /// that the cell is skipped, if a tool is missing.
    pub(crate) fn context(
        self,
        runtime: Runtime,
        server: SocketAddr,
        alpn: &'static [&'static str],
    ) -> Option<(Context, Carried)> {
        let ctx = runtime.context();
        let carried = Carried::default();
        let alpn: Vec<_> = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let ctx = match self {
            Self::Tcp => {
                carried.one_more();
                ctx.with_url(&format!("tcp://{server}"))
            }
            Self::Tls => {
                let config = ServerOptions::new(identity(&LOCALHOST.0, &LOCALHOST.1).unwrap()).alpn(alpn.clone());
                let ctx = ctx.with(TlsConfig, trusting()).with(Alpn, alpn);
                let listening = mimic_tokio::context().with(TlsServerConfig, config.config().unwrap());
                let port = relay(listening.with_url("tls://127.0.0.1:0").unwrap(), server, &carried).unwrap().port();
                ctx.with_url(&format!("tls://localhost:{port}"))
            }
            Self::Unix => {
                let path = servers::new_dir().join("socket");
                let url = format!("unix:{}", path.display());
                relay(mimic_tokio::context().with_url(&url).unwrap(), server, &carried);
                ctx.with_url(&url)
            }
            Self::Socks5 => {
                let proxy = (*servers::MICROSOCKS).as_ref()?;
                // The name is the proxy's to look up.
                let ctx = ctx.register(Lookup, "none", 0, (), |_question, ()| async {
                    Err(Error::new(ErrorKind::Unsupported, "the client looked a name up"))
                });
                through(ctx, proxy, &carried).with_url(&format!("tcp://localhost:{}", server.port()))
            }
            Self::Memory => in_memory(ctx, server, &carried).with_url("tcp://nowhere.example:1"),
        };
        Some((ctx.unwrap(), carried))
    }
}

/// Passes on to `to` what comes in by the endpoint of `ctx`. Returns the address, if it has one.
fn relay(ctx: Context, to: SocketAddr, carried: &Carried) -> Option<SocketAddr> {
    let carried = carried.clone();
    let mut listener = BACKGROUND.block_on(ctx.listen()).unwrap();
    let address = listener.local_addr();
    BACKGROUND.spawn(async move {
        while let Ok(flow) = listener.accept().await {
            carried.one_more();
            tokio::spawn(pass_on(flow, to));
        }
    });
    address
}

async fn pass_on(flow: impl Flow, to: SocketAddr) {
    let Ok(mut server) = TcpStream::connect(to).await else { return };
    // An error of one side is an end of stream for the other.
    let _ = tokio::io::copy_bidirectional(&mut ToTokio::new(flow), &mut server).await;
}

/// Adds a transport without any socket of the client's.
fn in_memory(ctx: Context, server: SocketAddr, carried: &Carried) -> Context {
    let carried = carried.clone();
    ctx.register(Transport, "memory", 0, (), move |_to, ()| {
        carried.one_more();
        let (here, there) = memory_pair::<Shared>(16 << 10);
        BACKGROUND.spawn(pass_on(there, server));
        async { Ok(here.boxed()) }
    })
}

/// Adds a layer of SOCKS5 (RFC 1928).
fn through(ctx: Context, proxy: &Server, carried: &Carried) -> Context {
    let (proxy, carried) = (proxy.address, carried.clone());
    ctx.layer(Transport, "socks5", (), move |to: HostPort, below: Dialer<Transport, Shared>, ()| {
        let carried = carried.clone();
        async move {
            let mut flow = below.dial(HostPort::new(proxy.ip().to_string(), proxy.port())).await?;
            flow.write_all(&[5, 1, 0]).await?;
            flow.flush().await?;
            if read::<2>(&mut flow).await? != [5, 0] {
                return Err(Error::new(ErrorKind::PermissionDenied, "the proxy wants authentication"));
            }
            let length = u8::try_from(to.host.len()).map_err(|_| Error::new(ErrorKind::InvalidInput, "a long name"))?;
            let request = [&[5, 1, 0, 3, length], to.host.as_bytes(), &to.port.to_be_bytes()].concat();
            flow.write_all(&request).await?;
            flow.flush().await?;
            match read::<4>(&mut flow).await? {
                [5, 0, _, 1] => read::<6>(&mut flow).await.map(drop)?,
                [5, 0, _, 4] => read::<18>(&mut flow).await.map(drop)?,
                [_, code, ..] => {
                    return Err(Error::new(ErrorKind::ConnectionRefused, format!("the proxy answers {code}")));
                }
            }
            carried.one_more();
            Ok(flow)
        }
    })
}

async fn read<const N: usize>(flow: &mut (impl Read<Error = Error> + ?Sized)) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    let ended = |_| Error::new(ErrorKind::ConnectionAborted, "the proxy ended the stream");
    flow.read_exact(&mut bytes).await.map_err(ended)?;
    Ok(bytes)
}

/// Where the servers of this process listen.
pub(crate) const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
