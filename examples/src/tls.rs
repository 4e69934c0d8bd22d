//! The options of TLS: files to trust and to present. They are read when a connection turns out to
//! need them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blocking::unblock;
use clap::Args;
use mimic_core::{Context, Error, ErrorKind, Phase};
use mimic_rustls::rustls::{ClientConfig, ServerConfig};
use mimic_rustls::{Alpn, ClientOptions, Identity, ServerOptions, TlsConfig, TlsServerConfig, identity};

/// How to serve `tls` and `https`. Unused for other URLs.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerTls {
    /// The server's certificate for TLS, and those that lead from it to its authority
    #[arg(long, value_name = "PEM", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of the certificate
    #[arg(long, value_name = "PEM", requires = "cert")]
    key: Option<PathBuf>,
}

/// How to connect to `tls` and `https`. Unused for other URLs.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClientTls {
    /// The authorities to trust for TLS, instead of those that the platform trusts
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
    /// A protocol to offer by ALPN; repeat it for more, the best first
    #[arg(long, value_name = "NAME", value_parser = protocol)]
    alpn: Vec<String>,
    /// A client certificate for TLS, and those that lead from it to its authority
    #[arg(long, value_name = "PEM", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of the certificate
    #[arg(long, value_name = "PEM", requires = "cert")]
    key: Option<PathBuf>,
}

impl ServerTls {
    /// A context that can serve TLS, or says why not when it is asked to.
    pub(crate) fn apply(self, ctx: Context) -> Context {
        ctx.derive(TlsServerConfig, (), move |()| {
            let options = self.clone();
            unblock(move || options.config().map(Some))
        })
    }

    fn config(&self) -> Result<Arc<ServerConfig>, Error> {
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else {
            return Err(Error::new(ErrorKind::InvalidInput, "serving TLS takes a certificate and its key")
                .in_phase(Phase::Plan)
                .advise("give them: --cert PEM --key PEM"));
        };
        let options = ServerOptions::new(read_identity(cert, key)?);
        options.config().map_err(|error| error.to_target(both(cert, key)))
    }
}

impl ClientTls {
    /// A context that trusts, offers and presents what the options say.
    pub(crate) fn apply(self, ctx: Context) -> Context {
        let ctx = match self.alpn.is_empty() {
            true => ctx,
            false => ctx.with(Alpn, self.alpn.iter().map(|name| name.clone().into_bytes()).collect()),
        };
        if self.ca.is_none() && self.cert.is_none() {
            return ctx;
        }
        ctx.derive(TlsConfig, (), move |()| {
            let options = self.clone();
            unblock(move || options.config().map(Some))
        })
    }

    fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        let mut options = ClientOptions::new();
        if let Some(ca) = &self.ca {
            options = options.trust(read(ca)?).map_err(|error| error.to_target(ca.display()))?;
        }
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else {
            return options.config();
        };
        options.identity(read_identity(cert, key)?).config().map_err(|error| error.to_target(both(cert, key)))
    }
}

fn read_identity(cert: &Path, key: &Path) -> Result<Identity, Error> {
    identity(read(cert)?, read(key)?).map_err(|error| error.to_target(both(cert, key)))
}

fn both(cert: &Path, key: &Path) -> String {
    format!("{} with {}", cert.display(), key.display())
}

fn read(file: &Path) -> Result<Vec<u8>, Error> {
    fs::read(file).map_err(|error| Error::from(error).to_target(file.display()))
}

/// A name as ALPN has it: 1 to 255 bytes (RFC 7301, section 3.1).
fn protocol(name: &str) -> Result<String, &'static str> {
    match name.len() {
        1..=255 => Ok(name.into()),
        _ => Err("a protocol has a name of 1 to 255 bytes"),
    }
}
