//! `tls://` served through a context: a client that stalls holds up no other, and one that fails is
//! told to the observer alone.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::wire::{PEER, Task, both, run};
use common::{Authority, BOTH};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::{
    Ask, Bind, Ctx, Error, ErrorKind, Flow, FlowExt, Instant, Listener, ListenerExt, Local, LocalContext, Lookup,
    Memory, Mode, PeerAddr, Phase, Shared, Sleep, Timer, TlsVersion, for_each_mode, memory_pair,
};
use mimic_rustls::rustls::{self, AlertDescription, ServerConfig};
use mimic_rustls::{HandshakeLimits, HandshakeObserver, Limits, Tls, TlsServerConfig, connect, tls_error};

const NAME: &str = "example.org";
const URL: &str = "tls://192.0.2.1:443";
const HANDSHAKES: usize = 256;
const PATIENCE: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(1);
/// What a gap between two polls counts at most.
const GAP: Duration = Duration::from_millis(250);

/// The server's end of a connection. Counts how often it is read; `busy`, it asks for the next read
/// at once.
#[derive(Debug)]
struct Counted<F> {
    below: F,
    reads: Arc<AtomicUsize>,
    busy: bool,
}

impl<F: Flow> Flow for Counted<F> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.reads.fetch_add(1, SeqCst);
        if self.busy {
            cx.waker().wake_by_ref();
        }
        self.below.poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.below.poll_write(cx, buf)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.below.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.below.poll_shutdown(cx)
    }

    fn answer(&self, ask: &mut Ask<'_>) {
        ask.give(PeerAddr, || Some(PEER));
    }
}

mimic_core::read_write!(for[F: Flow] Counted<F>);

/// What the observer was told.
#[derive(Debug)]
struct Seen {
    kind: ErrorKind,
    phase: Option<Phase>,
    target: Option<String>,
    tls: Option<rustls::Error>,
    text: String,
}

/// What the test decides: which clients come, what goes wrong below, and what time it is.
struct World<M: Mode>(Arc<Mutex<Inner<M>>>);

