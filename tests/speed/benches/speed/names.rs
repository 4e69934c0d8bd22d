//! Rows of names: `localhost` beside tokio's own `TcpStream::connect`, also while a name server is
//! silent.

use std::net::{Ipv6Addr, SocketAddr};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use mimic_core::Context;
use socket2::{Domain, Socket, Type};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::measure::Pairs;
use crate::table::{Goal, Row, Table};

const ONE_BY_ONE: &str = "100 connects to localhost, tokio";
const CROWD: &str = "1500 connects to localhost at once, beside 600 unanswered names, tokio";
const READS: &str = "200 times tokio::fs::read, beside 600 unanswered names";
/// How many names nothing answers.
const SILENT: usize = 600;
const CROWDED: usize = 1500;
const FILES: u32 = 200;

/// What the shell does first, in namespaces of its own: an empty network, and a name server that
/// says nothing.
const SETUP: &str = r#"
ip link set lo up && mount -t tmpfs none /mnt && echo "nameserver 127.0.0.1" >/mnt/resolv.conf &&
printf "127.0.0.1 localhost\n::1 localhost\n" >/mnt/hosts && echo "hosts: files dns" >/mnt/nsswitch.conf &&
for file in resolv.conf hosts nsswitch.conf; do mount --bind "/mnt/$file" "/etc/$file" || exit 77; done || exit 77
exec "$@"
"#;

pub(crate) fn rows(table: &mut Table) {
    if table.wants(ONE_BY_ONE) {
        let (at, ctx) = listening();
        let runtime = runtime();
        let ours = || seconds(|| runtime.block_on(one_by_one(100, || ours(ctx.clone(), at))));
        let theirs = || seconds(|| runtime.block_on(one_by_one(100, || theirs(at))));
        let pairs = Pairs::run(51, ours, theirs);
        add(table, ONE_BY_ONE, &told(&pairs), pairs.count(), 1.2);
    }
    if !table.wants(CROWD) && !table.wants(READS) {
        return;
    }
    let mut shell = Command::new("unshare");
    shell.args(["-mn", "--", "sh", "-c", SETUP, "sh"]).arg(std::env::current_exe().unwrap()).arg("--silent-server");
    let output = shell.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        println!("| {CROWD}; {READS} | SKIPPED: no namespaces ({}) | | | | | |", output.status);
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    for (line, work) in text.lines().zip([CROWD, READS]) {
        let (told, count) = line.rsplit_once(' ').unwrap();
        let told: Vec<f64> = told.split(' ').map(|value| value.parse().unwrap()).collect();
        if table.wants(work) {
            add(table, work, &told, count.parse().unwrap(), 1.5);
        }
    }
}

/// The rows whose name server is silent, within the namespaces: prints a line for each.
pub(crate) fn silent_server() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let server = std::net::UdpSocket::bind("127.0.0.1:53").unwrap();
    let (at, ctx) = listening();
    let runtime = runtime();
    let mut names = JoinSet::new();
    for name in 0..SILENT {
        let ctx = ctx.clone().with_url(&format!("tcp://silent{name}.test:{}", at.port())).unwrap();
        names.spawn_on(
            async move { ctx.without(mimic_core::keys::Deadline).connect().await.map(drop) },
            runtime.handle(),
        );
    }
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(500)).await });
    let ours = || seconds(|| runtime.block_on(at_once(|| ours(ctx.clone(), at))));
    let theirs = || seconds(|| runtime.block_on(at_once(|| theirs(at))));
    // By the runtime on which the names are waited for, and by another of the process. Before
    // tokio's own connects, which leave its pool hundreds of threads.
    let other = self::runtime();
    let [busy, free] = [&runtime, &other].map(|runtime| || seconds(|| runtime.block_on(one_by_one(FILES, read))));
    let reads = Pairs::run(101, busy, free);
    tell(&Pairs::run(9, ours, theirs));
    tell(&reads);
    assert!(names.try_join_next().is_none(), "a name was answered");
    runtime.shutdown_background();
    drop(server);
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A listener of both families, whose connections are dropped, and a context.
fn listening() -> (SocketAddr, Context) {
    let listener = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
    listener.set_only_v6(false).unwrap();
    listener.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into()).unwrap();
    listener.listen(4096).unwrap();
    let at = listener.local_addr().unwrap().as_socket().unwrap();
    thread::spawn(move || while listener.accept().is_ok() {});
    (at, mimic_tokio::context())
}

async fn ours(ctx: Context, at: SocketAddr) {
    drop(ctx.with_url(&format!("tcp://localhost:{}", at.port())).unwrap().connect().await.unwrap());
}

async fn theirs(at: SocketAddr) {
    let socket = tokio::net::TcpStream::connect(("localhost", at.port())).await.unwrap();
    socket.set_nodelay(true).unwrap();
}

async fn read() {
    drop(tokio::fs::read("/etc/hosts").await.unwrap());
}

async fn one_by_one<F: Future<Output = ()>>(count: u32, work: impl Fn() -> F) {
    for _ in 0..count {
        work().await;
    }
}

/// All of them at once, on one thread.
async fn at_once<F: Future<Output = ()> + Send + 'static>(work: impl Fn() -> F) {
    let mut all = JoinSet::new();
    for _ in 0..CROWDED {
        all.spawn(work());
    }
    all.join_all().await;
}

fn seconds(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64()
}

/// Ours, theirs, and the ratio's quartiles.
fn told(pairs: &Pairs) -> [f64; 5] {
    let [low, value, high] = pairs.ratio();
    [pairs.ours(), pairs.theirs(), low, value, high]
}

/// And of how many pairs.
fn tell(pairs: &Pairs) {
    let told = told(pairs).map(|value| value.to_string()).join(" ");
    println!("{told} {}", pairs.count());
}

fn add(table: &mut Table, work: &str, told: &[f64], count: usize, limit: f64) {
    let &[ours, theirs, low, value, high] = told else { unreachable!("five numbers: {told:?}") };
    let shown = |seconds: f64| format!("{:.2} ms", seconds * 1e3);
    table.add(Row {
        work: work.into(),
        mimic: shown(ours),
        baseline: shown(theirs),
        value,
        spread: Some(([low, high], count)),
        unit: "of the time",
        goal: Goal::AtMost(limit),
    });
}
