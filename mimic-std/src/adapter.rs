//! The parts of an adapter, and the roles that they make.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, TcpListener};
#[cfg(unix)]
pub use std::os::fd::AsFd as AsSocket;
#[cfg(windows)]
pub use std::os::windows::io::AsSocket;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

#[cfg(not(feature = "happy-eyeballs"))]
use mimic_core::InOrder as Addresses;
use mimic_core::{
    Bind, Ctx, Deadline, Error, Flow, Install, Link, Lookup, Mode, Phase, Schemes, Sleep, V6Only, for_each_mode, map,
    opt,
};
#[cfg(unix)]
use mimic_core::{BindUnix, Unix, UnixMode};
#[cfg(feature = "happy-eyeballs")]
use mimic_happy_eyeballs::{HappyEyeballs as Addresses, SourceAddress};
use socket2::SockRef;

use crate::accept::Acceptor;
use crate::clock::Clock;
#[cfg(unix)]
use crate::connect_unix::{UnixSockets, connect_unix};
use crate::inherited::Inherited;
use crate::itself::refuse_itself;
use crate::listening::bind_tcp;
#[cfg(unix)]
use crate::listening::bind_unix;
use crate::tcp_options::TcpOptions;

/// The listener of a runtime over a listener `L` of `std`, and the streams that it accepts.
pub trait Listens<L>: Debug + 'static {
    /// The runtime's listener. The listener of `std` that it is made of does not block.
    type Listener: AsSocket + Debug + Send + TryFrom<L, Error = io::Error>;

    /// The runtime's stream.
    type Stream: AsSocket + Send;

    /// The adapter's flow.
    type Flow: Flow + Send + From<Self::Stream> + 'static;

    /// Waits for the next stream. Cancel-safe: a stream is handed out or still waits.
    ///
    /// # Errors
    /// That of the system.
    fn poll_accept(listener: &Self::Listener, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>>;
}

type TcpStream<A> = <A as Listens<TcpListener>>::Stream;

/// The parts of a runtime that [`Hosted`] makes roles of.
///
/// An adapter implements it and [`Listens`] for a type of its own. `mimic-smol/src/adapter.rs` is a
/// whole one.
///
/// | the runtime's part | the roles, and what this crate adds |
/// |---|---|
/// | `connect` | [`Link`]: sets the options, and refuses a socket that is its own peer |
/// | `Listener`, `poll_accept` | [`Bind`], `BindUnix`: [`Acceptor`] |
/// | `Stream` | `Unix`: waits for a full backlog |
/// | `now`, `sleep_until`, `reset` | [`Sleep`]: one sleep for each timer |
pub trait Adapter: Listens<TcpListener> + UnixSockets {
    /// Waits for an instant. It may wait again after that, and allocates nothing for it.
    type Sleep: Future + Debug + Send + Unpin + 'static;

    /// The time by which a sleep may end too late. A timer sleeps that much shorter at first.
    const LATE: Duration = Duration::ZERO;

    /// Returns an error where the runtime cannot make sockets and timers.
    ///
    /// # Errors
    /// [`Unsupported`](mimic_core::ErrorKind::Unsupported), outside the runtime.
    fn check() -> Result<(), Error> {
        Ok(())
    }

    /// Connects a TCP socket. Dropping the future closes it.
    fn connect(to: SocketAddr) -> impl Future<Output = io::Result<TcpStream<Self>>> + Send;

    /// Returns the time by the runtime's clock.
    fn now() -> Instant;

    /// Makes a sleep that ends at `at`.
    fn sleep_until(at: Instant) -> Self::Sleep;

    /// Changes a sleep, which may have ended, to end at `at`.
    fn reset(sleep: &mut Self::Sleep, at: Instant);
}

/// The roles of an adapter, each at priority 100: [`Link`], [`Bind`], [`Lookup`] and [`Sleep`];
/// [`Unix`](mimic_core::Unix) and [`BindUnix`](mimic_core::BindUnix) where the system has them; and
/// `SourceAddress` with the feature `happy-eyeballs`.
#[derive(Clone, Copy, Debug)]
pub struct Hosted<A>(pub A);

/// The content of an adapter's contexts: [`Hosted`], the standard schemes, addresses raced by the
/// feature `happy-eyeballs`, TLS by the feature `rustls`, and a deadline of 30 s.
#[derive(Clone, Copy, Debug)]
pub struct Everything<A>(pub A);

const PRIORITY: i32 = 100;

for_each_mode!(M => {
    impl<A: Adapter> Install<M> for Everything<A> {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            #[cfg(feature = "rustls")]
            let ctx = ctx.install(mimic_rustls::Tls);
            ctx.install(Schemes).install(Addresses).install(Hosted(self.0)).with(Deadline, Duration::from_secs(30))
        }
    }

    impl<A: Adapter> Install<M> for Hosted<A> {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            let (epoch, options) = (A::now(), map(TcpOptions::needs(), |options| options));
            let ctx = ctx
                .register(Link, "tcp", PRIORITY, TcpOptions::needs(), |to, options| async move {
                    Ok(Box::new(connect::<A>(to, options).await?) as <M as Mode>::Flow)
                })
                .register(Bind, "tcp", PRIORITY, (options, opt(V6Only), opt(Inherited)), |at, (options, v6_only, inherited)| async move {
                    A::check()?;
                    let listener = bind_tcp(at, v6_only, inherited)?;
                    Ok(Box::new(Acceptor::<A, _>::new(None, listener, options)?) as <M as Mode>::Listener)
                })
                .register(Lookup, "system", PRIORITY, (), |question, ()| crate::lookup(question))
                .register(Sleep, "timer", PRIORITY, (), move |(), ()| async move {
                    A::check()?;
                    Ok(Box::new(Clock::<A> { epoch, wait: None }) as <M as Mode>::Timer)
                });
            #[cfg(feature = "happy-eyeballs")]
            let ctx = ctx.register(SourceAddress, "udp", PRIORITY, (), |to, ()| async move { Ok(crate::source(to)) });
            #[cfg(unix)]
            let ctx = ctx
                .register(Unix, "unix", PRIORITY, (), |to, ()| async move {
                    Ok(Box::new(connect_unix::<A>(&to).await?) as <M as Mode>::Flow)
                })
                .register(BindUnix, "unix", PRIORITY, (opt(UnixMode), opt(Inherited)), |at, (mode, inherited)| async move {
                    A::check()?;
                    let (file, listener) = bind_unix(&at, mode, inherited)?;
                    Ok(Box::new(Acceptor::<A, _>::new(file, listener, (true, None).into())?) as <M as Mode>::Listener)
                });
            ctx
        }
    }
});

async fn connect<A: Adapter>(to: SocketAddr, options: TcpOptions) -> Result<<A as Listens<TcpListener>>::Flow, Error> {
    A::check()?;
    let socket = <A as Adapter>::connect(to).await;
    let set_up = |socket: TcpStream<A>| {
        refuse_itself(&SockRef::from(&socket), to)?;
        options.set_on(&SockRef::from(&socket))?;
        Ok(socket.into())
    };
    socket.and_then(set_up).map_err(|error| Error::from(error).in_phase(Phase::Connect))
}

/// The Unix sockets of a runtime: this system has none.
#[cfg(not(unix))]
pub trait UnixSockets {}

#[cfg(not(unix))]
impl<A> UnixSockets for A {}
