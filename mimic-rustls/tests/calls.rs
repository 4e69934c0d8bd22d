//! The calls that TLS makes to the flow below. Each call may be one of the system, and each write a
//! packet.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;
#[path = "../../mimic-core/tests/flow_kit/mod.rs"]
mod flow_kit;

use std::sync::Arc;
use std::task::Poll;

use common::flows::Counted;
use common::tasks::both;
use common::{Authority, NAME, handshake, server};
use flow_kit::{Task, got, ok};
use mimic_core::Shared;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::memory_pair;
use mimic_rustls::rustls::version::TLS13;

/// Reads and sends each flight by one call, whatever its size: with certificates that are larger
/// than the memory of a flow, and with small ones.
#[test]
fn a_handshake_takes_one_read_and_one_write_per_flight() {
    let authority = Authority::new();
    for names in [1, 30, 300] {
        let names: Vec<String> = (0..names).map(|i| format!("{i}.example.org")).chain([NAME.into()]).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (certificate, key) = authority.issue(&names, |_| {});
        let size = certificate.len();
        let (client, server) = (Arc::new(authority.client(&[&TLS13])), server(vec![certificate], key, &[&TLS13]));
        let (near, far) = memory_pair::<Shared>(64 * 1024);
        let ((near, client_counts), (far, server_counts)) = (Counted::new(near), Counted::new(far));
        let counts = [client_counts, server_counts];
        let (mut near, mut far) = handshake((near, far), &client, &server);
        assert_eq!(
            counts[0].taken(),
            [1, 2],
            "client, a certificate of {size} bytes: hello; all of the server's; finished"
        );
        assert_eq!(
            counts[1].taken(),
            [2, 2],
            "server, a certificate of {size} bytes: hello; all it has; finished; tickets"
        );
        // From here on, each message is one call.
        both(
            &"a ping",
            async {
                // The tickets come with the answer.
                near.write_all(b"ping").await.unwrap();
                near.flush().await.unwrap();
                near.read_exact(&mut [0; 4]).await.unwrap();
            },
            async {
                far.read_exact(&mut [0; 4]).await.unwrap();
                far.write_all(b"pong").await.unwrap();
                far.flush().await.unwrap();
            },
        );
        assert_eq!(counts[1].taken(), [1, 1], "server, a certificate of {size} bytes: a ping");
        let [reads, writes] = counts[0].taken();
        assert!(reads <= 2 && writes == 1, "client, a certificate of {size} bytes: {reads} reads and {writes} writes");
    }
}

/// Otherwise neither the future of a read nor a timeout around it would run again.
#[test]
fn a_peer_that_sends_without_end_and_says_nothing_does_not_keep_the_task() {
    let authority = Authority::new();
    let mut server = authority.server(&[NAME], &[&TLS13]);
    server.send_tls13_tickets = 500;
    let (near, far) = memory_pair::<Shared>(1 << 20);
    let (near, counts) = Counted::new(near);
    let near = Counted { most: 100, ..near };
    let (mut near, mut far) = handshake((near, far), &Arc::new(authority.client(&[&TLS13])), &server);
    let task = Task::new();
    assert_eq!(task.write(&mut far, b"at last"), ok(7));
    assert_eq!(task.flush(&mut far), ok(()));
    // A question that was not flushed is sent in between.
    assert_eq!(task.write(&mut near, b"question"), ok(8));
    counts.taken();
    let mut polls = 0;
    let answer = loop {
        polls += 1;
        let answer = task.read(&mut near);
        let [reads, _] = counts.taken();
        assert!(reads <= 100, "{reads} reads in one poll");
        assert_eq!(task.wakes(), usize::from(answer.is_pending()), "a read that is not done goes on at once");
        if answer.is_ready() {
            break answer;
        }
    };
    assert_eq!(answer, got(b"at last"));
    assert!(polls > 5, "{polls} polls: the tickets were fewer than thought");
    assert_eq!(task.read(&mut near), Poll::Pending);
    assert_eq!(task.wakes(), 0);
    assert_eq!(task.read(&mut far), got(b"question"));
}
