//! Sends a message over a WebSocket and prints the answer: `ws ws://localhost:8080/echo hello`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use futures_util::{SinkExt, StreamExt};
use mimic_core::keys::{Host, Path, Port, Query, Scheme};
use mimic_core::roles::HostPort;
use mimic_core::{Context, Error, ErrorKind};
use mimic_example_clients::{Options, of, with_schemes};
use mimic_tokio::ToTokio;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

/// Sends a message over a WebSocket and prints the answer
#[derive(Parser)]
struct Arguments {
    /// ws://host[:port][/path], wss://…, tcp://…, tls://…, unix:/path
    url: String,
    /// What to send
    message: String,
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    let Arguments { url, message, options } = Arguments::parse();
    options.run("websocket", async |ctx, _| {
        let ctx = with_schemes(ctx, ("ws", 80), ("wss", 443)).with_url(&url)?;
        println!("{}", exchange(&ctx, message).await?);
        Ok(())
    })
}

async fn exchange(ctx: &Context, message: String) -> Result<Message, Error> {
    // The path of a Unix socket is not that of a request.
    let host = ctx.get(Host);
    let path = ctx.get(Path).filter(|_| host.is_some());
    let query = ctx.get(Query).map(|query| format!("?{query}")).unwrap_or_default();
    let default = if ctx.get(Scheme).as_deref() == Some("wss") { 443 } else { 80 };
    // A server behind a Unix socket has no name. A zone is this machine's (RFC 6874, section 4).
    let host = host.as_deref().unwrap_or("localhost").split('%').next().unwrap_or_default();
    let to = HostPort::new(host, ctx.get(Port).unwrap_or(default));
    let request = format!("ws://{to}{}{query}", path.as_deref().unwrap_or("/"));
    let stream = ToTokio::new(ctx.connect().await?);
    let (mut socket, _) = client_async(request, stream).await.map_err(of("websocket"))?;
    socket.send(message.into()).await.map_err(of("websocket"))?;
    let answer = socket.next().await.ok_or_else(|| Error::new(ErrorKind::ConnectionAborted, "no answer"))?;
    socket.close(None).await.map_err(of("websocket"))?;
    answer.map_err(of("websocket"))
}
