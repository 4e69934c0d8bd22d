//! What the role `Process` must do on every hosted adapter, written once: each adapter's tests
//! include this file and run it on their runtimes.
//!
//! The includer calls its crate `adapter`. Everything stays on this machine, and every test has a
//! limit. Unix alone: the commands are those of a POSIX shell.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::error::Error as _;
use std::fs;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{self, Wake, Waker};
use std::time::{Duration, Instant};

use futures_lite::future::{poll_once, zip};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::Split;
use mimic_core::keys::{Deadline, Host, Path, Port, Scheme};
use mimic_core::needs::{is, over, req, when};
use mimic_core::roles::{Connect, Sleep};
use mimic_core::{Context, Error, ErrorKind, Flow, FlowExt, ListenerExt, Phase, Shared, sleep, timeout};

use crate::adapter;
use crate::adapter::process::{Command, CommandFailed, Exit, Process, StandardError};

pub(crate) mod left;

type BoxedFlow = Box<dyn Flow + Send>;

/// How long a test may take, on a machine that is busy building.
const LIMIT: Duration = Duration::from_secs(30);

/// The documented time that a child has to end by itself.
const GRACE: Duration = Duration::from_secs(1);

/// How long a killed child may take to be gone, on a machine that is busy building.
const SLACK: Duration = Duration::from_secs(5);

/// Makes a test of everything here, run by `$run`, which is given a future that outputs nothing.
macro_rules! process {
    ($run:path) => {
        process! { $run:
            echo half_close large_data_both_ways what_a_flow_promises vectored_writes
            arguments_environment_and_directory ended_at_once failed_at_once failed_after_output
            a_signal_is_a_failure an_accepted_exit close_tells_a_failure
            a_write_to_one_that_failed a_write_to_one_that_ended
            not_there not_there_by_directory not_executable a_nul_in_an_argument
            error_output_does_not_block error_output_without_end
            an_output_that_ends_before_the_child others_hold_the_error_output
            the_exit_is_known_without_a_read both_sides_are_woken
            ignores_the_end_of_its_input ends_by_itself_after_a_drop an_abort_kills_at_once
            the_deadline_ends_a_handshake a_dropped_read_loses_nothing
            a_layer_over_it an_endpoint_of_a_command a_relay
            git_tells_its_references git_without_a_repository ssh_without_a_server
            a_local_context
        }
    };
    ($run:path: $($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                $run(crate::process::limited(crate::process::$test()));
            }
        )*
    };
}

pub(crate) async fn limited(test: impl Future<Output = ()>) {
    let test = async {
        test.await;
        Ok(())
    };
    let mut timer = adapter::context().resolve(Sleep, ()).await.unwrap();
    timeout(&mut timer, LIMIT, test).await.unwrap();
}

async fn pause(duration: Duration) {
    let mut timer = adapter::context().resolve(Sleep, ()).await.unwrap();
    sleep(&mut timer, duration).await;
}

fn sh(script: &str) -> Command {
    Command::new("sh").args(["-c", script])
}

async fn start(command: Command) -> BoxedFlow {
    adapter::context().resolve(Process, command).await.unwrap()
}

async fn read_all(flow: &mut impl Read<Error = Error>) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    let mut buf = [0; 4096];
    loop {
        match flow.read(&mut buf).await? {
            0 => return Ok(all),
            n => all.extend(&buf[..n]),
        }
    }
}

/// Reads the first line, which is the child's process ID.
async fn read_pid(flow: &mut BoxedFlow) -> String {
    let mut line = Vec::new();
    let mut letter = [0];
    while flow.read(&mut letter).await.unwrap() == 1 && letter != *b"\n" {
        line.extend(letter);
    }
    String::from_utf8(line).unwrap()
}

/// Waits until no process has this ID, not even a zombie, and returns how long that took.
async fn gone(pid: &str) -> Duration {
    let start = Instant::now();
    while exists(pid) {
        assert!(start.elapsed() < GRACE + SLACK, "process {pid} is still there");
        pause(Duration::from_millis(5)).await;
    }
    start.elapsed()
}

fn exists(pid: &str) -> bool {
    assert!(pid.parse::<u32>().is_ok(), "{pid:?} is no process ID");
    FilePath::new("/proc").join(pid).exists()
}

fn failed(error: &Error) -> &CommandFailed {
    error.source().unwrap_or_else(|| panic!("{error} has no source")).downcast_ref().unwrap()
}

