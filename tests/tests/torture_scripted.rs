//! Torture over flows in memory, in virtual time, every wake-up counted: exactly the same points
//! each time, so they are enumerated to the last, and allocations are counted to the byte.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;
mod torture;

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll, Wake, Waker};
use std::time::Duration;

use futures_lite::future::yield_now;
use mimic_core::adapter::Instant;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::{Memory, memory_pair};
use mimic_core::keys::Deadline;
use mimic_core::roles::{Lookup, Question, Record, RecordType, Sleep, Tcp};
use mimic_core::{Context, Error, FlowExt, Schemes, Shared, Timer};
use mimic_happy_eyeballs::HappyEyeballs;
use mimic_rustls::rustls::{ClientConfig, ServerConfig};
use mimic_rustls::{TlsClient, TlsConfig};
use torture::flow::{FAULTS, Fault, Script, Stage, Torture};
use torture::steps::{STEPS, Steps, judge_step};
use torture::{HOST, SIZE, configs, cut, judge, scenario};

/// Takes connections, and never says a word.
const SILENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// Serves.
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

const DEADLINE: Duration = Duration::from_secs(30);

/// Time that stands still unless everybody waits for it, and the connections that the server has
/// not taken.
#[derive(Default)]
struct World {
    now: Duration,
    timers: Vec<(Duration, Waker)>,
    arrived: VecDeque<(IpAddr, Memory<Shared>)>,
    server: Option<Waker>,
}

#[derive(Clone, Default)]
struct Shore(Arc<Mutex<World>>);

impl Shore {
    fn with<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }

    fn arrive(&self, at: IpAddr, flow: Memory<Shared>) {
        let waker = self.with(|world| {
            world.arrived.push_back((at, flow));
            world.server.take()
        });
        waker.into_iter().for_each(Waker::wake);
    }

    /// The next instant that somebody waits for is now. Whether there was one.
    fn advance(&self) -> bool {
        let due: Vec<_> = self.with(|world| {
            let Some(next) = world.timers.iter().map(|(at, _)| *at).min() else { return Vec::new() };
            world.now = world.now.max(next);
            let now = world.now;
            world.timers.extract_if(.., |(at, _)| *at <= now).collect()
        });
        let any = !due.is_empty();
        due.into_iter().for_each(|(_, waker)| waker.wake());
        any
    }
}

struct Clock(Shore, Option<Duration>);

