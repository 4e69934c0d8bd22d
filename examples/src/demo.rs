//! The demo: one application, several transports, and a URL that chooses.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use futures_lite::future;
use mimic_core::roles::Connect;
use mimic_core::{Context, Endpoint, Error, ErrorKind};
use mimic_rustls::{ServerOptions, TlsConfig, TlsServerConfig, identity, trust};

use crate::failure::Failure;
use crate::ping::ping;
use crate::runtime::Runtime;
use crate::serve::Server;
use crate::stdio::print;
use crate::stop::stop;

/// How long one conversation may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Serves in this process, and talks to itself over each transport.
pub(crate) async fn run<R: Runtime>(ctx: &Context) -> Result<(), Failure> {
    let dir = tempfile::Builder::new()
        .prefix("mimic-")
        .tempdir()
        .map_err(|error| Error::from(error).to_target("temporary directory"))?;
    let mut endpoints: Vec<Endpoint> = vec!["tcp://127.0.0.1:0".parse()?];
    if cfg!(unix) {
        endpoints.push(unix_url(&dir.path().join("demo.sock")).parse()?);
    }

    endpoints.push("tls://127.0.0.1:0".parse()?);

    let ctx = &with_certificate(ctx)?;
    let server = Server::bind(ctx, endpoints).await?;
    let endpoints: Vec<Endpoint> = server.endpoints().collect();
    let (stop, stopped) = stop();
    let client = async {
        let result = talk::<R>(ctx, &endpoints).await;
        stop.now();
        result
    };
    let (served, talked) = future::zip(server.run::<R>(ctx, stopped), client).await;
    served?;
    talked
}

/// A context for both sides of TLS, with a certificate for this machine that nobody else trusts.
fn with_certificate(ctx: &Context) -> Result<Context, Error> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".into()]).map_err(certificate)?;
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let server = ServerOptions::new(identity(&chain, key)?).config()?;
    Ok(ctx.clone().with(TlsServerConfig, server).with(TlsConfig, trust(chain)?.config()?))
}

fn certificate(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::with_source(ErrorKind::Other, error).to_target("certificate of the demo")
}

async fn talk<R: Runtime>(ctx: &Context, endpoints: &[Endpoint]) -> Result<(), Failure> {
    print(format_args!("The same application on {}, over the byte stream that each URL names.\n", R::NAME))?;
    for endpoint in endpoints {
        let ctx = ctx.clone().with_endpoint(endpoint);
        let mut transcript = String::new();
        let result = ping(&ctx, Some(LIMIT), &mut transcript).await;

        print(format_args!("\n{endpoint}\n"))?;
        print(format_args!(
            "  What is tried (+) or may be (?), and why not the rest (-):\n{}",
            Indented(&ctx.explain(Connect).to_string())
        ))?;
        print(format_args!("  What was said (>) and answered (<):\n{}", Indented(&transcript)))?;
        result.map_err(|error| error.to_target(endpoint))?;
    }
    Ok(())
}

/// Every line of a text, below a heading.
struct Indented<'a>(&'a str);

impl std::fmt::Display for Indented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.lines().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

/// The URL of a Unix socket: what is not plain is percent-encoded (RFC 3986, section 2.1).
fn unix_url(path: &Path) -> String {
    let mut url = String::from("unix:");
    for &byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}
