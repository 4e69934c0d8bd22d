//! Torture on embassy, over two stacks in memory, in real time.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;
mod torture;
#[allow(unreachable_pub, reason = "made for another crate")]
#[path = "../../mimic-embassy/tests/world/mod.rs"]
mod world;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_lite::future::or;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::keys::Deadline;
use mimic_core::roles::{Lookup, Question, Record, RecordType};
use mimic_core::{Error, Listener, Local, LocalContext, Mode, Schemes};
use mimic_embassy::Embassy;
use mimic_happy_eyeballs::{Config, HappyEyeballs, RaceConfig};
use mimic_rustls::rustls::ServerConfig;
use mimic_rustls::{TlsClient, TlsConfig};
use torture::flow::{FAULTS, Fault, Script, Torture};
use torture::steps::{STEPS, Steps, judge_step};
use torture::{HOST, SIZE, configs, cut, judge, rounds, scenario};
use world::{SERVER, SERVER_V6, World, at, buffers, millis, sleep, url};

/// Where the server listens: at its IPv4 address it serves, and at its IPv6 address it never says a
/// word.
const PORT: u16 = 443;

/// How many allocations may be left of all runs together. embassy-time's queue has 128 places; it
/// forgets a timer that was dropped, and the waker in it, only when its time has come or the place
/// is needed.
const KEPT: i64 = 128 + 4;

/// Sockets of the client, and of the server.
const SOCKETS: (usize, usize) = (3, 8);

type Judge = fn(usize, Fault, &Script, Result<(), Error>) -> bool;
type BoxFlow = <Local as Mode>::Flow;
type Served = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

async fn exchange(flow: BoxFlow, config: Arc<ServerConfig>) -> Result<(), Error> {
    let mut flow = mimic_rustls::accept(flow, &config).await?;
    let (mut read, mut buf) = (0, [0; 700]);
    while read < SIZE {
        match flow.read(&mut buf).await? {
            0 => return Ok(()),
            n => read += n,
        }
    }
    flow.write_all(&[7; SIZE]).await?;
    flow.flush().await?;
    mimic_core::FlowExt::close(flow).await
}

async fn silence(mut flow: BoxFlow) -> Result<(), Error> {
    while flow.read(&mut [0; 700]).await? > 0 {}
    Ok(())
}

/// Serves every connection to its end, all at once.
async fn serve(bench: &Bench) {
    let mut serving = at(&bench.server, &url(SERVER, PORT)).listen().await.unwrap();
    let mut silent = at(&bench.server, &url(SERVER_V6, PORT)).listen().await.unwrap();
    let mut flows: Vec<Served> = Vec::new();
    poll_fn(|cx| {
        // A peer that resets while it is accepted is none.
        while let Poll::Ready(flow) = serving.poll_accept(cx) {
            flows.extend(flow.ok().map(|flow| Box::pin(exchange(flow, bench.config.clone())) as Served));
        }
        while let Poll::Ready(flow) = silent.poll_accept(cx) {
            flows.extend(flow.ok().map(|flow| Box::pin(silence(flow)) as Served));
        }
        flows.retain_mut(|flow| flow.as_mut().poll(cx).is_pending());
        bench.running.set(flows.len());
        Poll::Pending
    })
    .await
}

struct Bench {
    client: LocalContext,
    server: LocalContext,
    config: Arc<ServerConfig>,
    script: Script,
    /// The pools.
    pools: [Embassy; 2],
    /// How many connections go on at the server.
    running: Rc<Cell<usize>>,
    /// Allocations and bytes.
    left: Cell<(i64, i64)>,
}

impl Bench {
    fn new(world: &World) -> Self {
        let (config, client) = configs();
        let script = Script::default();
        let pools = [
            Embassy::new(world.client, buffers::<{ SOCKETS.0 }>()),
            Embassy::new(world.server, buffers::<{ SOCKETS.1 }>()),
        ];
        let deadline = Duration::from_secs(20);
        let base = |pool: &Embassy| LocalContext::new().install(Schemes).install(HappyEyeballs).install(pool.clone());
        let client = base(&pools[0])
            .install(TlsClient)
            .install(Torture(script.clone()))
            .install(Steps(script.clone()))
            .with(TlsConfig, client)
            .with(RaceConfig, Config::new().attempt_delay(millis(10)).max_in_flight(SOCKETS.0))
            .with(Deadline, deadline)
            .with_url(&format!("tls://{HOST}:{PORT}"))
            .unwrap();
        let (running, left) = Default::default();
        Self { client, server: base(&pools[1]), config, script, pools, running, left }
    }

    /// A context whose names have these addresses.
    fn named(&self, addresses: &'static [IpAddr]) -> LocalContext {
        self.client.clone().register(Lookup, "scripted", 0, (), move |question: Question, ()| async move {
            let of = |address: &&IpAddr| match question.record_type {
                RecordType::A => address.is_ipv4(),
                RecordType::Aaaa => address.is_ipv6(),
                _ => false,
            };
            Ok(addresses.iter().filter(of).map(|address| Record::from(*address)).collect())
        })
    }

