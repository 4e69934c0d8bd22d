//! mimic lets the client of a protocol ignore how its bytes travel.
//!
//! A client (git, HTTP, MQTT, a line protocol of your own) is written once, against a byte stream.
//! Which stream it gets, TCP, a Unix socket, TLS through a proxy, a serial line, depends on values
//! known only at run time, such as a URL, and on where it runs: tokio, smol, async-std, or a
//! microcontroller. This crate is the small dispatcher in between. It is `no_std`, knows no
//! runtime, and keeps no global state.
//!
//! ```text
//!  a context holds                                           given by
//!    values      Scheme = tcp, Host = example.org, Port = 7  with, with_url
//!    functions   Host from Service                           derive
//!    candidates  Connect "tcp", Transport "in-order", …      register
//!    layers      Transport "socks5", if there is a Proxy     layer
//!        │
//!        │  resolve(Connect)
//!        ▼
//!  a plan:  Connect "tcp" ─► Transport "in-order" ─┬─► Lookup "system"
//!        │                                         └─► Tcp "tcp"
//!        │  dial
//!        ▼
//!  a flow: Box<dyn Flow + Send>, which hides what carries its bytes
//! ```
//!
//! # Use
//!
//! A client depends on this crate alone. An application adds one adapter (`mimic-tokio`,
//! `mimic-smol`), whose `context()` has everything registered. Here a transport is made by hand, in
//! memory:
//!
//! ```
//! use embedded_io_async::{Read, Write};
//! use mimic_core::io::memory_pair;
//! use mimic_core::roles::{Connect, HostPort, Transport};
//! use mimic_core::{Context, Ctx, Error, FlowExt, Mode, Schemes, Shared};
//!
//! // The client: any runtime, any transport, any mode.
//! async fn ask<M: Mode>(ctx: &Ctx<M>) -> Result<String, Error> {
//!     let mut flow = ctx.connect().await?;
//!     flow.write_all(b"ping\n").await?;
//!     flow.flush().await?;
//!     let mut line = [0; 64];
//!     let n = flow.read(&mut line).await?;
//!     flow.close().await?;
//!     Ok(String::from_utf8_lossy(&line[..n]).into_owned())
//! }
//!
//! // A server for the example, in a thread of its own.
//! async fn answer(mut flow: impl Read + Write) {
//!     if flow.read(&mut [0; 64]).await.is_ok_and(|n| n > 0) {
//!         let _ = flow.write_all(b"pong\n").await;
//!     }
//! }
//!
//! # use futures_lite::future::block_on;
//! # block_on(async {
//! // The application: which transports there are, and which endpoint.
//! let ctx = Context::new()
//!     .install(Schemes)
//!     .register(Transport, "memory", 100, (), |_to: HostPort, ()| async {
//!         let (here, there) = memory_pair::<Shared>(64);
//!         std::thread::spawn(|| block_on(answer(there)));
//!         Ok(here.boxed())
//!     })
//!     .with_url("tcp://example.org:7")?;
//! println!("{}", ctx.explain(Connect));
//! assert_eq!(ask(&ctx).await?, "pong\n");
//! # Ok::<(), Error>(()) }).unwrap();
//! ```
//!
//! # The five ideas
//!
//! 1. A **key** is a type that names a typed value: [`Key`], [`key!`], the standard [`keys`].
//! 2. A **context** is a cheaply cloned map of values, and of what was registered for keys and
//!    roles: [`Ctx`], used as [`Context`] or [`LocalContext`]. A *function* registered for a key
//!    computes its value if none was given.
//! 3. A **role** is a job from a target to an output: `Transport` goes from a host and port to a
//!    flow. *Candidates* compete for it, *layers* wrap the one that wins: [`Role`], the standard
//!    [`roles`]. A [`Dialer`] does the job.
//! 4. **Needs** are the inputs that a function, a candidate or a layer declares, as data: [`req`],
//!    [`opt`], [`or_default`], [`map`], [`over`] (a dialer of a role below), [`handshake`].
//!    *Gates* before them decide whether it applies: [`when`], [`is`], [`has`]. [`given`] is both.
//! 5. A **flow** is one object-safe byte stream: [`Flow`], [`FlowExt`].
//!
//! # How a resolve decides
//!
//! ```text
//! Connect   candidate "unix"     Scheme is "unix"?  it is "tcp": skipped
//!           candidate "tcp"      Scheme is "tcp"?   yes: committed
//!                                  req Host         "example.org"
//!                                  req Port         7
//!                                  over Transport   to be decided ──┐
//! Transport candidate "in-order"   over Lookup, over Tcp  ◄─────────┘
//!           layer "socks5"         has Proxy?       no value, no function: skipped
//! ```
//!
//! The candidates of a role are tried by [`Priority`], and so are the functions of a key. The gates
//! of one come first, then its other needs in order. A gate that is shut skips the candidate. A
//! candidate whose gates are all open is *committed*: a missing need ends the resolve with an
//! error. Without gates, a missing need skips it. The first candidate that has all its inputs
//! becomes a *plan*: an input is the value of a key, or the plan of a role that the candidate is
//! over. Then each layer whose gates are open wraps the plan, the oldest innermost. Functions run
//! during this step. A function that is over a role may dial, too.
//!
//! # How it dials
//!
//! ```text
//! Connect "tcp"                                   runs until the flow is there
//!   Transport "in-order" to example.org:7         dialled by Connect "tcp"
//!     Lookup "system" to example.org              dialled by Transport "in-order"
//!     Tcp "tcp" to 192.0.2.1:7                    refused: an entry in the attempt log
//!     Tcp "tcp" to 192.0.2.2:7                    connected
//! ```
//!
//! A candidate or layer is an async function. It gets the target, and as arguments the values and
//! [`Dialer`]s that it declared; by these it dials what is below. One deadline covers the decision
//! and all dials. A layer may pass a [`Handshake`] down with a target, so that a race of addresses
//! takes the first one on which the handshake succeeds. The role checks each output
//! ([`Role::verify`]).
//!
//! # How it fails
//!
//! ```text
//! Tcp "tcp" to 192.0.2.2:7: connect failed: ConnectionRefused; start the server
//! ─ at ────    ─ target ──  ─ phase ──────  ─ reason ────────  ─ advice ───────
//!   tried:
//!     Transport "in-order" to example.org:7: failed below
//!       Tcp "tcp" to 192.0.2.1:7: connect failed: ConnectionRefused
//!       Tcp "tcp" to 192.0.2.2:7: connect failed: ConnectionRefused
//!   plan:
//!     Connect
//!       - unix [100]: no: Scheme is "tcp", not "unix"
//!       + tcp [100]: yes …
//! ```
//!
//! `{}` of an [`Error`] prints the first line, `{:#}` all of them. The other lines are its
//! [`Report`]: the dials that did not succeed, and every candidate with why it was taken or not.
//! [`Ctx::explain`] tells the candidates beforehand. It calls nothing, so its verdict is "maybe"
//! where a function decides.
//!
//! # Failing closed
//!
//! Roles are the security boundary. The first candidate that applies is *the* candidate: once its
//! gates match, a missing need is an error and not a reason to try another, and a failed dial never
//! moves on to another candidate. So neither a reset nor an unreadable trust store turns TLS into
//! clear text. Fallback is written down, with [`first_ok`].
//!
//! # Where things are
//!
//! To follow one resolve, read in this order:
//!
//! 1. `context/mod.rs`: the methods that a client calls.
//! 2. `registry/need.rs`, `registry/plan.rs`: needs and plans, as data.
//! 3. `resolve/mod.rs`, `resolve/engine.rs`: deciding.
//! 4. `dialer/mod.rs`, `dialer/arguments.rs`, `dialer/attempts.rs`, `resolve/dial.rs`: dialling.
//! 5. `error/mod.rs`, `error/report.rs`, `resolve/explain.rs`: failing.
//!
//! To see what stands on what, read from the bottom. A file imports from its own floor and those
//! below.
//!
//! | floor | file in `src` | what it is |
//! |---|---|---|
//! | 9 | `schemes.rs` | what `tcp`, `http`, `git` and `unix` mean; addresses in order; fallback |
//! | 8 | `context/` | [`Ctx`], the public face of the floors below; `register.rs` registers |
//! | 7 | `resolve/` | decides which plan fills a role, dials it, explains |
//! | 6 | `dialer/` | [`Dialer`], the typed needs, the attempt log |
//! | 6 | `standard/` | the standard keys, roles and targets; DNS records; endpoint strings |
//! | 5 | `registry/` | what a context holds, as data: values, registrations, plans |
//! | 5 | `role.rs`, `io/` | [`Role`]; what is made of flows: halves, pumps, a buffered reader |
//! | 4 | `mode.rs`, `listener.rs` | [`Shared`], [`Local`], [`Listener`]; the accept loop |
//! | 3 | `flow/` | [`Flow`], [`FlowExt`], attributes |
//! | 2 | `key.rs`, `timer.rs` | [`Key`], [`Timer`] |
//! | 1 | `error/` | [`Error`], its report and the explanation, as data |
//! | 1 | `text.rs`, `escape.rs`, `id.rs`, `sync.rs` | strings, printing, identities, `Arc` |
//!
//! # Features
//!
//! - `std` (default): conversions to and from `std::io`, and `reports`.
//! - `reports`: errors carry the plan, every candidate and why it was taken or not
//!   ([`Report::plan`]). Without it, for microcontrollers, they still say layer, target, phase,
//!   reason, advice, and what was tried.
//!
//! No feature changes what a resolve does.
//!
//! [`req`]: needs::req
//! [`opt`]: needs::opt
//! [`or_default`]: needs::or_default
//! [`map`]: needs::map
//! [`over`]: needs::over
//! [`when`]: needs::when
//! [`is`]: needs::is
//! [`has`]: needs::has
//! [`given`]: needs::given
//! [`handshake`]: needs::handshake()
//! [`Report::plan`]: explain::Report::plan

