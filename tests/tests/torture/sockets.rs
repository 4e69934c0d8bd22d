//! Torture over real sockets, for any hosted runtime. Linux only, where all of 127.0.0.0/8 is this
//! machine and `/proc/self/fd` tells what is open.

use std::cell::Cell;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use allocation_counter::AllocationInfo;
use mimic_core::keys::Deadline;
use mimic_core::roles::{Lookup, Question, Record, RecordType, Sleep};
use mimic_core::{Context, Error, timeout};
use mimic_happy_eyeballs::{Config, RaceConfig};
use mimic_rustls::TlsConfig;
use mimic_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::flow::{FAULTS, Fault, Script, Torture};
use super::steps::{STEPS, Steps, judge_step};
use super::{HOST, SIZE, configs, cut, judge, rounds, scenario};

/// Takes connections, and never says a word.
const SILENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
/// Serves.
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// For one connection, on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(20);

/// How many connections have come and gone.
#[derive(Clone, Default)]
struct Seen(Arc<(AtomicUsize, AtomicUsize)>);

/// Serves one connection after the other, for as long as the test runs.
fn serve(listener: TcpListener, seen: Seen, one: impl Fn(TcpStream) -> std::io::Result<()> + Send + 'static) {
    thread::spawn(move || {
        for socket in listener.incoming() {
            seen.0.0.fetch_add(1, SeqCst);
            let socket = socket.unwrap();
            socket.set_read_timeout(Some(LIMIT)).unwrap();
            socket.set_write_timeout(Some(LIMIT)).unwrap();
            let begun = Instant::now();
            // That a client goes is no fault of the server's; that it does not go is one of the
            // client's.
            let _ = one(socket);
            assert!(begun.elapsed() < LIMIT, "a connection was kept open");
            seen.0.1.fetch_add(1, SeqCst);
        }
    });
}

fn exchange(socket: TcpStream, config: Arc<ServerConfig>) -> std::io::Result<()> {
    let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
    let mut buf = [0; SIZE];
    tls.read_exact(&mut buf)?;
    tls.write_all(&buf)?;
    tls.flush()?;
    tls.read_to_end(&mut Vec::new())?;
    tls.conn.send_close_notify();
    tls.flush()
}

/// One port at both addresses.
fn listeners() -> (TcpListener, TcpListener, u16) {
    loop {
        let silent = TcpListener::bind((SILENT, 0)).unwrap();
        let port = silent.local_addr().unwrap().port();
        if let Ok(server) = TcpListener::bind((SERVER, port)) {
            return (silent, server, port);
        }
    }
}

/// How large a source of async-io is, about.
const SOURCE: i64 = 512;

/// Where a runtime frees memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Memory {
    /// On the thread that allocated it.
    Stays,
    /// async-io's thread frees the one allocation of a source if it is the last to hold it. So one
    /// per connection may seem to be left, and nothing else.
    Moves,
}

/// Polls a future to its end on a runtime.
pub(crate) type Run<'a> = &'a dyn Fn(Pin<Box<dyn Future<Output = ()> + '_>>);

struct Bench<'a> {
    run: Run<'a>,
    ctx: Context,
    /// The runtime's own: nothing fails in it.
    sound: Context,
    script: Script,
    seen: Seen,
    open: usize,
}

impl<'a> Bench<'a> {
    fn new(ctx: Context, run: Run<'a>, addresses: &'static [IpAddr]) -> Self {
        let (server, client) = configs();
        let (silent, serving, port) = listeners();
        let (script, seen) = (Script::default(), Seen::default());
        serve(silent, seen.clone(), |mut socket| socket.read_to_end(&mut Vec::new()).map(drop));
        serve(serving, seen.clone(), move |socket| exchange(socket, server.clone()));
        let sound = ctx.clone();
        let ctx = ctx
            .install(Torture(script.clone()))
            .install(Steps(script.clone()))
            .register(Lookup, "scripted", 0, (), move |question: Question, ()| async move {
                let asked = question.record_type == RecordType::A;
                Ok(addresses.iter().filter(|_| asked).map(|address| Record::from(*address)).collect())
            })
            .with(RaceConfig, Config::new().attempt_delay(Duration::from_millis(10)))
            .with(TlsConfig, client)
            .with(Deadline, LIMIT)
            .with_url(&format!("tls://{HOST}:{port}"))
            .unwrap();
        let mut bench = Self { run, ctx, sound, script, seen, open: 0 };
        // What a runtime opens and keeps is there now.
        bench.works();
        bench.settle(|_| true);
        bench.open = open();
        bench
    }

