//! Handshakes that are passed down with a target.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use common::{block_on, refused};
use mimic_core::io::memory_pair;
use mimic_core::needs::handshake;
use mimic_core::roles::{HostPort, Transport};
use mimic_core::{Context, Ctx, Dialer, Error, ErrorKind, Flow, Handshake, Local, LocalContext, Mode, Phase, Shared};

fn target() -> HostPort {
    HostPort::new("example.org", 443)
}

fn shared() -> Box<dyn Flow + Send> {
    Box::new(memory_pair::<Shared>(8).0)
}

fn local() -> Box<dyn Flow> {
    Box::new(memory_pair::<Local>(8).0)
}

fn works() -> Handshake<Shared> {
    Handshake::<Shared>::new(|flow| async move { Ok(flow) })
}

/// A context whose transport runs the handshake that it is dialled with, and fails without.
fn runs() -> Context {
    Context::new().register(Transport, "runs", 0, handshake(), |_: HostPort, shake: Option<Handshake<_>>| async move {
        shake.ok_or_else(refused)?.run(shared()).await
    })
}

/// A context whose transport expects none.
fn expects_none() -> Context {
    Context::new().register(Transport, "below", 0, handshake(), |_: HostPort, shake: Option<Handshake<_>>| async move {
        assert!(shake.is_none(), "it is for the target that it came with");
        Ok(shared())
    })
}

fn dial(ctx: &Context, shake: Option<Handshake<Shared>>) -> Result<Box<dyn Flow + Send>, Error> {
    block_on(async { ctx.dialer(Transport).await?.dial_with(target(), shake).await })
}

#[test]
fn the_need_receives_it_and_nothing_without() {
    assert!(dial(&runs(), Some(works())).is_ok());
    assert!(dial(&runs(), None).is_err());
    assert!(block_on(runs().resolve(Transport, target())).is_err());
}

#[test]
fn it_is_there_for_every_dial_of_one_plan() {
    let dialer = block_on(runs().dialer(Transport)).unwrap();
    for _ in 0..3 {
        assert!(block_on(dialer.dial_with(target(), works())).is_ok());
        assert!(block_on(dialer.dial(target())).is_err(), "of the dial before");
    }
}

#[test]
fn their_errors_say_that_it_was_the_handshake() {
    let run = |shake: Handshake<Local>| block_on(shake.run(local())).unwrap_err();
    let error = run(Handshake::<Local>::new(|_| async { Err(refused()) }));
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectionRefused, Some(Phase::Handshake)));
    let reads = Handshake::<Local>::new(|_| async { Err(refused().in_phase(Phase::Read)) });
    assert_eq!(run(reads).phase(), Some(Phase::Read));
}

#[test]
fn a_layer_may_take_it_and_the_dial_below_has_none_by_itself() {
    let ctx = expects_none().layer(
        Transport,
        "layer",
        handshake(),
        |to: HostPort, below, shake: Option<Handshake<_>>| async move {
            let flow = below.dial(to).await?;
            shake.ok_or_else(refused)?.run(flow).await
        },
    );
    assert!(dial(&ctx, Some(works())).is_ok());
    assert!(dial(&ctx, None).is_err());
    let ctx = ctx.layer(Transport, "dials on", (), |to: HostPort, below, ()| async move { below.dial(to).await });
    assert!(dial(&ctx, Some(works())).is_err(), "not passed on by a layer without the need");
}

#[test]
fn a_layer_may_pass_it_on() {
    let passes = |below: Dialer<Transport, Shared>, to, shake| async move { below.dial_with(to, shake).await };
    let ctx =
        runs().layer(Transport, "passes on", handshake(), move |to: HostPort, below, shake| passes(below, to, shake));
    assert!(dial(&ctx, Some(works())).is_ok());
    assert!(dial(&ctx, None).is_err());
}

#[test]
fn it_shows_in_the_plan() {
    let plan = runs().explain(Transport).to_string();
    assert!(plan.contains("handshake: passed down with the target, if there is one"), "{plan}");
}

#[test]
fn a_dialer_of_a_function_never_gets_one() {
    let inner = expects_none();
    let tunnel = Dialer::<_, Shared>::from_fn(Transport, move |to: HostPort| {
        let inner = inner.clone();
        async move { inner.resolve(Transport, to).await }
    });
    assert!(block_on(tunnel.dial_with(target(), works())).is_ok());
    assert!(dial(&Context::new().with_dialer(Transport, tunnel), Some(works())).is_ok());
}

/// A given dialer that was prepared keeps its needs.
#[test]
fn a_given_dialer_receives_it() {
    let given = block_on(runs().dialer(Transport)).unwrap();
    assert!(dial(&Context::new().with_dialer(Transport, given), Some(works())).is_ok());
}

#[test]
fn both_modes_have_it() {
    async fn once<M: Mode>(ctx: &Ctx<M>, shake: Handshake<M>) -> Result<M::Flow, Error> {
        ctx.dialer(Transport).await?.dial_with(target(), shake).await
    }
    let ctx =
        LocalContext::new().register(Transport, "runs", 0, handshake(), |_, shake: Option<Handshake<_>>| async move {
            shake.ok_or_else(refused)?.run(local()).await
        });
    // Local handshakes need not be `Send`.
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let counted = count.clone();
    let shake = Handshake::<Local>::new(move |flow| {
        counted.set(counted.get() + 1);
        async move { Ok(flow) }
    });
    assert!(block_on(once(&ctx, shake.clone())).is_ok());
    assert!(block_on(once(&ctx, shake)).is_ok());
    assert_eq!(count.get(), 2);
    assert!(block_on(once(&runs(), works())).is_ok());
}
