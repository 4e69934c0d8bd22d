//! A TLS listener over a listener, a clock and an observer that the test controls.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mimic_core::adapter::Instant;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::{Memory, memory_pair};
use mimic_core::keys::TlsVersion;
use mimic_core::roles::{Lookup, Sleep, TcpListen};
use mimic_core::{Ctx, Error, ErrorKind, Flow, FlowExt, Listener, Mode, Phase, Timer, for_each_mode};
use mimic_rustls::rustls::{self, ServerConfig};
use mimic_rustls::{HandshakeObserver, Tls, TlsServerConfig, connect, tls_error};

use crate::common::flows::{Counted, Counts, PEER};
use crate::common::{Authority, BOTH, NAME};

const URL: &str = "tls://192.0.2.1:443";
/// The most that a gap between two polls counts.
pub(crate) const GAP: Duration = Duration::from_millis(250);

/// An error that the observer got.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) kind: ErrorKind,
    pub(crate) phase: Option<Phase>,
    pub(crate) target: Option<String>,
    pub(crate) tls: Option<rustls::Error>,
    pub(crate) text: String,
}

/// The state that the test controls: the clients that come, the faults below, and the time.
pub(crate) struct World<M: Mode>(pub(crate) Arc<Mutex<Inner<M>>>);

pub(crate) struct Inner<M: Mode> {
    pub(crate) clients: VecDeque<Counted<Memory<M>>>,
    /// Clients come without end, and send this.
    pub(crate) flood: Option<&'static [u8]>,
    pub(crate) accepted: usize,
    pub(crate) errors: usize,
    pub(crate) accepting: Option<Waker>,
    pub(crate) now: Duration,
    pub(crate) waiting: Option<(Duration, Waker)>,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
}

impl<M: Mode> Clone for World<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: Mode> fmt::Debug for World<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

impl<M: Mode> World<M> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Inner {
            clients: VecDeque::new(),
            flood: None,
            accepted: 0,
            errors: 0,
            accepting: None,
            now: Duration::ZERO,
            waiting: None,
            seen: Arc::default(),
        })))
    }

    /// Adds a client. Returns its end.
    pub(crate) fn come(&self) -> Memory<M> {
        self.come_counted(false).0
    }

    /// Adds a client. Returns its end, and the calls of the server's end.
    pub(crate) fn come_counted(&self, busy: bool) -> (Memory<M>, Arc<Counts>) {
        let (near, below) = memory_pair::<M>(1 << 16);
        let (below, counts) = Counted::new(below);
        let mut world = self.0.lock().unwrap();
        world.clients.push_back(Counted { busy, ..below });
        world.accepting.take().into_iter().for_each(Waker::wake);
        (near, counts)
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut world = self.0.lock().unwrap();
        world.now += by;
        let now = world.now;
        if let Some((_, waker)) = world.waiting.take_if(|(at, _)| *at <= now) {
            waker.wake();
        }
    }

    /// Lets time pass for a listener whose task is woken by it.
    pub(crate) async fn tick(&self, by: Duration) {
        let mut left = by;
        while !left.is_zero() {
            let step = left.min(GAP);
            self.advance(step);
            left -= step;
            futures_lite::future::yield_now().await;
        }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.0.lock().unwrap().seen.lock().unwrap())
    }
}

