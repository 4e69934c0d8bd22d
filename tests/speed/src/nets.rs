//! The ways to have two connected ends: two runtimes, with and without TLS, by hand and by mimic.

use std::net::{SocketAddr, TcpStream};

use mimic_core::FlowExt;
use mimic_rustls::Resumed;
use mimic_rustls::rustls::pki_types::ServerName;
use mimic_rustls::rustls::{CommonState, HandshakeKind};
use mimic_smol::FromFutures;
use mimic_tokio::FromTokio;
use smol::Async;

use crate::net::{Configs, Mimic, Net, Smol, Tokio, Wire, block_on_tokio};

async fn tokio_client(to: SocketAddr) -> tokio::net::TcpStream {
    let socket = tokio::net::TcpStream::connect(to).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

async fn smol_client(to: SocketAddr) -> smol::net::TcpStream {
    let socket = smol::net::TcpStream::connect(to).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

fn is_resumed(state: &CommonState) -> bool {
    state.handshake_kind().unwrap() == HandshakeKind::Resumed
}

fn server_name(to: SocketAddr) -> ServerName<'static> {
    to.ip().into()
}

/// tokio's TCP.
#[derive(Clone, Debug)]
pub struct TokioTcp;

impl Net for TokioTcp {
    fn block_on<F: Future>(future: F) -> F::Output {
        block_on_tokio(future)
    }

    async fn client(&self, to: SocketAddr) -> impl Wire {
        Tokio(tokio_client(to).await)
    }

    async fn server(&self, socket: TcpStream) -> impl Wire {
        Tokio(tokio::net::TcpStream::from_std(socket).unwrap())
    }
}

/// The same through mimic: the client's end by a URL.
#[derive(Clone, Debug)]
pub struct MimicTokioTcp;

impl Net for MimicTokioTcp {
    fn block_on<F: Future>(future: F) -> F::Output {
        block_on_tokio(future)
    }

    async fn client(&self, to: SocketAddr) -> impl Wire {
        Mimic(mimic_tokio::connect(&format!("tcp://{to}")).await.unwrap())
    }

    async fn server(&self, socket: TcpStream) -> impl Wire {
        Mimic(FromTokio::new(tokio::net::TcpStream::from_std(socket).unwrap()).boxed())
    }
}

/// smol's TCP.
#[derive(Clone, Debug)]
pub struct SmolTcp;

impl Net for SmolTcp {
    fn block_on<F: Future>(future: F) -> F::Output {
        smol::block_on(future)
    }

    async fn client(&self, to: SocketAddr) -> impl Wire {
        Smol(smol_client(to).await)
    }

    async fn server(&self, socket: TcpStream) -> impl Wire {
        Smol(smol::net::TcpStream::from(Async::new(socket).unwrap()))
    }
}

/// The same through mimic: the client's end by a URL.
#[derive(Clone, Debug)]
pub struct MimicSmolTcp;

impl Net for MimicSmolTcp {
    fn block_on<F: Future>(future: F) -> F::Output {
        smol::block_on(future)
    }

    async fn client(&self, to: SocketAddr) -> impl Wire {
        Mimic(mimic_smol::connect(&format!("tcp://{to}")).await.unwrap())
    }

    async fn server(&self, socket: TcpStream) -> impl Wire {
        Mimic(FromFutures::new(smol::net::TcpStream::from(Async::new(socket).unwrap())).boxed())
    }
}

/// tokio-rustls.
#[derive(Clone, Debug)]
pub struct TokioRustls(pub Configs);

impl Net for TokioRustls {
    fn block_on<F: Future>(future: F) -> F::Output {
        block_on_tokio(future)
    }

    async fn client(&self, to: SocketAddr) -> impl Wire {
        let connector = tokio_rustls::TlsConnector::from(self.0.client.clone());
        let tls = connector.connect(server_name(to), tokio_client(to).await).await.unwrap();
        self.0.kinds.count(is_resumed(tls.get_ref().1));
        Tokio(tls)
    }

    async fn server(&self, socket: TcpStream) -> impl Wire {
        let acceptor = tokio_rustls::TlsAcceptor::from(self.0.server.clone());
        let tls = acceptor.accept(tokio::net::TcpStream::from_std(socket).unwrap()).await.unwrap();
        self.0.kinds.count(is_resumed(tls.get_ref().1));
        Tokio(tls)
    }
}

/// mimic-rustls on tokio: the same socket, the handshake alone is another's.
#[derive(Clone, Debug)]
pub struct MimicTokioTls(pub Configs);

impl Net for MimicTokioTls {
    fn block_on<F: Future>(future: F) -> F::Output {
        block_on_tokio(future)
    }

    async fn client(&self, to: SocketAddr) -> impl Wire {
        let flow = FromTokio::new(tokio_client(to).await);
        let name = to.ip().to_string();
        let tls = mimic_rustls::connect(flow, self.0.client.clone(), Vec::new(), &name).await.unwrap();
        self.0.kinds.count(tls.attribute(Resumed).unwrap());
        Mimic(tls.boxed())
    }

    async fn server(&self, socket: TcpStream) -> impl Wire {
        let flow = FromTokio::new(tokio::net::TcpStream::from_std(socket).unwrap());
        let tls = mimic_rustls::accept(flow, &self.0.server).await.unwrap();
        self.0.kinds.count(tls.attribute(Resumed).unwrap());
        Mimic(tls.boxed())
    }
}

/// futures-rustls on smol.
#[derive(Clone, Debug)]
pub struct FuturesRustls(pub Configs);

impl Net for FuturesRustls {
    fn block_on<F: Future>(future: F) -> F::Output {
        smol::block_on(future)
    }

    async fn client(&self, to: SocketAddr) -> impl Wire {
        let connector = futures_rustls::TlsConnector::from(self.0.client.clone());
        let tls = connector.connect(server_name(to), smol_client(to).await).await.unwrap();
        self.0.kinds.count(is_resumed(tls.get_ref().1));
        Smol(tls)
    }

    async fn server(&self, socket: TcpStream) -> impl Wire {
        let acceptor = futures_rustls::TlsAcceptor::from(self.0.server.clone());
        let tls = acceptor.accept(smol::net::TcpStream::from(Async::new(socket).unwrap())).await.unwrap();
        self.0.kinds.count(is_resumed(tls.get_ref().1));
        Smol(tls)
    }
}

/// mimic-rustls on smol.
#[derive(Clone, Debug)]
pub struct MimicSmolTls(pub Configs);

impl Net for MimicSmolTls {
    fn block_on<F: Future>(future: F) -> F::Output {
        smol::block_on(future)
    }

    async fn client(&self, to: SocketAddr) -> impl Wire {
        let flow = FromFutures::new(smol_client(to).await);
        let name = to.ip().to_string();
        let tls = mimic_rustls::connect(flow, self.0.client.clone(), Vec::new(), &name).await.unwrap();
        self.0.kinds.count(tls.attribute(Resumed).unwrap());
        Mimic(tls.boxed())
    }

    async fn server(&self, socket: TcpStream) -> impl Wire {
        let flow = FromFutures::new(smol::net::TcpStream::from(Async::new(socket).unwrap()));
        let tls = mimic_rustls::accept(flow, &self.0.server).await.unwrap();
        self.0.kinds.count(tls.attribute(Resumed).unwrap());
        Mimic(tls.boxed())
    }
}
