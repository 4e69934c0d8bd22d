//! A network that follows a script, in virtual time, and an executor that polls only woken tasks.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    reason = "each test file uses a part"
)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use mimic_core::adapter::{AttributeRequest, Instant};
use mimic_core::keys::PeerAddr;
use mimic_core::roles::{HostPort, Lookup, Question, Record, RecordType, Sleep, Tcp, Transport};
use mimic_core::{Ctx, Error, ErrorKind, Flow, FlowExt, Handshake, Install, Mode, Phase, Shared, Timer, for_each_mode};
use mimic_happy_eyeballs::{Event, HappyEyeballs, RaceError, Source, SourceAddress, Timeline};

pub const HOST: &str = "example.org";
pub const V6: &str = "[2001:db8::1]:443";
pub const V6B: &str = "[2001:db8::2]:443";
pub const V4: &str = "192.0.2.1:443";
pub const V4B: &str = "192.0.2.2:443";

pub const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn host() -> HostPort {
    HostPort::new(HOST, 443)
}

/// Connects to the name with a handshake that does nothing: without one, service records are not
/// asked for.
pub async fn secure(ctx: &mimic_core::Context, port: u16) -> Result<<Shared as Mode>::Flow, Error> {
    let handshake = Handshake::<Shared>::new(|flow| async { Ok(flow) });
    ctx.dialer(Transport).await?.dial_with(HostPort::new(HOST, port), handshake).await
}

/// The time that something takes, and its result; none is never.
type Script<T> = (Option<Duration>, Option<T>);

type Fault = Arc<dyn Fn() -> Error + Send + Sync>;

type Answers = HashMap<(String, RecordType), Script<Result<Vec<Record>, Fault>>>;

#[derive(Clone, Default)]
pub struct World(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    now: Duration,
    /// Added to the time of the clock.
    jump: Duration,
    /// By how much timers fire too early (negative) or too late, in microseconds.
    skew: i64,
    next: u64,
    sleepers: Vec<(u64, Duration, Waker)>,
    answers: Answers,
    links: HashMap<SocketAddr, Script<Result<(), Fault>>>,
    sources: HashMap<IpAddr, Result<Source, ErrorKind>>,
    /// How long the system takes to find a source address, while nothing else happens.
    blocks: Duration,
    dials: Vec<Duration>,
    /// How many source addresses were asked for.
    sourced: usize,
    /// The most attempts and source addresses in a single poll.
    busiest: usize,
    log: Vec<String>,
    alive: HashMap<&'static str, usize>,
}

impl World {
    pub fn new() -> Self {
        Self::default()
    }

    /// A name with these addresses, answered after so many milliseconds per family; `-1` is never.
    pub fn name(self, v6: (i64, &[&str]), v4: (i64, &[&str])) -> Self {
        self.answer(HOST, RecordType::Aaaa, v6.0, addresses(v6.1)).answer(HOST, RecordType::A, v4.0, addresses(v4.1))
    }

    pub fn answer(self, name: &str, record_type: RecordType, after: i64, records: Vec<Record>) -> Self {
        self.0.lock().unwrap().answers.insert((name.into(), record_type), (delay(after), Some(Ok(records))));
        self
    }

    pub fn no_answer(
        self,
        record_type: RecordType,
        after: i64,
        fault: impl Fn() -> Error + Send + Sync + 'static,
    ) -> Self {
        let script = (delay(after), Some(Err(Arc::new(fault) as Fault)));
        self.0.lock().unwrap().answers.insert((HOST.into(), record_type), script);
        self
    }

    pub fn accepts(self, to: &str, after: i64) -> Self {
        self.0.lock().unwrap().links.insert(to.parse().unwrap(), (delay(after), Some(Ok(()))));
        self
    }

    pub fn fails(self, to: &str, after: i64, fault: impl Fn() -> Error + Send + Sync + 'static) -> Self {
        let script = (delay(after), Some(Err(Arc::new(fault) as Fault)));
        self.0.lock().unwrap().links.insert(to.parse().unwrap(), script);
        self
    }

    pub fn source(self, of: &str, source: Result<&str, ErrorKind>) -> Self {
        let source = source.map(|from| Source::Address(from.parse().unwrap()));
        self.0.lock().unwrap().sources.insert(of.parse().unwrap(), source);
        self
    }

    pub fn blocks(self, time: Duration) -> Self {
        self.0.lock().unwrap().blocks = time;
        self
    }

    /// When attempts were started, by the clock on the wall.
    pub fn dials(&self) -> Vec<Duration> {
        self.0.lock().unwrap().dials.clone()
    }

    pub fn sourced(&self) -> usize {
        self.0.lock().unwrap().sourced
    }

    pub fn busiest(&self) -> usize {
        self.0.lock().unwrap().busiest
    }

    fn work(&self) -> usize {
        let inner = self.0.lock().unwrap();
        inner.dials.len() + inner.sourced
    }

    pub fn unreachable(self, of: &str) -> Self {
        self.0.lock().unwrap().sources.insert(of.parse().unwrap(), Ok(Source::Unreachable));
        self
    }

