//! Rows of the web: HTTP and WebSocket.

use std::sync::LazyLock;

use async_tungstenite::tungstenite as futures_tungstenite;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use mimic_core::Context;
use mimic_core::keys::{Host, Path, Port, Scheme};
use mimic_core::roles::{HostPort, UnixPath};
use mimic_example_clients::{Runtime, http};
use mimic_smol::ToFutures;
use mimic_tokio::{ConnectionInfo, Connector, OverUnix, ToTokio};
use reqwless::client::HttpConnection;
use reqwless::request::RequestBuilder;
use tokio::net::TcpListener;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

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

/// Returns the URI by which a connector gets to where the context leads.
fn for_connector(ctx: Context) -> Result<(Context, String), mimic_core::Error> {
    let host = ctx.get(Host).map(|host| HostPort::new(host, ctx.get(Port).unwrap_or_default()));
    Ok(match (ctx.get(Scheme).as_deref(), host) {
        (Some("tls"), Some(host)) => (ctx, format!("https://{host}")),
        (_, Some(host)) => (ctx, format!("http://{host}")),
        (_, None) => {
            let path = UnixPath::decode(&ctx.get(Path).unwrap_or_else(|| "".into()))?;
            (ctx.install(OverUnix::all(path)), "http://localhost".into())
        }
    })
}

/// Three requests by one connection.
pub(crate) async fn pool(ctx: Context, runtime: Runtime, http2: bool) -> Talked {
    let (ctx, uri) = for_connector(ctx)?;
    let client = Client::builder(runtime).http2_only(http2).build::<_, Empty<Bytes>>(Connector::new(ctx));
    for _ in 0..3 {
        let response = client.get(format!("{uri}/file").parse()?).await?;
        assert!(response.extensions().get::<ConnectionInfo>().is_some());
        let body = response.into_body().collect().await?.to_bytes();
        assert!(body == *FILE, "{} bytes came", body.len());
    }
    Ok(())
}

/// Tells that it is healthy, in this process.
pub(crate) static HEALTH: LazyLock<Option<Server>> = LazyLock::new(|| {
    let listener = std::net::TcpListener::bind(LOOPBACK).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    BACKGROUND.spawn(async move {
        let listener = TcpListener::from_std(listener).unwrap();
        let incoming = futures_util::stream::unfold(listener, |listener| async {
            Some((listener.accept().await.map(|(socket, _)| socket), listener))
        });
        let (_reporter, health) = tonic_health::server::health_reporter();
        tonic::transport::Server::builder().serve_with_incoming(health, incoming).await
    });
    Some(Server { address, dir: new_dir() })
});

pub(crate) async fn tonic(ctx: Context) -> Talked {
    let (ctx, uri) = for_connector(ctx)?;
    let channel = Endpoint::from_shared(uri)?.connect_with_connector(Connector::new(ctx)).await?;
    let request = HealthCheckRequest { service: String::new() };
    let answer = HealthClient::new(channel).check(request).await?;
    assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
    Ok(())
}

pub(crate) async fn reqwless(ctx: Context) -> Talked {
    let mut connection = HttpConnection::<_>::Plain(ctx.connect().await?);
    let request = reqwless::request::Request::get("/file").host("localhost").build();
    let mut buffer = vec![0; FILE.len() + 4096];
    let response = connection.send(request, &mut buffer).await.map_err(|error| format!("{error:?}"))?;
    let body = response.body().read_to_end().await.map_err(|error| format!("{error:?}"))?;
    assert!(*body == **FILE, "{} bytes came", body.len());
    Ok(())
}
