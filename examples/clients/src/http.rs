//! One HTTP request over one flow, by hyper, and where its response leads.

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{HOST, LOCATION};
use hyper::{Request, Response, Uri};
use mimic_core::keys::{Alpn, AlpnProtocol};
use mimic_core::{Context, Error, ErrorKind, Flow, FlowExt};
use mimic_tokio::ToHyper;
use url::{Position, Url};

use crate::{Runtime, of};

/// Asks for `url` by a connection of its own.
///
/// The server decides between HTTP/1.1 and 2 by ALPN. Without TLS it is 1.1, unless `http2` says
/// that the server is known to speak 2.
///
/// # Errors
/// If there is no flow, or no response. The body is not read here.
pub async fn get(ctx: &Context, runtime: Runtime, url: &Url, http2: bool) -> Result<Response<Incoming>, Error> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::new(ErrorKind::Unsupported, "no user and password can be sent").located_at("http"));
    }
    let offered = if http2 { vec![b"h2".to_vec()] } else { vec![b"h2".to_vec(), b"http/1.1".to_vec()] };
    let flow = ctx.clone().with(Alpn, offered).with_url(url.as_str())?.connect().await?;
    get_over(flow, runtime, url, http2).await
}

/// Asks for `url` over `flow`, by the protocol that its TLS agreed on. If there is none, `http2`
/// decides.
///
/// # Errors
/// If there is no response.
pub async fn get_over<F>(flow: F, runtime: Runtime, url: &Url, http2: bool) -> Result<Response<Incoming>, Error>
where
    F: Flow + Send + 'static,
{
    let uri: Uri = url[..Position::AfterQuery].parse().map_err(of("http"))?;
    let asked = |error: Error| error.to_target(shown(url));
    let http2 = flow.attribute(AlpnProtocol).map_or(http2, |agreed| agreed == b"h2");
    let io = ToHyper::new(flow);
    if http2 {
        let request = Request::get(uri).body(Empty::<Bytes>::new()).map_err(of("http"))?;
        let (mut sender, connection) = http2::handshake(runtime, io).await.map_err(of("http")).map_err(asked)?;
        runtime.spawn(connection);
        return sender.send_request(request).await.map_err(of("http")).map_err(asked);
    }
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path).header(HOST, host).body(Empty::<Bytes>::new()).map_err(of("http"))?;
    let (mut sender, connection) = http1::handshake(io).await.map_err(of("http")).map_err(asked)?;
    runtime.spawn(connection);
    sender.send_request(request).await.map_err(of("http")).map_err(asked)
}

/// Returns where the response says that the body is, if it does.
///
/// # Errors
/// If it leads out of TLS, unless `insecure` allows that, or to anything but HTTP. A server must
/// not make a client talk to a Unix socket.
pub fn redirect<B>(response: &Response<B>, from: &Url, insecure: bool) -> Result<Option<Url>, Error> {
    let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection());
    let Some(to) = location else { return Ok(None) };
    let to = from.join(to.to_str().map_err(of("redirect"))?).map_err(of("redirect"))?;
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => Ok(Some(to)),
        (_, "http") if insecure => Ok(Some(to)),
        (_, "http") => Err(refused(&to, "it leads from https to http")),
        _ => Err(refused(&to, "it leads to something that is not HTTP")),
    }
}

/// Returns the error of a redirect that is not followed.
pub fn refused(to: &Url, why: &'static str) -> Error {
    Error::new(ErrorKind::PermissionDenied, why).located_at("redirect").to_target(shown(to))
}

/// Checks that the status is one of success.
///
/// # Errors
/// If it is another, which the error names.
pub fn succeeded<B>(response: &Response<B>, url: &Url) -> Result<(), Error> {
    match response.status() {
        status if status.is_success() => Ok(()),
        status => Err(Error::new(ErrorKind::Other, status.to_string()).located_at("http").to_target(shown(url))),
    }
}

/// Returns what errors show of a URL: no user, password or query, which may be secrets.
#[must_use]
pub fn shown(url: &Url) -> String {
    let (scheme, place) = (url.scheme(), &url[Position::BeforeHost..Position::AfterPath]);
    if url.has_host() { format!("{scheme}://{place}") } else { format!("{scheme}:{place}") }
}