struct Inner<M: Mode> {
    clients: VecDeque<Counted<Memory<M>>>,
    /// Clients that come without end, and say this.
    flood: Option<&'static [u8]>,
    accepted: usize,
    errors: usize,
    accepting: Option<Waker>,
    now: Duration,
    waiting: Option<(Duration, Waker)>,
    seen: Arc<Mutex<Vec<Seen>>>,
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
    fn new() -> Self {
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

    /// A client comes; this is its end.
    fn come(&self) -> Memory<M> {
        self.come_counted(false).0
    }

    /// A client comes; this is its end, and how often the server's end is read.
    fn come_counted(&self, busy: bool) -> (Memory<M>, Arc<AtomicUsize>) {
        let (near, below) = memory_pair::<M>(1 << 16);
        let reads = Arc::<AtomicUsize>::default();
        let mut world = self.0.lock().unwrap();
        world.clients.push_back(Counted { below, reads: reads.clone(), busy });
        world.accepting.take().into_iter().for_each(Waker::wake);
        (near, reads)
    }

    fn advance(&self, by: Duration) {
        let mut world = self.0.lock().unwrap();
        world.now += by;
        let now = world.now;
        if let Some((_, waker)) = world.waiting.take_if(|(at, _)| *at <= now) {
            waker.wake();
        }
    }

    /// Lets time go by for a listener whose task is woken by it.
    async fn tick(&self, by: Duration) {
        let mut left = by;
        while !left.is_zero() {
            let step = left.min(GAP);
            self.advance(step);
            left -= step;
            futures_lite::future::yield_now().await;
        }
    }

    fn seen(&self) -> Vec<Seen> {
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
                Counted { below, reads: Arc::default(), busy: false }
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

trait Listen: Mode {
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
            // A world holds the flows of one mode, and an observer is `Send` in both.
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
                .register(Bind, "world", 0, (), move |_, ()| {
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

/// Connects, says something, and hears it again.
async fn visit<M: Mode>(near: Memory<M>, authority: &Authority) {
    let mut flow = connect(near, Arc::new(authority.client(&BOTH)), Vec::new(), NAME).await.unwrap();
    flow.write_all(b"ping").await.unwrap();
    flow.flush().await.unwrap();
    let mut echo = [0; 4];
    flow.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"ping");
}

async fn serve<M: Mode>(flow: M::Flow) {
    let mut flow = flow;
    assert!(flow.attribute(TlsVersion).is_some());
    let mut ping = [0; 4];
    assert!(flow.read_exact(&mut ping).await.is_ok());
    flow.write_all(&ping).await.unwrap();
    flow.flush().await.unwrap();
    // Until the client has gone.
    let _ = flow.read(&mut ping).await;
}

/// Polls the listener, which has nothing to hand out.
#[track_caller]
fn idle<M: Mode>(listener: &mut M::Listener) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(listener.poll_accept(&mut cx).is_pending(), "neither a flow nor an error");
}

/// Lets time go by while the listener is polled, as it is by a task that accepts.
#[track_caller]
fn pass<M: Mode>(world: &World<M>, listener: &mut M::Listener, by: Duration) {
    let mut left = by;
    idle::<M>(listener);
    while !left.is_zero() {
        let step = left.min(GAP);
        world.advance(step);
        left -= step;
        idle::<M>(listener);
    }
}

/// Accepts until so many handshakes have failed, and no flow or error comes out.
async fn failures<M: Mode>(world: &World<M>, listener: &mut M::Listener, count: usize) -> Vec<Seen> {
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
fn assert_late(seen: &[Seen], count: usize, says: &str) {
    assert_eq!(seen.len(), count, "{seen:?}");
    for seen in seen {
        assert_eq!((seen.kind, seen.phase), (ErrorKind::TimedOut, Some(Phase::Handshake)), "{seen:?}");
        assert!(seen.text.contains(says), "{seen:?}");
        assert_eq!(seen.target.as_deref(), Some(PEER.to_string().as_str()));
    }
}

fn is_closed<M: Mode>(near: &mut Memory<M>) -> bool {
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

fn stalled_clients<M: Listen>() {
    let authority = Authority::new();
    let world = World::<M>::new();
    let mut listener = M::listener(&world, &authority);
    assert_eq!(listener.local_addr(), Some(([192, 0, 2, 1], 443).into()));
    // The first says nothing, the second a little, and then there are too many to be accepted at
    // all.
    let mut stalled: Vec<_> = (0..300).map(|_| world.come()).collect();
    both(&"a part of a record", async { stalled[1].write_all(&[0x16, 3, 1]).await.unwrap() }, async {});
    stalled.truncate(200);
    // Those that hung up are told, one each.
    let (hung_up, ()) = both(&"hung up", failures(&world, &mut listener, 100), async {});
    assert_eq!(hung_up.len(), 100);
    for seen in hung_up {
        assert_eq!((seen.kind, seen.phase), (ErrorKind::ConnectionAborted, Some(Phase::Handshake)), "{seen:?}");
    }
    pass(&world, &mut listener, PATIENCE / 2);
    for _ in 0..3 {
        let near = world.come();
        both(&"a client among 200 that stall", visit(near, &authority), async {
            serve::<M>(listener.accept().await.unwrap()).await;
        });
    }
    // They are given up when their time has come, and not before.
    pass(&world, &mut listener, PATIENCE / 2 - Duration::from_millis(1));
    assert!(world.seen().is_empty());
    let (given_up, ()) = both(&"given up", failures(&world, &mut listener, 200), world.tick(Duration::from_millis(1)));
    assert_late(&given_up, 200, "not done within 10s");
    assert!(stalled.iter_mut().all(is_closed));
    let near = world.come();
    both(&"and on it goes", visit(near, &authority), async { serve::<M>(listener.accept().await.unwrap()).await });
}

#[test]
fn stalled_clients_hold_up_no_other_and_are_given_up() {
    stalled_clients::<Shared>();
    stalled_clients::<Local>();
}

/// Visits while `given_up` clients that stall lose their places.
fn visit_among<M: Listen>(world: &World<M>, listener: &mut M::Listener, authority: &Authority, given_up: usize) {
    let near = world.come();
    both(&given_up, async { serve::<M>(listener.accept().await.unwrap()).await }, visit(near, authority));
    assert_late(&world.seen(), given_up, "not done within 1s, and other clients wait");
}

fn newcomers_among<M: Listen>(silent: usize) {
    let authority = Authority::new();
    let world = World::<M>::new();
    let mut listener = M::listener(&world, &authority);
    let mut stalled: VecDeque<_> = (0..silent).map(|_| world.come()).collect();
    // It takes several turns to accept so many.
    for _ in 0..silent {
        idle::<M>(&mut listener);
    }
    pass(&world, &mut listener, GRACE - Duration::from_millis(1));
    assert!(world.seen().is_empty(), "none is given up before the grace is over");
    world.advance(Duration::from_millis(1));
    // Those that came first make room: for the others that wait, and for the newcomer.
    let room = silent + 1 - HANDSHAKES;
    visit_among::<M>(&world, &mut listener, &authority, room);
    assert!(stalled.drain(..room).all(|mut near| is_closed(&mut near)));
    // The visitor has gone, so that there is room for one without loss, as often as that happens.
    for _ in 0..3 {
        visit_among::<M>(&world, &mut listener, &authority, 0);
    }
    assert!(!stalled.iter_mut().any(is_closed), "the others stay");
}

#[test]
fn newcomers_take_the_places_of_clients_that_stall() {
    newcomers_among::<Shared>(HANDSHAKES);
    newcomers_among::<Local>(300);
}

/// A newcomer that fails at once takes the place of none.
#[test]
fn a_newcomer_that_fails_pushes_out_none() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let mut silent: Vec<_> = (0..HANDSHAKES).map(|_| world.come()).collect();
    pass(&world, &mut listener, GRACE);
    for _ in 0..3 {
        drop(world.come());
        both(&"hung up", failures(&world, &mut listener, 1), async {});
    }
    assert!(!silent.iter_mut().any(is_closed), "the others stay");
}

/// A task that waits for room is woken when the grace of the first is over.
#[test]
fn the_end_of_the_grace_wakes() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let _silent: Vec<_> = (0..=HANDSHAKES).map(|_| world.come()).collect();
    pass(&world, &mut listener, Duration::ZERO);
    let (seen, ()) = both(&"grace", failures(&world, &mut listener, 1), world.tick(GRACE));
    assert_late(&seen, 1, "within 1s");
    // Then none waits for a place, and it is patience that ends.
    let (seen, ()) = both(&"patience", failures(&world, &mut listener, 1), world.tick(PATIENCE));
    assert!(seen[0].text.contains("within 10s"), "{seen:?}");
}

/// Also for a client that came last and alone, where nothing else polls.
#[test]
fn the_end_of_the_patience_wakes() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let _silent = world.come();
    let (seen, ()) = both(&"patience", failures(&world, &mut listener, 1), world.tick(PATIENCE));
    assert_late(&seen, 1, "within 10s");
}

/// A client that goes in between does not lengthen the patience with the others.
#[test]
fn the_first_is_given_up_first() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let mut silent = VecDeque::new();
    for _ in 0..3 {
        silent.push_back(world.come());
        pass(&world, &mut listener, Duration::from_secs(1));
    }
    silent.pop_front();
    idle::<Shared>(&mut listener);
    let seen = world.seen();
    assert_eq!((seen.len(), seen[0].kind), (1, ErrorKind::ConnectionAborted), "{seen:?}");
    for wait in [8, 1] {
        pass(&world, &mut listener, Duration::from_secs(wait) - Duration::from_millis(1));
        assert!(world.seen().is_empty());
        pass(&world, &mut listener, Duration::from_millis(1));
        assert_late(&world.seen(), 1, "within 10s");
        assert!(is_closed(&mut silent.pop_front().unwrap()));
    }
}

/// A crowd that comes at once, each a little slow: they wait for each other, and none is pushed
/// out.
#[test]
fn a_crowd_of_honest_clients_gets_through() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let client = Arc::new(authority.client(&BOTH));
    let crowd: Vec<_> = (0..2 * HANDSHAKES + 50).map(|_| world.come()).collect();
    let count = crowd.len();
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for near in crowd {
        let client = client.clone();
        tasks.push(Box::pin(async move {
            futures_lite::future::yield_now().await;
            drop(connect(near, client, Vec::new(), NAME).await.unwrap());
        }));
    }
    tasks.insert(
        0,
        Box::pin(async {
            for _ in 0..count {
                drop(listener.accept().await.unwrap());
            }
        }),
    );
    run(&"a crowd", tasks);
}

/// An application that is busy elsewhere does not use up the time of its clients, whatever the
/// listener said last.
#[test]
fn time_without_a_poll_is_not_the_clients() {
    let authority = Authority::new();
    for said_last in ["nothing", "a flow"] {
        let world = World::<Shared>::new();
        let mut listener = Shared::listener(&world, &authority);
        let mut clients: Vec<_> = (0..20).map(|_| world.come()).collect();
        let mut silent = clients.split_off(10);
        idle::<Shared>(&mut listener);
        if said_last == "a flow" {
            let near = world.come();
            both(&said_last, visit(near, &authority), async {
                serve::<Shared>(listener.accept().await.unwrap()).await;
            });
        }
        for _ in 0..3 {
            // 11 s and more, three times over.
            world.advance(PATIENCE + Duration::from_secs(1));
            idle::<Shared>(&mut listener);
        }
        assert!(world.seen().is_empty(), "{said_last}: cut");
        let count = clients.len();
        let mut tasks: Vec<Task<'_>> = vec![Box::pin(async {
            for _ in 0..count {
                drop(listener.accept().await.unwrap());
            }
        })];
        for near in clients {
            let client = Arc::new(authority.client(&BOTH));
            tasks.push(Box::pin(async move { drop(connect(near, client, Vec::new(), NAME).await.unwrap()) }));
        }
        run(&said_last, tasks);
        assert!(world.seen().is_empty(), "{said_last}: cut");
        // The silent ones have had 750 ms so far.
        pass(&world, &mut listener, PATIENCE - 3 * GAP - Duration::from_millis(1));
        assert!(world.seen().is_empty(), "{said_last}: cut");
        pass(&world, &mut listener, Duration::from_millis(1));
        assert_late(&world.seen(), 10, "within 10s");
        assert!(silent.iter_mut().all(is_closed));
    }
}

