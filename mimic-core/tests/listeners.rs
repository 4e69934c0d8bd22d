//! Listening at every address of a name, several listeners as one, and the accept loop.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use futures_lite::future::{block_on, poll_once};
use mimic_core::adapter::{Instant, Listeners};
use mimic_core::io::memory_pair;
use mimic_core::roles::{Lookup, Question, Record, TcpListen};
use mimic_core::{Error, ErrorKind, Flow, Listener, ListenerExt, Local, LocalContext, Phase, Schemes, Timer};

type Boxed = Box<dyn Flow>;

/// What a listener answers in turn: a flow, or an error. Without any, it waits.
#[derive(Debug)]
struct Script {
    at: SocketAddr,
    answers: VecDeque<Option<Error>>,
    open: Rc<Cell<usize>>,
}

impl Script {
    fn at(at: &str, answers: impl IntoIterator<Item = Option<Error>>) -> Box<dyn Listener<Local>> {
        Self::counted(at.parse().unwrap(), answers, &Rc::default())
    }

    fn counted(
        at: SocketAddr,
        answers: impl IntoIterator<Item = Option<Error>>,
        open: &Rc<Cell<usize>>,
    ) -> Box<dyn Listener<Local>> {
        open.set(open.get() + 1);
        Box::new(Self { at, answers: answers.into_iter().collect(), open: open.clone() })
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.open.set(self.open.get() - 1);
    }
}

impl Listener<Local> for Script {
    fn poll_accept(&mut self, _: &mut Task<'_>) -> Poll<Result<Boxed, Error>> {
        match self.answers.pop_front() {
            None => Poll::Pending,
            Some(None) => Poll::Ready(Ok(Box::new(memory_pair::<Local>(1).0))),
            Some(Some(error)) => Poll::Ready(Err(error)),
        }
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        Some(self.at)
    }
}

/// A world of names and ports: what is taken, what was bound, and how many listeners are open.
#[derive(Clone, Default)]
struct World {
    taken: Rc<RefCell<Vec<SocketAddr>>>,
    bound: Rc<RefCell<Vec<String>>>,
    open: Rc<Cell<usize>>,
    /// The port that the system chooses next.
    free: Rc<Cell<u16>>,
    /// Why what is taken cannot be bound, if not because it is in use.
    why: Option<ErrorKind>,
}

impl World {
    fn listen(&self, url: &str) -> Result<Box<dyn Listener<Local>>, Error> {
        let world = self.clone();
        let ctx = LocalContext::new()
            .install(Schemes)
            .register(Lookup, "table", 0, (), |question: Question, ()| async move {
                let addresses: &[&str] = match &*question.name {
                    "both.example" => &["::1", "127.0.0.1"],
                    "twice.example" => &["127.0.0.1", "127.0.0.1", "::1", "127.0.0.1"],
                    _ => &[],
                };
                Ok(addresses.iter().map(|address| Record::from(address.parse::<IpAddr>().unwrap())).collect())
            })
            .register(TcpListen, "world", 0, (), move |mut at: SocketAddr, ()| {
                let world = world.clone();
                async move {
                    if at.port() == 0 {
                        at.set_port(world.free.replace(world.free.get() + 1));
                    }
                    world.bound.borrow_mut().push(at.to_string());
                    if world.taken.borrow().contains(&at) {
                        let why = world.why.unwrap_or(ErrorKind::AddrInUse);
                        return Err(Error::new(why, "taken").in_phase(Phase::Bind));
                    }
                    Ok(Script::counted(at, [], &world.open))
                }
            })
            .with_url(url)?;
        block_on(ctx.listen())
    }

    fn take(&self, address: &str) {
        self.taken.borrow_mut().push(address.parse().unwrap());
    }
}

fn addresses(listener: &impl Listener<Local>) -> Vec<String> {
    listener.local_addrs().iter().map(ToString::to_string).collect()
}

#[test]
fn a_name_is_bound_at_every_address() {
    for scheme in ["tcp", "http", "git"] {
        let world = World::default();
        let listener = world.listen(&format!("{scheme}://both.example:7")).unwrap();
        assert_eq!(addresses(&listener), ["[::1]:7", "127.0.0.1:7"]);
        assert_eq!(listener.local_addr(), Some("[::1]:7".parse().unwrap()), "the first");
    }
    let world = World::default();
    assert_eq!(addresses(&world.listen("tcp://twice.example:7").unwrap()), ["127.0.0.1:7", "[::1]:7"]);
    assert_eq!(addresses(&world.listen("tcp://127.0.0.9:7").unwrap()), ["127.0.0.9:7"]);
}

#[test]
fn an_address_in_use_is_an_error_and_nothing_listens() {
    for taken in ["[::1]:7", "127.0.0.1:7"] {
        let world = World::default();
        world.take(taken);
        let error = world.listen("tcp://both.example:7").unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::AddrInUse, Some(Phase::Bind)));
        assert_eq!(error.target(), Some(taken), "{error}");
        assert!(error.advice().is_some_and(|advice| advice.contains("in place of the name")), "{error}");
        assert_eq!(world.open.get(), 0);
    }
    // What no address of the name could do differently is not advised on.
    let world = World { why: Some(ErrorKind::PermissionDenied), ..World::default() };
    world.take("127.0.0.1:7");
    assert_eq!(world.listen("tcp://both.example:7").unwrap_err().advice(), None);
    // One address was not a choice.
    let world = World::default();
    world.take("127.0.0.9:7");
    assert_eq!(world.listen("tcp://127.0.0.9:7").unwrap_err().advice(), None);
    let error = world.listen("tcp://empty.example:7").unwrap_err();
    assert_eq!((error.kind(), error.target()), (ErrorKind::NotFound, Some("empty.example:7")));
}

