//! What things print: names for people, and no values, which may be secrets.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use common::{A, Name, block_on, named};
use mimic_core::adapter::AttributeRequest;
use mimic_core::explain::PlanError;
use mimic_core::io::{DuplexWaker, memory_pair};
use mimic_core::keys::Host;
use mimic_core::needs::{is, map, req};
use mimic_core::roles::{HostPort, Transport, UnixPath};
use mimic_core::{Context, Dialer, Error, ErrorKind, Flow, Handshake, Phase, Shared, Text};

#[test]
fn phases_say_what_failed() {
    let told = |phase| Error::new(ErrorKind::Other, "why").in_phase(phase).to_string();
    for (phase, text) in [
        (Phase::Endpoint, "bad endpoint: why"),
        (Phase::Plan, "planning failed: why"),
        (Phase::Lookup, "lookup failed: why"),
        (Phase::Connect, "connect failed: why"),
        (Phase::Handshake, "handshake failed: why"),
        (Phase::Bind, "bind failed: why"),
        (Phase::Accept, "accept failed: why"),
        (Phase::Read, "read failed: why"),
        (Phase::Write, "write failed: why"),
        (Phase::Shutdown, "shutdown failed: why"),
    ] {
        assert_eq!(told(phase), text);
    }
}

#[test]
fn errors_tell_their_sources_in_one_line() {
    let inner = Error::new(ErrorKind::Other, "the inner one");
    let outer = Error::with_source(ErrorKind::InvalidData, inner);
    assert_eq!(outer.to_string(), "the inner one");
    // As `embedded_io` asks.
    assert_eq!(outer.kind(), ErrorKind::InvalidData);
    assert_eq!(mimic_core::embedded_io_async::Error::kind(&outer), ErrorKind::InvalidData);
    assert_eq!(PlanError::NoSleep.to_string(), "a deadline is set, and nothing fills Sleep");
    assert!(Error::from(PlanError::NoSleep).advice().is_some());
}

#[test]
fn only_what_took_too_long_is_a_timeout() {
    assert!(Error::new(ErrorKind::TimedOut, "slow").is_timeout());
    assert!(!Error::new(ErrorKind::ConnectionReset, "gone").is_timeout());
}

/// A source.
#[derive(Debug)]
struct Because(&'static str);

impl std::fmt::Display for Because {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Because {}

/// An error that prints the first, and has the second as its source.
#[derive(Debug)]
struct Closed(&'static str, Because);

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Closed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.1)
    }
}

#[test]
fn a_source_is_told_once() {
    let reason = |text, source| Error::with_source(ErrorKind::Other, Closed(text, Because(source))).reason();
    assert_eq!(reason("closed", "the peer has had enough"), "closed: the peer has had enough");
    assert_eq!(reason("the peer closed", "reset"), "the peer closed: reset");
    assert_eq!(reason("closed (reset) by the peer", "reset"), "closed (reset) by the peer");
    assert_eq!(reason("closed", ""), "closed");
    assert_eq!(reason("", "reset"), "reset");
}

#[test]
fn contexts_and_needs_print_names_and_no_values() {
    let ctx = Context::new()
        .with(Host, "secret.example".into())
        .register(Transport, "named", 0, (), |_, ()| async { named("flow") });
    let text = format!("{ctx:?}");
    assert!(text.contains("Host") && text.contains("named") && !text.contains("secret"), "{text}");
    assert_eq!(format!("{:?}", is(A, 7_u32)), "A is 7");
    assert_eq!(format!("{:?}", map(req(Name), |name: Text| name)), "Map(req Name, ..)");
    let dialer = block_on(ctx.dialer(Transport)).unwrap();
    assert!(format!("{dialer:?}").contains("named"), "{dialer:?}");
    let given: Dialer<Transport, Shared> = Dialer::<_, Shared>::from_fn(Transport, |_| async { named("flow") });
    assert!(format!("{given:?}").contains("given"), "{given:?}");
}

