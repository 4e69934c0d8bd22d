//! [mimic](mimic_core) on tokio: TCP and Unix sockets, look-ups, timers, and bridges to tokio's I/O
//! traits.
//!
//! ```no_run
//! use mimic_tokio::mimic_core::FlowExt;
//! use mimic_tokio::mimic_core::embedded_io_async::{Read, Write};
//!
//! # async fn example() -> Result<(), mimic_tokio::mimic_core::Error> {
//! let mut flow = mimic_tokio::connect("tcp://example.org:7").await?;
//! flow.write_all(b"hello\n").await?;
//! flow.flush().await?;
//! flow.read(&mut [0; 64]).await?;
//! flow.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! An application depends on this crate alone: it has [`mimic_core`], and by their features
//! `mimic_happy_eyeballs` and `mimic_rustls`.
//!
//! # Roles
//! [`Tokio`] fills these roles, each at priority 100. [`context`] adds the standard schemes.
//!
//! | role | name | how |
//! |---|---|---|
//! | [`Tcp`](mimic_core::roles::Tcp), [`TcpListen`](mimic_core::roles::TcpListen) | `tcp` | TCP, with [`NoDelay`](mimic_core::keys::NoDelay) (on unless it is false) and [`KeepAlive`](mimic_core::keys::KeepAlive) |
//! | [`Unix`](mimic_core::roles::Unix), [`UnixListen`](mimic_core::roles::UnixListen) | `unix` | Unix sockets, where the system has them; a connect waits for a full backlog, and a listener replaces the file of a dead server |
//! | [`Lookup`](mimic_core::roles::Lookup) | `system` | the hosts file, then the system's resolver on threads of its own: `mimic_std::lookup` says how |
//! | [`Sleep`](mimic_core::roles::Sleep) | `timer` | tokio's timer, paused time included |
//! | `SourceAddress` | `udp` | the local address of a connected UDP socket, which sends nothing |
//!
//! # Features
//! `happy-eyeballs`, on by default, fills [`Transport`](mimic_core::roles::Transport) by
//! `mimic_happy_eyeballs`. It looks up the AAAA and A records of a host separately and at once, and
//! races its addresses as the draft says. `RaceConfig` changes how, and `Observer` shows it
//! happening. The flow's attribute `mimic_happy_eyeballs::Timeline` lists the attempts with their
//! times, and `mimic_happy_eyeballs::Raced` gives back the socket. Without the feature
//! [`InOrder`](mimic_core::InOrder) tries the addresses one after the other, in the order of the
//! look-up, and nothing fills `SourceAddress`.
//!
//! `rustls`, on by default, adds TLS to the contexts: `tls://host:port` and `https` work, with the
//! platform's trust store. The crypto provider is the feature `aws-lc-rs` (default), which takes a
//! C compiler, or `ring`; with both it is aws-lc-rs. To trust something else, to pin a key or to
//! present a certificate, an application gives a configuration:
//!
//! ```
//! # #[cfg(feature = "rustls")]
//! # mod example {
//! use mimic_tokio::mimic_core::{Context, Error};
//! use mimic_tokio::mimic_rustls::{TlsConfig, trust};
//!
//! fn context(pem: &str) -> Result<Context, Error> {
//!     Ok(mimic_tokio::context().with(TlsConfig, trust(pem)?.config()?))
//! }
//! # }
//! ```
//!
//! `pin` and `identity` of `mimic_rustls` are used in the same way. The value may also be a
//! configuration of rustls, which is needed without a provider.
//!
//! `hickory` has `Hickory`, which an application installs: asynchronous DNS with HTTPS records, in
//! place of the system's resolver. The feature alone changes nothing.
//!
//! `hyper` has `Connector`, by which HTTP clients connect by a context: hyper-util's, and tonic by
//! `connect_with_connector`. `ToHyper` is the same connection for `hyper::client::conn`, and
//! `OverUnix` has hosts reached by a Unix socket.
//!
//! ```
//! # #[cfg(feature = "hyper")]
//! # mod example {
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//! use mimic_tokio::{ConnectionInfo, Connector, context};
//! # type Body = http_body_util::Empty<bytes::Bytes>;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder(TokioExecutor::new()).build::<_, Body>(Connector::new(context()));
//! let response = client.get("https://example.org/".parse()?).await?;
//! println!("{:?}", response.extensions().get::<ConnectionInfo>());
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! `axum` has `AxumListener`, by which `axum::serve` serves any listener:
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # mod example {
//! # use mimic_tokio::{AxumListener, context};
//! # async fn example(app: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
//! let listener = context().with_url("unix:/run/app.sock")?.listen().await?;
//! axum::serve(AxumListener::new(listener), app).await?;
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! `process` fills one more role, `process::Process`, by a candidate `spawn`: the standard input
//! and output of a command is a flow. `shutdown` closes the command's input. A failing exit is an
//! error with what the command wrote to its standard error. A scheme over it is a candidate like
//! any other:
//!
//! ```
//! # #[cfg(all(feature = "process", unix))]
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # use mimic_tokio::mimic_core::{FlowExt, embedded_io_async::{Read, Write}};
//! use mimic_tokio::mimic_core::keys::{Path, Scheme};
//! use mimic_tokio::mimic_core::needs::{is, over, req, when};
//! use mimic_tokio::mimic_core::roles::Connect;
//! use mimic_tokio::process::{Command, Process};
//!
//! let needs = when(is(Scheme, "exec")).needs((req(Path), over(Process)));
//! let ctx = mimic_tokio::context();
//! let ctx = ctx.register(Connect, "exec", 100, needs, |(), (program, process)| async move {
//!     process.dial(Command::new(&*program)).await
//! });
//! let mut flow = ctx.with_url("exec:/bin/cat")?.connect().await?;
//! flow.write_all(b"ping\n").await?;
//! # flow.shutdown().await?;
//! # let mut line = [0; 5];
//! # flow.read_exact(&mut line).await?;
//! # assert_eq!(&line, b"ping\n");
//! # flow.close().await?;
//! # Ok::<(), mimic_tokio::mimic_core::Error>(()) }).unwrap();
//! ```
//!
//! # Sockets from elsewhere
//! Listeners (socket activation): with [`Inherited`] in the context, listening at the address of a
//! socket that listens already takes it, by TLS too. [`TcpAcceptor`] and `UnixAcceptor` make a
//! listener of one, without a URL.
//!
//! Flows: [`TcpFlow`] and `UnixFlow` come from an accepted or connected socket. [`FromTokio`] makes
//! a flow of anything that tokio can read and write, and [`ToTokio`] goes the other way.
//!
//! # What to know
//! - A dial runs inside a tokio runtime; elsewhere it is an error that says so. I/O and time must
//!   be enabled in it: without them, tokio panics.
//! - A running look-up by the system cannot be cancelled. When a deadline expires, its thread is
//!   left to finish. No runtime waits for it when it shuts down, and paused time does not either.
//!   Look-ups by `Hickory` end when they are dropped.
//! - At most 64 look-ups by the system run at a time; [`set_lookup_threads`] changes that.