pub(crate) async fn echo() {
    let mut flow = start(Command::new("cat")).await;
    for line in [b"ping\n", b"pong\n"] {
        flow.write_all(line).await.unwrap();
        flow.flush().await.unwrap();
        let mut buf = [0; 5];
        flow.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, line);
    }
    assert_eq!(flow.attribute(Exit), None, "it runs");
    flow.shutdown().await.unwrap();
    assert_eq!(read_all(&mut flow).await.unwrap(), b"");
    assert!(flow.attribute(Exit).unwrap().success());
    flow.close().await.unwrap();
}

/// `sort` prints nothing before its input has ended.
pub(crate) async fn half_close() {
    let mut flow = start(Command::new("sort")).await;
    flow.write_all(b"b\na\n").await.unwrap();
    flow.shutdown().await.unwrap();
    assert_eq!(read_all(&mut flow).await.unwrap(), b"a\nb\n");
}

/// More than the pipes hold, so that reader and writer wait at the same time on the same flow.
pub(crate) async fn large_data_both_ways() {
    const LEN: usize = 8 << 20;
    let mut split = Split::<_, Shared>::new(start(Command::new("cat")).await);
    let (mut reader, mut writer) = split.halves();
    let data: Vec<u8> = (0..LEN).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let write = async {
        writer.write_all(&data).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let (all, ()) = zip(read_all(&mut reader), write).await;
    assert!(all.unwrap() == data);
}

pub(crate) async fn what_a_flow_promises() {
    let mut flow = start(Command::new("cat")).await;
    assert_eq!(flow.read(&mut []).await.unwrap(), 0);
    assert_eq!(flow.write(&[]).await.unwrap(), 0);
    for _ in 0..3 {
        flow.shutdown().await.unwrap();
    }
    flow.flush().await.unwrap();
    let error = flow.write(b"y").await.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::BrokenPipe, Some(Phase::Write)));
    for _ in 0..3 {
        assert_eq!(flow.read(&mut [0; 8]).await.unwrap(), 0);
    }
}

pub(crate) async fn vectored_writes() {
    let mut flow = start(Command::new("cat")).await;
    assert!(flow.is_write_vectored());
    assert_eq!(flow.write_vectored(&[b"one ", b"", b"two"]).await.unwrap(), 7);
    flow.shutdown().await.unwrap();
    assert_eq!(read_all(&mut flow).await.unwrap(), b"one two");
}

pub(crate) async fn arguments_environment_and_directory() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let script = r#"echo "$1|$A|$HOME|${B-none}"; pwd"#;
    let command = sh(script).args(["sh", "a 'b' $A"]).env("A", "x").env("B", "y").env_remove("B");
    let mut flow = start(command.clone().env("HOME", "h").current_dir(&dir)).await;
    let expected = format!("a 'b' $A|x|h|none\n{}\n", dir.display());
    assert_eq!(String::from_utf8(read_all(&mut flow).await.unwrap()).unwrap(), expected);
    let mut flow = start(command.env_clear().env("PATH", "/bin:/usr/bin")).await;
    assert!(read_all(&mut flow).await.unwrap().starts_with(b"a 'b' $A|||none\n"));
}

pub(crate) async fn ended_at_once() {
    let mut flow = start(Command::new("true")).await;
    assert_eq!(read_all(&mut flow).await.unwrap(), b"");
    assert_eq!(flow.attribute(Exit).unwrap().code(), Some(0));
    assert_eq!(flow.attribute(StandardError), Some(vec![]));
}

pub(crate) async fn failed_at_once() {
    let mut flow = start(sh("echo 'no such\tfile' >&2; echo >&2; echo again >&2; exit 3")).await;
    let error = flow.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Other, Some(Phase::Read)));
    assert_eq!(
        error.to_string(),
        "Process \"spawn\" to sh -c 'echo '\\''no such\\tfile'\\'' >&2; echo >&2; echo again >&2; exit 3': \
         read failed: the command ended with exit status: 3: no such\\tfile | again"
    );
    assert_eq!(failed(&error).status().code(), Some(3));
    assert_eq!(failed(&error).standard_error(), b"no such\tfile\n\nagain\n");
    // The source alone gives no orders to a terminal either.
    assert!(failed(&error).to_string().ends_with(": no such\\tfile | again"));
    assert_eq!(failed(&error).command().program(), "sh");
    assert_eq!(flow.attribute(Exit).unwrap().code(), Some(3));
    assert_eq!(flow.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::Other, "it stays failed");
}

