//! Faults of the flow below: each is reported once, with its reason, to the half that it belongs
//! to, and no record follows a lost one.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;
#[path = "../../mimic-core/tests/flow_kit/mod.rs"]
mod flow_kit;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::task::{Context, Poll};

use common::tasks::both;
use common::{Authority, NAME, handshake, pair};
use flow_kit::{Task, fails, got, ok};
use mimic_core::embedded_io_async::{ErrorType, Write};
use mimic_core::io::{Memory, Split, memory_pair, pump};
use mimic_core::{Error, ErrorKind, Flow, Phase, Shared};
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::{accept, connect};
use mimic_std::Ends;

/// A device that fails once on request, and then goes on, as a serial line does.
struct Device<W> {
    inner: W,
    failing: Arc<AtomicBool>,
}

impl<W: Write<Error = Error>> ErrorType for Device<W> {
    type Error = Error;
}

impl<W: Write<Error = Error>> Write for Device<W> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
        match self.failing.swap(false, SeqCst) {
            true => Err(Error::new(ErrorKind::NotConnected, "no carrier")),
            false => self.inner.write(buf).await,
        }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.inner.flush().await
    }
}

type Way = fn(&mut dyn Flow, &mut Context<'_>) -> Poll<Result<(), Error>>;

/// The operations that a writer may call next.
const WAYS: [Way; 3] = [
    |flow, cx| flow.poll_write(cx, b"again").map_ok(drop),
    |flow, cx| flow.poll_flush(cx),
    |flow, cx| flow.poll_shutdown(cx),
];

/// A pump returns an error of its device once and then asks the device again. TLS must not go on,
/// because the peer misses a record.
#[test]
fn no_record_follows_one_that_was_lost() {
    for (read_between, first) in [false, true].into_iter().flat_map(|read| WAYS.map(|way| (read, way))) {
        let (near, far) = memory_pair::<Shared>(1 << 16);
        let (reader, writer) = Split::<_, Shared>::new(near).into_halves();
        let failing = Arc::new(AtomicBool::new(false));
        let near = pump(reader, Device { inner: writer, failing: failing.clone() }, 1024);
        let (mut near, mut far) = pair((near, far));
        let (task, other) = (Task::new(), Task::new());
        assert_eq!(task.read(&mut near), Poll::Pending);

        failing.store(true, SeqCst);
        assert_eq!(task.write(&mut near, b"question"), ok(8), "the pump took it, whatever comes of it");
        if read_between {
            // It sends for the writer, so it meets the error of the writer.
            assert_eq!(task.read(&mut near), Poll::Pending);
        }
        assert!(!failing.load(SeqCst), "the device has failed");
        let Poll::Ready(Err(error)) = first(&mut near, &mut task.cx()) else { panic!("the writer is told") };
        assert_eq!((error.kind(), error.phase()), (ErrorKind::NotConnected, Some(Phase::Write)));
        assert!(error.to_string().contains("no carrier"), "{error}");
        for way in WAYS.iter().chain(&WAYS) {
            let Poll::Ready(Err(error)) = way(&mut near, &mut task.cx()) else { panic!("it stays so") };
            assert_eq!(error.kind(), ErrorKind::NotConnected);
        }

        // The peer gets no record that would look like an attack, and reading goes on.
        assert_eq!(other.read(&mut far), Poll::Pending);
        assert_eq!(other.write(&mut far, b"hello"), ok(5));
        assert_eq!(task.read(&mut near), got(b"hello"));
        assert_eq!(task.read(&mut near), Poll::Pending);
        assert_eq!(other.read(&mut far), Poll::Pending);
    }
}

/// The faults of a [`Socket`].
#[derive(Debug)]
struct State {
    /// Reads fail after everything is read.
    reads_fail: AtomicBool,
    /// The writes that succeed before writes fail.
    writes: AtomicUsize,
    /// Writes wait, and wake no task.
    full: AtomicBool,
    /// The number of writes so far.
    asked: AtomicUsize,
}

/// A socket that breaks on request. Each direction reports the reason once, and then that it failed
/// before.
#[derive(Debug)]
struct Socket {
    inner: Memory<Shared>,
    ends: Ends,
    state: Arc<State>,
    /// The most bytes that one read returns.
    most: usize,
}

impl Socket {
    fn new(inner: Memory<Shared>) -> (Self, Arc<State>) {
        let state = Arc::new(State {
            reads_fail: AtomicBool::new(false),
            writes: AtomicUsize::new(usize::MAX),
            full: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
        });
        (Self { inner, ends: Ends::default(), state: state.clone(), most: usize::MAX }, state)
    }
}

fn reset<T>(reason: &str) -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, reason)))
}

