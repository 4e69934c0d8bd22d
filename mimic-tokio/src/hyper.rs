//! Connectors for the HTTP clients of hyper-util, tonic and others, by the feature `hyper`.
//!
//! ```
//! use mimic_tokio::hyper::{Attribute, Connector};
//! use mimic_tokio::mimic_core::keys::PeerAddr;
//! # use {bytes::Bytes, http_body_util::Empty};
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let connector = Connector::new(mimic_tokio::context());
//! let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
//! let response = client.get("http://example.org/".parse()?).await?;
//! let peer = response.extensions().get::<Attribute<PeerAddr>>();
//! # let _ = peer;
//! # Ok(())
//! # }
//! ```
//!
//! # What the context decides
//! - `http` and `https` go by the schemes of the context: TCP or TLS, raced addresses, proxies,
//!   deadlines. [`OverUnix`] reaches hosts by Unix sockets.
//! - HTTP/2 over TLS takes ALPN: `ctx.with(Alpn, vec![b"h2".to_vec(), b"http/1.1".to_vec()])`. The
//!   client then goes by what the server chose. A client for HTTP/2 alone (tonic) offers `h2`
//!   alone, so that a server without it is refused in the handshake.
//! - The deadline of the context bounds a connect. A limit for the whole request is the client's.
//!
//! # Errors
//! A connect that fails is an [`Error`] in the chain of sources of the client's error:
//!
//! ```
//! use std::error::Error;
//! use std::iter::successors;
//!
//! fn of_mimic(error: &(dyn Error + 'static)) -> Option<&mimic_tokio::mimic_core::Error> {
//!     successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
//! }
//! ```

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use http::Uri;
use mimic_core::keys::{AlpnProtocol, LocalAddr, PeerAddr, TlsVersion};
use mimic_core::{Context, Error, ErrorKind, Key};
use mimic_std::Extensions;
#[cfg(unix)]
pub use mimic_std::OverUnix;
pub use mimic_std::{Attribute, Connection};
use tower_service::Service;

/// Connects HTTP clients by a context: the `Service<Uri>` that hyper-util's `Client::builder` and
/// tonic's `connect_with_connector` take.
///
/// Responses of hyper-util's client have these attributes of the flow as extensions, each as
/// [`Attribute`]: [`PeerAddr`], [`LocalAddr`], [`AlpnProtocol`], [`TlsVersion`], and with the
/// feature `rustls` `PeerCertificates`; [`with_extension`](Self::with_extension) adds others.
#[derive(Clone)]
pub struct Connector {
    ctx: Context,
    extensions: Extensions,
}

impl Connector {
    /// Makes a connector. `ctx` says how each URI is connected to.
    #[must_use]
    pub fn new(ctx: Context) -> Self {
        let extensions =
            Extensions::default().with::<PeerAddr>().with::<LocalAddr>().with::<AlpnProtocol>().with::<TlsVersion>();
        #[cfg(feature = "rustls")]
        let extensions = extensions.with::<mimic_rustls::PeerCertificates>();
        Self { ctx, extensions }
    }

    /// Adds an attribute of the flow to the extensions of each response: one of a layer, for
    /// instance. The key is a unit struct, as those of [`key!`](mimic_core::key) are.
    #[must_use]
    pub fn with_extension<K: Key + Default>(self, _: K) -> Self {
        Self { extensions: self.extensions.with::<K>(), ..self }
    }
}

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, Error>> + Send>>;

    /// Is always ready: a pool of the context makes its connects wait.
    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    /// Connects to the scheme, host and port of a URI.
    fn call(&mut self, uri: Uri) -> Self::Future {
        let (ctx, extensions) = (with_uri(&self.ctx, &uri), self.extensions.clone());
        Box::pin(async move { Ok(Connection::with_extensions(ctx?.connect().await?, extensions)) })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("ctx", &self.ctx).finish_non_exhaustive()
    }
}

/// Sets the keys of the endpoint. The path and the query are HTTP's.
fn with_uri(ctx: &Context, uri: &Uri) -> Result<Context, Error> {
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => ctx.clone().with_url(&format!("{scheme}://{authority}")),
        _ => Err(Error::new(ErrorKind::InvalidInput, "the URI of the request has no scheme or no host")
            .advise("write `http://host/path`")),
    }
}