/// A crowd that waits while the application is busy is not pushed out afterwards.
#[test]
fn time_without_a_poll_is_no_grace_either() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let _waiting: Vec<_> = (0..300).map(|_| world.come()).collect();
    for _ in 0..300 {
        idle::<Shared>(&mut listener);
    }
    world.advance(PATIENCE);
    pass(&world, &mut listener, GRACE - GAP - Duration::from_millis(1));
    assert!(world.seen().is_empty(), "pushed out");
    pass(&world, &mut listener, Duration::from_millis(1));
    // Several turns, for so many.
    for _ in 0..300 {
        idle::<Shared>(&mut listener);
    }
    assert_late(&world.seen(), 300 - HANDSHAKES, "within 1s");
}

/// A busy client costs nothing for each silent one beside it.
#[test]
fn a_wake_up_polls_its_own_handshake_alone() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let silent: Vec<_> = (0..HANDSHAKES - 1).map(|_| world.come_counted(false)).collect();
    for _ in 0..HANDSHAKES {
        idle::<Shared>(&mut listener);
    }
    let counted = || silent.iter().map(|(_, reads)| reads.load(SeqCst)).sum::<usize>();
    let before = counted();
    assert!(before >= HANDSHAKES - 1, "each was asked once");
    for _ in 0..10 {
        // Byte by byte, so that there are hundreds of wake-ups.
        let (near, reads) = world.come_counted(false);
        let near =
            common::wire::Trouble::new(near, common::wire::Plan { at_once: 1, spurious: 2, ..Default::default() }, 1);
        let client = Arc::new(authority.client(&BOTH));
        let (flow, _) = both(&"a busy client", async { listener.accept().await.unwrap() }, async {
            connect(near, client, Vec::new(), NAME).await.unwrap()
        });
        drop(flow);
        assert!(reads.load(SeqCst) > 100, "{reads:?}");
    }
    assert_eq!(counted(), before, "silent handshakes were polled");
}