impl Flow for Socket {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        let most = buf.len().min(self.most);
        self.ends.read(&mut buf[..most], |buf| match self.inner.poll_read(cx, buf) {
            Poll::Pending if self.state.reads_fail.load(SeqCst) => reset("reset while reading"),
            other => other.map_err(io::Error::from),
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.state.asked.fetch_add(1, SeqCst);
        if self.state.full.load(SeqCst) {
            return Poll::Pending;
        }
        let writes = self.state.writes.load(SeqCst);
        self.ends.write(&[buf], || match writes {
            0 => reset("reset while writing"),
            _ => {
                self.state.writes.store(writes - 1, SeqCst);
                self.inner.poll_write(cx, buf).map_err(io::Error::from)
            }
        })
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.ends.flush(|| Poll::Ready(Ok(())))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.ends.shutdown(|| self.inner.poll_shutdown(cx).map_err(io::Error::from))
    }
}

fn assert_reason(polled: Poll<Result<usize, Error>>, reason: &str) {
    let Poll::Ready(Err(error)) = polled else { panic!("{polled:?} is no error") };
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(error.to_string().contains(reason), "{error} does not say {reason:?}");
}

fn assert_reading(flow: &mut dyn Flow, task: &Task) {
    assert_reason(flow.poll_read(&mut task.cx(), &mut [0; 9]), "reset while reading");
}

fn assert_writing(flow: &mut dyn Flow, task: &Task) {
    assert_reason(flow.poll_write(&mut task.cx(), b"question"), "reset while writing");
}

/// A writer that fails receives what the peer has sent, so it meets the error of the reader.
#[test]
fn reader_and_writer_are_told_a_reason_each() {
    for (read_first, said) in [(false, &b""[..]), (false, b"last words"), (true, b""), (true, b"last words")] {
        let (near, far) = memory_pair::<Shared>(1 << 16);
        let (near, state) = Socket::new(near);
        let (mut near, mut far) = pair((near, far));
        let (reader, writer, other) = (Task::new(), Task::new(), Task::new());
        assert_eq!(reader.read(&mut near), Poll::Pending);
        if !said.is_empty() {
            assert_eq!(other.write(&mut far, said), ok(said.len()));
        }
        reader.wakes();
        state.reads_fail.store(true, SeqCst);
        state.writes.store(0, SeqCst);
        if !read_first {
            assert_writing(&mut near, &writer);
            assert!(reader.wakes() > 0, "what it waits for was taken from below");
            assert_eq!(writer.write(&mut near, b"question"), fails(ErrorKind::ConnectionReset));
        }
        if !said.is_empty() {
            assert_eq!(reader.read(&mut near), got(said));
        }
        assert_reading(&mut near, &reader);
        if read_first {
            assert_writing(&mut near, &writer);
        }
        // The errors stay, and the flow below is not asked to write again.
        state.asked.store(0, SeqCst);
        for _ in 0..3 {
            assert_eq!(reader.read(&mut near), fails(ErrorKind::ConnectionReset));
            assert_eq!(writer.write(&mut near, b"question"), fails(ErrorKind::ConnectionReset));
        }
        assert_eq!(state.asked.load(SeqCst), 0);
    }
}

/// A reader that has to wait sends for the writer, so it meets the error of the writer.
#[test]
fn a_writer_is_told_what_a_reader_met() {
    for waiting in [false, true] {
        let (near, far) = memory_pair::<Shared>(1 << 16);
        let (near, state) = Socket::new(near);
        let (mut near, _far) = pair((near, far));
        let (reader, writer) = (Task::new(), Task::new());
        assert_eq!(reader.read(&mut near), Poll::Pending);
        state.full.store(true, SeqCst);
        assert_eq!(writer.write(&mut near, b"question"), ok(8));
        if waiting {
            assert_eq!(writer.write(&mut near, b"question"), Poll::Pending);
        }
        writer.wakes();
        state.full.store(false, SeqCst);
        state.writes.store(0, SeqCst);
        assert_eq!(reader.read(&mut near), Poll::Pending);
        assert_eq!(writer.wakes() > 0, waiting);
        assert_writing(&mut near, &writer);
    }
}

#[test]
fn a_last_flight_that_cannot_be_sent_fails_the_handshake() {
    for version in [&TLS12, &TLS13] {
        let authority = Authority::new();
        let (client, server) = (Arc::new(authority.client(&[version])), authority.server(&[NAME], &[version]));
        let (near, far) = memory_pair::<Shared>(1 << 16);
        let (near, state) = Socket::new(near);
        // The hello.
        state.writes.store(1, SeqCst);
        let accepted = async { accept(far, &server).await.map(drop) };
        let (connected, _) =
            both(&"handshake", async { connect(near, client, Vec::new(), NAME).await.map(drop) }, accepted);
        assert_in_handshake(&connected.unwrap_err());
    }
}

fn assert_in_handshake(error: &Error) {
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectionReset, Some(Phase::Handshake)));
    assert!(error.to_string().contains("reset while writing"), "{error}");
}

