//! The shared part of the clients: the command line, the runtime, the trusted authorities.
//!
//! ```text
//!     bin/redis.rs   bin/psql.rs   bin/fetch.rs …      one protocol each, no transport
//!            └────────────┼────────────┘
//!                      Options ── Context, Runtime     which runtime, which authorities
//!                         │
//!          mimic_tokio::context(), mimic_smol::context()
//! ```
//!
//! The URL decides what carries the bytes. Each client adds the two schemes that its users know,
//! and all others work too: `redis` takes `redis://host`, `rediss://host`, `tcp://host:6379`,
//! `tls://host:6380` and `unix:/run/redis.sock`.

#![forbid(unsafe_code)]

pub mod http;
mod options;
mod runtime;

use mimic_core::adapter::dial_host;
use mimic_core::keys::{Host, Port, Scheme};
use mimic_core::needs::{is, or_default, over, req, when};
use mimic_core::roles::{Connect, Secure, Transport};
use mimic_core::{Context, Error, ErrorKind};
pub use options::{CommonOptions, Options};
pub use runtime::Runtime;

/// Adds the two schemes of a protocol, the plain one and the one over TLS, with their default
/// ports.
#[must_use]
pub fn with_schemes(ctx: Context, plain: (&'static str, u16), secure: (&'static str, u16)) -> Context {
    let needs = when(is(Scheme, plain.0)).needs((req(Host), or_default(Port, plain.1), over(Transport)));
    let ctx = ctx.register(Connect, plain.0, 100, needs, dial_host);
    let needs = when(is(Scheme, secure.0)).needs((req(Host), or_default(Port, secure.1), over(Secure)));
    ctx.register(Connect, secure.0, 100, needs, dial_host)
}

/// Returns a function that converts a client's error to mimic's: `map_err(of("redis"))`.
///
/// An error of the flow that the client passes on as a source keeps its kind.
pub fn of<E>(client: &'static str) -> impl FnOnce(E) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |error| Error::with_source(kind(&error), error).located_at(client)
}

/// Returns the kind of the first error below that has one.
fn kind(error: &(dyn std::error::Error + 'static)) -> ErrorKind {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<Error>() {
            return error.kind();
        }
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return error.kind().into();
        }
        next = error.source();
    }
    ErrorKind::Other
}
