//! Handshakes that are handed down with a target.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use common::{block_on, refused};
use mimic_core::{
    Context, Ctx, Dialer, Error, ErrorKind, Flow, Handshake, HostPort, Local, Mode, Phase, Shared, Transport,
    memory_pair,
};

fn target() -> HostPort {
    HostPort::new("example.org", 443)
}

/// Hands a handshake down by `target`, and says what running it gave, if there was one of mode `M`.
fn taken<M: Mode>(mut target: HostPort, flow: M::Flow) -> Option<Result<M::Flow, Error>> {
    let handshake = target.take_handshake::<M>()?;
    assert!(target.take_handshake::<M>().is_none(), "it is taken once");
    Some(block_on(handshake.run(flow)))
}

fn shared() -> Box<dyn Flow + Send> {
    Box::new(memory_pair::<Shared>(8).0)
}

fn local() -> Box<dyn Flow> {
    Box::new(memory_pair::<Local>(8).0)
}

#[test]
fn they_are_taken_once_and_in_their_own_mode() {
    let works = target().until(Handshake::<Shared>::new(|flow| async move { Ok(flow) }));
    assert!(taken::<Shared>(works.clone(), shared()).unwrap().is_ok());
    assert!(taken::<Local>(works.clone(), local()).is_none());
    assert_eq!(works, target(), "who connects first is not a matter of the handshake");

    let works = target().until(Handshake::<Local>::new(|flow| async move { Ok(flow) }));
    assert!(taken::<Local>(works.clone(), local()).unwrap().is_ok());
    assert!(taken::<Shared>(works, shared()).is_none());
    assert!(taken::<Shared>(target(), shared()).is_none());
}

#[test]
fn their_errors_say_that_it_was_the_handshake() {
    let fails = target().until(Handshake::<Local>::new(|_| async { Err(refused()) }));
    let error = taken::<Local>(fails, local()).unwrap().unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectionRefused, Some(Phase::Handshake)));
    let reads = target().until(Handshake::<Local>::new(|_| async { Err(refused().in_phase(Phase::Read)) }));
    assert_eq!(taken::<Local>(reads, local()).unwrap().unwrap_err().phase(), Some(Phase::Read));
}

#[test]
fn whoever_is_dialled_finds_it() {
    let ctx = Context::new().register(Transport, "asks", 0, (), |mut to: HostPort, ()| async move {
        to.take_handshake::<Shared>().ok_or_else(refused)?.run(shared()).await
    });
    let shakes = target().until(Handshake::<Shared>::new(|flow| async move { Ok(flow) }));
    assert!(block_on(ctx.resolve(Transport, shakes)).is_ok());
    assert!(block_on(ctx.resolve(Transport, target())).is_err());
}

#[test]
fn a_layer_may_take_it_and_what_is_below_has_none_by_itself() {
    let ctx = Context::new()
        .register(Transport, "below", 0, (), |mut to: HostPort, ()| async move {
            assert!(to.take_handshake::<Shared>().is_none(), "it is for the end of the layer's way");
            Ok(shared())
        })
        .layer(Transport, "layer", (), |mut to: HostPort, below, ()| async move {
            let handshake = to.take_handshake::<Shared>();
            let flow = below.dial(to).await?;
            handshake.ok_or_else(refused)?.run(flow).await
        });
    let shakes = target().until(Handshake::<Shared>::new(|flow| async move { Ok(flow) }));
    assert!(block_on(ctx.resolve(Transport, shakes.clone())).is_ok());
    assert!(block_on(ctx.resolve(Transport, target())).is_err());
    let ctx = ctx.layer(Transport, "dials on", (), |to: HostPort, below, ()| async move { below.dial(to).await });
    assert!(block_on(ctx.resolve(Transport, shakes)).is_err(), "not handed through by a layer that did not ask");
}

#[test]
fn a_given_dialer_may_take_it_and_hands_nothing_down_by_itself() {
    let shakes = target().until(Handshake::<Shared>::new(|flow| async move { Ok(flow) }));
    let inner = Context::new().register(Transport, "inner", 0, (), |mut to: HostPort, ()| async move {
        assert!(to.take_handshake::<Shared>().is_none(), "the server's handshake is not for whom a tunnel dials");
        Ok(shared())
    });
    let takes = Context::new().with_dialer(
        Transport,
        Dialer::shared(Transport, |mut to: HostPort| async move {
            to.take_handshake::<Shared>().ok_or_else(refused)?.run(shared()).await
        }),
    );
    assert!(block_on(takes.resolve(Transport, shakes.clone())).is_ok());

    let tunnel = Dialer::shared(Transport, move |to: HostPort| {
        let inner = inner.clone();
        async move { inner.resolve(Transport, to).await }
    });
    assert!(block_on(tunnel.dial(shakes)).is_ok());

    let inner = Ctx::<Local>::new().register(Transport, "inner", 0, (), |mut to: HostPort, ()| async move {
        assert!(to.take_handshake::<Local>().is_none(), "nor in the other mode");
        Ok(local())
    });
    let tunnel = Dialer::local(Transport, move |to: HostPort| {
        let inner = inner.clone();
        async move { inner.resolve(Transport, to).await }
    });
    let shakes = target().until(Handshake::<Local>::new(|flow| async move { Ok(flow) }));
    assert!(block_on(tunnel.dial(shakes)).is_ok());
}

#[test]
fn targets_are_hashed_by_host_and_port() {
    let hash = |target: HostPort| {
        let mut hasher = DefaultHasher::new();
        target.hash(&mut hasher);
        hasher.finish()
    };
    let shakes = target().until(Handshake::<Shared>::new(|flow| async move { Ok(flow) }));
    assert_eq!(hash(target()), hash(shakes));
    assert_ne!(hash(target()), hash(HostPort::new("example.org", 80)));
    assert_ne!(hash(target()), hash(HostPort::new("example.com", 443)));
}
