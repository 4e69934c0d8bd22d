//! [mimic](mimic_core) on [embassy](embassy_net): TCP from a fixed pool of sockets, DNS and timers,
//! on bare metal.
//!
//! ```no_run
//! use embassy_net::Stack;
//! use mimic_core::FlowExt;
//! use mimic_core::embedded_io_async::{Read, Write};
//! use mimic_embassy::{Buffers, context};
//! use static_cell::ConstStaticCell;
//!
//! /// Four sockets, of 2 KiB each way.
//! static BUFFERS: ConstStaticCell<Buffers<4, 2048, 2048>> = ConstStaticCell::new(Buffers::new());
//!
//! // The stack's runner runs in a task of its own; a `StackResources<6>` has room for the pool,
//! // DNS and DHCP.
//! async fn client(stack: Stack<'static>) -> Result<(), mimic_core::Error> {
//!     let ctx = context(stack, BUFFERS.take());
//!     let mut flow = ctx.with_url("tcp://example.org:7")?.connect().await?;
//!     flow.write_all(b"hello\n").await?;
//!     flow.flush().await?;
//!     flow.read(&mut [0; 64]).await?;
//!     flow.close().await?;
//!     Ok(())
//! }
//! ```
//!
//! [`Embassy`] fills these roles, each at priority 100, and [`context`] adds what the standard
//! schemes of hosts and ports need. [`EmbassyClient`] and [`client`] are the same without
//! [`TcpListen`], for a device that does not listen:
//!
//! | role | name | how |
//! |---|---|---|
//! | [`Tcp`] | `tcp` | TCP over a socket of the pool, with [`NoDelay`] (on unless it is false), [`KeepAlive`] and [`UserTimeout`] |
//! | [`TcpListen`] | `tcp` | the same, and [`Backlog`] |
//! | [`Lookup`] | `dns` | A and AAAA records, by the stack's DNS client; an address with a zone (`fe80::1%eth0`) is itself: there is one interface |
//! | [`Sleep`] | `timer` | embassy-time |
//! | `SourceAddress` | `stack` | the stack's own address, if it has one of the family and a way there |
//!
//! With the feature `happy-eyeballs`, on by default, [`Transport`](mimic_core::roles::Transport) is
//! filled by `mimic_happy_eyeballs`: the AAAA and A records of a host are looked up separately and
//! at once, and its addresses raced as the draft says. Without it the addresses are tried one after
//! the other, in the order of the look-up, by [`InOrder`](mimic_core::InOrder), and nothing fills
//! `SourceAddress`.
//!
//! With the feature `rustls`, off by default, the contexts have TLS too, from `mimic_rustls`:
//! `tls://host:port` and `https` work, given a configuration by `mimic_rustls::TlsConfig`, with its
//! provider, entropy and clock. The module `crypto` (features `verify-…`) makes one for devices.
//!
//! # The pool
//! All sockets are made at the start, over [`Buffers`]; flows and listeners borrow them. The pool
//! is there for ever, as its buffers are, and so are the places of its sockets in `StackResources`:
//! a flow outlives its context, and when the last context and the last flow are dropped, what was
//! written is still sent.
//!
//! - A connect that finds all of them in use is an error of kind
//!   [`OutOfMemory`](mimic_core::ErrorKind::OutOfMemory) that says so. It waits for sockets that
//!   are still closing, for little more than a second, and while others connect, for theirs: a
//!   connect that is polled and fails gives its socket back, after 10 s at most, and one that
//!   succeeds keeps it.
//! - A race needs a socket for each address that it tries at one time. [`context`] lets it try as
//!   many as there are: where one socket is free, a dead address costs its 10 s before the next is
//!   tried. With TLS, an address whose turn comes while the handshake with another has the last
//!   socket is not tried.
//! - A listener takes a socket to listen with, and hands it out as the connection; another of the
//!   pool takes its place, as soon as there is one. smoltcp has no backlog: while no socket
//!   listens, peers are refused. [`Backlog`] lets more than one listen. It listens at an address of
//!   the stack, or, at `0.0.0.0` as at `[::]`, at all of both families. An accepted connection that
//!   was not fetched goes down with the listener, by a reset.
//!
//! # The end of a flow
//! | what is done | what becomes of it |
//! |---|---|
//! | `shutdown` | What was written goes out, then FIN. Reading goes on, until the peer closes too: half-close is kept in both directions |
//! | `close` | `shutdown`, then reads and drops what the peer still sends until it closes; then drops |
//! | drop | What was written goes out, then FIN, in the background; nothing is read any more. The socket lingers until the peer has closed too, until it is silent for 10 s, or for 1 s if another connect needs it, which ends it by a reset |
//! | `abort`, then drop | A reset. The peer reads an error, and what was not sent yet is lost |
//! | a connect is dropped | Its socket is free at once. Nothing more is sent, but for a reset to a peer that answers late |
//! | all contexts are dropped | All of the above as if they were there. But a task has to run the stack: where the device stops with the program, wait for `close` |
//!
//! # When memory ends
//! - The pool gives errors: it has what it has, and no connection takes more buffers.
//! - The heap does not. What is on it (the context, the plan, a connect under way, a flow's box,
//!   all of rustls) is allocated without a `Result`, as `alloc`'s collections are; when that fails,
//!   the allocation error handler is called, which on stable Rust is a panic. No connect falls back
//!   to anything, none hangs: let the panic handler say so and reset. The firmware of
//!   `examples/embassy-qemu` does, and its tests leave it so little heap, in many steps, that it
//!   ends everywhere on the way.
//! - Connecting is what needs it. In that firmware 21 KB of heap were enough for a ping, with happy
//!   eyeballs, and 29 KB over TLS, with two certificates; one block is of nearly 9 KB. Afterwards,
//!   a flow of TCP keeps its box; reading, writing and waiting allocate nothing, but for what
//!   rustls takes per record.
//!
//! # Waiting
//! - A connect or a look-up that finds the stack without an address (the link is down, DHCP has
//!   not answered) waits for one: for nine tenths of the [`Deadline`], and then the error says so;
//!   without a deadline, for as long as it takes. One of either family will do: where IPv6 comes by
//!   a router and IPv4 by DHCP, give the slower one a moment before (`examples/board` does).
//! - A peer that does not answer a connect is given up after 10 s:
//!   [`TimedOut`](mimic_core::ErrorKind::TimedOut). One that refuses it, by a reset, is
//!   [`ConnectionRefused`](mimic_core::ErrorKind::ConnectionRefused) at once. A stack that loses
//!   its address meanwhile is [`NotConnected`](mimic_core::ErrorKind::NotConnected). That the link
//!   is down is said too.
//! - A DNS query gives up after 10 s per server. smoltcp checks this only at its next
//!   retransmission, so in practice after 15 s. Only a family that the stack has an address of is
//!   asked for. smoltcp has one failure for a name that does not exist, one without such a record,
//!   and a server that fails: all are [`NotFound`](mimic_core::ErrorKind::NotFound), which says no
//!   more than that. It keeps one address of each family, unless a feature of smoltcp such as
//!   `dns-max-result-count-4` makes room for more, and asks one server, unless
//!   `dns-max-server-count-2` does. HTTPS records, search lists and `localhost` there are none.
//!
//! # Timers
//! Each task that waits for a flow with bytes on the way to the peer, for a connect or for a
//! look-up has a timer in embassy-time's queue. A queue of a fixed length (its features
//! `generic-queue-…`) wants room for all of them, and wakers of tasks that are gone stay in it
//! until their time: when it is full, timers wake each other.
//!
//! # Neighbours
//! smoltcp sends one request for a neighbour (ARP, neighbour solicitation) per second, for the
//! whole interface. Left alone, that breaks happy eyeballs: against a dead IPv6 neighbour and a
//! live IPv4 one that is not known yet, both attempts failed in our test, for the dead one took
//! every request; and so did a look-up in another task. So connects that have had no answer for 0.9
//! s take turns to be the one that sends, and leave the first two seconds to a look-up: the same
//! race is won at 1.25 s, and at 0.25 s when the IPv4 neighbour is known, as it is when it is the
//! router that the DNS query went through.
//!
//! What remains:
//! - A peer that needs more than 0.9 s to answer may have to be asked again, if other addresses are
//!   tried, or names looked up, at the same time. (On a link without neighbours, `medium-ip`,
//!   no connect steps back.)
//! - A first connect right after a look-up may go by IPv4 although IPv6 works: the DNS server took
//!   the request of that second.
//! - Sockets that are not of the pool, UDP ones for instance, do not take part.
//!
//! # A UART, or any device of `embedded-io-async`
//! Core's [`pump`](mimic_core::io::pump()) makes a flow of a device with two halves. A
//! program that does nothing but this needs no network, nor this crate:
//!
//! ```
//! use std::cell::RefCell;
//! use mimic_core::embedded_io_async::{Read, Write};
//! use mimic_core::{Error, ErrorKind, LocalContext};
//! use mimic_core::io::pump;
//! use mimic_core::keys::Scheme;
//! use mimic_core::needs::{is, when};
//! use mimic_core::roles::Connect;
//!
//! /// With it, `uart:/` connects, once: the device is the flow's from then on.
//! fn with_uart(
//!     ctx: LocalContext,
//!     rx: impl Read + 'static,
//!     tx: impl Write + 'static,
//! ) -> LocalContext {
//!     let halves = RefCell::new(Some((rx, tx)));
//!     ctx.register(Connect, "uart", 100, when(is(Scheme, "uart")), move |(), ()| {
//!         let halves = halves.take();
//!         async move {
//!             let (rx, tx) = halves.ok_or_else(|| Error::new(ErrorKind::NotConnected, "the UART is in use"))?;
//!             Ok(Box::new(pump(rx, tx, 128)) as _)
//!         }
//!     })
//! }
//! # let _ = with_uart(LocalContext::new(), &b""[..], Vec::new());
//! ```
//!
//! # Features
//! | feature | |
//! |---|---|
//! | `happy-eyeballs` (default) | racing |
//! | `medium-ethernet`, `proto-ipv4`, `proto-ipv6` (default), `medium-ip`, `medium-ieee802154` | those of embassy-net: at least one of either kind. Choose protocols here, and not at embassy-net alone: a family that is not chosen here is not used |
//! | `reports` (default) | errors carry the plan: every candidate and why it was taken or not; 7 KiB of flash |
//! | `rustls` | TLS |
//! | `verify-p256`, `verify-p384`, `verify-ed25519`, `verify-rsa` | the module `crypto`: a provider for devices that verifies signatures of these kinds |
//! | `nal` | `Nal`: `TcpConnect` and `Dns` of embedded-nal-async 0.9 over a context, for clients that take no flow |
//! | `defmt` | logs connects, accepts, peers given up, and what becomes of sockets, at `debug` and `warn`; and what embassy-net logs |
//!
//! It needs an allocator: flows, timers and connects are boxed, as they are in mimic everywhere.
//! Reads, writes and waits allocate nothing. It builds for targets without compare-and-swap
//! (thumbv6m), with nothing special.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

