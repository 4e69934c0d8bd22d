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
use crate::servers::{MOSQUITTO, NGINX, NGINX_HTTP2, POSTGRES, REDIS, SSHD, Server};
use crate::{mail, mqtt, ssh, web};

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

/// A row: its name, the client, the runtimes, the protocols offered by ALPN, the server, and what
/// the client does with a context, a runtime and the server.
macro_rules! rows {
    ($($name:ident $client:literal $runtimes:ident $alpn:tt $server:path: |$ctx:ident, $runtime:tt, $at:tt| $talk:expr;)*) => {
        pub(crate) const ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            client: $client,
            runtimes: $runtimes,
            alpn: &$alpn,
            server: || $server.as_ref(),
            talk: |$ctx, $runtime, $at| Box::pin($talk),
        }),*];
    };
}

rows! {
    hyper_h1            "hyper, HTTP/1.1"               BOTH  ["http/1.1"] NGINX:           |c, r, _| web::hyper(c, r, false);
    hyper_h2            "hyper, HTTP/2"                 BOTH  ["h2"]       NGINX_HTTP2:     |c, r, _| web::hyper(c, r, true);
    pool_h1             "hyper-util's pool, HTTP/1.1"   BOTH  ["http/1.1"] NGINX:           |c, r, _| web::pool(c, r, false);
    pool_h2             "hyper-util's pool, HTTP/2"     BOTH  ["h2"]       NGINX_HTTP2:     |c, r, _| web::pool(c, r, true);
    tonic               "tonic"                         TOKIO ["h2"]       web::HEALTH:     |c, _, _| web::tonic(c);
    reqwless            "reqwless"                      BOTH  []           NGINX:           |c, _, _| web::reqwless(c);
    tungstenite         "tokio-tungstenite"             BOTH  []           web::WEB_SOCKET: |c, _, _| web::tungstenite(c);
    tungstenite_futures "async-tungstenite"             SMOL  []           web::WEB_SOCKET: |c, _, _| web::async_tungstenite(c);
    postgres            "tokio-postgres"                BOTH  []           POSTGRES:        |c, r, _| postgres(c, r, NoTls, false);
    postgres_tls        "tokio-postgres, its own TLS"   BOTH  []           POSTGRES:        |c, r, _| postgres(c, r, postgres_tls(), true);
    redis               "redis"                         BOTH  []           REDIS:           |c, r, _| redis(c, r);
    russh               "russh, exec"                   TOKIO []           SSHD:            |c, _, s| ssh::exec(c, s);
    russh_tcpip         "russh, direct-tcpip as a flow" TOKIO []           SSHD:            |c, r, s| ssh::direct_tcpip(c, r, s);
    imap                "async-imap"                    BOTH  []           mail::IMAP:      |c, _, _| mail::imap(c);
    imap_starttls       "async-imap, STARTTLS"          BOTH  []           mail::IMAP:      |c, _, _| mail::imap_starttls(c);
    smtp                "async-smtp"                    BOTH  []           mail::SMTP:      |c, _, _| mail::smtp(c);
    smtp_starttls       "async-smtp, STARTTLS"          BOTH  []           mail::SMTP:      |c, _, _| mail::smtp_starttls(c);
    rust_mqtt           "rust-mqtt"                     BOTH  []           MOSQUITTO:       |c, _, _| mqtt::rust_mqtt(c);
    minimq              "minimq"                        BOTH  []           MOSQUITTO:       |c, _, _| mqtt::minimq(c);
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
