//! The memory that a peer can make a handshake hold, by a message that does not end, however it
//! comes, and by messages that do.
//!
//! Run it for devices, too: `cargo test -p mimic-rustls --no-default-features --test heap`. The
//! counts are those of the calling thread; see `allocation-counter`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use allocation_counter::measure;
use common::tasks::both;
use common::{Authority, NAME, server};
use futures_lite::future::{block_on, poll_once};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::memory_pair;
use mimic_core::{Error, ErrorKind, Flow, FlowExt, Phase, Shared};
use mimic_rustls::rustls::version::TLS13;
use mimic_rustls::{accept, connect};

/// The default room for a message, and the most that a handshake may hold.
const ROOM: usize = if cfg!(feature = "std") { 64 * 1024 } else { 16 * 1024 };
const PEAK: u64 = if cfg!(feature = "std") { 192 * 1024 } else { 48 * 1024 };
const WAITING: i64 = if cfg!(feature = "std") { 96 * 1024 } else { 40 * 1024 };

/// A peer that takes everything, and sends one message of `size` bytes in records of `record`
/// bytes, without a heap.
#[derive(Debug)]
struct Endless {
    message: [u8; 4],
    record: u16,
    /// The number of bytes so far.
    at: usize,
    /// The number of bytes after which it sends no more and waits.
    stops: usize,
}

impl Endless {
    fn new(kind: u8, size: u32, record: u16) -> Self {
        let [_, a, b, c] = size.to_be_bytes();
        Self { message: [kind, a, b, c], record, at: 0, stops: usize::MAX }
    }

    fn byte(&self, at: usize) -> u8 {
        let record = usize::from(self.record);
        let [high, low] = self.record.to_be_bytes();
        let (count, place) = (at / (5 + record), at % (5 + record));
        match place {
            0..5 => [22, 3, 3, high, low][place],
            _ => self.message.get(count * record + place - 5).copied().unwrap_or(0),
        }
    }
}

impl Flow for Endless {
    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        // A network gives a packet at a time.
        let n = buf.len().min(1400).min(self.stops - self.at);
        if n == 0 {
            return Poll::Pending;
        }
        for (i, byte) in buf[..n].iter_mut().enumerate() {
            *byte = self.byte(self.at + i);
        }
        self.at += n;
        Poll::Ready(Ok(n))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}

fn assert_refused(error: &Error, what: &str) {
    assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidData, Some(Phase::Handshake)), "{what}: {error}");
    let text = error.to_string();
    for word in [&format!("longer than {ROOM} bytes"), "HandshakeRoom"] {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
}

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

#[test]
fn a_message_without_end_holds_little() {
    let authority = Authority::new();
    let (client, server) = (Arc::new(authority.client(&[&TLS13])), authority.server(&[NAME], &[&TLS13]));
    // Makes what is made once per process.
    let _ = block_on(connect(Endless::new(7, 9, 9), client.clone(), Vec::new(), NAME)).unwrap_err();
    let _ = block_on(accept(Endless::new(7, 9, 9), &server)).unwrap_err();
    for (size, record) in [(65_000, 1), (65_000, 2), (65_000, 90), (0xffff, 1), (16_000, 1), (300, 1), (4000, 1)] {
        // The bytes with the headers of the records.
        let size_there = usize::try_from(size).unwrap();
        let too_long = size_there + size_there.div_ceil(usize::from(record)) * 5 > ROOM / 8 * 9;
        let what = format!("{size} bytes in records of {record}");
        let mut error = None;
        let count = measure(|| {
            let peer = Endless::new(SERVER_HELLO, size, record);
            error = block_on(connect(peer, client.clone(), Vec::new(), NAME)).err();
        });
        println!("client, {what}: {} bytes at most", count.bytes_max);
        assert!(count.bytes_max <= PEAK, "client, {what}: {} bytes", count.bytes_max);
        if too_long {
            assert_refused(&error.unwrap(), &what);
        }
        let mut error = None;
        let count = measure(|| {
            let peer = Endless::new(CLIENT_HELLO, size, record);
            error = block_on(accept(peer, &server)).err();
        });
        println!("server, {what}: {} bytes at most", count.bytes_max);
        assert!(count.bytes_max <= PEAK, "server, {what}: {} bytes", count.bytes_max);
        if too_long {
            assert_refused(&error.unwrap(), &what);
        }
    }
}

