//! `Ctx::value`: the value of a key, given or computed. And needs that are gates as well.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::time::Duration;

use common::{A, B, C, D, block_on, name_of, named, refused};
use mimic_core::explain::{PlanError, Verdict};
use mimic_core::keys::Deadline;
use mimic_core::needs::{given, opt, over, req};
use mimic_core::roles::{Connect, HostPort, Transport};
use mimic_core::{Context, Ctx, Error, ErrorKind, Mode, Phase};

#[test]
fn a_value_is_given_or_computed_or_missing() {
    async fn value<M: Mode>(ctx: &Ctx<M>) -> Result<Option<u32>, Error> {
        ctx.value(B).await
    }
    let ctx = Context::new().derive(B, req(A), |a| async move { Ok((a > 1).then_some(a + 1)) });
    assert_eq!(block_on(value(&ctx)).unwrap(), None, "A is missing");
    assert_eq!(block_on(value(&ctx.clone().with(A, 1))).unwrap(), None, "the function says \"not me\"");
    assert_eq!(block_on(value(&ctx.clone().with(A, 2))).unwrap(), Some(3));
    assert_eq!(block_on(value(&ctx.with(A, 2).with(B, 7))).unwrap(), Some(7), "a given value comes first");
    assert_eq!(block_on(value(&Context::new())).unwrap(), None, "nothing is registered");
}

#[test]
fn a_function_that_dials_is_asked_too() {
    let ctx = Context::new().register(Transport, "fails", 0, (), |_: HostPort, ()| async { Err(refused()) }).derive(
        B,
        over(Transport),
        |transport| async move { Ok(transport.dial(HostPort::new("host", 1)).await.is_err().then_some(5)) },
    );
    assert_eq!(block_on(ctx.value(B)).unwrap(), Some(5));
}

#[test]
fn errors_of_functions_and_circles_have_a_report() {
    let fails = Context::new().derive_as(A, "broken", 0, (), |()| async { Err(Error::from(ErrorKind::Other)) });
    let error = block_on(fails.value(A)).unwrap_err();
    assert_eq!((error.at(), error.phase()), (Some("the function \"broken\" for A"), Some(Phase::Plan)));
    assert!(format!("{error:#}").contains("running: the function \"broken\" for A"), "{error:#}");

    let circle = Context::new()
        .derive(A, req(B), |b| async move { Ok(Some(b)) })
        .derive(B, req(A), |a| async move { Ok(Some(a)) });
    let error = block_on(circle.value(A)).unwrap_err();
    assert!(error.to_string().contains("a cycle: A -> B -> A"), "{error}");
}

#[test]
fn the_deadline_needs_a_timer_here_too() {
    let ctx = Context::new().with(Deadline, Duration::from_secs(1)).derive(A, (), |()| async { Ok(Some(1)) });
    let error = block_on(ctx.value(A)).unwrap_err();
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<PlanError>());
    assert_eq!(source, Some(&PlanError::NoSleep));
}

/// `given` decides whether a registration applies, wherever it stands among the needs, and passes
/// its value in its place.
#[test]
fn a_need_that_is_a_gate_as_well_is_named_once() {
    let ctx = Context::new().with(A, 1).register(Connect, "plain", 1, (), |(), ()| async { named("plain") }).register(
        Connect,
        "given",
        0,
        (req(A), given(B), opt(C)),
        |(), (a, b, c)| async move {
            assert_eq!((a, b, c), (1, 2, None));
            named("given")
        },
    );
    let name = |ctx: &Context| block_on(ctx.connect()).map(|flow| name_of(&flow));
    assert_eq!(name(&ctx).unwrap(), "plain", "without a value it is skipped");
    assert_eq!(name(&ctx.clone().with(B, 2)).unwrap(), "given");
    let missing = name(&ctx.with(B, 2).without(A)).unwrap_err();
    assert!(missing.to_string().contains("needs A, which is missing"), "with one it is committed: {missing}");

    let skipped = Context::new().register(Connect, "given", 0, given(D), |(), _| async { named("") }).explain(Connect);
    assert_eq!(skipped.goals()[0].choices[0].verdict, Verdict::Skipped("D: not given".into()));
    assert_eq!(skipped.goals()[0].choices[0].inputs[0].need, "given D");
}