#[test]
fn texts_compare_with_what_they_say() {
    let text = Text::from(String::from("abc"));
    assert!(text == *"abc" && text == "abc" && text.as_ref() == "abc");
    assert!(text != *"abd" && text != "abd");
    assert_eq!((format!("{text}"), format!("{text:?}")), ("abc".into(), "\"abc\"".into()));
    let (a, b) = (Text::from("a"), Text::from("b"));
    assert!(a < b);
}

#[test]
fn targets_print_as_they_are_written() {
    let path = UnixPath::new("/run/app").unwrap();
    assert_eq!((format!("{path}"), format!("{path:?}")), ("/run/app".into(), "/run/app".into()));
    assert_eq!(path.as_bytes(), b"/run/app");
    let hash = |to: &HostPort| {
        use std::hash::{BuildHasher, RandomState};
        static STATE: std::sync::LazyLock<RandomState> = std::sync::LazyLock::new(RandomState::new);
        STATE.hash_one(to)
    };
    let (a, b) = (HostPort::new("a", 7), HostPort::new("a", 8));
    let handshake = Handshake::<Shared>::new(|flow| async { Ok(flow) });
    assert_eq!(format!("{handshake:?}"), "Handshake");
    let same = a.clone();
    assert!(same == a && hash(&same) == hash(&a) && a != b);
}

mimic_core::key! {
    /// An attribute.
    Colour: u8;
}

/// A flow that knows one attribute, over another.
#[derive(Debug)]
struct Coloured<F>(F, Option<u8>, bool);

impl<F: Flow> Flow for Coloured<F> {
    fn poll_read(&mut self, cx: &mut std::task::Context<'_>, buf: &mut [u8]) -> std::task::Poll<Result<usize, Error>> {
        self.0.poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut std::task::Context<'_>, buf: &[u8]) -> std::task::Poll<Result<usize, Error>> {
        self.0.poll_write(cx, buf)
    }

    fn poll_flush(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Error>> {
        self.0.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Error>> {
        self.0.poll_shutdown(cx)
    }

    fn inner(&self) -> Option<&dyn Flow> {
        Some(&self.0)
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        assert!(format!("{request:?}").contains("Colour"), "{request:?}");
        if self.2 {
            request.provide_final(Colour, || self.1);
        } else {
            // An answer to another question is none.
            request.provide_value(A, || Some(9)).provide_value(Colour, || self.1);
        }
    }
}

#[test]
fn the_first_layer_that_knows_answers() {
    use mimic_core::FlowExt;
    let end = || memory_pair::<Shared>(1).0;
    assert_eq!(Coloured(end(), None, false).attribute(Colour), None);
    assert_eq!(Coloured(Coloured(end(), Some(2), false), Some(1), false).attribute(Colour), Some(1));
    assert_eq!(Coloured(Coloured(end(), Some(2), false), None, false).attribute(Colour), Some(2));
    // Whoever knows that there is none has answered, too.
    assert_eq!(Coloured(Coloured(end(), Some(2), false), None, true).attribute(Colour), None);
    assert_eq!(format!("{:?}", end()), "Memory { .. }");
}

#[test]
fn two_wakers_wake_both() {
    let wakers = DuplexWaker::default();
    let (reader, writer) = (CountWakes::new(), CountWakes::new());
    wakers.reader(&std::task::Context::from_waker(&reader.clone().into()));
    wakers.writer(&std::task::Context::from_waker(&writer.clone().into()));
    wakers.both().wake_by_ref();
    wakers.both().wake_by_ref();
    assert_eq!((reader.count(), writer.count()), (1, 1), "each is woken once, until it asks again");
}

#[derive(Default)]
struct CountWakes(std::sync::atomic::AtomicUsize);

impl CountWakes {
    fn new() -> std::sync::Arc<Self> {
        std::sync::Arc::default()
    }

    fn count(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl std::task::Wake for CountWakes {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}