/// Clients that send garbage without end, for an application that waits after each error as core's
/// text asks for it: `accept` has no error for it to wait after, and a good client gets through.
#[test]
fn a_flood_of_garbage_keeps_out_none() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let mut cx = Context::from_waker(Waker::noop());
    world.0.lock().unwrap().flood = Some(b"GET / HTTP/1.0\r\n\r\n");
    assert!(listener.poll_accept(&mut cx).is_pending(), "other tasks have their turn");
    let accepted = world.0.lock().unwrap().accepted;
    assert!((1..=64).contains(&accepted), "{accepted} accepted in one poll");
    for _ in 0..3 {
        let before = world.0.lock().unwrap().accepted;
        let near = world.come();
        let client = Arc::new(authority.client(&BOTH));
        let (flow, _) = both(&"flood", async { listener.accept().await.unwrap() }, async {
            connect(near, client, Vec::new(), NAME).await.unwrap()
        });
        drop(flow);
        let accepted = world.0.lock().unwrap().accepted - before;
        assert!(accepted < 10 * 64, "{accepted} came in between");
    }
    assert!(world.seen().iter().all(|seen| seen.kind == ErrorKind::InvalidData));
}

/// Handshakes that are ready again at once, without end, keep neither newcomers nor each other
/// waiting.
#[test]
fn handshakes_that_are_always_ready_keep_out_none() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let busy: Vec<_> = (0..100).map(|_| world.come_counted(true)).collect();
    for _ in 0..3 {
        let near = world.come();
        let client = Arc::new(authority.client(&BOTH));
        let (flow, _) = both(&"busy", async { listener.accept().await.unwrap() }, async {
            connect(near, client, Vec::new(), NAME).await.unwrap()
        });
        drop(flow);
    }
    assert!(busy.iter().all(|(_, reads)| reads.load(SeqCst) > 0));
}

