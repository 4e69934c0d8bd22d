//! TLS over a socket that listens already, as socket activation passes it on.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::net::TcpListener;

use futures_lite::future::zip;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::keys::TlsVersion;
use mimic_core::roles::Sleep;
use mimic_core::{Context, ErrorKind, FlowExt, ListenerExt};
use mimic_rustls::{TlsConfig, TlsServerConfig};

fn with_certificate(ctx: Context) -> Context {
    let (server, client) = common::tls("127.0.0.1");
    ctx.with(TlsServerConfig, server).with(TlsConfig, client)
}

async fn serves(ctx: Context, socket: TcpListener) {
    let ctx = ctx.with_url(&format!("tls://{}", socket.local_addr().unwrap())).unwrap();
    // Without it, the port is in use.
    assert_eq!(ctx.listen().await.unwrap_err().kind(), ErrorKind::AddrInUse);
    let ctx = ctx.with(mimic_tokio::Inherited, mimic_tokio::InheritedSockets::new().tcp(socket));
    let mut listener = ctx.listen().await.unwrap();
    let mut timer = ctx.resolve(Sleep, ()).await.unwrap();
    let server = async {
        let mut flow = listener.accept_ok(&mut timer, |error| panic!("{error}")).await;
        flow.write_all(b"hello").await.unwrap();
        flow.shutdown().await.unwrap();
    };
    let client = async {
        let mut flow = ctx.connect().await.unwrap();
        assert!(flow.attribute(TlsVersion).is_some());
        let mut buf = [0; 5];
        flow.read_exact(&mut buf).await.unwrap();
        buf
    };
    assert_eq!(&zip(server, client).await.1, b"hello");
}

#[test]
fn tls_over_an_inherited_socket_on_tokio() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { serves(with_certificate(mimic_tokio::context()), socket).await });
}

#[test]
fn tls_over_an_inherited_socket_on_smol() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    smol::block_on(serves(with_certificate(mimic_smol::context()), socket));
}