for_each_mode!(M => {
    impl Listener<M> for World<M> {
        fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<<M as Mode>::Flow, Error>> {
            let mut world = self.0.lock().unwrap();
            if world.errors > 0 {
                world.errors -= 1;
                return Poll::Ready(Err(Error::new(ErrorKind::OutOfMemory, "no descriptors left").in_phase(Phase::Accept)));
            }
            let said = world.flood.filter(|_| world.clients.is_empty()).map(|said| {
                let (mut near, below) = memory_pair::<M>(1 << 16);
                futures_lite::future::block_on(near.write_all(said)).unwrap();
                Counted::new(below).0
            });
            match world.clients.pop_front().or(said) {
                Some(flow) => {
                    world.accepted += 1;
                    Poll::Ready(Ok(Box::new(flow) as _))
                }
                None => {
                    world.accepting = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        }

        fn local_addr(&self) -> Option<SocketAddr> {
            Some(([192, 0, 2, 1], 443).into())
        }
    }
});

impl<M: Mode> Timer for World<M> {
    fn now(&self) -> Instant {
        Instant::new(self.0.lock().unwrap().now)
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let mut world = self.0.lock().unwrap();
        if world.now >= at.since_epoch() {
            return Poll::Ready(());
        }
        world.waiting = Some((at.since_epoch(), cx.waker().clone()));
        Poll::Pending
    }
}

pub(crate) trait Listen: Mode {
    fn context(world: &World<Self>, config: ServerConfig) -> Ctx<Self>;

    fn listen(ctx: Ctx<Self>) -> Result<Self::Listener, Error>;

    fn listener(world: &World<Self>, authority: &Authority) -> Self::Listener {
        Self::listen(Self::context(world, authority.server(&[NAME], &BOTH))).unwrap()
    }
}

for_each_mode!(M => {
    impl Listen for M {
        fn context(world: &World<M>, config: ServerConfig) -> Ctx<M> {
            let (bind, sleep) = (world.clone(), world.clone());
            // A world holds the flows of one mode, but an observer is `Send` in both.
            let observed = world.0.lock().unwrap().seen.clone();
            let observer = move |error: &Error| {
                observed.lock().unwrap().push(Seen {
                    kind: error.kind(),
                    phase: error.phase(),
                    target: error.target().map(String::from),
                    tls: tls_error(error).cloned(),
                    text: error.to_string(),
                });
            };
            Ctx::<M>::new()
                .install(Tls)
                .register(Lookup, "none", 0, (), |_, ()| async { Ok(Vec::new()) })
                .register(TcpListen, "world", 0, (), move |_, ()| {
                    let bind = bind.clone();
                    async move { Ok(Box::new(bind) as <M as Mode>::Listener) }
                })
                .register(Sleep, "world", 0, (), move |(), ()| {
                    let sleep = sleep.clone();
                    async move { Ok(Box::new(sleep) as <M as Mode>::Timer) }
                })
                .with(TlsServerConfig, Arc::new(config))
                .with(HandshakeObserver, Arc::new(observer))
                .with_url(URL)
                .unwrap()
        }

        fn listen(ctx: Ctx<M>) -> Result<<M as Mode>::Listener, Error> {
            futures_lite::future::block_on(ctx.listen())
        }
    }
});

/// Connects, sends a message and reads it again.
pub(crate) async fn visit<M: Mode>(near: Memory<M>, authority: &Authority) {
    let mut flow = connect(near, Arc::new(authority.client(&BOTH)), Vec::new(), NAME).await.unwrap();
    flow.write_all(b"ping").await.unwrap();
    flow.flush().await.unwrap();
    let mut echo = [0; 4];
    flow.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"ping");
}

pub(crate) async fn serve<M: Mode>(flow: M::Flow) {
    let mut flow = flow;
    assert!(flow.attribute(TlsVersion).is_some());
    let mut ping = [0; 4];
    assert!(flow.read_exact(&mut ping).await.is_ok());
    flow.write_all(&ping).await.unwrap();
    flow.flush().await.unwrap();
    // Waits until the client has gone.
    let _ = flow.read(&mut ping).await;
}

/// Polls the listener, and asserts that it returns nothing.
#[track_caller]
pub(crate) fn idle<M: Mode>(listener: &mut M::Listener) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(listener.poll_accept(&mut cx).is_pending(), "neither a flow nor an error");
}

/// Lets time pass while the listener is polled, as a task that accepts polls it.
#[track_caller]
pub(crate) fn pass<M: Mode>(world: &World<M>, listener: &mut M::Listener, by: Duration) {
    let mut left = by;
    idle::<M>(listener);
    while !left.is_zero() {
        let step = left.min(GAP);
        world.advance(step);
        left -= step;
        idle::<M>(listener);
    }
}

/// Accepts until `count` handshakes have failed. Asserts that no flow and no error is returned.
pub(crate) async fn failures<M: Mode>(world: &World<M>, listener: &mut M::Listener, count: usize) -> Vec<Seen> {
    poll_fn(|cx| {
        assert!(listener.poll_accept(cx).is_pending(), "neither a flow nor an error");
        match world.0.lock().unwrap().seen.lock().unwrap().len() >= count {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    world.seen()
}

#[track_caller]
pub(crate) fn assert_late(seen: &[Seen], count: usize, says: &str) {
    assert_eq!(seen.len(), count, "{seen:?}");
    for seen in seen {
        assert_eq!((seen.kind, seen.phase), (ErrorKind::TimedOut, Some(Phase::Handshake)), "{seen:?}");
        assert!(seen.text.contains(says), "{seen:?}");
        assert_eq!(seen.target.as_deref(), Some(PEER.to_string().as_str()));
    }
}

pub(crate) fn is_closed<M: Mode>(near: &mut Memory<M>) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match near.poll_read(&mut cx, &mut [0; 99]) {
            Poll::Ready(Ok(0)) => return true,
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => panic!("{error}"),
            Poll::Pending => return false,
        }
    }
}