    /// Runs one future, for a limited time.
    fn one<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let mut output = None;
        (self.run)(Box::pin(async {
            let mut timer = self.sound.resolve(Sleep, ()).await.unwrap();
            let work = async { Ok(work.await) };
            output = Some(timeout(&mut timer, LIMIT, work).await);
        }));
        output.unwrap().unwrap_or_else(|_| panic!("{what}: it hangs"))
    }

    fn works(&self) {
        self.script.plan(None);
        self.one("the next connect", scenario(&self.ctx, &self.script)).unwrap();
    }

    /// Waits until the peers have seen every connection end, and `done`.
    fn settle(&self, done: impl Fn(usize) -> bool) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < LIMIT {
            let (come, gone) = (self.seen.0.0.load(SeqCst), self.seen.0.1.load(SeqCst));
            if come == gone && done(open()) {
                return true;
            }
            thread::sleep(Duration::from_micros(200));
        }
        false
    }

    /// One run that is disturbed, and one that is not.
    fn disturb<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let output = self.one(what, work);
        assert!(
            self.settle(|open| open <= self.open),
            "{what}: {} files are open, and there were {}",
            open(),
            self.open
        );
        self.works();
        output
    }

    /// Memory of this thread, where all but the servers runs, over many runs.
    fn leaves_nothing(&self, what: &str, memory: Memory, work: impl FnOnce()) {
        let begun = self.seen.0.0.load(SeqCst);
        let AllocationInfo { count_current: count, bytes_current: bytes, .. } = allocation_counter::measure(work);
        let connections = i64::try_from(self.seen.0.0.load(SeqCst) - begun).unwrap();
        let fits = match memory {
            // Capacities that are kept may change, but not with every run.
            Memory::Stays => count <= 4 && bytes <= 4096,
            Memory::Moves => count <= connections && bytes <= count * SOURCE + 4096,
        };
        assert!(fits, "{what}: {count} allocations, {bytes} bytes, are left of {connections} connections");
        println!("{what}: {connections} connections, {count} allocations, {bytes} bytes, not freed here");
    }

    fn cancel(&self) -> usize {
        for n in 1.. {
            self.script.plan(None);
            let pending = Cell::new(0);
            let what = format!("cancelled at pending point {n}");
            if let Some(result) = self.disturb(&what, cut(scenario(&self.ctx, &self.script), n, &pending)) {
                result.unwrap();
                return n - 1;
            }
        }
        0
    }

    fn fail(
        &self,
        faults: [Fault; 4],
        judge: impl Fn(usize, Fault, &Script, Result<(), Error>) -> bool,
    ) -> (usize, usize) {
        let (mut runs, mut failed) = (0, 0);
        for fault in faults {
            for n in 1.. {
                self.script.plan(Some((n, fault)));
                let what = format!("{fault:?} at call {n}");
                let mut over = false;
                self.disturb(&what, async {
                    let result = scenario(&self.ctx, &self.script).await;
                    over = self.script.calls() < n;
                    failed += usize::from(judge(n, fault, &self.script, result));
                });
                if over {
                    break;
                }
                runs += 1;
            }
        }
        (runs, failed)
    }
}

/// How many files this process has open.
fn open() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Everything, on one runtime. One test per process does this: files are counted.
pub(crate) fn torture(context: fn() -> Context, memory: Memory, run: Run<'_>) {
    for round in 0..rounds() {
        let begun = Instant::now();
        let bench = Bench::new(context(), run, &[SERVER]);
        let (mut points, mut runs, mut failed) = (0, 0, 0);
        bench.leaves_nothing("cancelled", memory, || points = bench.cancel());
        assert!(points >= 25, "the scenario has only {points} pending points");
        bench.leaves_nothing("failed", memory, || (runs, failed) = bench.fail(FAULTS, judge));
        assert!(failed >= 150, "only {failed} runs of {runs} failed");
        println!("cancelled at {points} points; {runs} faults, {failed} runs failed");
        bench.leaves_nothing("steps", memory, || {
            (runs, failed) = bench.fail(STEPS, |n, fault, script, result| {
                // What has come by itself while the race looked at the clock wins over the
                // deadline.
                let won = fault == Fault::Late && result.is_ok();
                !won && judge_step(n, fault, script, result)
            });
        });
        assert!(failed >= 8, "only {failed} runs of {runs} failed");
        println!("{runs} faults on the way, {failed} runs failed");

        let bench = Bench::new(context(), run, &[SILENT, SERVER]);
        let points = bench.cancel();
        assert!(points >= 25, "a race has only {points} pending points");
        println!("cancelled at {points} points of a race; round {round}: {:.1?}", begun.elapsed());
    }
}
