//! What the tests of the binaries share: the binaries, programs that run, and peers to talk to.
//!
//! Every wait has a limit, every program ends with its guard, and nothing but the loopback is
//! talked to.

#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod tls;

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

/// How long anything may take that should take no time, on a machine that is busy building.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// What `ping` prints against a peer that follows the protocol.
pub(crate) const TRANSCRIPT: &str = "> ping\n< pong\n> pong\n< ping\n> mimic\n< mimic\n";

/// One of the binaries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bin {
    pub(crate) name: &'static str,
    path: &'static str,
}

pub(crate) const SMOL: Bin = Bin { name: "smol", path: env!("CARGO_BIN_EXE_smol") };
pub(crate) const TOKIO: Bin = Bin { name: "tokio", path: env!("CARGO_BIN_EXE_tokio") };
pub(crate) const ASYNC_STD: Bin = Bin { name: "async-std", path: env!("CARGO_BIN_EXE_async-std") };
pub(crate) const BINARIES: [Bin; 3] = [SMOL, TOKIO, ASYNC_STD];

/// Makes a test of every `fn case(bin: Bin)` for every binary: `smol::case`, `tokio::case`,
/// `async_std::case`.
macro_rules! every_binary {
    ($($case:ident),* $(,)?) => {
        mod smol {
            $(#[test] fn $case() { super::$case(crate::common::SMOL) })*
        }
        mod tokio {
            $(#[test] fn $case() { super::$case(crate::common::TOKIO) })*
        }
        mod async_std {
            $(#[test] fn $case() { super::$case(crate::common::ASYNC_STD) })*
        }
    };
}
pub(crate) use every_binary;

impl Bin {
    pub(crate) fn command<A: AsRef<OsStr>>(self, args: &[A]) -> Command {
        let mut command = Command::new(self.path);
        command.args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts with a standard input that stays open until it is fed or the program is gone.
    pub(crate) fn start<A: AsRef<OsStr>>(self, args: &[A]) -> Program {
        Program::start(self.command(args))
    }

    /// Runs to the end with nothing on standard input.
    #[track_caller]
    pub(crate) fn run<A: AsRef<OsStr>>(self, args: &[A]) -> Ran {
        let mut command = self.command(args);
        command.stdin(Stdio::null());
        Program::start(command).wait()
    }

    /// Runs to the end with `input` on standard input, through a pipe.
    #[track_caller]
    pub(crate) fn feed<A: AsRef<OsStr>>(self, args: &[A], input: impl Into<Vec<u8>>) -> Ran {
        let mut program = self.start(args);
        program.feed(input);
        program.wait()
    }

    /// `serve`, once it listens.
    #[track_caller]
    pub(crate) fn serve(self, urls: &[&str]) -> Serving {
        self.serve_with(urls, &[])
    }

    /// `serve` with options, once it listens.
    #[track_caller]
    pub(crate) fn serve_with(self, urls: &[&str], options: &[&str]) -> Serving {
        let program = self.start(&[&["serve"], urls, options].concat());
        program.until("it listens", |out| out.iter().filter(|&&byte| byte == b'\n').count() >= urls.len());
        let printed = String::from_utf8(program.out.bytes()).unwrap();
        let urls = printed
            .lines()
            .map(|line| match line.strip_prefix("listening on ") {
                Some(url) => url.to_owned(),
                None => panic!("{} printed {line:?}", program.what),
            })
            .collect();
        Serving { program, urls, _socket: None }
    }

    /// `serve` on TCP, then on a Unix socket.
    #[track_caller]
    pub(crate) fn serve_both(self) -> Serving {
        let (dir, path) = socket_path();
        Serving { _socket: Some(dir), ..self.serve(&["tcp://127.0.0.1:0", &unix_url(&path)]) }
    }
}

/// A `serve` that listens.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) program: Program,
    /// As printed, so with the real port.
    pub(crate) urls: Vec<String>,
    _socket: Option<TempDir>,
}

/// A program that runs. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Program {
    what: String,
    child: Child,
    /// Whether it leads a process group, with children of its own.
    leader: bool,
    stdin: Option<ChildStdin>,
    out: Drain,
    err: Drain,
    started: Instant,
}

impl Program {
    pub(crate) fn start(command: Command) -> Self {
        Self::spawn(command, false)
    }

    /// Starts a program that may start others: all end with it.
    pub(crate) fn start_group(mut command: Command) -> Self {
        command.process_group(0);
        Self::spawn(command, true)
    }

    fn spawn(mut command: Command, leader: bool) -> Self {
        let what = format!("{command:?}");
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{what}: {error}"),
        };
        Self {
            stdin: child.stdin.take(),
            out: Drain::of(child.stdout.take()),
            err: Drain::of(child.stderr.take()),
            what,
            child,
            leader,
            started: Instant::now(),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes to standard input, and leaves it open.
    #[track_caller]
    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(bytes.as_ref()).unwrap();
        stdin.flush().unwrap();
    }

    /// Writes all of this to standard input without waiting, then closes it.
    pub(crate) fn feed(&mut self, input: impl Into<Vec<u8>>) {
        let (mut stdin, input) = (self.stdin.take().unwrap(), input.into());
        // A program may end before it has read all: what it did then is what the test looks at.
        thread::spawn(move || stdin.write_all(&input));
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn stdout(&self) -> Vec<u8> {
        self.out.bytes()
    }

    pub(crate) fn stderr(&self) -> String {
        self.err.text()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until standard output is as wanted.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut wanted: impl FnMut(&[u8]) -> bool) {
        let patience = Instant::now() + LIMIT;
        while !wanted(&self.out.bytes()) {
            assert!(
                Instant::now() < patience && !self.out.is_done(),
                "{}: not until {what}\n{}\n{}",
                self.what,
                self.out.text(),
                self.err.text()
            );
            pause();
        }
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn wait(self) -> Ran {
        self.wait_for(LIMIT)
    }

    #[track_caller]
    pub(crate) fn wait_for(mut self, limit: Duration) -> Ran {
        let patience = Instant::now() + limit;
        loop {
            // The pipes too: an end that they do not see is a child left behind.
            if let Some(status) = self.child.try_wait().unwrap()
                && self.out.is_done()
                && self.err.is_done()
            {
                return Ran {
                    what: std::mem::take(&mut self.what),
                    code: status.code(),
                    out: self.out.take(),
                    err: self.err.text(),
                    took: self.started.elapsed(),
                };
            }
            assert!(
                Instant::now() < patience,
                "{}: still runs after {limit:?}, with {} bytes on standard output and on standard error:\n{}",
                self.what,
                self.out.len(),
                self.err.text()
            );
            pause();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.child.try_wait() {
            return;
        }
        if self.leader {
            let group = Pid::from_child(&self.child);
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    what: String,
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
    pub(crate) took: Duration,
}

impl Ran {
    /// Checks the exit status, and that an error goes to standard error and is not a panic.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        assert!(!self.err.contains("panicked"), "{self}");
        assert!(code == 0 || !self.err.trim().is_empty(), "no error: {self}");
        self
    }

    /// Checks that standard error holds one of `words`, in upper or lower case.
    #[track_caller]
    pub(crate) fn names(self, words: &[&str]) -> Self {
        let said = self.err.to_lowercase();
        let named = words.iter().any(|word| said.contains(&word.to_lowercase()));
        assert!(named, "standard error holds none of {words:?}: {self}");
        self
    }

    #[track_caller]
    pub(crate) fn quietly(self) -> Self {
        assert_eq!(self.err, "", "{self}");
        self
    }

    #[track_caller]
    pub(crate) fn prints(self, out: impl AsRef<[u8]>) -> Self {
        // Not `assert_eq!` of the bytes, which may be many.
        let (got, wanted) = (&self.out[..], out.as_ref());
        if got != wanted {
            let same = got.iter().zip(wanted).take_while(|(a, b)| a == b).count();
            panic!(
                "{} bytes of standard output instead of {}, and different from byte {same}: {self}",
                got.len(),
                wanted.len()
            );
        }
        self
    }

    #[track_caller]
    pub(crate) fn within(self, limit: Duration) -> Self {
        assert!(self.took < limit, "{self}");
        self
    }

    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = &self.out[..self.out.len().min(2000)];
        write!(
            f,
            "{} exited with {:?} after {:?}\n--- standard output\n{}\n--- standard error\n{}\n---",
            self.what,
            self.code,
            self.took,
            String::from_utf8_lossy(start),
            self.err
        )
    }
}

/// Reads a pipe to its end, so that the program never waits for the test.
#[derive(Debug)]
struct Drain {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Drain {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let reader = pipe.map(|mut pipe| {
            let bytes = Arc::clone(&bytes);
            thread::spawn(move || {
                let mut chunk = vec![0; 1 << 16];
                while let Ok(n @ 1..) = pipe.read(&mut chunk) {
                    bytes.lock().unwrap().extend_from_slice(&chunk[..n]);
                }
            })
        });
        Self { bytes, reader }
    }

    fn is_done(&self) -> bool {
        self.reader.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.bytes.lock().unwrap())
    }

    fn len(&self) -> usize {
        self.bytes.lock().unwrap().len()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }
}

fn pause() {
    thread::sleep(Duration::from_millis(3));
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut wanted: impl FnMut() -> bool) {
    let patience = Instant::now() + LIMIT;
    while !wanted() {
        assert!(Instant::now() < patience, "not until {what}");
        pause();
    }
}

/// The two kinds of socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Tcp,
    Unix,
}

pub(crate) const BOTH: [Over; 2] = [Over::Tcp, Over::Unix];

/// A blocking connection, as a test sees it. Reads and writes end after [`LIMIT`].
pub(crate) trait Conn: Read + Write + Send {
    /// The same connection, for another thread.
    fn twin(&self) -> Box<dyn Conn>;
    fn end_writing(&self);
    /// Closes with a reset instead of an orderly end.
    fn reset(self: Box<Self>);

    /// All that comes until the peer ends its side.
    fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        self.read_to_end(&mut all).unwrap();
        all
    }
}

impl Conn for TcpStream {
    fn twin(&self) -> Box<dyn Conn> {
        Box::new(self.try_clone().unwrap())
    }

    fn end_writing(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }

    fn reset(self: Box<Self>) {
        socket2::SockRef::from(&*self).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

impl Conn for UnixStream {
    fn twin(&self) -> Box<dyn Conn> {
        Box::new(self.try_clone().unwrap())
    }

    fn end_writing(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }

    fn reset(self: Box<Self>) {
        panic!("a Unix socket has no reset to ask for");
    }
}

fn bounded_tcp(stream: TcpStream) -> Box<dyn Conn> {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    Box::new(stream)
}

fn bounded_unix(stream: UnixStream) -> Box<dyn Conn> {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    Box::new(stream)
}

/// Connects to what a `serve` printed.
#[track_caller]
pub(crate) fn dial(url: &str) -> Box<dyn Conn> {
    if let Some(address) = url.strip_prefix("tcp://") {
        bounded_tcp(TcpStream::connect(address).unwrap())
    } else {
        bounded_unix(UnixStream::connect(path_of(url)).unwrap())
    }
}

/// The path in the URL of a Unix socket, as far as these tests make them.
#[track_caller]
pub(crate) fn path_of(url: &str) -> &Path {
    let path = url.strip_prefix("unix:").unwrap();
    Path::new(path.strip_prefix("//").unwrap_or(path))
}

/// A server that takes one connection, in a thread of the test.
#[derive(Debug)]
pub(crate) struct Peer<T> {
    pub(crate) url: String,
    result: Receiver<T>,
    _socket: Option<TempDir>,
}

impl<T: Send + 'static> Peer<T> {
    pub(crate) fn new(over: Over, serve: impl FnOnce(Box<dyn Conn>) -> T + Send + 'static) -> Self {
        let (sender, result) = mpsc::channel();
        match over {
            Over::Tcp => {
                let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
                let url = format!("tcp://{}", listener.local_addr().unwrap());
                thread::spawn(move || {
                    let (stream, _) = listener.accept().unwrap();
                    let _ = sender.send(serve(bounded_tcp(stream)));
                });
                Self { url, result, _socket: None }
            }
            Over::Unix => {
                let (dir, path) = socket_path();
                let listener = UnixListener::bind(&path).unwrap();
                thread::spawn(move || {
                    let (stream, _) = listener.accept().unwrap();
                    let _ = sender.send(serve(bounded_unix(stream)));
                });
                Self { url: unix_url(&path), result, _socket: Some(dir) }
            }
        }
    }

    /// Waits until the server is done.
    #[track_caller]
    pub(crate) fn finish(self) -> T {
        match self.result.recv_timeout(LIMIT) {
            Ok(result) => result,
            Err(error) => panic!("the peer at {}: {error}", self.url),
        }
    }
}

/// A server that sends back what it gets, while it gets it.
pub(crate) fn echo(over: Over) -> Peer<()> {
    Peer::new(over, |mut conn| {
        let mut chunk = vec![0; 1 << 16];
        loop {
            match conn.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => conn.write_all(&chunk[..n]).unwrap(),
                Err(error) => panic!("{error}"),
            }
        }
        conn.end_writing();
    })
}

/// A directory for sockets and files, short enough in name for a socket.
#[track_caller]
pub(crate) fn dir() -> TempDir {
    tempfile::Builder::new().prefix("mimic").tempdir().unwrap()
}

/// A path that does not exist, in a directory that goes away.
#[track_caller]
pub(crate) fn socket_path() -> (TempDir, PathBuf) {
    let dir = dir();
    let path = dir.path().join("test.sock");
    (dir, path)
}

pub(crate) fn unix_url(path: &Path) -> String {
    format!("unix:{}", path.display())
}

/// Bytes that do not repeat and are the same in every run.
pub(crate) fn random(size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 8);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while bytes.len() < size {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// A file with this in it, open for reading.
#[track_caller]
pub(crate) fn file_with(dir: &TempDir, bytes: &[u8]) -> File {
    let path = dir.path().join("input");
    std::fs::write(&path, bytes).unwrap();
    File::open(path).unwrap()
}

/// A standard output that nobody reads.
pub(crate) fn closed_output() -> Stdio {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Where a program is, or `None` after saying that this test is skipped.
#[track_caller]
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Servers are often installed where only root looks.
    let found = env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        skip_without_tool(name);
    }
    found
}

/// Says that this test is skipped for want of a program.
///
/// # Panics
///
/// If `MIMIC_REQUIRE_TOOLS` is set, as it is in CI: all of them are installed there, and a skipped
/// test shows nothing.
#[track_caller]
pub(crate) fn skip_without_tool(name: &str) {
    assert!(
        env::var_os("MIMIC_REQUIRE_TOOLS").is_none_or(|value| value.is_empty()),
        "{name} not found, and MIMIC_REQUIRE_TOOLS is set"
    );
    skip(name);
}

/// Says that this test is skipped for want of something that this machine does not have.
pub(crate) fn skip(missing: &str) {
    let test = thread::current().name().unwrap_or("?").to_owned();
    // Not `eprintln!`, whose output the test harness keeps to itself when the test passes.
    let _ = writeln!(io::stderr(), "SKIPPED: {test}: {missing} not found");
}

/// Starts a server that cannot choose a port by itself, and waits until it can be connected to.
#[track_caller]
pub(crate) fn on_free_port(command: impl Fn(u16) -> Command) -> (Program, u16) {
    let mut last = String::new();
    for _ in 0..5 {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let mut server = Program::start_group(command(port));
        let patience = Instant::now() + LIMIT;
        while Instant::now() < patience && !server.has_ended() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() && !server.has_ended() {
                return (server, port);
            }
            pause();
        }
        // Somebody else took the port in between, or it cannot run at all.
        last = format!("{}: {}{}", server.what, server.out.text(), server.stderr());
    }
    panic!("no server: {last}");
}

/// For nginx with one server, which listens as `listen` says. All that it reads and writes is in
/// `dir`.
pub(crate) fn nginx_config(dir: &Path, listen: &str) -> String {
    // Its default user may not exist, and would not be let into the directory.
    let user = if rustix::process::geteuid().is_root() { "user root root;" } else { "" };
    let dir = dir.display();
    format!(
        "{user}
        daemon off;
        master_process off;
        pid {dir}/nginx.pid;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            client_body_temp_path {dir}/body;
            proxy_temp_path {dir}/proxy;
            fastcgi_temp_path {dir}/fastcgi;
            uwsgi_temp_path {dir}/uwsgi;
            scgi_temp_path {dir}/scgi;
            server {{
                {listen}
                root {dir}/www;
            }}
        }}"
    )
}