/// What was cut off must not pass for what has ended.
pub(crate) async fn failed_after_output() {
    let mut flow = start(sh("echo half; exit 4")).await;
    let mut buf = [0; 5];
    flow.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"half\n");
    assert_eq!(failed(&flow.read(&mut buf).await.unwrap_err()).status().code(), Some(4));
}

pub(crate) async fn a_signal_is_a_failure() {
    let mut flow = start(sh("kill -9 $$")).await;
    let error = flow.read(&mut [0; 8]).await.unwrap_err();
    assert!(error.to_string().contains("signal: 9"), "{error}");
}

pub(crate) async fn an_accepted_exit() {
    let grep = || Command::new("grep").arg("x").accept_exit(1);
    let mut flow = start(grep()).await;
    flow.shutdown().await.unwrap();
    assert_eq!(read_all(&mut flow).await.unwrap(), b"");
    assert_eq!(flow.attribute(Exit).unwrap().code(), Some(1));
    let error = read_all(&mut start(grep().arg("/nonexistent")).await).await.unwrap_err();
    assert_eq!(failed(&error).status().code(), Some(2), "no other code is accepted");
}

pub(crate) async fn close_tells_a_failure() {
    let error = start(sh("cat; exit 5")).await.close().await.unwrap_err();
    assert_eq!(failed(&error).status().code(), Some(5));
}

/// Writes until the child is seen to be gone.
async fn write_error(flow: &mut BoxedFlow) -> Error {
    loop {
        if let Err(error) = flow.write_all(&[0; 4096]).await {
            return error;
        }
    }
}

pub(crate) async fn a_write_to_one_that_failed() {
    let mut flow = start(sh("echo refused >&2; exit 6")).await;
    let error = write_error(&mut flow).await;
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Other, Some(Phase::Write)));
    assert_eq!((failed(&error).status().code(), failed(&error).standard_error()), (Some(6), &b"refused\n"[..]));
    let error = flow.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(failed(&error).status().code(), Some(6), "both sides tell it");
}

pub(crate) async fn a_write_to_one_that_ended() {
    let mut flow = start(Command::new("true")).await;
    let error = write_error(&mut flow).await;
    assert_eq!((error.kind(), error.phase()), (ErrorKind::BrokenPipe, Some(Phase::Write)));
    assert!(error.to_string().contains("exit status: 0"), "{error}");
    assert_eq!(read_all(&mut flow).await.unwrap(), b"");

    // It runs on.
    let mut flow = start(sh("exec 0<&-; echo closed; exec sleep 1000")).await;
    flow.read_exact(&mut [0; 7]).await.unwrap();
    let since = Instant::now();
    let error = write_error(&mut flow).await;
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert!(since.elapsed() >= GRACE);
    assert_eq!(flow.attribute(Exit), None);
}

async fn start_error(command: Command, kind: ErrorKind) -> Error {
    let error = adapter::context().resolve(Process, command).await.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (kind, Some(Phase::Connect)), "{error}");
    assert_eq!(error.at(), Some("Process \"spawn\""));
    error
}

pub(crate) async fn not_there() {
    let error = start_error(Command::new("mimic-no-such-program").arg("x"), ErrorKind::NotFound).await;
    assert_eq!(error.target(), Some("mimic-no-such-program x"));
    assert!(error.advice().unwrap().contains("PATH"), "{error}");
}

pub(crate) async fn not_there_by_directory() {
    let error = start_error(Command::new("cat").current_dir("/nonexistent"), ErrorKind::NotFound).await;
    assert!(error.advice().unwrap().contains("directory"), "{error}");
}

pub(crate) async fn not_executable() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = start_error(Command::new(file.path()), ErrorKind::PermissionDenied).await;
    assert!(error.advice().unwrap().contains("executable"), "{error}");
}

pub(crate) async fn a_nul_in_an_argument() {
    start_error(Command::new("cat").arg("a\0b"), ErrorKind::InvalidInput).await;
}

