//! Discarding unread bytes: all of them up to a bound, without waiting, and not in a panic.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mimic_std::discard_unread;
use socket2::SockRef;

const PATIENCE: Duration = Duration::from_secs(10);
/// How much one call discards at most.
const BOUND: usize = 256 * 1024;

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// Discards on another thread, and fails if that does not return.
fn discard_in_time(socket: UnixStream) -> UnixStream {
    let (done, waits) = mpsc::channel();
    thread::spawn(move || {
        discard_unread(&SockRef::from(&socket));
        let _ = done.send(socket);
    });
    waits.recv_timeout(PATIENCE).expect("the call waits")
}

#[test]
fn what_has_arrived_is_discarded() {
    let (mut near, mut far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while sent < 100 * 1024 {
        sent += far.write(&[7; 10 * 1024]).expect("the socket has room for 100 KiB");
    }
    discard_unread(&SockRef::from(&near));
    assert_eq!(near.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// `O_NONBLOCK` belongs to the socket: a second descriptor that blocks makes the first block, too.
#[test]
fn a_socket_that_was_made_blocking_does_not_block() {
    let (near, mut far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    let dup = near.try_clone().unwrap();
    dup.set_nonblocking(false).unwrap();
    let near = discard_in_time(near);
    far.write_all(b"late").unwrap();
    discard_in_time(near);
    dup.set_nonblocking(true).unwrap();
    assert_eq!((&dup).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "shared, so gone for both");
}

#[test]
fn a_peer_that_sends_without_end_does_not_keep_the_call() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let flood = thread::spawn(move || while far.write(&[7; 64 * 1024]).is_ok() {});
    let near = discard_in_time(near);
    drop(near);
    flood.join().unwrap();

    // More lies there than one call takes: it takes no more than the bound.
    let (mut near, mut far) = tcp_pair();
    SockRef::from(&near).set_recv_buffer_size(4 << 20).unwrap();
    far.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while let Ok(n) = far.write(&[7; 64 * 1024]) {
        sent += n;
    }
    assert!(sent > BOUND, "{sent} bytes");
    discard_unread(&SockRef::from(&near));
    drop(far);
    let left = near.read_to_end(&mut Vec::new()).unwrap();
    assert!((1..=BOUND).contains(&(sent - left)), "{} of {sent} bytes were discarded", sent - left);
}

struct Discards(TcpStream);

impl Drop for Discards {
    fn drop(&mut self) {
        discard_unread(&SockRef::from(&self.0));
    }
}

/// A clean end would say that all is well.
#[test]
fn a_panic_discards_nothing() {
    for panics in [true, false] {
        let (near, mut far) = tcp_pair();
        far.write_all(b"question").unwrap();
        near.peek(&mut [0]).unwrap();
        near.set_nonblocking(true).unwrap();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let _discards = Discards(near);
            assert!(!panics, "as a handler may");
        }));
        assert_eq!(ended.is_err(), panics);
        match far.read(&mut [0]) {
            Ok(n) => assert!(n == 0 && !panics),
            Err(error) => assert!(error.kind() == ErrorKind::ConnectionReset && panics, "{error}"),
        }
    }
}
