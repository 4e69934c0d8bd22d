//! Rows of the web: HTTP and WebSocket.

use std::sync::LazyLock;

use async_tungstenite::tungstenite as futures_tungstenite;
use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use mimic_core::Context;
use mimic_example_clients::{Runtime, http};
use mimic_smol::ToFutures;
use mimic_tokio::ToTokio;
use tokio::net::TcpListener;

use crate::columns::{BACKGROUND, LOOPBACK};
use crate::rows::Talked;
use crate::servers::{FILE, Server, new_dir};

pub(crate) async fn hyper(ctx: Context, runtime: Runtime, http2: bool) -> Talked {
    let flow = ctx.connect().await?;
    let response = http::get_over(flow, runtime, &"http://localhost/file".parse()?, http2).await?;
    assert_eq!((response.status().as_u16(), response.version() == hyper::Version::HTTP_2), (200, http2));
    let body = response.into_body().collect().await?.to_bytes();
    assert!(body == *FILE, "{} bytes came", body.len());
    Ok(())
}

/// Echoes messages, in this process.
pub(crate) static WEB_SOCKET: LazyLock<Option<Server>> = LazyLock::new(|| {
    let listener = BACKGROUND.block_on(TcpListener::bind(LOOPBACK)).unwrap();
    let address = listener.local_addr().unwrap();
    BACKGROUND.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async {
                let (out, incoming) = tokio_tungstenite::accept_async(socket).await.ok()?.split();
                let data = incoming.filter(|message| std::future::ready(message.as_ref().is_ok_and(|m| m.is_text())));
                data.forward(out).await.ok()
            });
        }
    });
    Some(Server { address, dir: new_dir() })
});

pub(crate) async fn tungstenite(ctx: Context) -> Talked {
    let stream = ToTokio::new(ctx.connect().await?);
    let (mut socket, _) = tokio_tungstenite::client_async("ws://localhost/", stream).await?;
    let sent = "mimic".repeat(100_000);
    socket.send(sent.clone().into()).await?;
    let answer = socket.next().await.unwrap()?;
    assert!(answer.to_text()? == sent, "{} bytes came back", answer.len());
    Ok(socket.close(None).await?)
}

pub(crate) async fn async_tungstenite(ctx: Context) -> Talked {
    let stream = ToFutures::new(ctx.connect().await?);
    let (mut socket, _) = async_tungstenite::client_async("ws://localhost/", stream).await?;
    let sent = "mimic".repeat(100_000);
    socket.send(futures_tungstenite::Message::text(&*sent)).await?;
    let answer = socket.next().await.unwrap()?;
    assert!(answer.to_text()? == sent, "{} bytes came back", answer.len());
    Ok(socket.close(None).await?)
}
