//! The connecting process: all its flows at once, each sending its lines in turn and checking what
//! comes back.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use mimic_core::Context;
use mimic_rustls::TlsConfig;
use mimic_rustls::rustls::ClientConfig;
use mimic_rustls::rustls::pki_types::ServerName;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsConnector;

use super::lines::{LEN, Lines, Mimic, line};
use super::memory::{descriptors, resident};
use super::{Job, Runtime, own, tls};

/// How many connects are under way at once.
const CONNECTS: usize = 64;

/// What came of it.
pub(crate) struct Row {
    job: Job,
    lines: u64,
    rate: f64,
    /// Memory of a flow on this side and on the other, in KiB.
    memory: Option<(f64, f64)>,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:>10} {:>9.0}", self.job, self.lines, self.rate)?;
        match self.memory {
            Some((here, there)) => write!(f, "  {here:>9.1} {there:>9.1}"),
            None => write!(f, "  {:>9} {:>9}", "-", "-"),
        }
    }
}

/// The other process. It ends when it is dropped.
struct Server {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Server {
    fn start(job: Job) -> (Self, Vec<SocketAddr>, Vec<u8>) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(job.arguments("--serve")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut server = Self { child, questions, answers };
        let first = server.answer();
        let (addresses, certificate) = first.split_once(' ').expect("where it listens, and its certificate");
        let addresses = addresses.split(',').map(|address| address.parse().unwrap()).collect();
        let certificate = tls::from_hex(certificate);
        (server, addresses, certificate)
    }

    fn ask(&mut self, question: &str) -> Vec<u64> {
        writeln!(self.questions, "{question}").unwrap();
        self.answer().split(' ').map(|number| number.parse().unwrap()).collect()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the server is gone");
        line.trim_end().into()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How far everybody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Connecting,
    Talking,
    Closing,
}

#[derive(Debug, Default)]
struct Counts {
    connected: AtomicU64,
    lines: AtomicU64,
    done: AtomicU64,
}

/// Runs a job in two processes of its own: what one job leaves behind in memory would be room for
/// the next.
pub(crate) fn run_apart(job: Job) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let (flows, time) = (job.flows.to_string(), job.time.as_millis().to_string());
    command.args(job.arguments("--row")).args(["--flows", &flows, "--millis", &time]);
    assert!(command.status().unwrap().success(), "{job}");
}

/// Runs a job against a process of its own.
pub(crate) fn run(job: Job) -> Row {
    if let Some(limit) = descriptors() {
        assert!(limit > job.flows + 100, "{} flows need more descriptors than `ulimit -n` allows: {limit}", job.flows);
    }
    let (mut server, addresses, certificate) = Server::start(job);
    let connector = Arc::new(Connector::new(job, addresses, certificate));
    match job.runtime {
        Runtime::Tokio => tokio::runtime::Runtime::new().unwrap().block_on(measure(job, connector, &mut server)),
        Runtime::Smol => smol::block_on(measure(job, connector, &mut server)),
    }
}

async fn measure(job: Job, connector: Arc<Connector>, server: &mut Server) -> Row {
    // What is loaded once is not counted: a flow that comes and goes first.
    let counts = Arc::new(Counts::default());
    let (stage, stages) = watch::channel(Stage::Closing);
    let permits = Arc::new(Semaphore::new(CONNECTS));
    connector.clone().talk(0, permits.clone(), counts.clone(), stages.clone()).await.expect("a flow");
    reach(job, &counts.done, 1).await;
    stage.send_replace(Stage::Connecting);
    let before = (resident(), server.ask("memory")[0]);

    for flow in 0..job.flows {
        let talk = connector.clone().talk(flow, permits.clone(), counts.clone(), stages.clone());
        spawn(job.runtime, async move {
            talk.await.unwrap_or_else(|error| give_up(job, flow, &error));
        });
    }
    let all = job.flows as u64;
    // The first has come and gone.
    reach(job, &counts.connected, all + 1).await;
    let after = (resident(), server.ask("memory")[0]);

    let lines = counts.lines.load(SeqCst);
    let begun = Instant::now();
    stage.send_replace(Stage::Talking);
    sleep(job.runtime, job.time).await;
    let rate = (counts.lines.load(SeqCst) - lines) as f64 / begun.elapsed().as_secs_f64();
    stage.send_replace(Stage::Closing);
    reach(job, &counts.done, all + 1).await;

    // Both sides have counted alike, and every flow has ended in order.
    let lines = counts.lines.load(SeqCst);
    let begun = Instant::now();
    let mut counted = server.ask("counts");
    while counted[1] < all + 1 && begun.elapsed() < super::server::PATIENCE {
        sleep(job.runtime, Duration::from_millis(20)).await;
        counted = server.ask("counts");
    }
    assert_eq!(counted, [lines, all + 1, 0], "lines, flows that ended, flows that failed: {job}");
    let each = |before: usize, after: usize| after.saturating_sub(before) as f64 / job.flows as f64;
    let memory = before.0.zip(after.0).filter(|_| before.1 > 0).map(|(here, now)| {
        (each(here, now), each(usize::try_from(before.1).unwrap(), usize::try_from(after.1).unwrap()))
    });
    Row { job, lines, rate, memory }
}

/// A panic would end its task alone.
fn give_up(job: Job, flow: usize, error: &io::Error) {
    eprintln!("flow {flow}: {error}: {job}");
    std::process::exit(1);
}

/// Waits until that many flows are that far; a flow that fails ends the process.
async fn reach(job: Job, count: &AtomicU64, all: u64) {
    let begun = Instant::now();
    while count.load(SeqCst) < all {
        let seen = count.load(SeqCst);
        assert!(begun.elapsed() < 4 * super::server::PATIENCE, "{seen} of {all}, and no more: {job}");
        sleep(job.runtime, Duration::from_millis(10)).await;
    }
}

fn spawn(runtime: Runtime, task: impl Future<Output = ()> + Send + 'static) {
    match runtime {
        Runtime::Tokio => drop(tokio::spawn(task)),
        Runtime::Smol => smol::spawn(task).detach(),
    }
}

async fn sleep(runtime: Runtime, time: Duration) {
    match runtime {
        Runtime::Tokio => tokio::time::sleep(time).await,
        Runtime::Smol => drop(smol::Timer::after(time).await),
    }
}

struct Connector {
    job: Job,
    addresses: Vec<SocketAddr>,
    tls: Option<Arc<ClientConfig>>,
    ctx: Context,
}

impl Connector {
    fn new(job: Job, addresses: Vec<SocketAddr>, certificate: Vec<u8>) -> Self {
        let tls = job.tls.then(|| tls::client(certificate));
        let ctx = match job.runtime {
            Runtime::Tokio => mimic_tokio::context(),
            Runtime::Smol => mimic_smol::context(),
        };
        let ctx = match &tls {
            Some(config) => ctx.with(TlsConfig, config.clone()),
            None => ctx,
        };
        Self { job, addresses, tls, ctx }
    }