// First, for its macro.
#[macro_use]
mod log;
mod address;
mod buffers;
mod connect;
#[cfg(feature = "crypto")]
pub mod crypto;
mod flow;
mod listener;
mod lookup;
#[cfg(feature = "nal")]
mod nal;
mod neighbor_turns;
mod network;
mod pool;
mod socket;
mod timer;

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use embassy_net::Stack;
#[cfg(not(feature = "happy-eyeballs"))]
use mimic_core::InOrder as Addresses;
use mimic_core::keys::{Deadline, KeepAlive, NoDelay};
use mimic_core::needs::{Needs, map, opt, or_default};
use mimic_core::roles::{Lookup, Sleep, Tcp, TcpListen};
use mimic_core::{Ctx, Install, Local, LocalContext, Mode, Schemes, key};
#[cfg(feature = "happy-eyeballs")]
use mimic_happy_eyeballs::{Config, HappyEyeballs as Addresses, RaceConfig, SourceAddress};

pub use buffers::Buffers;
pub use flow::TcpFlow;
#[cfg(feature = "nal")]
pub use nal::Nal;
use pool::Pool;

key! {
    /// How long the peer may leave sent data without an answer before the connection is given up
    /// ([RFC 5482](https://www.rfc-editor.org/rfc/rfc5482)); 60 s when it is not given. With
    /// [`KeepAlive`], at least three times that.
    pub UserTimeout: Duration;
    /// How many sockets of the pool a listener keeps listening: as many peers may begin to connect
    /// at one moment. 1 when it is not given.
    pub Backlog: usize;
}

