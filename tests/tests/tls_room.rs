//! The room for a handshake message is what the context says, at both ends.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::time::Duration;

use futures_lite::future::or;
use mimic_core::keys::Port;
use mimic_core::roles::Sleep;
use mimic_core::{Context, Error, ErrorKind, FlowExt, ListenerExt, Phase, timeout};
use mimic_rustls::{HandshakeRoom, TlsConfig, TlsServerConfig};

/// Connects with a client and a listener that have so much room, and says how that went for the
/// client.
fn connected(client_room: Option<usize>, server_room: Option<usize>) -> Result<(), Error> {
    let (server, client) = common::tls("127.0.0.1");
    let ctx = mimic_smol::context().with_url("tls://127.0.0.1:0").unwrap();
    let ctx = ctx.with(TlsConfig, client).with(TlsServerConfig, server);
    let with = |room: Option<usize>| -> Context {
        match room {
            Some(room) => ctx.clone().with(HandshakeRoom, room),
            None => ctx.clone(),
        }
    };
    let (client, server) = (with(client_room), with(server_room));
    smol::block_on(async move {
        let mut listener = server.listen().await.unwrap();
        let client = client.with(Port, listener.local_addr().unwrap().port());
        let mut timer = client.resolve(Sleep, ()).await.unwrap();
        let connect = timeout(&mut timer, Duration::from_secs(30), client.connect());
        let accept = async {
            loop {
                // Whether or not it is told of handshakes that fail.
                let accepted = listener.accept().await;
                if let Ok(flow) = accepted {
                    let _ = flow.close().await;
                }
            }
        };
        or(async { connect.await.map(drop) }, accept).await
    })
}

#[test]
fn it_is_what_the_context_says() {
    connected(None, None).unwrap();
    connected(Some(4000), Some(4000)).unwrap();
    let error = connected(Some(300), None).unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidData, Some(Phase::Handshake)), "{error}");
    assert!(error.to_string().contains("longer than 300 bytes"), "{error}");
    let error = connected(None, Some(100)).unwrap_err();
    assert_eq!(error.phase(), Some(Phase::Handshake), "{error}");
}
