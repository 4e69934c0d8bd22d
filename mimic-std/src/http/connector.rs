//! The connector of HTTP clients.
//!
//! ```text
//!   https://example.org/path     Connect "https" ─► Secure ─► Transport ─► …
//!   scheme  host, port               │
//!                                    ▼
//!   agreed on by ALPN: h2            the client speaks HTTP/2
//!                      http/1.1      HTTP/1.1
//!                      nothing       HTTP/1.1; if it was not offered, an error
//! ```

use std::fmt;
use std::pin::Pin;
use std::task::{self, Poll};

use http::Uri;
use mimic_core::keys::{Alpn, AlpnProtocol, TlsVersion};
use mimic_core::{Context, Endpoint, Error, ErrorKind, FlowExt, Key, Phase, Priority};
use tower_service::Service;

use super::{Attributes, ToHyper};

/// Connects HTTP clients by a context: a `Service<Uri>`, which the client of hyper-util and tonic's
/// `connect_with_connector` take.
///
/// - The scheme, the host and the port of the URI are the endpoint. Whatever else the context holds
///   applies to it: layers, a deadline for the connect, trust, `OverUnix` for hosts that are
///   reached by a Unix socket.
/// - Over TLS it offers `h2` and `http/1.1`, unless the context gives [`Alpn`]. hyper-util's client
///   then speaks what the server chose. A client that speaks HTTP/2 alone (tonic) gives `h2` alone:
///   a server that does not choose it is an error of the connect.
/// - Each response of hyper-util's client has a [`ConnectionInfo`](super::ConnectionInfo) as an
///   extension.
///
/// # Errors
/// The error of a connect is a [`mimic_core::Error`], which hyper-util and tonic keep in the chain
/// of sources of theirs.
#[derive(Clone)]
pub struct Connector {
    ctx: Context,
    attributes: Attributes,
}

impl Connector {
    /// Makes a connector of a context.
    #[must_use]
    pub fn new(ctx: Context) -> Self {
        let offered = || async { Ok(Some([b"h2".to_vec(), HTTP1.to_vec()].into())) };
        let ctx = ctx.derive_as(Alpn, "HTTP", Priority::NONE, (), move |()| offered());
        Self { ctx, attributes: Attributes::default() }
    }

    /// Adds an attribute to the [`ConnectionInfo`](super::ConnectionInfo) of responses: that of a
    /// layer, for instance.
    #[must_use]
    pub fn attribute<K: Key + Clone + Send + Sync>(mut self, key: K) -> Self {
        self.attributes = self.attributes.with(key);
        self
    }
}

const HTTP1: &[u8] = b"http/1.1";

impl Service<Uri> for Connector {
    type Response = ToHyper;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<ToHyper, Error>> + Send>>;

    /// Is always ready.
    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    /// Connects to the scheme, host and port of a URI.
    ///
    /// # Errors
    /// As `Ctx::connect`; and [`InvalidInput`](ErrorKind::InvalidInput) for a URI without scheme
    /// or host.
    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self { ctx, attributes } = self.clone();
        Box::pin(async move {
            let endpoint = endpoint_of(&uri)?;
            let ctx = ctx.with_endpoint(&endpoint);
            let flow = ctx.connect().await?;
            if flow.attribute(TlsVersion).is_some() && flow.attribute(AlpnProtocol).is_none() {
                // An endpoint prints no password, and a URI does.
                check_offer(&ctx).await.map_err(|error| error.to_target(endpoint))?;
            }
            Ok(ToHyper::with_attributes(flow, attributes))
        })
    }
}

/// Returns the endpoint of a URI. The path and the query are HTTP's.
fn endpoint_of(uri: &Uri) -> Result<Endpoint, Error> {
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => format!("{scheme}://{authority}").parse(),
        _ => Err(Error::new(ErrorKind::InvalidInput, "the URI of the request has no scheme or no host")
            .in_phase(Phase::Endpoint)
            .advise("write `http://host/path`")),
    }
}

/// Refuses a connection on which nothing was agreed, if HTTP/1.1 was not offered: the client would
/// speak HTTP/2 to a server that did not choose it (RFC 9113, section 3.3).
async fn check_offer(ctx: &Context) -> Result<(), Error> {
    let offered = ctx.value(Alpn).await?.unwrap_or_default();
    if offered.is_empty() || offered.iter().any(|protocol| protocol == HTTP1) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "the server chose none of the protocols that were offered by ALPN")
        .in_phase(Phase::Handshake)
        .located_at("Connector")
        .advise("offer `http/1.1` too (the key Alpn), or ask a server that speaks HTTP/2"))
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("ctx", &self.ctx).finish_non_exhaustive()
    }
}