/// Nothing keeps a flow open: neither a waker that is left below, nor a handshake that was never
/// polled.
#[test]
fn a_listener_that_is_dropped_closes_all() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let mut clients: Vec<_> = (0..HANDSHAKES).map(|_| world.come()).collect();
    for _ in 0..5 {
        idle::<Shared>(&mut listener);
    }
    assert!(!clients.iter_mut().any(is_closed));
    drop(listener);
    assert!(clients.iter_mut().all(is_closed));
}

#[test]
fn failed_handshakes_are_told_to_the_observer_alone() {
    let (authority, other) = (Authority::new(), Authority::new());
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    for _ in 0..3 {
        let mut plain = world.come();
        let (seen, told) = both(&"plain text", failures(&world, &mut listener, 1), async {
            plain.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
            let mut told = [0; 100];
            let n = plain.read(&mut told).await.unwrap();
            told[..n].to_vec()
        });
        assert_eq!((seen[0].kind, seen[0].phase), (ErrorKind::InvalidData, Some(Phase::Handshake)), "{seen:?}");
        assert!(seen[0].text.contains("does not seem to speak TLS"), "{seen:?}");
        assert_eq!(seen[0].target.as_deref(), Some(PEER.to_string().as_str()));
        assert_eq!((told[0], told[6]), (0x15, u8::from(AlertDescription::DecodeError)));

        let near = world.come();
        let (seen, ()) = both(&"a client that does not trust us", failures(&world, &mut listener, 1), async {
            drop(connect(near, Arc::new(other.client(&BOTH)), Vec::new(), NAME).await.unwrap_err());
        });
        let alert = rustls::Error::AlertReceived(AlertDescription::UnknownCA);
        assert_eq!((seen[0].kind, seen[0].tls.as_ref()), (ErrorKind::PermissionDenied, Some(&alert)), "{seen:?}");

        let near = world.come();
        both(&"a good one", visit(near, &authority), async {
            serve::<Shared>(listener.accept().await.unwrap()).await;
        });
    }
}

