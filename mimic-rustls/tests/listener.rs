//! `tls://` served through a context: a client that stalls holds up nobody, and one that fails is an error of `accept`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::wire::{Log, PEER, Tap, both, run};
use common::{Authority, BOTH};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::{
    Bind, Ctx, Error, ErrorKind, FlowExt, Instant, Listener, ListenerExt, Local, LocalContext, Lookup, Memory, Mode,
    Phase, Record, Shared, Sleep, Timer, TlsVersion, for_each_mode, memory_pair,
};
use mimic_rustls::rustls::AlertDescription;
use mimic_rustls::{Tls, TlsServerConfig, connect, tls_error};

const NAME: &str = "example.org";
const HANDSHAKES: usize = 256;
const PATIENCE: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(1);

/// What the test decides: who comes, what goes wrong below, and what time it is.
struct World<M: Mode>(Arc<Mutex<Inner<M>>>);

struct Inner<M: Mode> {
    clients: VecDeque<Memory<M>>,
    errors: usize,
    accepting: Option<Waker>,
    now: Duration,
    waiting: Option<(Duration, Waker)>,
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
            errors: 0,
            accepting: None,
            now: Duration::ZERO,
            waiting: None,
        })))
    }

    /// A client comes; this is its end.
    fn come(&self) -> Memory<M> {
        let (near, far) = memory_pair::<M>(1 << 16);
        let mut world = self.0.lock().unwrap();
        world.clients.push_back(far);
        world.accepting.take().into_iter().for_each(Waker::wake);
        near
    }

    fn advance(&self, by: Duration) {
        let mut world = self.0.lock().unwrap();
        world.now += by;
        let now = world.now;
        if let Some((_, waker)) = world.waiting.take_if(|(at, _)| *at <= now) {
            waker.wake();
        }
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
            match world.clients.pop_front() {
                Some(below) => Poll::Ready(Ok(Box::new(Tap { below, log: Log::default() }) as _)),
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
    fn listener(world: &World<Self>, url: &str, authority: &Authority) -> Self::Listener;
}

for_each_mode!(M => {
    impl Listen for M {
        fn listener(world: &World<M>, url: &str, authority: &Authority) -> <M as Mode>::Listener {
            let (bind, sleep) = (world.clone(), world.clone());
            let ctx = Ctx::<M>::new()
                .install(Tls)
                .register(Lookup, "two", 0, (), |_, ()| async {
                    Ok(["192.0.2.1", "2001:db8::1"].map(|address| Record::from(address.parse::<IpAddr>().unwrap())).into())
                })
                .register(Bind, "world", 0, (), move |_, ()| {
                    let bind = bind.clone();
                    async move { Ok(Box::new(bind) as <M as Mode>::Listener) }
                })
                .register(Sleep, "world", 0, (), move |(), ()| {
                    let sleep = sleep.clone();
                    async move { Ok(Box::new(sleep) as <M as Mode>::Timer) }
                })
                .with(TlsServerConfig, Arc::new(authority.server(&[NAME], &BOTH)))
                .with_url(url)
                .unwrap();
            futures_lite::future::block_on(ctx.listen()).unwrap()
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

#[test]
fn a_name_is_listened_on_at_every_address() {
    let (authority, world) = (Authority::new(), World::<Shared>::new());
    let mut listener = Shared::listener(&world, "tls://server.test:443", &authority);
    // Two of them, which here say the same.
    assert_eq!(listener.local_addrs(), [SocketAddr::from(([192, 0, 2, 1], 443)); 2]);
    let near = world.come();
    both(&"by either", visit(near, &authority), async { serve::<Shared>(listener.accept().await.unwrap()).await });
}

fn stalled_clients<M: Listen>() {
    let authority = Authority::new();
    let world = World::<M>::new();
    let mut listener = M::listener(&world, "tls://192.0.2.1:443", &authority);
    assert_eq!(listener.local_addr(), Some(([192, 0, 2, 1], 443).into()));
    // The first says nothing, the second a little, and then there are too many to be accepted at all.
    let mut stalled: Vec<_> = (0..300).map(|_| world.come()).collect();
    both(&"a part of a record", async { stalled[1].write_all(&[0x16, 3, 1]).await.unwrap() }, async {});
    stalled.truncate(200);
    for _ in 0..100 {
        // Those that hung up are errors, one each.
        let (result, ()) = both(&"hung up", listener.accept(), async {});
        let error = result.map(drop).unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectionAborted, Some(Phase::Handshake)), "{error}");
    }
    world.advance(PATIENCE / 2);
    for _ in 0..3 {
        let near = world.come();
        both(&"a client among 200 that stall", visit(near, &authority), async {
            serve::<M>(listener.accept().await.unwrap()).await;
        });
    }
    // They are given up when their time has come, and not before.
    world.advance(PATIENCE / 2 - Duration::from_millis(1));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(listener.poll_accept(&mut cx).is_pending());
    run(
        &"given up",
        vec![
            Box::pin(async {
                for _ in 0..200 {
                    let error = listener.accept().await.map(drop).unwrap_err();
                    assert_eq!((error.kind(), error.phase()), (ErrorKind::TimedOut, Some(Phase::Handshake)));
                    assert!(error.to_string().contains("did not finish its handshake within 10s"), "{error}");
                    assert_eq!(error.target(), Some(PEER.to_string().as_str()));
                }
            }),
            Box::pin(async { world.advance(Duration::from_millis(1)) }),
        ],
    );
    for mut near in stalled {
        both(&"given up is closed", async { while near.read(&mut [0; 99]).await.unwrap() > 0 {} }, async {});
    }
    let near = world.come();
    both(&"and on it goes", visit(near, &authority), async { serve::<M>(listener.accept().await.unwrap()).await });
}

#[test]
fn stalled_clients_hold_up_nobody_and_are_given_up() {
    stalled_clients::<Shared>();
    stalled_clients::<Local>();
}

/// Visits while `given_up` clients that stall lose their places.
fn visit_among<M: Listen>(world: &World<M>, listener: &mut M::Listener, authority: &Authority, given_up: usize) {
    let near = world.come();
    let (errors, ()) = both(
        &given_up,
        async {
            let mut errors = 0;
            loop {
                match listener.accept().await {
                    Ok(flow) => break serve::<M>(flow).await,
                    Err(error) => {
                        assert_eq!((error.kind(), error.phase()), (ErrorKind::TimedOut, Some(Phase::Handshake)));
                        assert!(error.to_string().contains("within 1s, and others wait"), "{error}");
                        assert_eq!(error.target(), Some(PEER.to_string().as_str()));
                        errors += 1;
                    }
                }
            }
            errors
        },
        visit(near, authority),
    );
    assert_eq!(errors, given_up);
}

fn newcomers_among<M: Listen>(silent: usize) {
    let authority = Authority::new();
    let world = World::<M>::new();
    let mut listener = M::listener(&world, "tls://192.0.2.1:443", &authority);
    let mut stalled: VecDeque<_> = (0..silent).map(|_| world.come()).collect();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(listener.poll_accept(&mut cx).is_pending(), "nobody is given up before the grace is over");
    world.advance(GRACE - Duration::from_millis(1));
    assert!(listener.poll_accept(&mut cx).is_pending(), "nobody is given up before the grace is over");
    world.advance(Duration::from_millis(1));
    // Those that came first make room: for the others that wait, and for the newcomer.
    let room = silent + 1 - HANDSHAKES;
    visit_among::<M>(&world, &mut listener, &authority, room);
    for mut near in stalled.drain(..room) {
        both(&"given up is closed", async { assert_eq!(near.read(&mut [0; 9]).await.unwrap(), 0) }, async {});
    }
    // The visitor has gone, so that there is room for one without loss, as often as that happens.
    for _ in 0..3 {
        visit_among::<M>(&world, &mut listener, &authority, 0);
    }
    for near in &mut stalled {
        let mut buf = [0; 9];
        let mut read = std::pin::pin!(near.read(&mut buf));
        assert!(read.as_mut().poll(&mut cx).is_pending(), "the others stay");
    }
}

#[test]
fn newcomers_take_the_places_of_clients_that_stall() {
    newcomers_among::<Shared>(HANDSHAKES);
    newcomers_among::<Local>(300);
}

/// A task that waits for room is woken when the grace of the first is over.
#[test]
fn the_end_of_the_grace_wakes() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, "tls://192.0.2.1:443", &authority);
    let _silent: Vec<_> = (0..=HANDSHAKES).map(|_| world.come()).collect();
    let (error, ()) =
        both(&"grace", async { listener.accept().await.map(drop).unwrap_err() }, async { world.advance(GRACE) });
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    // Then nobody waits, and it is patience that ends.
    let (error, ()) =
        both(&"patience", async { listener.accept().await.map(drop).unwrap_err() }, async { world.advance(PATIENCE) });
    assert!(error.to_string().contains("within 10s"), "{error}");
}

/// Also for a client that came last and alone, where nothing else polls.
#[test]
fn the_end_of_the_patience_wakes() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, "tls://192.0.2.1:443", &authority);
    let _silent = world.come();
    let (error, ()) =
        both(&"patience", async { listener.accept().await.map(drop).unwrap_err() }, async { world.advance(PATIENCE) });
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