/// The roles that embassy-net fills, over a pool of sockets: what [`Ctx::install`] takes.
#[derive(Clone)]
pub struct Embassy {
    pool: &'static Pool,
}

const PRIORITY: i32 = 100;

impl Embassy {
    /// Makes the pool: `N` sockets of the stack, over these buffers.
    ///
    /// # Panics
    /// embassy-net's own: if the stack has no room for `N` more sockets.
    /// `StackResources<{ N + 2 }>` has, with DNS and DHCP. The places are taken for ever, as the
    /// buffers are.
    pub fn new<const N: usize, const RX: usize, const TX: usize>(
        stack: Stack<'static>,
        buffers: &'static mut Buffers<N, RX, TX>,
    ) -> Self {
        Self { pool: Pool::new(stack, buffers) }
    }

    /// How many sockets of the pool are free; those that still close count.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.pool.count_idle()
    }
}

impl fmt::Debug for Embassy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embassy").field("sockets", &self.pool.size()).field("idle", &self.idle()).finish()
    }
}

/// The roles of [`Embassy`] that connecting takes, without [`TcpListen`]: what is not installed
/// takes no flash.
#[derive(Clone, Debug)]
pub struct EmbassyClient(pub Embassy);

impl Install<Local> for EmbassyClient {
    fn install(self, ctx: Ctx<Local>) -> Ctx<Local> {
        let Self(Embassy { pool }) = self;
        #[cfg(feature = "happy-eyeballs")]
        let stack = pool.stack();
        let ctx = ctx
            .register(Tcp, "tcp", PRIORITY, options(), move |to, options| async move {
                Ok(Box::new(connect::connect(pool, to, options).await?) as <Local as Mode>::Flow)
            })
            .register(Lookup, "dns", PRIORITY, opt(Deadline), move |question, deadline| {
                lookup::lookup(pool, question, deadline)
            })
            .register(Sleep, "timer", PRIORITY, (), |(), ()| async {
                Ok(Box::new(timer::Timer) as <Local as Mode>::Timer)
            });
        #[cfg(feature = "happy-eyeballs")]
        let ctx = ctx.register(SourceAddress, "stack", PRIORITY, (), move |to, ()| async move {
            Ok(address::source(stack, to.ip()))
        });
        ctx
    }
}