fn limits_of<M: Listen>() {
    let authority = Authority::new();
    let world = World::<M>::new();
    let limits = Limits::new().handshakes(2).patience(Duration::from_secs(3)).grace(Duration::from_millis(600));
    let ctx = M::context(&world, authority.server(&[NAME], &BOTH)).with(HandshakeLimits, limits);
    let mut listener = M::listen(ctx).unwrap();
    let mut clients: Vec<_> = (0..3).map(|_| world.come()).collect();
    pass(&world, &mut listener, Duration::from_millis(599));
    assert!(world.seen().is_empty());
    pass(&world, &mut listener, Duration::from_millis(1));
    assert_late(&world.seen(), 1, "not done within 600ms, and other clients wait");
    assert!(is_closed(&mut clients[0]));
    pass(&world, &mut listener, Duration::from_millis(2399));
    assert!(world.seen().is_empty());
    pass(&world, &mut listener, Duration::from_millis(1));
    assert_late(&world.seen(), 1, "not done within 3s");
    pass(&world, &mut listener, Duration::from_millis(600));
    assert_late(&world.seen(), 1, "not done within 3s");
    assert!(clients.iter_mut().all(is_closed));

    // One place, at least.
    let ctx = M::context(&world, authority.server(&[NAME], &BOTH)).with(HandshakeLimits, Limits::new().handshakes(0));
    let mut listener = M::listen(ctx).unwrap();
    let near = world.come();
    both(&"one place", visit(near, &authority), async { serve::<M>(listener.accept().await.unwrap()).await });
}

#[test]
fn the_limits_are_keys() {
    limits_of::<Shared>();
    limits_of::<Local>();
}

/// It would fail every handshake, and `accept` would never return.
#[test]
fn a_configuration_that_cannot_serve_is_an_error_of_listen() {
    let authority = Authority::new();
    let mut config = authority.server(&[NAME], &BOTH);
    config.max_early_data_size = 1;
    let error = Shared::listen(Shared::context(&World::new(), config)).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("early data is not supported"), "{error}");
}

/// A shortage below is told, and handshakes under way go on all the same.
#[test]
fn a_listener_below_that_fails_does_not_hold_up_handshakes() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let near = world.come();
    both(&"a shortage that lasts", visit(near, &authority), async {
        let mut errors = 0;
        loop {
            // Never without an error below.
            world.0.lock().unwrap().errors = usize::from(errors > 0);
            match listener.accept().await {
                Ok(flow) => break serve::<Shared>(flow).await,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
                    errors += 1;
                    assert!(errors < 100, "the handshake makes no progress");
                    // The caller waits a moment.
                    futures_lite::future::yield_now().await;
                }
            }
        }
    });
}

/// Silent clients that hold the last descriptors make every accept below fail; they must be given
/// up all the same.
#[test]
fn a_listener_below_that_goes_on_failing_does_not_keep_stalled_clients() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let mut silent = world.come();
    idle::<Shared>(&mut listener);
    world.0.lock().unwrap().errors = usize::MAX;
    let mut task = Context::from_waker(Waker::noop());
    for _ in 0..=40 {
        // The pause after a shortage.
        world.advance(GAP);
        let Poll::Ready(Err(error)) = listener.poll_accept(&mut task) else { panic!("the listener below fails") };
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    }
    assert_late(&world.seen(), 1, "within 10s");
    assert!(is_closed(&mut silent));
}

#[test]
fn a_local_context_serves_too() {
    let _: LocalContext = LocalContext::new().install(Tls);
}
