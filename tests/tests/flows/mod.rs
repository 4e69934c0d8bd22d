//! Fixtures of all flows. Connected and accepted as users do, through contexts, where there is one.

pub(crate) mod bridges;
pub(crate) mod embassy;
pub(crate) mod memory;
pub(crate) mod smol;
pub(crate) mod tls;
pub(crate) mod tokio;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_lite::future::try_zip;
use mimic_core::keys::Port;
use mimic_core::{Context, Error, ListenerExt};
use mimic_rustls::{TlsConfig, TlsServerConfig};
use mimic_tests::conformance::Ends;

/// A pair of an endpoint's own: the client is connected by the context that the server listens
/// with.
async fn at(ctx: Context, url: &str) -> Result<Ends, Error> {
    let ctx = ctx.with_url(url)?;
    let mut listener = ctx.listen().await?;
    let client = match listener.local_addr() {
        Some(addr) => ctx.clone().with(Port, addr.port()),
        None => ctx.clone(),
    };
    let (client, server) = try_zip(client.connect(), listener.accept()).await?;
    Ok(Ends::shared(client, server))
}

async fn over_tcp(ctx: Context) -> Result<Ends, Error> {
    at(ctx, "tcp://127.0.0.1:0").await
}

async fn over_tls(ctx: Context) -> Result<Ends, Error> {
    let (server, client) = tls::configs();
    at(ctx.with(TlsConfig, client).with(TlsServerConfig, server), "tls://127.0.0.1:0").await
}

/// The listener removes the file when the pair is there.
async fn over_unix(ctx: Context) -> Result<Ends, Error> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let file = format!("mimic-conformance-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
    let path: PathBuf = std::env::temp_dir().join(file);
    at(ctx, &format!("unix:{}", path.display())).await
}