/// Whoever goes in between does not lengthen the patience with the others.
#[test]
fn the_first_is_given_up_first() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, "tls://192.0.2.1:443", &authority);
    let mut task = Context::from_waker(Waker::noop());
    let mut silent = VecDeque::new();
    for _ in 0..3 {
        silent.push_back(world.come());
        assert!(listener.poll_accept(&mut task).is_pending());
        world.advance(Duration::from_secs(1));
    }
    silent.pop_front();
    let Poll::Ready(Err(error)) = listener.poll_accept(&mut task) else { panic!("it hung up") };
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    for _ in 0..2 {
        assert!(listener.poll_accept(&mut task).is_pending());
        world.advance(if silent.len() == 2 { Duration::from_secs(8) } else { Duration::from_secs(1) });
        let Poll::Ready(Err(error)) = listener.poll_accept(&mut task) else { panic!("its time has come") };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let mut first = silent.pop_front().unwrap();
        both(&"it is closed", async { assert_eq!(first.read(&mut [0]).await.unwrap(), 0) }, async {});
    }
}

/// A crowd that comes at once, each a little slow: they wait for each other, and nobody is pushed out.
#[test]
fn a_crowd_of_honest_clients_gets_through() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, "tls://192.0.2.1:443", &authority);
    let client = Arc::new(authority.client(&BOTH));
    let crowd: Vec<_> = (0..2 * HANDSHAKES + 50).map(|_| world.come()).collect();
    let count = crowd.len();
    let mut tasks: Vec<common::wire::Task<'_>> = Vec::new();
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

