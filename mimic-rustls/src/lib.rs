//! TLS for [mimic](mimic_core): rustls as a layer over any flow, client and server, on any runtime
//! and on bare metal.
//!
//! ```text
//!   Connect "tls" ─► Secure "tls" ─► Transport (TCP, a proxy, a serial line, …)
//!                       │
//!                    TlsFlow ── Driver ── Machine: rustls's unbuffered connection
//!                                 │ ▲
//!                     records out ▼ │ records in
//!                             the flow below
//! ```
//!
//! An application installs [`Tls`] (the adapters' `context()` has it by default), and
//! `tls://host:port` and `https` work. [`TlsConfig`] decides about trust: it is rustls's own
//! configuration, with any crypto provider. Without one, the features `platform` and `aws-lc-rs` or
//! `ring` give the platform's trust store. Only a configuration of your own can skip verification.
//!
//! # Trust and identity
//! A configuration from PEM text takes two lines. [`trust`] and [`pin`] decide which server a
//! client accepts, and [`identity`] is what either end presents:
//!
//! ```
//! # #[cfg(feature = "std")]
//! # mod example {
//! use mimic_core::{Context, Error};
//! use mimic_rustls::{ServerOptions, TlsConfig, TlsServerConfig, identity, trust};
//!
//! # fn example(ctx: Context, (authority, chain, key): (&str, &str, &str)) -> Result<Context, Error> {
//! let client = trust(authority)?.config()?;
//! let server = ServerOptions::new(identity(chain, key)?).config()?;
//! let ctx = ctx.with(TlsConfig, client).with(TlsServerConfig, server);
//! # Ok(ctx)
//! # }
//! # }
//! ```
//!
//! [`ClientOptions`] and [`ServerOptions`] also have several pins and client certificates. What
//! they make is a configuration of rustls, and the value of [`TlsConfig`] alone decides.
//!
//! # Flows
//! Without a context: [`connect`] and [`accept`] over any [`Flow`](mimic_core::Flow), and
//! [`upgrade`] and [`upgrade_server`] in the middle of a conversation (STARTTLS).
//!
//! [`TlsFlow`] states the promises of the flow. Its attributes describe the connection:
//! [`TlsVersion`](mimic_core::keys::TlsVersion), [`CipherSuite`], [`KeyExchangeGroup`],
//! [`AlpnProtocol`], [`PeerCertificates`], [`Resumed`]. [`TlsKeyLog`] logs its secrets, for
//! debugging. Only the client's end authenticates a name: [`Protection`], [`ServerName`]. The
//! server's end has the name that its client asked for, [`RequestedName`], which nothing
//! authenticates.
//!
//! # Errors
//! Errors say the phase (the handshake, a read, a write), the reason, and the advice. [`tls_error`]
//! returns rustls's own error to match on. A configuration without a clock, a name that no
//! certificate can be for, and a missing provider are errors before the first byte. At a listener
//! [`HandshakeObserver`] receives the handshakes that fail, and `accept` does not return them.
//!
//! # Features
//! `std`, `tls12`, `platform`, `aws-lc-rs` (all on by default) and `ring`. [`provider`] is
//! aws-lc-rs if its feature is on. Then X25519MLKEM768 is the preferred key exchange, as in
//! rustls's own default. Otherwise the provider is ring, which has no post-quantum group. Without
//! any feature the crate is `no_std` with `alloc`, TLS 1.3 only, and takes its provider, its trust
//! anchors and its clock from [`TlsConfig`].

#![forbid(unsafe_code)]
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod below;
mod buffer;
#[cfg(feature = "std")]
mod client_options;
mod connect;
mod dial_id;
mod driver;
mod error;
#[cfg(all(test, feature = "std"))]
mod exhausted;
mod flow;
#[cfg(feature = "std")]
mod identity;
mod input_length;
mod key_log;
mod limits;
mod listener;
mod machine;
#[cfg(feature = "platform")]
mod once_on_thread;
#[cfg(feature = "std")]
mod pem;
#[cfg(feature = "std")]
mod pins;
mod platform;
mod pool;
mod protocol;
mod seal;
#[cfg(feature = "std")]
mod server_options;
mod side;
mod states;
#[cfg(feature = "platform")]
mod store;

#[cfg(feature = "std")]
pub use client_options::{ClientOptions, pin, trust};
pub use connect::{accept, connect, upgrade, upgrade_server};
pub use error::tls_error;
pub use flow::{CipherSuite, KeyExchangeGroup, PeerCertificates, Resumed, TlsFlow};
#[cfg(feature = "std")]
pub use identity::{Identity, identity};
pub use key_log::TlsKeyLog;
pub use limits::{HandshakeLimits, HandshakeObserver, Limits};
pub use mimic_core::keys::{Alpn, AlpnProtocol, Protection, RequestedName, ServerName};
#[cfg(feature = "std")]
pub use pins::PinMismatch;
#[cfg(feature = "std")]
pub use platform::provider;
pub use protocol::{HandshakeRoom, Tls, TlsClient, TlsConfig, TlsServer, TlsServerConfig};
pub use rustls;
#[cfg(feature = "std")]
pub use server_options::ServerOptions;
pub use side::{Client, Server, Side};
#[cfg(feature = "platform")]
pub use store::platform_config;
