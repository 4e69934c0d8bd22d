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

mod bridge;
#[cfg(feature = "hickory")]
mod hickory;
mod tcp;
mod timer;
#[cfg(unix)]
mod unix;

use std::time::Duration;

#[cfg(not(feature = "happy-eyeballs"))]
use mimic_core::InOrder as Addresses;
use mimic_core::{
    Bind, Context, Ctx, Deadline, Error, ErrorKind, Flow, Install, Link, LocalContext, Lookup, Mode, Schemes, Sleep,
    for_each_mode,
};
#[cfg(unix)]
use mimic_core::{BindUnix, Unix};
#[cfg(feature = "happy-eyeballs")]
use mimic_happy_eyeballs::{HappyEyeballs as Addresses, SourceAddress};
#[cfg(unix)]
use mimic_std::UnixListening;
use mimic_std::{TcpListening, TcpOptions};
use tokio::runtime::Handle;
use tokio::time::Instant;

#[cfg(unix)]
pub use bridge::UnixFlow;
pub use bridge::{FromTokio, TcpFlow, ToTokio};
#[cfg(feature = "hickory")]
pub use hickory::Hickory;
#[cfg(feature = "hickory")]
pub use hickory_resolver;
#[cfg(feature = "happy-eyeballs")]
pub use mimic_happy_eyeballs;
pub use mimic_std::{Inherited, InheritedSockets, set_lookup_threads};
pub use tcp::TcpAcceptor;
#[cfg(unix)]
pub use unix::UnixAcceptor;

/// The roles that tokio fills: what [`Ctx::install`] takes.
///
/// Timers compare if they come from one installation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokio;

const PRIORITY: i32 = 100;

for_each_mode!(M => {
    impl Install<M> for Tokio {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            let epoch = Instant::now();
            let ctx = ctx
                .register(Link, "tcp", PRIORITY, TcpOptions::needs(), |to, options| async move {
                    Ok(Box::new(tcp::connect(to, options).await?) as <M as Mode>::Flow)
                })
                .register(Bind, "tcp", PRIORITY, TcpListening::needs(), |at, listening| async move {
                    Ok(Box::new(TcpAcceptor::bind(at, &listening)?) as <M as Mode>::Listener)
                })
                .register(Lookup, "system", PRIORITY, (), |question, ()| mimic_std::lookup(question))
                .register(Sleep, "timer", PRIORITY, (), move |(), ()| async move {
                    Ok(Box::new(timer::Timer::new(epoch)?) as <M as Mode>::Timer)
                });
            #[cfg(feature = "happy-eyeballs")]
            let ctx = ctx.register(SourceAddress, "udp", PRIORITY, (), |to, ()| async move { Ok(mimic_std::source(to)) });
            #[cfg(unix)]
            let ctx = ctx
                .register(Unix, "unix", PRIORITY, (), |to, ()| async move {
                    Ok(Box::new(unix::connect(to).await?) as <M as Mode>::Flow)
                })
                .register(BindUnix, "unix", PRIORITY, UnixListening::needs(), |at, listening| async move {
                    Ok(Box::new(UnixAcceptor::bind(&at, &listening)?) as <M as Mode>::Listener)
                });
            ctx
        }
    }
});

/// A context with everything in it: the standard schemes, [`Tokio`], addresses raced by the feature
/// `happy-eyeballs`, TLS by the feature `rustls`, and a deadline of 30 s.
#[must_use]
pub fn context() -> Context {
    Ctx::new().install(Everything)
}

/// As [`context`], for flows and functions that stay on one thread: a current-thread runtime, or a
/// `LocalSet`.
#[must_use]
pub fn local_context() -> LocalContext {
    Ctx::new().install(Everything)
}

/// What is in the contexts.
struct Everything;

for_each_mode!(M => {
    impl Install<M> for Everything {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            #[cfg(feature = "rustls")]
            let ctx = ctx.install(mimic_rustls::Tls);
            ctx.install(Schemes).install(Addresses).install(Tokio).with(Deadline, Duration::from_secs(30))
        }
    }
});

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

/// The runtime that this runs in. Where there is none tokio panics, and mimic does not.
fn runtime() -> Result<Handle, Error> {
    Handle::try_current().map_err(|error| {
        Error::with_source(ErrorKind::Unsupported, error)
            .advise("poll it inside a tokio runtime, or install the adapter of the runtime that you use")
    })
}