#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod context;
mod dialer;
mod error;
mod escape;
mod flow;
mod id;
pub mod io;
mod key;
mod listener;
mod mode;
mod registry;
mod resolve;
mod role;
mod schemes;
mod standard;
#[cfg(feature = "std")]
mod std_io;
mod sync;
mod text;
mod timer;

#[cfg(target_has_atomic = "ptr")]
pub use context::Context;
pub use context::{Ctx, Install, LocalContext};
pub use dialer::Dialer;
pub use dialer::handshake::Handshake;
pub use embedded_io_async::{self, ErrorKind};
pub use error::{Error, Phase, Priority};
pub use flow::{Flow, FlowExt};
pub use key::Key;
pub use listener::ListenerExt;
#[cfg(target_has_atomic = "ptr")]
pub use mode::Shared;
pub use mode::{Listener, Local, Mode};
pub use role::Role;
pub use schemes::{InOrder, Schemes};
pub use standard::Endpoint;
pub use text::{Secret, Text};
pub use timer::{Timer, sleep, timeout};

/// The standard keys: what an endpoint sets, what an application may set, and the attributes of
/// flows.
pub mod keys {
    pub use crate::standard::keys::*;
}

/// The standard roles, their targets, and the answers of look-ups.
pub mod roles {
    pub use crate::standard::dns::{Question, Record, RecordType, Service};
    pub use crate::standard::roles::*;
    pub use crate::standard::targets::{HostPort, UnixPath};
}

/// The needs that a function, a candidate or a layer declares, and the gates before them.
pub mod needs {
    pub use crate::dialer::needs::{
        Gate, Needs, When, given, handshake, has, is, map, opt, or_default, over, req, when,
    };
}

/// The data of [`Ctx::explain`], and of the report of an error.
pub mod explain {
    pub use crate::error::{
        Attempt, Choice, ChoiceKind, Explanation, Goal, GoalKind, NeedOutcome, Outcome, PlanError, Report, Verdict,
    };
}

/// For authors of transports, layers, schemes and runtimes.
pub mod adapter {
    pub use crate::flow::AttributeRequest;
    pub use crate::mode::Listeners;
    pub use crate::schemes::{Dialers, dial_addresses, dial_host, first_ok, listen_addresses, listen_host};
    pub use crate::standard::percent_decode;
    pub use crate::timer::Instant;
}

// For macros.
#[doc(hidden)]
pub use escape::Escaped;
#[doc(hidden)]
pub use flow::poll_write_all;

// One name for each item within the crate.
pub(crate) use adapter::*;
pub(crate) use explain::*;
pub(crate) use keys::*;
pub(crate) use mode::Cell;
pub(crate) use needs::*;
pub(crate) use roles::*;