    pub fn skew(self, micros: i64) -> Self {
        self.0.lock().unwrap().skew = micros;
        self
    }

    pub fn jump(&self, by: Duration) {
        self.0.lock().unwrap().jump += by;
    }

    pub fn now(&self) -> Duration {
        let inner = self.0.lock().unwrap();
        inner.now + inner.jump
    }

    pub fn say(&self, line: impl Into<String>) {
        self.0.lock().unwrap().log.push(line.into());
    }

    /// Returns the actions since the last call.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().log)
    }

    pub fn alive(&self, what: &'static str) -> usize {
        self.0.lock().unwrap().alive.get(what).copied().unwrap_or_default()
    }

    pub fn guard(&self, what: &'static str) -> Guard {
        *self.0.lock().unwrap().alive.entry(what).or_default() += 1;
        Guard(self.clone(), what)
    }

    /// Waits in virtual time; the future is ready at once for zero.
    pub fn wait(&self, duration: Duration) -> impl Future<Output = ()> + Send + use<> {
        let mut timer = self.timer(true);
        let at = Instant::new(self.now() + duration);
        std::future::poll_fn(move |cx| timer.poll_until(cx, at))
    }

    fn timer(&self, exact: bool) -> VirtualTimer {
        let mut inner = self.0.lock().unwrap();
        inner.next += 1;
        VirtualTimer { world: self.clone(), id: inner.next, exact }
    }

    async fn follow<T>(&self, (after, result): Script<T>) -> T {
        match (after, result) {
            (Some(after), Some(result)) => {
                if !after.is_zero() {
                    self.wait(after).await;
                }
                result
            }
            _ => pending().await,
        }
    }

    async fn look_up(self, question: Question) -> Result<Vec<Record>, Error> {
        let _guard = self.guard("look-ups");
        self.say(format!("{:?} {question:?}", self.now().as_millis()));
        let script = self.0.lock().unwrap().answers.get(&(question.name.to_string(), question.record_type)).cloned();
        self.follow(script.unwrap_or((Some(Duration::ZERO), Some(Ok(Vec::new()))))).await.map_err(|fault| fault())
    }

    async fn link(self, to: SocketAddr) -> Result<Plain, Error> {
        let _guard = self.guard("attempts");
        let script = {
            let mut inner = self.0.lock().unwrap();
            let now = inner.now;
            inner.dials.push(now);
            inner.links.get(&to).cloned()
        };
        match self.follow(script.unwrap_or((None, None))).await {
            Ok(()) => Ok(Plain { to, guard: self.guard("flows") }),
            Err(fault) => Err(fault()),
        }
    }

    /// Runs to the end, jumping from one instant waited for to the next.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.run_until(pin!(future), Duration::MAX).unwrap_or_else(|| panic!("nobody will ever wake it"))
    }

    /// Runs to the end, or to the given time.
    pub fn run_until<T>(&self, mut future: Pin<&mut impl Future<Output = T>>, end: Duration) -> Option<T> {
        let mut flag = Arc::new(Flag(AtomicBool::new(true)));
        loop {
            let mut polls = 0;
            while flag.0.load(SeqCst) {
                // Only the waker of the last poll counts.
                flag = Arc::new(Flag(AtomicBool::new(false)));
                let waker = flag.clone().into();
                let before = self.work();
                let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                let work = self.work() - before;
                {
                    let mut inner = self.0.lock().unwrap();
                    inner.busiest = inner.busiest.max(work);
                }
                if let Poll::Ready(output) = polled {
                    return Some(output);
                }
                polls += 1;
                assert!(polls < 1000, "it wakes itself without end");
            }
            let due = {
                let mut inner = self.0.lock().unwrap();
                let next = inner.sleepers.iter().map(|(_, at, _)| *at).min();
                let Some(next) = next.filter(|next| *next <= end) else {
                    if end < Duration::MAX {
                        inner.now = inner.now.max(end);
                    }
                    return None;
                };
                inner.now = inner.now.max(next);
                let now = inner.now;
                let (due, later) = inner.sleepers.drain(..).partition::<Vec<_>, _>(|(_, at, _)| *at <= now);
                inner.sleepers = later;
                due
            };
            for (_, _, waker) in due {
                waker.wake();
            }
        }
    }
}

fn delay(after: i64) -> Option<Duration> {
    u64::try_from(after).ok().map(ms)
}

pub fn addresses(of: &[&str]) -> Vec<Record> {
    of.iter().map(|address| Record::from(address.parse::<IpAddr>().unwrap())).collect()
}

pub struct Guard(World, &'static str);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(alive) = self.0.0.lock().unwrap().alive.get_mut(self.1) {
            *alive -= 1;
        }
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

struct VirtualTimer {
    world: World,
    id: u64,
    exact: bool,
}

impl std::fmt::Debug for VirtualTimer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VirtualTimer({})", self.id)
    }
}

