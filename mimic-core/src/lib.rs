//! mimic lets the client of a protocol ignore how its bytes travel.
//!
//! A client (git, HTTP, MQTT, a line protocol of your own) is written once, against a byte stream.
//! Which stream it gets, TCP, a Unix socket, TLS through a proxy, a serial line, depends on values
//! known only at run time, such as a URL, and on where it runs: tokio, smol, async-std, or a
//! microcontroller. This crate is the small dispatcher in between. It is `no_std`, knows no
//! runtime, and keeps no global state.
//!
//! ```text
//!            values: Scheme = tcp, Host = example.org, Port = 7, …       ctx.with_url("tcp://example.org:7")
//!                │
//!   Context ─────┤ functions:  Ip from Host, …                           ctx.derive(Ip, req(Host), …)
//!                │ candidates: Stream "tcp", Transport "in-order", …     ctx.register(Stream, "tcp", 100, …)
//!                │ layers:     Transport "socks5", …                     ctx.layer(Transport, "socks5", …)
//!                ▼
//!   resolve(Stream) ── plan ──►  Stream "tcp" ─► Transport "in-order" ─► Lookup "system"
//!                │                                                    └► Link "tcp"
//!                └── dial ───►  a flow: Box<dyn Flow + Send>, and who carries its bytes is hidden
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
//! use mimic_core::{Context, Ctx, Error, FlowExt, HostPort, Mode, Schemes, Shared, Transport, memory_pair};
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
//!         Ok(Box::new(here) as _)
//!     })
//!     .with_url("tcp://example.org:7")?;
//! println!("{}", ctx.explain(mimic_core::Stream));
//! assert_eq!(ask(&ctx).await?, "pong\n");
//! # Ok::<(), Error>(()) }).unwrap();
//! ```
//!
//! # The five ideas
//!
//! 1. A **key** is a type that names a typed value: [`Key`], [`key!`].
//! 2. A **context** is a cheaply cloned map of values, functions, protocols and layers: [`Ctx`],
//!    used as [`Context`] or [`LocalContext`].
//! 3. **Needs** are what a function or protocol declares as inputs, as data: [`req`], [`opt`],
//!    [`or_default`], [`map`], [`over`], and the gates [`is`] and [`given`].
//! 4. A **flow** is one object-safe byte stream: [`Flow`], [`FlowExt`].
//! 5. A **role** is a job that protocols compete for, from a target to an output: [`Role`],
//!    [`Dialer`].
//!
//! # Failing closed
//!
//! Roles are the security boundary. The first candidate that applies is *the* candidate: once its
//! gates match, a missing need is an error and not a reason to try another, and a failed connect
//! never moves on. So neither a reset nor an unreadable trust store turns TLS into clear text.
//! Fallback is written down, with [`first_ok`]. What a role promises is checked of every output
//! ([`Role::accept`]).
//!
//! # Where things are
//!
//! | to change | see |
//! |---|---|
//! | what the context holds; merging; the methods of [`Ctx`] | `context.rs`, `registry.rs`, `values.rs`, `table.rs`, `register.rs` |
//! | how it is decided who dials | `needs.rs`, `spec.rs`, `engine.rs`, `plan.rs`, and the engine's twin `explain.rs` |
//! | how it is told | `explanation.rs`, `record.rs`, `error.rs` |
//! | dialling, deadlines | `dialer.rs`, `timer.rs` |
//! | the byte stream | `flow/`; what is made of flows: `io/` |
//! | standard keys, roles, schemes and protocols | `standard.rs`, `until.rs`, `protocols.rs`, `endpoint.rs` |
//! | modes, listeners | `mode.rs`, `listener.rs` |
//!
//! # Features
//!
//! - `std` (default): conversions to and from `std::io`, and `reports`.
//! - `reports`: errors carry the plan, every candidate and why it was taken or not
//!   ([`Report::plan`]). Without it, for microcontrollers, they still say layer, target, phase,
//!   reason, advice, and what was tried.
//!
//! No feature changes what a resolve does.

#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod context;
mod dialer;
mod endpoint;
mod engine;
mod error;
mod explain;
mod explanation;
mod flow;
mod io;
mod key;
mod listener;
mod mode;
mod needs;
mod plan;
mod priority;
mod protocols;
mod record;
mod register;
mod registry;
mod role;
mod spec;
mod standard;
#[cfg(feature = "std")]
mod std_io;
mod sync;
mod table;
mod text;
mod timer;
mod until;
mod values;

#[cfg(target_has_atomic = "ptr")]
pub use context::Context;
pub use context::{Ctx, Install, LocalContext};
pub use dialer::Dialer;
pub use embedded_io_async::{self, ErrorKind};
pub use endpoint::{Endpoint, percent_decode};
pub use error::{Error, Phase, PlanError};
pub use explanation::{Choice, ChoiceKind, Explanation, Goal, GoalKind, Input, Verdict};
#[doc(hidden)]
pub use flow::poll_write_all;
pub use flow::{AttributeRequest, Flow, FlowExt};
pub use io::{
    BufReader, CancelSafeDevice, Memory, OwnedReadHalf, OwnedWriteHalf, ReadHalf, Split, WriteHalf, memory_pair, pump,
};
#[cfg(target_has_atomic = "ptr")]
pub use io::{DuplexWaker, SyncFlow};
pub use key::Key;
pub use listener::{Listener, ListenerExt, Listeners};
#[cfg(target_has_atomic = "ptr")]
pub use mode::Shared;
pub use mode::{Cell, Local, Mode};
pub use needs::{Given, Is, Map, Need, Needs, Opt, OrDefault, Over, Req, given, is, map, opt, or_default, over, req};
pub use priority::Priority;
pub use protocols::{
    ClientSchemes, Dialers, InOrder, Schemes, ServerSchemes, dial_addresses, dial_host, first_ok, listen_addresses,
    listen_host,
};
pub use record::{Attempt, Outcome, Report};
pub use role::Role;
pub use standard::*;
#[doc(hidden)]
pub use text::Plain;
pub use text::{Secret, Text};
pub use timer::{Instant, Timer, sleep, timeout};
pub use until::Handshake;
#[doc(hidden)]
pub use until::Until;
