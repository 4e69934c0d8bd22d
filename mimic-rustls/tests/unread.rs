//! Bytes that have arrived and are not read. The peer would lose data if a socket were closed over
//! them.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;
#[path = "../../mimic-core/tests/flow_kit/mod.rs"]
mod flow_kit;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use common::{Authority, NAME, handshake};
use flow_kit::{Task, got, ok};
use mimic_core::io::{Memory, memory_pair};
use mimic_core::{Error, Flow, Shared};
use mimic_rustls::rustls::version::TLS13;
use mimic_rustls::{Client, Server, TlsFlow};

#[derive(Debug, Default)]
struct Counts {
    reads: AtomicUsize,
    /// The unread bytes at the drop. A socket would reset the connection.
    unread: AtomicUsize,
    /// Every read returns more.
    floods: AtomicBool,
    /// Every read panics.
    panics: AtomicBool,
}

#[derive(Debug)]
struct Socket {
    below: Memory<Shared>,
    counts: Arc<Counts>,
}

impl Flow for Socket {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.counts.reads.fetch_add(1, SeqCst);
        assert!(!self.counts.panics.load(SeqCst), "by the test, while reading");
        // A network gives a part at a time.
        let most = buf.len().min(500);
        match self.below.poll_read(cx, &mut buf[..most]) {
            Poll::Pending if self.counts.floods.load(SeqCst) => Poll::Ready(Ok(most)),
            poll => poll,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.below.poll_write(cx, buf)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.below.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.below.poll_shutdown(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut buf = [0; 1000];
        while let Poll::Ready(Ok(n @ 1..)) = self.below.poll_read(&mut Context::from_waker(Waker::noop()), &mut buf) {
            self.counts.unread.fetch_add(n, SeqCst);
        }
    }
}

type Pair<C, S> = (TlsFlow<C, Client>, TlsFlow<S, Server>);

fn pair<C: Flow, S: Flow>(near: C, far: S, tickets: usize) -> Pair<C, S> {
    let authority = Authority::new();
    let client = Arc::new(authority.client(&[&TLS13]));
    let mut server = authority.server(&[NAME], &[&TLS13]);
    server.send_tls13_tickets = tickets;
    handshake((near, far), &client, &server)
}

fn socket_pair(tickets: usize) -> (Pair<Socket, Memory<Shared>>, Arc<Counts>) {
    let (near, far) = memory_pair::<Shared>(1 << 20);
    let counts = Arc::new(Counts::default());
    (pair(Socket { below: near, counts: counts.clone() }, far, tickets), counts)
}

#[test]
fn a_shutdown_takes_in_tickets_and_leaves_what_can_be_read() {
    let ((mut near, mut far), counts) = socket_pair(2);
    let (task, peer) = (Task::new(), Task::new());
    assert_eq!(task.write(&mut near, b"question"), ok(8));
    assert_eq!(task.shutdown(&mut near), ok(()));
    // `into_inner` does not empty the flow below.
    drop(near.into_inner());
    assert_eq!(counts.unread.load(SeqCst), 0, "tickets were left");
    assert_eq!(peer.read(&mut far), got(b"question"));

    let ((mut near, mut far), _) = socket_pair(2);
    assert_eq!(peer.write(&mut far, b"answer"), ok(6));
    assert_eq!(peer.flush(&mut far), ok(()));
    assert_eq!(task.shutdown(&mut near), ok(()));
    assert_eq!(peer.write(&mut far, b" and more"), ok(9));
    assert_eq!(peer.shutdown(&mut far), ok(()));
    assert_eq!(task.shutdown(&mut near), ok(()));
    assert_eq!(task.read(&mut near), got(b"answer"));
    assert_eq!(task.read(&mut near), got(b" and more"));
    assert_eq!(task.read(&mut near), got(b""));
}

/// The reader waited below with its own waker, and its bytes are now in TLS.
#[test]
fn a_reader_that_waits_is_woken_by_what_a_shutdown_took() {
    let ((mut near, mut far), _) = socket_pair(0);
    let (reader, writer, peer) = (Task::new(), Task::new(), Task::new());
    assert_eq!(reader.read(&mut near), Poll::Pending);
    assert_eq!(peer.write(&mut far, b"answer"), ok(6));
    assert_eq!(peer.flush(&mut far), ok(()));
    reader.wakes();
    assert_eq!(writer.shutdown(&mut near), ok(()));
    assert!(reader.wakes() > 0, "what it waits for was taken from below");
    assert_eq!(reader.read(&mut near), got(b"answer"));
    // Bytes that come later wake it again.
    assert_eq!(reader.read(&mut near), Poll::Pending);
    assert_eq!(peer.write(&mut far, b"more"), ok(4));
    assert_eq!(reader.wakes(), 1);
    assert_eq!(reader.read(&mut near), got(b"more"));
}

#[test]
fn a_drop_leaves_nothing_unread() {
    for shut in [false, true] {
        let ((mut near, mut far), counts) = socket_pair(4);
        let (task, peer) = (Task::new(), Task::new());
        assert_eq!(task.write(&mut near, b"question"), ok(8));
        assert_eq!(task.flush(&mut near), ok(()));
        if shut {
            assert_eq!(task.shutdown(&mut near), ok(()));
        }
        // These bytes are for the application, come after the shutdown, and are not read.
        assert_eq!(peer.write(&mut far, &[7; 20_000]), ok(20_000));
        assert_eq!(peer.flush(&mut far), ok(()));
        drop(near);
        assert_eq!(counts.unread.load(SeqCst), 0, "shut down: {shut}");
        assert_eq!(peer.read(&mut far), got(b"question"));
    }
}

/// A clean end would tell the peer that all is well. A second panic would abort the process.
#[test]
fn a_drop_in_a_panic_reads_nothing() {
    let ((near, mut far), counts) = socket_pair(0);
    let (task, unread) = (Task::new(), 20_000);
    assert_eq!(task.write(&mut far, &[7; 20_000]), ok(unread));
    assert_eq!(task.flush(&mut far), ok(()));
    counts.reads.store(0, SeqCst);
    counts.panics.store(true, SeqCst);
    let ended = catch_unwind(AssertUnwindSafe(move || {
        let _near = near;
        panic!("by the test, as a handler may");
    }));
    let reason = *ended.unwrap_err().downcast::<&str>().unwrap();
    assert_eq!(reason, "by the test, as a handler may");
    assert_eq!(counts.reads.load(SeqCst), 0);
    assert!(counts.unread.load(SeqCst) > unread, "a socket resets over it");
}

/// The server's end is closed over bytes of its client.
#[test]
fn the_server_s_end_does_the_same() {
    let (near, far) = memory_pair::<Shared>(1 << 16);
    let counts = Arc::new(Counts::default());
    let (mut near, mut far) = pair(near, Socket { below: far, counts: counts.clone() }, 2);
    let (task, peer) = (Task::new(), Task::new());
    assert_eq!(peer.write(&mut near, b"more than it wants to know"), ok(26));
    assert_eq!(peer.shutdown(&mut near), ok(()));
    assert_eq!(task.write(&mut far, b"answer"), ok(6));
    assert_eq!(task.shutdown(&mut far), ok(()));
    drop(far);
    assert_eq!(counts.unread.load(SeqCst), 0);
    assert_eq!(peer.read(&mut near), got(b"answer"));
    assert_eq!(peer.read(&mut near), got(b""));
}

#[test]
fn a_peer_that_sends_without_end_holds_up_neither_shutdown_nor_drop() {
    let ((mut near, _far), counts) = socket_pair(500);
    let task = Task::new();
    let reads = || counts.reads.swap(0, SeqCst);
    reads();
    // There are more tickets than one shutdown takes in. None of their bytes are kept.
    let count = measure(|| assert_eq!(task.shutdown(&mut near), ok(())));
    assert_eq!(reads(), 64);
    assert!(count.bytes_current < 64 * 1024, "{} bytes", count.bytes_current);
    // Then the input does not end.
    counts.floods.store(true, SeqCst);
    let _ = task.shutdown(&mut near);
    assert!(reads() <= 64);
    drop(near);
    assert_eq!(reads(), 64);

    // Application data: a shutdown takes in no more than one read from below returned.
    let ((mut near, mut far), counts) = socket_pair(0);
    let peer = Task::new();
    for _ in 0..50 {
        assert_eq!(peer.write(&mut far, &[7; 10_000]), ok(10_000));
    }
    assert_eq!(peer.flush(&mut far), ok(()));
    counts.reads.store(0, SeqCst);
    let count = measure(|| assert_eq!(task.shutdown(&mut near), ok(())));
    println!("{} bytes, {} reads", count.bytes_current, counts.reads.load(SeqCst));
    assert!(counts.reads.load(SeqCst) <= 30 && count.bytes_current < 150_000, "{} bytes", count.bytes_current);
    let mut came = 0;
    while let Poll::Ready(bytes) = task.read(&mut near) {
        came += bytes.unwrap().len();
    }
    assert_eq!(came, 500_000);
}