#[test]
fn failed_handshakes_are_errors_of_accept() {
    let (authority, other) = (Authority::new(), Authority::new());
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, "https://192.0.2.1", &authority);
    for _ in 0..3 {
        let mut plain = world.come();
        let (error, told) = both(&"plain text", async { listener.accept().await.map(drop).unwrap_err() }, async {
            plain.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
            let mut told = [0; 100];
            let n = plain.read(&mut told).await.unwrap();
            told[..n].to_vec()
        });
        assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidData, Some(Phase::Handshake)), "{error}");
        assert!(error.to_string().contains("does not seem to speak TLS"), "{error}");
        assert_eq!(error.target(), Some(PEER.to_string().as_str()));
        assert_eq!((told[0], told[6]), (0x15, u8::from(AlertDescription::DecodeError)));

        let near = world.come();
        let (error, ()) =
            both(&"a client that does not trust us", async { listener.accept().await.map(drop).unwrap_err() }, async {
                drop(connect(near, Arc::new(other.client(&BOTH)), Vec::new(), NAME).await.unwrap_err())
            });
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(tls_error(&error).is_some());

        let near = world.come();
        both(&"a good one", visit(near, &authority), async {
            serve::<Shared>(listener.accept().await.unwrap()).await;
        });
    }
}

/// A shortage below is told, and handshakes under way go on all the same.
#[test]
fn a_listener_below_that_fails_does_not_hold_up_handshakes() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, "tls://192.0.2.1:443", &authority);
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

/// Silent clients that hold the last descriptors make every accept below fail; they must be given up all the same.
#[test]
fn a_listener_below_that_goes_on_failing_does_not_keep_stalled_clients() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, "tls://192.0.2.1:443", &authority);
    let _silent = world.come();
    let mut task = Context::from_waker(Waker::noop());
    assert!(listener.poll_accept(&mut task).is_pending(), "its handshake is under way");
    world.0.lock().unwrap().errors = usize::MAX;
    let Poll::Ready(Err(error)) = listener.poll_accept(&mut task) else { panic!("the listener below fails") };
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    world.advance(PATIENCE);
    let Poll::Ready(Err(error)) = listener.poll_accept(&mut task) else { panic!("the client is given up") };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[test]
fn a_local_context_serves_too() {
    let _: LocalContext = LocalContext::new().install(Tls);
}
