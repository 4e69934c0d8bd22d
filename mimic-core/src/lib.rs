//! mimic lets the client of a protocol ignore how its bytes travel.
//!
//! A client (git, HTTP, MQTT, a line protocol of your own) is written once, against a byte stream.
//! Which stream it gets, TCP, a Unix socket, TLS through a proxy, a serial line, depends on values
//! known only at run time, such as a URL, and on where it runs: tokio, smol, async-std, or a
//! microcontroller. This crate is the small dispatcher in between. It is `no_std`, knows no
//! runtime, and keeps no global state.
//!
//! ```text
//!  a context holds                                          given by
//!    values      Scheme = tcp, Host = example.org, Port = 7  with, with_url
//!    functions   Ip from Host                                derive
//!    candidates  Connect "tcp", Transport "in-order", …      register
//!    layers      Transport "socks5"                          layer
//!        │
//!        │  resolve(Connect)
//!        ▼
//!  plan:  Connect "tcp" ─► Transport "in-order" ─► Lookup "system"
//!        │                                     └─► Tcp "tcp"
//!        │  dial, once
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
//!    roles: [`Ctx`], used as [`Context`] or [`LocalContext`]. *Functions* are registered for keys:
//!    one computes a value that was not given, or says "not me".
//! 3. A **role** is a job from a target to an output: `Transport` goes from a host and port to a
//!    flow. *Candidates* compete for it, *layers* wrap the one that wins: [`Role`], [`Dialer`], the
//!    standard [`roles`].
//! 4. **Needs** are the inputs that a function, a candidate or a layer declares, as data: [`req`],
//!    [`opt`], [`or_default`], [`map`], [`over`] (a dialer of a role below), [`handshake`].
//!    *Gates* before them decide whether it applies: [`when`], [`is`], [`has`]. [`given`] is both.
//! 5. A **flow** is one object-safe byte stream: [`Flow`], [`FlowExt`].
//!
//! # How a resolve goes
//!
//! ```text
//! Connect    candidate "unix"    Scheme is "unix"?  it is "tcp": skipped
//!            candidate "tcp"     Scheme is "tcp"?   yes: committed
//!                                  req Host         "example.org"
//!                                  req Port         7
//!                                  over Transport   to be decided ──┐
//! Transport  candidate "in-order"  over Lookup, over Tcp  ◄─────────┘
//!            layer "socks5"      has Proxy?  no value, no function: skipped
//! ```
//!
//! 1. **It decides.** The candidates of a role are tried by [`Priority`], and so are the functions
//!    of a key. A gate that is shut skips the candidate. A candidate whose gates are all open is
//!    *committed*: a missing need ends the resolve with an error. Without gates, a missing need
//!    skips it. The first candidate that has all its inputs becomes a *plan*. An input for an
//!    `over` is the plan of that role. Then each layer whose gates are open wraps the plan in one
//!    more, the oldest layer first; a missing need of a layer is an error.
//! 2. **It dials.** The outermost plan is called with the target and its arguments. The
//!    [`Dialer`]s among these dial the plans below. Such a *nested dial* shares the deadline and
//!    the attempt log of the whole connect. It may bring a [`Handshake`], which the receiver takes
//!    by a need.
//! 3. **It succeeds or fails.** An [`Error`] names the innermost candidate or layer that failed,
//!    why it failed, and what to do. Its report holds the attempt log and the plan.
//!    [`Ctx::explain`] says beforehand what would be tried, and calls nothing.
//!
//! The [`Deadline`] of a context covers deciding and dialling.
//!
//! # Failing closed
//!
//! Roles are the security boundary. A committed candidate that lacks a need is never passed over
//! for another, and a failed connect never moves on to one. So neither a reset nor an unreadable
//! trust store turns TLS into clear text. Fallback is written down, with [`first_ok`]. Every output
//! is checked for what its role promises ([`Role::verify`]).
//!
//! # Where things are
//!
//! To follow one resolve, read these files in order:
//!
//! | question | files in `src` |
//! |---|---|
//! | What does it pick? | `registry/need.rs`, `registry/plan.rs`, `resolve/{mod,engine}.rs` |
//! | How does it dial? | `dialer/{mod,attempts,arguments}.rs`, `resolve/dial.rs` |
//! | How is a handshake passed down? | `dialer/handshake.rs` |
//! | How does it fail? | `error/{mod,report,explanation}.rs`, `resolve/explain.rs` |
//!
//! To read the whole crate, begin at the bottom. Each floor imports only from those below it.
//!
//! | floor | file in `src` | what it is |
//! |---|---|---|
//! | 9 | `schemes.rs` | what `tcp`, `http`, `git` and `unix` mean; addresses in order; fallback |
//! | 8 | `context/` | [`Ctx`]: the public face of the three floors below; registering |
//! | 7 | `resolve/` | decides which plan fills a role, dials it, explains |
//! | 6 | `dialer/` | [`Dialer`], the typed needs, the attempt log that one connect shares |
//! | 6 | `standard/` | the standard keys, roles and targets; DNS records; endpoint strings |
//! | 5 | `registry/` | what a context holds, as data: values, registrations, plans |
//! | 5 | `role.rs`, `io/` | [`Role`]; what is made of flows: halves, pumps, a buffered reader |
//! | 4 | `mode.rs` | [`Shared`], [`Local`], [`Listener`]; the accept loop is in `listener.rs` |
//! | 3 | `flow/` | [`Flow`], [`FlowExt`], attributes |
//! | 2 | `key.rs`, `timer.rs` | [`Key`], [`Timer`] |
//! | 1 | `error/`, `text.rs`, `escape.rs`, `id.rs` | [`Error`] and what it tells, as data |
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

/// What [`Ctx::explain`] and the report of an error tell, as data.
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