    /// Connects one flow, and leaves it to a task of its own: what connecting took is not kept.
    async fn talk(
        self: Arc<Self>,
        flow: usize,
        permits: Arc<Semaphore>,
        counts: Arc<Counts>,
        stages: watch::Receiver<Stage>,
    ) -> io::Result<()> {
        let to = self.addresses[flow % self.addresses.len()];
        let permit = permits.acquire_owned().await.unwrap();
        match (self.job.baseline, self.job.runtime) {
            (false, _) => {
                let scheme = if self.tls.is_some() { "tls" } else { "tcp" };
                let lines = self.ctx.clone().with_url(&format!("{scheme}://{to}"))?.connect().await?;
                drop(permit);
                self.chat(Mimic(lines), flow, counts, stages);
            }
            (true, Runtime::Tokio) => {
                let stream = tokio::net::TcpStream::connect(to).await?;
                stream.set_nodelay(true)?;
                match &self.tls {
                    Some(config) => {
                        let connector = TlsConnector::from(config.clone());
                        let lines = connector.connect(ServerName::from(to.ip()), stream).await?;
                        drop(permit);
                        self.chat(own::Tokio(lines), flow, counts, stages);
                    }
                    None => {
                        drop(permit);
                        self.chat(own::Tokio(stream), flow, counts, stages);
                    }
                }
            }
            (true, Runtime::Smol) => {
                let stream = smol::net::TcpStream::connect(to).await?;
                stream.set_nodelay(true)?;
                drop(permit);
                self.chat(own::Smol(stream), flow, counts, stages);
            }
        }
        Ok(())
    }

    fn chat(&self, lines: impl Lines, flow: usize, counts: Arc<Counts>, stages: watch::Receiver<Stage>) {
        let job = self.job;
        spawn(job.runtime, async move {
            chat(lines, flow, counts, stages).await.unwrap_or_else(|error| give_up(job, flow, &error));
        });
    }
}

/// One line at once, then line after line, then the end.
async fn chat(
    mut lines: impl Lines,
    flow: usize,
    counts: Arc<Counts>,
    mut stages: watch::Receiver<Stage>,
) -> io::Result<()> {
    exchange(&mut lines, flow, 0, &counts).await?;
    counts.connected.fetch_add(1, SeqCst);
    let mut turn = 1;
    let mut stage = *stages.wait_for(|stage| *stage != Stage::Connecting).await.map_err(io::Error::other)?;
    while stage == Stage::Talking {
        exchange(&mut lines, flow, turn, &counts).await?;
        turn += 1;
        stage = *stages.borrow();
    }
    lines.finish().await?;
    let mut rest = [0; LEN];
    if lines.receive(&mut rest).await? {
        return Err(io::Error::other("a line that nobody asked for"));
    }
    counts.done.fetch_add(1, SeqCst);
    Ok(())
}

async fn exchange(lines: &mut impl Lines, flow: usize, turn: u64, counts: &Counts) -> io::Result<()> {
    let (sent, mut answer) = (line(flow, turn), [0; LEN]);
    lines.send(&sent).await?;
    if !lines.receive(&mut answer).await? || answer != sent {
        return Err(io::Error::other(format!("line {turn} came back as {:?}", String::from_utf8_lossy(&answer))));
    }
    counts.lines.fetch_add(1, SeqCst);
    Ok(())
}