/// The peer stops shortly before it is refused, and lets the handshake wait.
#[test]
fn a_handshake_that_waits_for_the_rest_holds_little() {
    let authority = Authority::new();
    let server = authority.server(&[NAME], &[&TLS13]);
    for (record, stops) in [(1, ROOM), (1, ROOM / 8 * 9), (1000, ROOM - 200), (16_000, ROOM - 200)] {
        let peer = Endless { stops, ..Endless::new(CLIENT_HELLO, 0xffff, record) };
        let mut waiting = Box::pin(accept(peer, &server));
        let mut count = measure(|| assert!(block_on(poll_once(&mut waiting)).is_none()));
        count.bytes_current += i64::try_from(size_of_val(&*waiting)).unwrap();
        println!("{stops} bytes in records of {record}: {} bytes", count.bytes_current);
        assert!(count.bytes_current <= WAITING, "{stops} bytes in records of {record}: {}", count.bytes_current);
    }
}

/// Returns the configuration of a server with a certificate for `names` names, of some 20 bytes
/// each, and its size.
fn certificates(authority: &Authority, names: usize) -> (usize, mimic_rustls::rustls::ServerConfig) {
    let names: Vec<String> = (0..names).map(|i| format!("{i:06}.example.org")).chain([NAME.into()]).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (certificate, key) = authority.issue(&names, |_| {});
    (certificate.len(), server(vec![certificate], key, &[&TLS13]))
}

/// The headers of these messages are sealed, so they tell no length: certificates beyond the room,
/// in the smallest records.
#[test]
fn sealed_messages_that_are_too_long_hold_little() {
    let authority = Authority::new();
    let client = Arc::new(authority.client(&[&TLS13]));
    let (size, mut config) = certificates(&authority, if cfg!(feature = "std") { 2800 } else { 720 });
    assert!(size > ROOM / 8 * 6, "{size}");
    config.max_fragment_size = Some(32);
    let (near, far) = memory_pair::<Shared>(4096);
    let peer = thread::spawn(move || block_on(accept(far, &config)).map(drop).unwrap_err());
    let mut error = None;
    let count = measure(|| error = block_on(connect(near, client.clone(), Vec::new(), NAME)).err());
    println!("sealed: {} bytes at most", count.bytes_max);
    assert_refused(&error.unwrap(), "sealed");
    assert!(count.bytes_max <= PEAK, "{} bytes", count.bytes_max);
    peer.join().unwrap();
}

/// Messages that fit the default room: certificates of 15 KiB (those of four authorities with RSA
/// keys of 4,096 bits take 7), also in records of 512 bytes, and hellos of 15 KiB (a key share of
/// ML-KEM-768 takes 1.2).
#[test]
fn messages_within_the_room_pass() {
    let authority = Authority::new();
    for (names, record) in [(720, None), (720, Some(512)), (5, Some(32))] {
        let (size, mut config) = certificates(&authority, names);
        assert!(names < 720 || (14_700..16_000).contains(&size), "{size}");
        config.max_fragment_size = record;
        let protocols: Vec<Vec<u8>> = (0..70_u8).map(|at| vec![at; if names < 720 { 3 } else { 215 }]).collect();
        config.alpn_protocols = vec![protocols[69].clone()];
        let mut client = authority.client(&[&TLS13]);
        client.max_fragment_size = record;
        let (near, far) = memory_pair::<Shared>(2000);
        let what = format!("a certificate of {size} bytes in records of {record:?}");
        let (near, far) = both(&what, connect(near, Arc::new(client), protocols, NAME), accept(far, &config));
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        // Both directions then carry records of full length.
        let sent = vec![7; 40_000];
        let (mut came, mut back) = (vec![0; 40_000], vec![0; 40_000]);
        both(
            &what,
            async {
                near.write_all(&sent).await.unwrap();
                near.flush().await.unwrap();
                near.read_exact(&mut back).await.unwrap();
            },
            async {
                far.read_exact(&mut came).await.unwrap();
                far.write_all(&sent).await.unwrap();
                far.shutdown().await.unwrap();
            },
        );
        assert!(came == sent && back == sent);
    }
}
