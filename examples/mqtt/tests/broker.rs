//! The client against mosquitto, on tokio and on smol, and against peers that are no broker.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod world;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::zip;
use mimic_core::keys::Deadline;
use mimic_core::{Context, Error, ErrorKind, Phase};
use mimic_example_mqtt::{Message, publish, receive_one};
use world::{Broker, Runtime, SMOL, TOKIO, connect_to};

/// Makes a test of every `fn case(runtime: Runtime)` for both runtimes.
macro_rules! on_both_runtimes {
    ($($case:ident),* $(,)?) => {
        mod tokio_runtime { $(#[test] fn $case() { super::$case(super::TOKIO) })* }
        mod smol_runtime { $(#[test] fn $case() { super::$case(super::SMOL) })* }
    };
}

on_both_runtimes!(
    over_tcp,
    over_tls,
    over_a_unix_socket,
    a_user_and_a_password,
    a_wrong_password,
    a_topic_that_is_not_allowed,
    a_certificate_for_another_name,
    an_authority_that_is_not_trusted,
    a_message_larger_than_the_broker_takes,
    no_broker,
    a_peer_that_says_nothing,
    a_peer_that_is_no_broker,
    a_peer_that_closes,
    a_broker_that_ends_the_session,
    a_broker_that_sends_more_than_it_may,
    a_packet_is_written_at_once,
    topics_that_are_none,
);

/// A message goes to the broker and comes back, by two connections.
async fn round_trip(ctx: &Context, topic: &str, payload: &[u8]) {
    let (ready, is_ready) = smol::channel::bounded(1);
    let receive = receive_one(ctx, "test/#", move || ready.try_send(()).unwrap());
    let send = async {
        is_ready.recv().await.unwrap();
        publish(ctx, topic, payload).await
    };
    let (received, sent) = zip(receive, send).await;
    sent.unwrap();
    assert_eq!(received.unwrap(), Message { topic: topic.into(), payload: payload.into() });
}

fn round_trips(runtime: Runtime, url: impl Fn(&Broker) -> String) {
    let Some(broker) = Broker::start("") else { return };
    let ctx = broker.context(runtime).with_url(&url(&broker)).unwrap();
    runtime.run(async {
        round_trip(&ctx, "test/short", b"21.5").await;
        round_trip(&ctx, "test/empty", b"").await;
        let long: Vec<u8> = (0..50_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        round_trip(&ctx, "test/grüße/long", &long).await;
    });
}

fn over_tcp(runtime: Runtime) {
    round_trips(runtime, |broker| format!("tcp://127.0.0.1:{}", broker.tcp));
}

fn over_tls(runtime: Runtime) {
    round_trips(runtime, |broker| format!("tls://localhost:{}", broker.tls));
}

fn over_a_unix_socket(runtime: Runtime) {
    round_trips(runtime, |broker| format!("unix:{}", broker.unix.display()));
}

/// What publishing ends with.
fn refused(runtime: Runtime, ctx: Context, topic: &str) -> Error {
    let error = runtime.run(publish(&ctx, topic, b"21.5")).unwrap_err();
    assert!(!format!("{error:#}").contains("wrong-secret"), "{error:#}");
    error
}

fn a_user_and_a_password(runtime: Runtime) {
    let Some(broker) = Broker::start("allow_anonymous false\n") else { return };
    let url = format!("tls://sensor:s%40cret@localhost:{}", broker.tls);
    let ctx = broker.context(runtime).with_url(&url).unwrap();
    runtime.run(round_trip(&ctx, "test/short", b"21.5"));
    let anonymous = format!("tls://localhost:{}", broker.tls);
    let error = refused(runtime, broker.context(runtime).with_url(&anonymous).unwrap(), "test/short");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
}

fn a_wrong_password(runtime: Runtime) {
    let Some(broker) = Broker::start("") else { return };
    let url = format!("tcp://sensor:wrong-secret@127.0.0.1:{}", broker.tcp);
    let error = refused(runtime, broker.context(runtime).with_url(&url).unwrap(), "test/short");
    assert_eq!((error.kind(), error.phase()), (ErrorKind::PermissionDenied, Some(Phase::Handshake)), "{error}");
    assert_eq!(error.at(), Some("mqtt"));
    assert!(error.to_string().contains("the broker refused the client: NotAuthorized (0x87)"), "{error}");
}

fn a_topic_that_is_not_allowed(runtime: Runtime) {
    let Some(broker) = Broker::start("") else { return };
    let ctx = broker.context(runtime).with_url(&format!("tcp://127.0.0.1:{}", broker.tcp)).unwrap();
    let error = refused(runtime, ctx, "closed");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.to_string().contains("the broker refused the message: NotAuthorized (0x87)"), "{error}");
}

fn a_certificate_for_another_name(runtime: Runtime) {
    let Some(broker) = Broker::start("") else { return };
    let ctx = broker.context(runtime).with_url(&format!("tls://127.0.0.1:{}", broker.tls)).unwrap();
    let error = refused(runtime, ctx, "test/short");
    assert_eq!((error.at(), error.phase()), (Some(r#"Secure "tls""#), Some(Phase::Handshake)), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

fn an_authority_that_is_not_trusted(runtime: Runtime) {
    let (Some(broker), Some(other)) = (Broker::start(""), Broker::start("")) else { return };
    let ctx = other.context(runtime).with_url(&format!("tls://localhost:{}", broker.tls)).unwrap();
    let error = refused(runtime, ctx, "test/short");
    assert_eq!((error.at(), error.phase()), (Some(r#"Secure "tls""#), Some(Phase::Handshake)), "{error}");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
}

fn a_message_larger_than_the_broker_takes(runtime: Runtime) {
    let Some(broker) = Broker::start("max_packet_size 1000\n") else { return };
    let ctx = broker.context(runtime).with_url(&format!("tcp://127.0.0.1:{}", broker.tcp)).unwrap();
    let error = runtime.run(publish(&ctx, "test/long", &[0; 1000])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    runtime.run(publish(&ctx, "test/long", &[0; 900])).unwrap();
}

fn no_broker(runtime: Runtime) {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let error = refused(runtime, connect_to(runtime, port), "test/short");
    assert_eq!((error.at(), error.kind()), (Some(r#"Tcp "tcp""#), ErrorKind::ConnectionRefused), "{error}");
}

/// A peer on a port of its own, which serves one connection.
fn peer(serve: impl FnOnce(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    port
}

/// Success, and a name for the client.
const CONNACK: [u8; 9] = [0x20, 7, 0, 0, 4, 0x12, 0, 1, b'x'];

/// Connecting takes nothing of the deadline here, so that it is the client which must keep it.
fn a_peer_that_says_nothing(runtime: Runtime) {
    let port = peer(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let ctx = connect_to(runtime, port).with(Deadline, Duration::from_millis(300));
    let started = Instant::now();
    let error = refused(runtime, ctx, "test/short");
    assert!(error.is_deadline() && error.at() == Some("mqtt"), "{error}");
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(10), "{took:?}");
}

fn a_peer_that_is_no_broker(runtime: Runtime) {
    let port = peer(|mut stream| {
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let error = refused(runtime, connect_to(runtime, port), "test/short");
    assert_eq!((error.at(), error.kind()), (Some("mqtt"), ErrorKind::InvalidData), "{error}");
}

fn a_peer_that_closes(runtime: Runtime) {
    let port = peer(|mut stream| drop(stream.read(&mut [0; 1000])));
    let error = refused(runtime, connect_to(runtime, port), "test/short");
    assert_eq!((error.at(), error.kind()), (Some("mqtt"), ErrorKind::ConnectionAborted), "{error}");
}

fn a_broker_that_ends_the_session(runtime: Runtime) {
    let port = peer(|mut stream| {
        let _ = stream.read(&mut [0; 1000]).unwrap();
        stream.write_all(&CONNACK).unwrap();
        let _ = stream.read(&mut [0; 1000]).unwrap();
        // DISCONNECT: it shuts down.
        stream.write_all(&[0xe0, 2, 0x8b, 0]).unwrap();
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let error = refused(runtime, connect_to(runtime, port), "test/short");
    assert_eq!(error.to_string(), "mqtt: the broker ended the session: ServerShuttingDown (0x8b)");
}

/// A message of 256 MiB is refused by its header.
fn a_broker_that_sends_more_than_it_may(runtime: Runtime) {
    let port = peer(|mut stream| {
        let mut packet = [0; 1000];
        let _ = stream.read(&mut packet).unwrap();
        stream.write_all(&CONNACK).unwrap();
        let _ = stream.read(&mut packet).unwrap();
        // SUBACK of that SUBSCRIBE, then the header of PUBLISH.
        stream.write_all(&[0x90, 4, packet[2], packet[3], 0, 1, 0x30, 0xff, 0xff, 0xff, 0x7f]).unwrap();
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let mut subscribed = false;
    let error = runtime.run(receive_one(&connect_to(runtime, port), "test/#", || subscribed = true)).unwrap_err();
    assert_eq!((error.at(), error.kind()), (Some("mqtt"), ErrorKind::InvalidData), "{error}");
    assert!(subscribed);
}

/// And not field by field, which would be a segment or a record of TLS each.
fn a_packet_is_written_at_once(runtime: Runtime) {
    let (seen, first) = std::sync::mpsc::channel();
    let port = peer(move |mut stream| {
        let mut packet = [0; 1000];
        let len = stream.read(&mut packet).unwrap();
        seen.send(packet[..len].to_vec()).unwrap();
    });
    refused(runtime, connect_to(runtime, port), "test/short");
    let connect = first.recv().unwrap();
    assert_eq!((connect[0], usize::from(connect[1]) + 2), (0x10, connect.len()), "{connect:?}");
}

/// Before anything is dialled.
fn topics_that_are_none(runtime: Runtime) {
    let long = "x".repeat(65_536);
    for topic in ["", "a/#", "a/+/b", "a\0b", &long] {
        let error = refused(runtime, connect_to(runtime, 1), topic);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{topic:?}: {error}");
    }
    let error = runtime.run(receive_one(&connect_to(runtime, 1), "a/#/b", || ())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}
