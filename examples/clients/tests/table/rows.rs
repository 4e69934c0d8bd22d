//! The rows: which client, against which server, on which runtimes.

use std::error::Error;
use std::pin::Pin;

use mimic_core::Context;
use mimic_example_clients::Runtime;
use mimic_tokio::ToTokio;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::columns::trusting;
use crate::servers::{NGINX, NGINX_HTTP2, POSTGRES, REDIS, Server};
use crate::web;

/// A client that talks.
pub(crate) type Talk = Pin<Box<dyn Future<Output = Talked>>>;
pub(crate) type Talked = Result<(), Box<dyn Error>>;

/// A row of the table.
pub(crate) struct Row {
    /// Its name in the names of its tests.
    pub(crate) name: &'static str,
    /// Its name in the table.
    pub(crate) client: &'static str,
    pub(crate) runtimes: &'static [Runtime],
    /// What the client and the relay agree on over TLS.
    pub(crate) alpn: &'static [&'static str],
    /// Starts it once; `None` if it is not installed.
    pub(crate) server: fn() -> Option<&'static Server>,
    pub(crate) talk: fn(Context, Runtime, &'static Server) -> Talk,
}

const BOTH: &[Runtime] = &[Runtime::Tokio, Runtime::Smol];
const TOKIO: &[Runtime] = &[Runtime::Tokio];
const SMOL: &[Runtime] = &[Runtime::Smol];

pub(crate) const ROWS: &[Row] = &[
    row(
        "hyper_h1",
        "hyper, HTTP/1.1",
        BOTH,
        &["http/1.1"],
        || NGINX.as_ref(),
        |c, r, _| Box::pin(web::hyper(c, r, false)),
    ),
    row(
        "hyper_h2",
        "hyper, HTTP/2",
        BOTH,
        &["h2"],
        || NGINX_HTTP2.as_ref(),
        |c, r, _| Box::pin(web::hyper(c, r, true)),
    ),
    row(
        "tungstenite",
        "tokio-tungstenite",
        BOTH,
        &[],
        || web::WEB_SOCKET.as_ref(),
        |c, _, _| Box::pin(web::tungstenite(c)),
    ),
    row(
        "tungstenite_futures",
        "async-tungstenite",
        SMOL,
        &[],
        || web::WEB_SOCKET.as_ref(),
        |c, _, _| Box::pin(web::async_tungstenite(c)),
    ),
    row(
        "postgres",
        "tokio-postgres",
        BOTH,
        &[],
        || POSTGRES.as_ref(),
        |c, r, _| Box::pin(postgres(c, r, NoTls, false)),
    ),
    row(
        "postgres_tls",
        "tokio-postgres, its own TLS",
        BOTH,
        &[],
        || POSTGRES.as_ref(),
        |c, r, _| Box::pin(postgres(c, r, postgres_tls(), true)),
    ),
    row("redis", "redis", BOTH, &[], || REDIS.as_ref(), |c, r, _| Box::pin(redis(c, r))),
];

const fn row(
    name: &'static str,
    client: &'static str,
    runtimes: &'static [Runtime],
    alpn: &'static [&'static str],
    server: fn() -> Option<&'static Server>,
    talk: fn(Context, Runtime, &'static Server) -> Talk,
) -> Row {
    Row { name, client, runtimes, alpn, server, talk }
}

async fn redis(ctx: Context, runtime: Runtime) -> Talked {
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let stream = ToTokio::new(ctx.connect().await?);
    let (mut connection, driver) = MultiplexedConnection::new_with_config(&Default::default(), stream, config).await?;
    runtime.spawn(driver);
    // More than any buffer on the way.
    let value = "mimic".repeat(100_000);
    let key = format!("{runtime:?}");
    let () = redis::cmd("SET").arg(&key).arg(&value).query_async(&mut connection).await?;
    let stored: String = redis::cmd("GET").arg(&key).query_async(&mut connection).await?;
    assert!(stored == value, "{} bytes came back", stored.len());
    Ok(())
}

fn postgres_tls() -> <MakeRustlsConnect as MakeTlsConnect<Stream>>::TlsConnect {
    let mut make = MakeRustlsConnect::new((*trusting()).clone());
    MakeTlsConnect::<Stream>::make_tls_connect(&mut make, "localhost").unwrap()
}

type Stream = ToTokio<Box<dyn mimic_core::Flow + Send>>;

async fn postgres<T>(ctx: Context, runtime: Runtime, tls: T, in_tls: bool) -> Talked
where
    T: TlsConnect<Stream>,
    T::Stream: Send + 'static,
{
    let mut config = tokio_postgres::Config::new();
    config.user("postgres").ssl_mode(if in_tls { SslMode::Require } else { SslMode::Disable });
    let stream = ToTokio::new(ctx.connect().await?);
    let (client, connection) = config.connect_raw(stream, tls).await?;
    runtime.spawn(connection);
    let rows = client.query("select n, repeat('x', 10000) from generate_series(1, 100) n", &[]).await?;
    assert_eq!(rows.iter().map(|row| row.get::<_, i32>(0)).sum::<i32>(), 5050);
    assert!(rows.iter().all(|row| row.get::<_, &str>(1).len() == 10_000));
    let found: bool = client.query_one("select ssl from pg_stat_ssl where pid = pg_backend_pid()", &[]).await?.get(0);
    assert_eq!(found, in_tls);
    Ok(())
}