/// Input that comes after a lost flight may tell the reason. It does not make the handshake send
/// the rest.
#[test]
fn a_handshake_sends_nothing_behind_a_flight_that_was_lost() {
    let authority = Authority::new();
    let (client, server) = (Arc::new(authority.client(&[&TLS13])), authority.server(&[NAME], &[&TLS13]));
    let (near, mut sent) = memory_pair::<Shared>(1 << 16);
    let task = Task::new();
    assert!(pin!(connect(near, client, Vec::new(), NAME)).poll(&mut task.cx()).is_pending());
    let mut hello = vec![0; 1 << 12];
    let Poll::Ready(Ok(len)) = sent.poll_read(&mut task.cx(), &mut hello) else { panic!("the hello was sent") };
    hello.truncate(len);

    let (far, mut peer) = memory_pair::<Shared>(1 << 16);
    let (far, state) = Socket::new(far);
    state.writes.store(0, SeqCst);
    // A record that means nothing (RFC 8446, appendix D.4).
    let change_cipher_spec = [0x14, 3, 3, 0, 1, 1];
    assert_eq!(task.write(&mut peer, &hello), ok(len));
    assert_eq!(task.write(&mut peer, &change_cipher_spec), ok(6));
    let accepted = pin!(accept(Socket { most: len, ..far }, &server)).poll(&mut task.cx());
    let Poll::Ready(Err(error)) = accepted else { panic!("it cannot go on") };
    assert_in_handshake(&error);
    assert_eq!(state.asked.load(SeqCst), 1);
    assert_eq!(task.read(&mut peer), got(b""), "all was read, and nothing sent");
}

/// The handshake of a server is done before its tickets are sent. If they cannot be sent, the
/// server still reads, and its next write returns the error.
#[test]
fn tickets_that_cannot_be_sent_are_an_error_of_the_next_write() {
    let authority = Authority::new();
    let (client, server) = (Arc::new(authority.client(&[&TLS13])), authority.server(&[NAME], &[&TLS13]));
    let (near, far) = memory_pair::<Shared>(1 << 16);
    let (far, state) = Socket::new(far);
    // The first flight.
    state.writes.store(1, SeqCst);
    let (mut near, mut far) = handshake((near, far), &client, &server);
    let task = Task::new();
    assert_eq!(state.writes.load(SeqCst), 0);
    assert_eq!(task.write(&mut near, b"question"), ok(8));
    assert_eq!(task.read(&mut far), got(b"question"));
    assert_writing(&mut far, &task);
}