impl Drop for VirtualTimer {
    fn drop(&mut self) {
        self.world.0.lock().unwrap().sleepers.retain(|(id, ..)| *id != self.id);
    }
}

impl Timer for VirtualTimer {
    fn now(&self) -> Instant {
        Instant::new(self.world.now())
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let mut inner = self.world.0.lock().unwrap();
        let skew = if self.exact { 0 } else { inner.skew };
        let micros = Duration::from_micros(skew.unsigned_abs());
        let at = at.since_epoch().saturating_sub(inner.jump);
        let at = if skew < 0 { at.saturating_sub(micros) } else { at.saturating_add(micros) };
        inner.sleepers.retain(|(id, ..)| *id != self.id);
        if inner.now >= at {
            return Poll::Ready(());
        }
        inner.sleepers.push((self.id, at, cx.waker().clone()));
        Poll::Pending
    }
}

/// A connection that takes every write, and whose input is at its end.
pub struct Plain {
    pub to: SocketAddr,
    guard: Guard,
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plain({})", self.to)
    }
}

impl Flow for Plain {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Ok(0))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(&mut self, _: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn abort(&mut self) {
        self.guard.0.say(format!("abort {}", self.to));
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide_value(PeerAddr, || Some(self.to));
    }
}

for_each_mode!(M => {
    impl Install<M> for World {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            let (lookup, link, sleep, source) = (self.clone(), self.clone(), self.clone(), self.clone());
            let plain = {
                let inner = self.0.lock().unwrap();
                inner.sources.is_empty() && inner.blocks.is_zero()
            };
            let ctx = match plain {
                true => ctx,
                false => ctx.register(SourceAddress, "script", 0, (), move |to: SocketAddr, ()| {
                    let mut inner = source.0.lock().unwrap();
                    let blocks = inner.blocks;
                    inner.now += blocks;
                    inner.sourced += 1;
                    let known = inner.sources.get(&to.ip()).copied();
                    drop(inner);
                    async move { known.unwrap_or(Ok(Source::Unknown)).map_err(Error::from) }
                }),
            };
            ctx.register(Lookup, "script", 0, (), move |question, ()| lookup.clone().look_up(question))
                .register(Tcp, "tcp", 0, (), move |to, ()| {
                    let link = link.clone();
                    async move { Ok(Box::new(link.link(to).await?) as <M as Mode>::Flow) }
                })
                .register(Sleep, "virtual", 0, (), move |(), ()| {
                    let timer = sleep.timer(false);
                    async move { Ok(Box::new(timer) as <M as Mode>::Timer) }
                })
                .install(HappyEyeballs)
        }
    }
});

impl World {
    pub fn ctx<M: Mode>(&self) -> Ctx<M>
    where
        Self: Install<M>,
    {
        Ctx::new().install(self.clone())
    }

    pub fn shared(&self) -> mimic_core::Context {
        self.ctx()
    }

    pub fn connect<M: Mode>(&self, ctx: &Ctx<M>, to: HostPort) -> Result<M::Flow, Error> {
        self.run(ctx.resolve(Transport, to))
    }

    /// As [`secure`].
    pub fn connect_secure(&self, ctx: &mimic_core::Context, port: u16) -> Result<<Shared as Mode>::Flow, Error> {
        self.run(secure(ctx, port))
    }

    /// Connects to the name in mode `Shared`, which must fail.
    pub fn error(&self) -> Error {
        self.connect(&self.shared(), host()).expect_err("no connection")
    }
}

pub fn refused() -> Error {
    Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)).in_phase(Phase::Connect)
}

pub fn no_route() -> Error {
    Error::new(ErrorKind::Other, "no route to host").in_phase(Phase::Connect)
}

pub fn no_name() -> Error {
    Error::new(ErrorKind::NotFound, "no such name").in_phase(Phase::Lookup)
}

pub fn server_failure() -> Error {
    Error::new(ErrorKind::Other, "the server failed").in_phase(Phase::Lookup)
}

pub fn peer(flow: &impl Flow) -> String {
    flow.attribute(PeerAddr).unwrap().to_string()
}

pub fn timeline(flow: &impl Flow) -> Vec<String> {
    lines(&flow.attribute(Timeline).unwrap())
}

/// As they print, without the space in front.
pub fn lines(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.to_string().trim_start().to_owned()).collect()
}

/// The error of the race, found among the sources.
pub fn race_error(error: &Error) -> &RaceError {
    RaceError::of(error).unwrap_or_else(|| panic!("no race among the sources of: {error}"))
}

/// Whether a `T` is among the sources.
pub fn has_source<T: std::error::Error + 'static>(error: &Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<T>() {
            return true;
        }
        source = error.source();
    }
    false
}

thread_local! {
    static OBSERVED: RefCell<Vec<Event>> = const { RefCell::new(Vec::new()) };
}

/// An observer that keeps its events, per thread.
pub fn observe(event: &Event) {
    OBSERVED.with_borrow_mut(|observed| observed.push(*event));
}

pub fn observed() -> Vec<Event> {
    OBSERVED.take()
}