impl Install<Local> for Embassy {
    fn install(self, ctx: Ctx<Local>) -> Ctx<Local> {
        let Self { pool } = self;
        ctx.install(EmbassyClient(self)).register(
            TcpListen,
            "tcp",
            PRIORITY,
            (options(), or_default(Backlog, 1)),
            move |at, (options, backlog)| async move {
                let acceptor = listener::Acceptor::bind(pool, at, options, backlog)?;
                Ok(Box::new(acceptor) as <Local as Mode>::Listener)
            },
        )
    }
}

/// What the context says about TCP sockets.
fn options() -> impl Needs<Local, Args = socket::Options> {
    map((or_default(NoDelay, true), opt(KeepAlive), opt(UserTimeout), opt(Deadline)), socket::Options::from)
}

/// A context to connect and to listen with: the schemes of hosts and ports, [`Embassy`], addresses
/// raced by the feature `happy-eyeballs`, TLS for clients by the feature `rustls`, and a deadline
/// of 30 s. To serve TLS, install `mimic_rustls::TlsServer` too.
#[must_use]
pub fn context<const N: usize, const RX: usize, const TX: usize>(
    stack: Stack<'static>,
    buffers: &'static mut Buffers<N, RX, TX>,
) -> LocalContext {
    let embassy = Embassy::new(stack, buffers);
    connecting(N).install(Schemes::servers()).install(embassy)
}

/// As [`context`], for a device that connects and does not listen: it takes less flash.
#[must_use]
pub fn client<const N: usize, const RX: usize, const TX: usize>(
    stack: Stack<'static>,
    buffers: &'static mut Buffers<N, RX, TX>,
) -> LocalContext {
    let embassy = Embassy::new(stack, buffers);
    connecting(N).install(EmbassyClient(embassy))
}

fn connecting(sockets: usize) -> LocalContext {
    let ctx = LocalContext::new();
    #[cfg(feature = "rustls")]
    let ctx = ctx.install(mimic_rustls::TlsClient);
    // An attempt without a socket only waits, and fails if the others' become flows: TLS is a part
    // of attempts.
    #[cfg(feature = "happy-eyeballs")]
    let ctx = ctx.with(RaceConfig, Config::new().max_in_flight(sockets));
    #[cfg(not(feature = "happy-eyeballs"))]
    let _ = sockets;
    ctx.install(Schemes::clients()).install(Addresses).with(Deadline, Duration::from_secs(30))
}