    fn idle(&self) -> [usize; 2] {
        [self.pools[0].idle(), self.pools[1].idle()]
    }

    /// Until every peer has seen its connection end.
    async fn settle(&self, what: &str) {
        let begun = Instant::now();
        loop {
            let (running, idle) = (self.running.get(), self.idle());
            // A listener holds a second socket where a peer began to connect and gave up, until the
            // next one comes.
            if running == 0 && idle[0] == SOCKETS.0 && (SOCKETS.1 - 4..=SOCKETS.1 - 2).contains(&idle[1]) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}: {running} go on, {idle:?} sockets are idle");
            sleep(Duration::from_micros(200)).await;
        }
    }

    async fn works(&self, ctx: &LocalContext) {
        self.script.plan(None);
        scenario(ctx, &self.script).await.unwrap();
    }

    /// One run that is disturbed, and one that is not.
    async fn disturb<T>(&self, what: &str, ctx: &LocalContext, work: impl Future<Output = T>) -> T {
        let output = work.await;
        self.settle(what).await;
        self.works(ctx).await;
        output
    }

    /// As `beside`, and counts what is left over all of them.
    fn run<T>(&self, what: &str, world: &mut World, ctx: &LocalContext, work: impl AsyncFnOnce() -> T) -> T {
        let (output, count, bytes) = self.beside(world, ctx, work);
        let (all_count, all_bytes) = self.left.get();
        let (all_count, all_bytes) = (all_count + count, all_bytes + bytes);
        self.left.set((all_count, all_bytes));
        println!("{what}: {count} allocations, {bytes} bytes are left");
        assert!(all_count <= KEPT && all_bytes <= 64 * KEPT + 4096, "{what}: {count} allocations are left");
        output
    }

    async fn cancel(&self, ctx: &LocalContext) -> usize {
        for n in 1.. {
            self.script.plan(None);
            let what = format!("cancelled at pending point {n}");
            let pending = Cell::new(0);
            if let Some(result) = self.disturb(&what, ctx, cut(scenario(ctx, &self.script), n, &pending)).await {
                result.unwrap();
                return n - 1;
            }
        }
        0
    }

    async fn fail(&self, ctx: &LocalContext, fault: Fault, judge: Judge) -> (usize, usize) {
        let mut failed = 0;
        for n in 1.. {
            self.script.plan(Some((n, fault)));
            let what = format!("{fault:?} at call {n}");
            let over = async {
                let result = scenario(ctx, &self.script).await;
                let over = self.script.calls() < n;
                failed += usize::from(judge(n, fault, &self.script, result));
                over
            };
            if self.disturb(&what, ctx, over).await {
                return (n - 1, failed);
            }
        }
        (0, 0)
    }

    /// Runs `work` beside the server; and says how many allocations and bytes are left.
    fn beside<T>(&self, world: &mut World, ctx: &LocalContext, work: impl AsyncFnOnce() -> T) -> (T, i64, i64) {
        let mut output = None;
        let info = allocation_counter::measure(|| {
            let served = async {
                serve(self).await;
                unreachable!("the server has no end")
            };
            output = Some(world.run(or(served, async {
                self.works(ctx).await;
                self.settle("before").await;
                work().await
            })));
        });
        (output.unwrap(), info.count_current, info.bytes_current)
    }
}

#[test]
fn cancelled_at_every_point_and_failed_at_every_call() {
    for round in 0..rounds() {
        let begun = Instant::now();
        let mut world = World::new();
        let bench = Bench::new(&world);
        let one = bench.named(const { &[IpAddr::V4(SERVER)] });
        let both = bench.named(const { &[IpAddr::V6(SERVER_V6), IpAddr::V4(SERVER)] });
        // What is kept for good is there after the first time.
        bench.beside(&mut world, &one, async || bench.works(&one).await);
        for (what, ctx) in [("one address", &one), ("a race", &both)] {
            let points = bench.run(what, &mut world, ctx, async || bench.cancel(ctx).await);
            println!("cancelled at {points} points of {what}; {:.1?}", begun.elapsed());
            assert!(points >= 25, "{what} has only {points} pending points");
        }
        for fault in FAULTS {
            let (calls, failed) = bench.run("faults", &mut world, &one, async || bench.fail(&one, fault, judge).await);
            println!("{fault:?}: {calls} calls, {failed} runs failed; {:.1?}", begun.elapsed());
            assert!(failed >= 40, "only {failed} runs of {calls} failed");
        }
        for fault in STEPS {
            let (calls, failed) =
                bench.run("steps", &mut world, &one, async || bench.fail(&one, fault, judge_step).await);
            println!("{fault:?}: {calls} calls, {failed} runs failed; {:.1?}", begun.elapsed());
            assert!(calls >= 1 && failed + 1 >= calls && failed >= 1, "only {failed} runs of {calls} failed");
        }
        println!("round {round}: {:.1?}", begun.elapsed());
    }
}
