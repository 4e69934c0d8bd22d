//! [mimic](mimic_core) on tokio: TCP and Unix sockets, look-ups, timers, and bridges to tokio's I/O
//! traits.
//!
//! ```no_run
//! use mimic_core::FlowExt;
//! use mimic_core::embedded_io_async::{Read, Write};
//!
//! # async fn example() -> Result<(), mimic_core::Error> {
//! let mut flow = mimic_tokio::connect("tcp://example.org:7").await?;
//! flow.write_all(b"hello\n").await?;
//! flow.flush().await?;
//! flow.read(&mut [0; 64]).await?;
//! flow.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Tokio`] fills these roles, each at priority 100, and [`context`] adds what the standard
//! schemes need:
//!
//! | role | name | how |
//! |---|---|---|
//! | [`Link`], [`Bind`] | `tcp` | TCP, with [`NoDelay`](mimic_core::NoDelay) (on unless it is false) and [`KeepAlive`](mimic_core::KeepAlive) |
//! | [`Unix`], [`BindUnix`] | `unix` | Unix sockets, where the system has them; a full backlog is waited for, and the file of a dead server replaced |
//! | [`Lookup`] | `system` | the hosts file, then the system's resolver on threads of its own: `mimic_std::lookup` says how |
//! | [`Sleep`] | `timer` | tokio's timer, paused time included |
//! | `SourceAddress` | `udp` | the local address of a connected UDP socket, which sends nothing |
//!
//! With the feature `happy-eyeballs`, on by default, [`Transport`](mimic_core::Transport) is filled
//! by `mimic_happy_eyeballs`: the AAAA and A records of a host are looked up separately and at
//! once, and its addresses raced as the draft says: `RaceConfig` changes how, `Observer` shows it
//! happening. The flow's attribute `mimic_happy_eyeballs::Timeline` tells who was tried when, and
//! `mimic_happy_eyeballs::Raced` gives back the socket. Without the feature the addresses are tried
//! one after the other, in the order of the look-up, by [`InOrder`](mimic_core::InOrder), and
//! nothing fills `SourceAddress`.
//!
//! With the feature `rustls`, on by default, the contexts have TLS too, from `mimic_rustls`:
//! `tls://host:port` and `https` work, with the platform's trust store and the provider of the
//! feature `ring` (default) or `aws-lc-rs`; without a provider, give a configuration by
//! `mimic_rustls::TlsConfig`.
//!
//! With the feature `hickory` there is `Hickory`, to be installed: asynchronous DNS with HTTPS
//! records, in place of the system's resolver. The feature alone changes nothing.
//!
//! Listeners from elsewhere (socket activation): with [`Inherited`] in the context, listening at
//! the address of a socket that listens already takes it, by TLS too; [`TcpAcceptor`] and
//! [`UnixAcceptor`] make a listener of one, without a URL.
//!
//! Flows from elsewhere: [`TcpFlow`] and [`UnixFlow`] come from an accepted or connected socket,
//! [`FromTokio`] makes a flow of anything that tokio can read and write, and [`ToTokio`] goes the
//! other way.
//!
//! # What to know
//! - Dial inside a tokio runtime; elsewhere it is an error that says so. I/O and time must be
//!   enabled in it: without them, tokio panics.
//! - A look-up by the system that runs cannot be cancelled. When a deadline passes, its thread is
//!   left to finish; no runtime waits for it when it shuts down. Those of `Hickory` end when they
//!   are dropped. Paused time does not wait for a look-up by the system either.
//! - At most 64 look-ups by the system run at a time; [`set_lookup_threads`] says otherwise.

#![forbid(unsafe_code)]

mod adapter;
mod bridge;
#[cfg(feature = "hickory")]
mod hickory;

use mimic_core::{Context, Ctx, Error, Flow, Install, LocalContext, for_each_mode};
use mimic_std::{Acceptor, Everything, Hosted};

#[cfg(unix)]
pub use bridge::UnixFlow;
pub use bridge::{FromTokio, TcpFlow, ToTokio};
#[cfg(feature = "hickory")]
pub use hickory::Hickory;
#[cfg(feature = "hickory")]
pub use hickory_resolver;
pub use mimic_core;
#[cfg(feature = "happy-eyeballs")]
pub use mimic_happy_eyeballs;
#[cfg(feature = "rustls")]
pub use mimic_rustls;
pub use mimic_std::{Inherited, InheritedSockets, set_lookup_threads};

/// A listener of TCP flows.
pub type TcpAcceptor = Acceptor<Tokio, std::net::TcpListener>;

/// A listener of Unix flows.
#[cfg(unix)]
pub type UnixAcceptor = Acceptor<Tokio, std::os::unix::net::UnixListener>;

/// The roles that tokio fills: what [`Ctx::install`] takes.
///
/// Timers compare if they come from one installation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokio;

for_each_mode!(M => {
    impl Install<M> for Tokio {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            ctx.install(Hosted(self))
        }
    }
});

/// A context with everything in it: the standard schemes, [`Tokio`], addresses raced by the feature
/// `happy-eyeballs`, TLS by the feature `rustls`, and a deadline of 30 s.
#[must_use]
pub fn context() -> Context {
    Ctx::new().install(Everything(Tokio))
}

/// As [`context`], for flows and functions that stay on one thread: a current-thread runtime, or a
/// `LocalSet`.
#[must_use]
pub fn local_context() -> LocalContext {
    Ctx::new().install(Everything(Tokio))
}

/// A flow to an endpoint such as `tcp://example.org:7`, `unix:/run/service` or, with the feature
/// `rustls`, `tls://example.org:443`, by [`context`].
///
/// Programs that connect often keep one context: it resumes TLS sessions. What the platform
/// trusts is read once per process, whatever the number of contexts.
///
/// # Errors
/// As [`Ctx::with_url`] and [`Ctx::connect`].
pub async fn connect(url: &str) -> Result<Box<dyn Flow + Send>, Error> {
    context().with_url(url)?.connect().await
}