/// The child gets through a hundred times of what a pipe holds, although nothing reads.
pub(crate) async fn error_output_does_not_block() {
    let flow = start(sh("head -c 8000000 /dev/zero >&2; echo last >&2")).await;
    while flow.attribute(Exit).is_none() {
        pause(Duration::from_millis(5)).await;
    }
    pause(Duration::from_millis(50)).await;
    let kept = flow.attribute(StandardError).unwrap();
    assert!(kept.len() <= 8 * 1024, "{}", kept.len());
    assert!(kept.ends_with(b"\0last\n"), "the end is kept");
}

pub(crate) async fn error_output_without_end() {
    let mut flow = start(sh("echo $$; yes >&2 & exec cat; wait")).await;
    let pid = read_pid(&mut flow).await;
    for _ in 0..100 {
        flow.write_all(b"ping").await.unwrap();
        let mut buf = [0; 4];
        flow.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"ping");
    }
    assert!(flow.attribute(StandardError).unwrap().len() <= 8 * 1024);
    // `yes` has inherited the output, and is not the child. Its error output is closed with the
    // child, which ends it.
    drop(flow);
    gone(&pid).await;

    // The child itself writes without end, and takes no notice of the drop.
    let mut flow = start(sh("echo $$; exec yes >&2")).await;
    let pid = read_pid(&mut flow).await;
    drop(flow);
    assert!(gone(&pid).await < GRACE + SLACK);
}

pub(crate) async fn an_output_that_ends_before_the_child() {
    let mut flow = start(sh("echo $$; exec cat >/dev/null")).await;
    let pid = read_pid(&mut flow).await;
    let since = Instant::now();
    assert_eq!(read_all(&mut flow).await.unwrap(), b"");
    assert!((GRACE..GRACE + SLACK).contains(&since.elapsed()), "{:?}", since.elapsed());
    assert_eq!(flow.attribute(Exit), None);
    // It still reads.
    flow.write_all(b"x").await.unwrap();
    flow.shutdown().await.unwrap();
    while flow.attribute(Exit).is_none() {
        pause(Duration::from_millis(5)).await;
    }
    assert!(!exists(&pid), "asking has reaped it");
}

/// The error comes with the child's last words, and does not wait for the others.
pub(crate) async fn others_hold_the_error_output() {
    let mut times = Vec::new();
    // A machine that is busy building may hold it up a few times.
    while times.iter().all(|time| *time >= GRACE) {
        assert!(times.len() < 5, "{times:?}");
        let mut flow = start(sh("sleep 20 >/dev/null & echo $!; echo words >&2; exit 7")).await;
        let other = read_pid(&mut flow).await;
        let since = Instant::now();
        let error = flow.read(&mut [0; 8]).await.unwrap_err();
        times.push(since.elapsed());
        assert_eq!(failed(&error).standard_error(), b"words\n");
        assert!(exists(&other), "only the child is ended");
        std::process::Command::new("kill").arg(other).status().unwrap();
    }
}

pub(crate) async fn the_exit_is_known_without_a_read() {
    let flow = start(sh("exit 8")).await;
    loop {
        match flow.attribute(Exit) {
            Some(status) => break assert_eq!(status.code(), Some(8)),
            None => pause(Duration::from_millis(5)).await,
        }
    }
}