#![forbid(unsafe_code)]

mod adapter;
#[cfg(feature = "axum")]
mod axum;
mod bridge;
#[cfg(feature = "hickory")]
mod hickory;
#[cfg(feature = "process")]
mod pipes;

use std::time::Duration;

#[cfg(not(feature = "happy-eyeballs"))]
use mimic_core::InOrder as Addresses;
use mimic_core::keys::Deadline;
use mimic_core::{Context, Ctx, Error, Flow, Install, LocalContext, Schemes, for_each_mode};
#[cfg(feature = "happy-eyeballs")]
use mimic_happy_eyeballs::HappyEyeballs as Addresses;
use mimic_std::{Acceptor, Hosted};

#[cfg(feature = "axum")]
pub use axum::{AxumListener, Peer};
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
#[cfg(any(feature = "axum", feature = "hyper"))]
pub use mimic_std::ConnectionInfo;
#[cfg(unix)]
pub use mimic_std::OverUnix;
#[cfg(feature = "process")]
pub use mimic_std::process;
#[cfg(feature = "hyper")]
pub use mimic_std::{Connector, ToHyper};
pub use mimic_std::{Inherited, InheritedSockets, set_lookup_threads};

/// Accepts TCP flows.
///
/// [`TcpListen`](mimic_core::roles::TcpListen) makes one. [`from_std`](Acceptor::from_std) makes
/// one of a socket from elsewhere.
pub type TcpAcceptor = Acceptor<Tokio, std::net::TcpListener>;

/// Accepts Unix flows.
///
/// [`UnixListen`](mimic_core::roles::UnixListen) makes one, whose file goes with it.
/// [`from_std`](Acceptor::from_std) makes one of a socket from elsewhere.
#[cfg(unix)]
pub type UnixAcceptor = Acceptor<Tokio, std::os::unix::net::UnixListener>;

/// Fills the roles of the table above by tokio. [`Ctx::install`] takes it.
///
/// Instants of two timers compare if both timers come from one installation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokio;

/// The content of the contexts. The features of this crate decide, and not those of another adapter
/// in the same program.
struct Content;

for_each_mode!(M => {
    impl Install<M> for Content {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            #[cfg(feature = "rustls")]
            let ctx = ctx.install(mimic_rustls::Tls);
            ctx.install(Schemes).install(Addresses).install(Tokio).with(Deadline, Duration::from_secs(30))
        }
    }

    impl Install<M> for Tokio {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            #[cfg(feature = "happy-eyeballs")]
            let ctx = ctx.install(mimic_std::SourceAddresses);
            #[cfg(feature = "process")]
            let ctx = ctx.install(process::Processes(self));
            ctx.install(Hosted(self))
        }
    }
});

/// Returns a context with everything in it: the standard schemes, [`Tokio`], addresses raced by the
/// feature `happy-eyeballs`, TLS by the feature `rustls`, and a deadline of 30 s.
#[must_use]
pub fn context() -> Context {
    Ctx::new().install(Content)
}

/// Returns what [`context`] does, for flows and functions that stay on one thread: a current-thread
/// runtime, or a `LocalSet`.
#[must_use]
pub fn local_context() -> LocalContext {
    Ctx::new().install(Content)
}

/// Connects to an endpoint such as `tcp://example.org:7`, `unix:/run/service` or, with the feature
/// `rustls`, `tls://example.org:443`, by [`context`].
///
/// Programs that connect often keep one context: it resumes TLS sessions. The platform's trust
/// store is read once per process, whatever the number of contexts.
///
/// # Errors
/// As [`Ctx::with_url`] and [`Ctx::connect`].
pub async fn connect(url: &str) -> Result<Box<dyn Flow + Send>, Error> {
    context().with_url(url)?.connect().await
}