#[test]
fn a_port_that_the_system_chooses_is_the_same_at_every_address() {
    let world = World::default();
    world.free.set(50);
    world.take("127.0.0.1:50");
    world.take("127.0.0.1:51");
    let listener = world.listen("tcp://both.example:0").unwrap();
    assert_eq!(addresses(&listener), ["[::1]:52", "127.0.0.1:52"]);
    let tried = ["[::1]:50", "127.0.0.1:50", "[::1]:51", "127.0.0.1:51", "[::1]:52", "127.0.0.1:52"];
    assert_eq!(*world.bound.borrow(), tried);

    // But not for ever.
    let world = World::default();
    world.free.set(1);
    (1..100).for_each(|port| world.take(&format!("127.0.0.1:{port}")));
    let error = world.listen("tcp://both.example:0").unwrap_err();
    assert_eq!((error.kind(), error.target()), (ErrorKind::AddrInUse, Some("127.0.0.1:8")));
    assert_eq!((world.bound.borrow().len(), world.open.get()), (16, 0));
}

#[test]
fn several_listeners_take_turns() {
    block_on(async {
        let flows = || [None, None, None];
        let error = || [Some(Error::from(ErrorKind::ConnectionAborted)), None];
        let mut all = Listeners::<Local>::from_iter([
            Script::at("192.0.2.1:1", flows()),
            Script::at("192.0.2.2:2", error()),
            Script::at("192.0.2.3:3", flows()),
        ]);
        let mut answers = Vec::new();
        while let Some(answer) = poll_once(all.accept()).await {
            answers.push(answer.is_ok());
        }
        // The error of the second is as good as a flow: then the third, then the first again.
        assert_eq!(answers, [true, false, true, true, true, true, true, true]);
        assert_eq!(addresses(&all), ["192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:3"]);

        let mut none = Listeners::<Local>::from_iter([]);
        assert!(poll_once(none.accept()).await.is_none());
        assert_eq!((none.local_addr(), none.local_addrs()), (None, vec![]));
    });
}

/// One that always has a flow does not keep the others from theirs.
#[test]
fn a_busy_listener_starves_no_other() {
    let mut all = Listeners::<Local>::from_iter([
        Script::at("192.0.2.1:1", (0..1000).map(|_| None)),
        Script::at("192.0.2.2:2", [Some(Error::from(ErrorKind::ConnectionAborted))]),
    ]);
    let answers: Vec<_> = (0..2).map(|_| block_on(all.accept()).is_ok()).collect();
    assert_eq!(answers, [true, false]);
}

/// A clock that goes when it is waited for, and keeps what it was waited for.
#[derive(Debug, Default)]
struct Clock {
    now: Duration,
    waited: Vec<u128>,
}

impl Timer for Clock {
    fn now(&self) -> Instant {
        Instant::new(self.now)
    }

    fn poll_until(&mut self, _: &mut Task<'_>, at: Instant) -> Poll<()> {
        self.waited.push((at.since_epoch() - self.now).as_millis());
        self.now = at.since_epoch();
        Poll::Ready(())
    }
}

/// The pauses in milliseconds and the kinds told until there is a flow.
fn accepting(errors: impl IntoIterator<Item = Error>) -> (Vec<u128>, Vec<ErrorKind>) {
    let mut listener = Script::at("192.0.2.1:1", errors.into_iter().map(Some).chain([None]));
    let (mut clock, mut told) = (Clock::default(), Vec::new());
    block_on(listener.accept_ok(&mut clock, |error| told.push(error.kind())));
    (clock.waited, told)
}

#[test]
fn an_error_of_one_peer_pauses_nothing() {
    let kinds = [ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset, ErrorKind::Interrupted];
    assert_eq!(accepting(kinds.map(Error::from)), (vec![], kinds.to_vec()));
    let handshake = Error::new(ErrorKind::InvalidData, "no TLS").in_phase(Phase::Handshake);
    assert_eq!(accepting([handshake]), (vec![], vec![ErrorKind::InvalidData]));
}

#[test]
fn a_shortage_pauses_longer_and_longer_and_is_told_once() {
    let shortages = (0..10).map(|_| Error::from(ErrorKind::OutOfMemory));
    let pauses = vec![10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000];
    assert_eq!(accepting(shortages), (pauses, vec![ErrorKind::OutOfMemory]));
    // What is not known pauses too: it may be there for good.
    assert_eq!(accepting([ErrorKind::Other.into()]), (vec![10], vec![ErrorKind::Other]));
    // Peers in between are told.
    let mixed = [ErrorKind::OutOfMemory, ErrorKind::ConnectionAborted, ErrorKind::OutOfMemory];
    let told = vec![ErrorKind::OutOfMemory, ErrorKind::ConnectionAborted];
    assert_eq!(accepting(mixed.map(Error::from)), (vec![10, 20], told));
}

/// Dropped while it waits or pauses, it has taken no flow.
#[test]
fn the_accept_loop_can_be_dropped() {
    #[derive(Debug)]
    struct Stopped;
    impl Timer for Stopped {
        fn now(&self) -> Instant {
            Instant::default()
        }
        fn poll_until(&mut self, _: &mut Task<'_>, _: Instant) -> Poll<()> {
            Poll::Pending
        }
    }
    block_on(async {
        let mut listener = Script::at("192.0.2.1:1", [Some(ErrorKind::OutOfMemory.into()), None]);
        assert!(poll_once(listener.accept_ok(&mut Stopped, |_| ())).await.is_none(), "it pauses");
        assert!(poll_once(listener.accept_ok(&mut Stopped, |_| ())).await.is_some());
        assert!(poll_once(listener.accept_ok(&mut Stopped, |_| ())).await.is_none(), "it waits");
    });
}