impl Clock {
    fn forget(&mut self) {
        if let Some(at) = self.1.take() {
            self.0.with(|world| {
                if let Some(index) = world.timers.iter().position(|(other, _)| *other == at) {
                    world.timers.swap_remove(index);
                }
            });
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl Timer for Clock {
    fn now(&self) -> Instant {
        Instant::new(self.0.with(|world| world.now))
    }

    fn poll_until(&mut self, cx: &mut Task<'_>, at: Instant) -> Poll<()> {
        self.forget();
        if self.now() >= at {
            return Poll::Ready(());
        }
        self.1 = Some(at.since_epoch());
        self.0.with(|world| world.timers.push((at.since_epoch(), cx.waker().clone())));
        Poll::Pending
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.forget();
    }
}

fn context(shore: &Shore, script: &Script, client: Arc<ClientConfig>, addresses: &'static [IpAddr]) -> Context {
    let (links, clocks) = (shore.clone(), shore.clone());
    Context::new()
        .install(Schemes)
        .install(HappyEyeballs)
        .install(TlsClient)
        .register(Lookup, "scripted", 0, (), move |question: Question, ()| async move {
            let asked = question.record_type == RecordType::A;
            Ok(addresses.iter().filter(|_| asked).map(|address| Record::from(*address)).collect())
        })
        .register(Tcp, "memory", 0, (), move |to: SocketAddr, ()| {
            let shore = links.clone();
            async move {
                yield_now().await;
                // Smaller than the messages: writers wait, too.
                let (here, there) = memory_pair::<Shared>(1500);
                shore.arrive(to.ip(), there);
                Ok(here.boxed())
            }
        })
        .register(Sleep, "virtual", 0, (), move |(), ()| {
            let clock = Clock(clocks.clone(), None);
            async move { Ok(Box::new(clock) as _) }
        })
        .install(Torture(script.clone()))
        .install(Steps(script.clone()))
        .with(TlsConfig, client)
        .with(Deadline, DEADLINE)
        .with_url(&format!("tls://{HOST}:443"))
        .unwrap()
}

/// One connection at the server, to its end.
async fn serve(at: IpAddr, flow: Memory<Shared>, config: Arc<ServerConfig>) -> Result<(), Error> {
    let mut buf = [0; 600];
    if at == SILENT {
        let mut flow = flow;
        while flow.read(&mut buf).await? > 0 {}
        return Ok(());
    }
    let mut flow = mimic_rustls::accept(flow, &config).await?;
    let mut read = 0;
    while read < SIZE {
        match flow.read(&mut buf).await? {
            0 => return Ok(()),
            n => read += n,
        }
    }
    flow.write_all(&[7; SIZE]).await?;
    flow.flush().await?;
    flow.close().await
}

type Served = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

struct Server {
    shore: Shore,
    config: Arc<ServerConfig>,
    running: Vec<Served>,
    ended: usize,
}

impl Server {
    /// Whether all that arrived has ended.
    fn poll(&mut self, cx: &mut Task<'_>) -> bool {
        let arrived = self.shore.with(|world| {
            world.server = Some(cx.waker().clone());
            std::mem::take(&mut world.arrived)
        });
        self.running
            .extend(arrived.into_iter().map(|(at, flow)| Box::pin(serve(at, flow, self.config.clone())) as Served));
        let before = self.running.len();
        self.running.retain_mut(|served| served.as_mut().poll(cx).is_pending());
        self.ended += before - self.running.len();
        self.running.is_empty()
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// Runs the client until it ends, and the server until it has seen every connection end. Nobody is
/// polled who was not woken, so a wake-up that is lost, or a peer that is never told, is a panic
/// here and no hang.
fn run<T>(what: &dyn fmt::Display, shore: &Shore, config: &Arc<ServerConfig>, client: impl Future<Output = T>) -> T {
    let mut client = Box::pin(client);
    let mut server = Server { shore: shore.clone(), config: config.clone(), running: Vec::new(), ended: 0 };
    let flags: [Arc<Flag>; 2] = Default::default();
    flags.iter().for_each(|flag| flag.0.store(true, SeqCst));
    let wakers = flags.clone().map(Waker::from);
    let (mut output, mut idle) = (None, false);
    for round in 0.. {
        assert!(round < 100_000, "{what}: it goes round and round");
        let mut woken = false;
        if flags[0].0.swap(false, SeqCst) && output.is_none() {
            woken = true;
            if let Poll::Ready(done) = client.as_mut().poll(&mut Task::from_waker(&wakers[0])) {
                output = Some(done);
            }
        }
        if flags[1].0.swap(false, SeqCst) {
            woken = true;
            idle = server.poll(&mut Task::from_waker(&wakers[1]));
        }
        let settled = idle && !flags[1].0.load(SeqCst);
        if let Some(output) = output.take_if(|_| settled) {
            shore.with(|world| {
                world.server = None;
                assert!(world.timers.is_empty(), "{what}: a timer is left");
            });
            return output;
        }
        let waiting = server.running.len();
        // Time passes for the client alone: who serves waits for nobody but its peer.
        assert!(
            woken || output.is_none() && shore.advance(),
            "{what}: nobody is woken any more, the client is {}, and {waiting} connections go on",
            if output.is_some() { "done" } else { "waiting" }
        );
    }
    unreachable!("the loop has no end")
}

/// A way through the scenario, and how to run it.
struct Bench {
    shore: Shore,
    script: Script,
    server: Arc<ServerConfig>,
    ctx: Context,
}

impl Bench {
    fn new(addresses: &'static [IpAddr]) -> Self {
        let (shore, script) = (Shore::default(), Script::default());
        let (server, client) = configs();
        let ctx = context(&shore, &script, client, addresses);
        let bench = Self { shore, script, server, ctx };
        // What is kept for good (buffers per thread, capacities) is there now.
        (0..3).for_each(|_| bench.works());
        bench
    }

    fn run<T>(&self, what: &dyn fmt::Display, client: impl Future<Output = T>) -> T {
        run(what, &self.shore, &self.server, client)
    }

    fn works(&self) {
        self.script.plan(None);
        self.run(&"the next connect", scenario(&self.ctx, &self.script)).unwrap();
    }

    /// `work`, and then a run that nothing disturbs: nothing may be left of both.
    fn leaves_nothing<T>(&self, what: &dyn fmt::Display, work: impl FnOnce() -> T) -> T {
        let mut output = None;
        let info = allocation_counter::measure(|| {
            output = Some(work());
            self.works();
        });
        assert_eq!((info.count_current, info.bytes_current), (0, 0), "{what}: memory is left");
        output.unwrap()
    }

    /// Cancels at every pending point, and says how many there are.
    fn cancel(&self) -> usize {
        for n in 1.. {
            let what = format!("cancelled at pending point {n}");
            let over = self.leaves_nothing(&what, || {
                self.script.plan(None);
                let pending = Cell::new(0);
                let result = self.run(&what, cut(scenario(&self.ctx, &self.script), n, &pending));
                result.map(Result::unwrap).is_some()
            });
            if over {
                return n - 1;
            }
        }
        0
    }

    /// Fails at every call, and says how many there are and how many failed the run.
    fn fail(&self, fault: Fault, judge: impl Fn(usize, Fault, &Script, Result<(), Error>) -> bool) -> (usize, usize) {
        let mut failed = 0;
        for n in 1.. {
            let what = format!("{fault:?} at call {n}");
            let over = self.leaves_nothing(&what, || {
                self.script.plan(Some((n, fault)));
                let result = self.run(&what, scenario(&self.ctx, &self.script));
                failed += usize::from(judge(n, fault, &self.script, result));
                self.script.calls() < n
            });
            if over {
                return (n - 1, failed);
            }
        }
        (0, 0)
    }
}

#[test]
fn cancelled_at_every_point() {
    for (addresses, least) in [(&[SERVER][..], 30), (&[SILENT, SERVER], 30)] {
        let bench = Bench::new(addresses);
        let points = bench.cancel();
        println!("{} address(es): {points} pending points", addresses.len());
        assert!(points >= least, "the scenario has only {points} pending points");
        assert_eq!(bench.cancel(), points, "not the same each time");
    }
}

#[test]
fn failed_at_every_call() {
    let bench = Bench::new(&[SERVER]);
    for fault in FAULTS {
        let (calls, failed) = bench.fail(fault, judge);
        println!("{fault:?}: {calls} calls, {failed} runs failed");
        assert!(calls >= 45 && failed >= calls - 2, "{fault:?} failed {failed} runs of {calls}");
    }
}

/// An address that fails while another is there costs an attempt and not the connect.
#[test]
fn failed_at_every_call_of_a_race() {
    let bench = Bench::new(&[SILENT, SERVER]);
    for fault in FAULTS {
        let recovered = Cell::new(0);
        let (calls, failed) = bench.fail(fault, |n, fault, script, result| {
            if result.is_ok() && script.hit().is_some() && script.stage() == Stage::Connecting {
                recovered.set(recovered.get() + 1);
                return false;
            }
            if let Err(error) = &result
                && error.is_deadline()
            {
                // The one that is left says nothing for ever.
                let text = format!("{error:#}");
                assert!(error.at().is_some_and(|layer| layer.contains("happy-eyeballs")), "{text}");
                assert!(text.contains("cancelled while it ran") && text.contains(HOST), "{text}");
                return true;
            }
            judge(n, fault, script, result)
        });
        assert!(calls >= 45 && failed + recovered.get() >= calls - 4, "{fault:?} failed {failed} runs of {calls}");
        println!("{fault:?}, in a race: {calls} calls, {failed} runs failed, {} recovered", recovered.get());
    }
}

#[test]
fn failed_at_every_step_to_a_flow() {
    let bench = Bench::new(&[SERVER]);
    // Two families are asked for, and one of them is enough. The deadline and the race have a timer
    // each.
    for (fault, least, spared) in [(STEPS[0], 2, 1), (STEPS[1], 1, 0), (STEPS[2], 2, 0), (STEPS[3], 8, 0)] {
        let (calls, failed) = bench.fail(fault, judge_step);
        println!("{fault:?}: {calls} calls, {failed} runs failed");
        assert!(calls >= least && failed == calls - spared, "{fault:?} failed {failed} runs of {calls}");
    }
}

/// A link that fails while another is there costs an attempt and not the connect; unless the other
/// says nothing for ever.
#[test]
fn failed_at_every_step_to_a_race() {
    let bench = Bench::new(&[SILENT, SERVER]);
    for fault in STEPS {
        let (calls, failed) = bench.fail(fault, |n, fault, script, result| match (fault, n) {
            (Fault::Refused, 1) => {
                result.unwrap();
                false
            }
            (Fault::Refused, 2) => {
                let error = result.unwrap_err();
                assert!(error.is_deadline(), "{error:#}");
                assert_eq!((error.at(), error.target()), (Some("Transport \"happy-eyeballs\""), Some("host.test:443")));
                let tree = format!("{error:#}");
                assert!(tree.contains("Tcp \"step\" to 192.0.2.2:443: connect failed: refused by the test"), "{tree}");
                true
            }
            _ => judge_step(n, fault, script, result),
        });
        println!("{fault:?}, in a race: {calls} calls, {failed} runs failed");
        let spared = usize::from(matches!(fault, Fault::NoAnswer | Fault::Refused));
        assert!(calls >= 2 && failed == calls - spared, "{fault:?} failed {failed} runs of {calls}");
    }
}

#[test]
fn a_peer_that_is_never_told_would_show() {
    let shore = Shore::default();
    let (server, _) = configs();
    let hang = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let (here, there) = memory_pair::<Shared>(16);
        shore.arrive(SILENT, there);
        run(&"a flow that is kept", &shore, &server, async {});
        drop(here);
    }));
    let text = *hang.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("1 connections go on"), "{text}");
}