pub(crate) async fn ignores_the_end_of_its_input() {
    let mut flow = start(sh("echo $$; trap '' TERM HUP PIPE; exec sleep 1000")).await;
    let pid = read_pid(&mut flow).await;
    let since = Instant::now();
    drop(flow);
    assert!(since.elapsed() < GRACE / 2, "a drop does not wait: {:?}", since.elapsed());
    let took = gone(&pid).await;
    assert!((GRACE / 2..GRACE + SLACK).contains(&took), "{took:?}");
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// Both sides wait for the exit, in two tasks.
pub(crate) async fn both_sides_are_woken() {
    let mut flow = start(sh("exec <&- >&-; sleep 0.6; exit 3")).await;
    let woken = [(); 2].map(|()| Arc::<Woken>::default());
    let [reader, writer] = woken.clone().map(Waker::from);
    // The pipes are found to be closed after some time.
    for _ in 0..20 {
        woken.iter().for_each(|woken| woken.0.store(false, SeqCst));
        let _ = flow.poll_read(&mut task::Context::from_waker(&reader), &mut [0; 8]);
        let _ = flow.poll_write(&mut task::Context::from_waker(&writer), &[0; 8]);
        pause(Duration::from_millis(10)).await;
    }
    for (woken, side) in woken.iter().zip(["reader", "writer"]) {
        let since = Instant::now();
        while !woken.0.load(SeqCst) {
            assert!(since.elapsed() < SLACK, "the {side} is not woken");
            pause(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(failed(&flow.read(&mut [0; 8]).await.unwrap_err()).status().code(), Some(3));
    assert_eq!(failed(&flow.write(&[0; 8]).await.unwrap_err()).status().code(), Some(3));
}

/// It may tidy up.
pub(crate) async fn ends_by_itself_after_a_drop() {
    let dir = tempfile::tempdir().unwrap();
    let (done, mut flow) = (dir.path().join("done"), start_in(dir.path()).await);
    let pid = read_pid(&mut flow).await;
    drop(flow);
    gone(&pid).await;
    assert!(done.exists());
}

async fn start_in(dir: &FilePath) -> BoxedFlow {
    start(sh("echo $$; cat >/dev/null; sleep 0.1; : >done").current_dir(dir)).await
}

pub(crate) async fn an_abort_kills_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut flow = start_in(dir.path()).await;
    let pid = read_pid(&mut flow).await;
    flow.abort();
    assert_eq!(flow.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(flow.write(b"y").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    drop(flow);
    gone(&pid).await;
    // What `sh` would have done next.
    pause(Duration::from_millis(200)).await;
    assert!(!dir.path().join("done").exists(), "it was not killed at once");
}

/// A layer that waits for a greeting, over a child that never sends one.
pub(crate) async fn the_deadline_ends_a_handshake() {
    let dir = tempfile::tempdir().unwrap();
    let ctx = greeted(adapter::context()).with(Deadline, Duration::from_millis(300));
    let since = Instant::now();
    let stalled = sh("echo $$ >pid; exec sleep 1000").current_dir(dir.path());
    let error = ctx.resolve(Process, stalled).await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    assert!(since.elapsed() < SLACK);
    assert!(format!("{error:#}").contains("greeting"), "{error:#}");
    let pid = fs::read_to_string(dir.path().join("pid")).unwrap();
    gone(pid.trim()).await;
}

fn greeted(ctx: Context) -> Context {
    ctx.layer(Process, "greeting", (), |command, below, ()| async move {
        let mut flow = below.dial(command).await?;
        let mut greeting = [0; 6];
        flow.read_exact(&mut greeting).await?;
        match &greeting {
            b"hello\n" => Ok(flow),
            _ => Err(Error::new(ErrorKind::InvalidData, "not a greeting")),
        }
    })
}

pub(crate) async fn a_layer_over_it() {
    let ctx = greeted(adapter::context());
    let mut flow = ctx.resolve(Process, sh("echo hello; exec cat")).await.unwrap();
    flow.write_all(b"x").await.unwrap();
    flow.shutdown().await.unwrap();
    assert_eq!(read_all(&mut flow).await.unwrap(), b"x");
    // Its errors are those of the command.
    let error = ctx.resolve(Process, sh("echo denied >&2; exit 9")).await.unwrap_err();
    assert!(error.to_string().contains("exit status: 9: denied"), "{error}");
}

pub(crate) async fn a_dropped_read_loses_nothing() {
    let mut flow = start(sh("read line; echo $line; exit 1")).await;
    assert!(poll_once(flow.read(&mut [0; 8])).await.is_none());
    flow.write_all(b"late\n").await.unwrap();
    let mut buf = [0; 5];
    flow.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"late\n");
    // The wait for the exit can be dropped, too.
    let _ = poll_once(flow.read(&mut buf)).await;
    assert!(flow.read(&mut buf).await.is_err());
}

pub(crate) async fn an_endpoint_of_a_command() {
    let needs = when(is(Scheme, "exec")).needs((req(Path), over(Process)));
    let ctx = adapter::context().register(Connect, "exec", 100, needs, |(), (program, process)| async move {
        process.dial(Command::new(&*program)).await
    });
    let mut flow = ctx.clone().with_url("exec:/bin/cat").unwrap().connect().await.unwrap();
    flow.write_all(b"x").await.unwrap();
    flow.shutdown().await.unwrap();
    assert_eq!(read_all(&mut flow).await.unwrap(), b"x");
    let error = ctx.with_url("exec:/nonexistent").unwrap().connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(format!("{error:#}").contains("Process \"spawn\" to /nonexistent"), "{error:#}");
}

/// A program that connects elsewhere, as `ssh` or a `ProxyCommand` does: TCP, through two pipes.
pub(crate) async fn a_relay() {
    let mut listener = adapter::context().with_url("tcp://127.0.0.1:0").unwrap().listen().await.unwrap();
    let needs = when(is(Scheme, "relayed")).needs((req(Host), req(Port), over(Process)));
    let ctx = adapter::context().register(Connect, "relayed", 100, needs, |(), (host, port, process)| async move {
        process.dial(sh(r#"exec socat - "TCP:$1:$2""#).args(["sh", &*host, &port.to_string()])).await
    });
    let url = format!("relayed://{}", listener.local_addr().unwrap());
    let client = async {
        let mut flow = ctx.with_url(&url).unwrap().connect().await.unwrap();
        flow.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut reply = [0; 19];
        flow.read_exact(&mut reply).await.unwrap();
        assert_eq!(&reply, b"HTTP/1.1 204 Done\r\n");
        flow.shutdown().await.unwrap();
        assert_eq!(read_all(&mut flow).await.unwrap(), b"\r\n");
    };
    let server = async {
        let mut flow = listener.accept().await.unwrap();
        let mut request = [0; 35];
        flow.read_exact(&mut request).await.unwrap();
        assert!(request.ends_with(b"\r\n\r\n"));
        flow.write_all(b"HTTP/1.1 204 Done\r\n\r\n").await.unwrap();
        flow.flush().await.unwrap();
        flow.close().await.unwrap();
    };
    zip(client, server).await;
}

/// The server side of git over ssh, without ssh.
pub(crate) async fn git_tells_its_references() {
    let dir = tempfile::tempdir().unwrap();
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
        let run = std::process::Command::new("git").args(identity).args(args).current_dir(dir.path()).output().unwrap();
        assert!(run.status.success(), "{run:?}");
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["commit", "-q", "--allow-empty", "-m", "first"]);
    let mut flow = start(Command::new("git").arg("upload-pack").arg(dir.path())).await;
    let mut advertisement = Vec::new();
    loop {
        let mut length = [0; 4];
        flow.read_exact(&mut length).await.unwrap();
        match usize::from_str_radix(std::str::from_utf8(&length).unwrap(), 16).unwrap() {
            0 => break,
            n => {
                let mut line = vec![0; n - 4];
                flow.read_exact(&mut line).await.unwrap();
                advertisement.extend(line);
            }
        }
    }
    assert!(String::from_utf8_lossy(&advertisement).contains(" refs/heads/main\n"));
    // Nothing is wanted.
    flow.write_all(b"0000").await.unwrap();
    flow.shutdown().await.unwrap();
    assert_eq!(read_all(&mut flow).await.unwrap(), b"");
    assert!(flow.attribute(Exit).unwrap().success());
}

pub(crate) async fn git_without_a_repository() {
    let mut flow = start(Command::new("git").args(["upload-pack", "/nonexistent"]).env("LC_ALL", "C")).await;
    let error = flow.read_exact(&mut [0; 4]).await.map_err(Error::from).unwrap_err();
    assert!(
        error.to_string().ends_with(
            "the command ended with exit status: 128: \
             fatal: '/nonexistent' does not appear to be a git repository"
        ),
        "{error}"
    );
}

pub(crate) async fn ssh_without_a_server() {
    let port = {
        let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        unused.local_addr().unwrap().port().to_string()
    };
    let options = ["-F", "none", "-o", "BatchMode=yes", "-p", &port];
    let ssh = Command::new("ssh").args(options).args(["--", "127.0.0.1", "git-upload-pack 'x'"]);
    let error = start(ssh).await.read(&mut [0; 4]).await.unwrap_err();
    assert!(error.to_string().contains("exit status: 255: ssh: connect to host 127.0.0.1 port"), "{error}");
    assert!(error.to_string().contains("Connection refused"), "{error}");
}

pub(crate) async fn a_local_context() {
    adapter::local(|| async {
        let ctx = adapter::local_context();
        let mut flow = ctx.resolve(Process, Command::new("cat")).await.unwrap();
        flow.write_all(b"x").await.unwrap();
        flow.shutdown().await.unwrap();
        assert_eq!(read_all(&mut flow).await.unwrap(), b"x");
    });
}
