//! What a context can get wrong: cycles, missing keys, roles that nothing fills, functions that
//! fail or panic. Each is an error that names what is wrong, before anything is dialled.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use common::*;
use mimic_core::explain::{PlanError, Verdict};
use mimic_core::keys::{Host, Password, Path, Port, Query, User};
use mimic_core::needs::{When, has, is, map, opt, or_default, over, req, when};
use mimic_core::roles::{Connect, HostPort, Transport};
use mimic_core::{Context, Error, ErrorKind, Phase, Schemes};

fn connect(ctx: &Context) -> Result<&'static str, Error> {
    block_on(ctx.connect()).map(|flow| name_of(&flow))
}

fn cycle(ctx: &Context) -> Vec<String> {
    let error = connect(ctx).unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidInput, Some(Phase::Plan)));
    match plan_error(&error) {
        PlanError::Cycle { path, key } => {
            let text = path.join(" -> ");
            assert!(error.to_string().contains(&text), "{error}");
            match key {
                Some(key) => assert!(error.to_string().contains(&format!("with({key}, …)")), "{error}"),
                None => assert!(error.to_string().contains("a layer dials `below`"), "{error}"),
            }
            // The twin finds the same circle without running anything.
            let explained = ctx.explain(Connect).to_string();
            assert!(explained.contains(&text), "{text} in\n{explained}");
            path
        }
        other => panic!("{other}"),
    }
}

#[test]
fn cycles_of_every_kind_are_reported_as_their_path_before_any_function_on_them_runs() {
    let calls = Calls::default();
    let from = |value: u32| {
        let calls = calls.clone();
        move || {
            calls.add(format!("{value}"));
            async move { Ok(Some(value)) }
        }
    };
    macro_rules! stream_over_a {
        ($($needs:expr),+) => {{
            let mut ctx = Context::new().register(Connect, "root", 0, req(A), |(), _| async { named("root") });
            let mut keys = [1, 2, 3].into_iter();
            $(ctx = { let f = from(keys.next().unwrap()); stream_over_a!(@derive ctx, $needs, f) };)+
            ctx
        }};
        (@derive $ctx:expr, $needs:expr, $f:expr) => {{
            let (key, needs) = $needs;
            $ctx.derive(key, needs, move |_| $f())
        }};
    }
    let abca = ["A", "B", "C", "A"];
    let ctx = stream_over_a!((A, req(B)), (B, req(C)), (C, req(A)));
    assert_eq!(cycle(&ctx), abca);
    assert_eq!(cycle(&stream_over_a!((A, req(A)))), ["A", "A"]);
    assert_eq!(cycle(&stream_over_a!((A, req(B)), (B, opt(C)), (C, req(A)))), abca);
    assert_eq!(cycle(&stream_over_a!((A, or_default(B, 1)), (B, req(A)))), ["A", "B", "A"]);
    assert_eq!(
        cycle(&stream_over_a!((A, map(req(B), |b| b)), (B, map((opt(D), req(A)), |(_, a)| a)))),
        ["A", "B", "A"]
    );
    assert_eq!(cycle(&stream_over_a!((A, when(is(B, 1))), (B, when(has(A))))), ["A", "B", "A"]);
    assert_eq!(calls.take(), [""; 0], "a function on a circle ran");
    // The advice works: a value for one of the keys breaks the circle.
    for broken in [ctx.clone().with(A, 1), ctx.clone().with(B, 1), ctx.with(C, 1)] {
        assert_eq!(connect(&broken).unwrap(), "root");
    }
}

#[test]
fn cycles_through_roles() {
    let ctx = Context::new().register(Connect, "root", 0, over(Connect), |(), _| async { named("root") });
    assert_eq!(cycle(&ctx), ["Connect", "Connect"]);
    let ctx = Context::new()
        .register(Connect, "root", 0, over(Transport), |(), _| async { named("root") })
        .register(Transport, "needs A", 0, req(A), |_: HostPort, _| async { named("transport") })
        .derive(A, over(Transport), |_| async { Ok(Some(1)) });
    assert_eq!(cycle(&ctx), ["Transport", "A", "Transport"]);
    assert_eq!(connect(&ctx.with(A, 1)).unwrap(), "root");
    let ctx = Context::new().register(Connect, "root", 0, (), |(), ()| async { named("root") }).layer(
        Connect,
        "layer",
        over(Connect),
        |(), below, _| async move { below.dial(()).await },
    );
    assert_eq!(cycle(&ctx), ["Connect", "Connect"]);
}

#[test]
fn a_cycle_that_is_not_reached_harms_nobody() {
    let ctx = Context::new()
        .derive(A, req(B), |b| async move { Ok(Some(b)) })
        .derive(B, req(A), |a| async move { Ok(Some(a)) })
        .register(Connect, "circle", 0, when(is(C, 1)).needs((req(A),)), |(), _| async { named("circle") })
        .register(Connect, "other", 1, (), |(), ()| async { named("other") });
    assert_eq!(connect(&ctx).unwrap(), "other");
}

#[test]
fn a_role_with_nothing_registered_says_so() {
    let error = connect(&Context::new()).unwrap_err();
    assert_eq!(plan_error(&error), PlanError::NoCandidate { role: "Connect".into() });
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("register a protocol that fills Connect"), "{error}");

    let ctx = Context::new().with(A, 1).register(
        Connect,
        "root",
        0,
        when(is(A, 1)).needs((over(Transport),)),
        |(), _| async { named("root") },
    );
    let error = connect(&ctx).unwrap_err();
    let of = "Connect \"root\"".into();
    assert_eq!(plan_error(&error), PlanError::Missing { need: "over Transport".into(), of });
    assert!(format!("{error:#}").contains("over Transport: nothing is registered for it"), "{error:#}");
}

#[test]
fn what_is_missing_is_given_or_written_in_the_endpoint() {
    let root = |ctx: Context| ctx.register(Connect, "root", 0, (), |(), ()| async { named("root") });
    let advice = |ctx: Context| connect(&root(ctx)).unwrap_err().advice().unwrap_or_default().to_owned();
    let needs_host = Context::new().layer(Connect, "asks", req(Host), |(), _, _| async { named("") });
    // The part that is missing, and no password where a port is.
    assert_eq!(advice(needs_host), "write it in the endpoint (`scheme://host:port`), or give it: with(Host, …)");
    let needs_port = Context::new().layer(Connect, "asks", req(Port), |(), _, _| async { named("") });
    assert_eq!(advice(needs_port), "write it in the endpoint (`scheme://host:port`), or give it: with(Port, …)");
    let needs_password = Context::new().layer(Connect, "asks", req(Password), |(), _, _| async { named("") });
    let in_endpoint = "write it in the endpoint (`scheme://user:password@host`), or give it: with(Password, …)";
    assert_eq!(advice(needs_password), in_endpoint);
    for (needs, example) in [
        (Context::new().layer(Connect, "asks", req(Path), |(), _, _| async { named("") }), "/path`"),
        (Context::new().layer(Connect, "asks", req(Query), |(), _, _| async { named("") }), "?query`"),
        (Context::new().layer(Connect, "asks", req(User), |(), _, _| async { named("") }), "user:"),
    ] {
        let advice = advice(needs);
        assert!(advice.contains(example), "{advice}");
    }
    let needs_a = Context::new().layer(Connect, "asks", req(A), |(), _, _| async { named("") });
    assert_eq!(advice(needs_a), "give it: with(A, …)");
    let needs_link = Context::new().layer(Connect, "asks", over(Transport), |(), _, _| async { named("") });
    assert_eq!(advice(needs_link), "register a protocol that fills Transport");
}

#[test]
fn the_tree_names_every_candidate_what_was_missing_and_who_said_not_me() {
    let ctx = Context::new()
        .with(A, 1)
        .derive(B, (), |()| async { Ok(None) })
        .register(Connect, "shut", 1, when(is(A, 2)), |(), ()| async { named("") })
        .register(Connect, "not me", 2, req(B), |(), _| async { named("") })
        .register(Connect, "missing", 3, req(C), |(), _| async { named("") });
    let tree = format!("{:#}", connect(&ctx).unwrap_err());
    for line in [
        "Connect: planning failed: no candidate for Connect applies",
        "- shut [1]: no: A is 1, not 2",
        "- not me [2]: no: req B: no function applies",
        "- function #1 [0]: no: it said \"not me\"",
        "- missing [3]: no: req C: not given",
    ] {
        assert!(tree.contains(line), "{line:?} in\n{tree}");
    }
}

#[test]
fn an_unknown_scheme_is_named_with_the_host_and_those_that_are_known() {
    let ctx = Context::new().install(Schemes).with_url("gopher://user:pw@host.example:70/path?query").unwrap();
    let known = "known: \"git\", \"http\", \"tcp\", \"unix\"";
    for (root, error) in [
        ("Connect", block_on(ctx.connect()).unwrap_err()),
        ("Listen", block_on(ctx.listen()).map(|_| "a listener").unwrap_err()),
    ] {
        let line = error.to_string();
        let expected = format!(
            "{root} to gopher://host.example:70: planning failed: the scheme \"gopher\" is not known here; {known}; \
             check the scheme, or register a protocol for it that fills {root}"
        );
        assert_eq!(line, expected);
        let PlanError::UnknownValue { role, key, found, known, .. } = plan_error(&error) else { panic!("{error}") };
        assert_eq!((&*role, &*key, found.as_deref(), known.len()), (root, "Scheme", Some("\"gopher\""), 4));
    }
    let explained = ctx.explain(Connect);
    let reason = format!("the scheme \"gopher\" is not known here; {known}");
    assert_eq!(explained.goals()[0].verdict, Verdict::Skipped(reason));
    // What has no host is named by its path.
    let error = connect(&ctx.with_url("serial:/dev/tty?baud=1").unwrap()).unwrap_err();
    assert_eq!(error.target(), Some("serial:/dev/tty"));

    let error = connect(&Context::new().install(Schemes)).unwrap_err().to_string();
    assert!(error.contains("Scheme is not given; Connect has candidates for \"git\""), "{error}");
    assert!(error.contains("write it in the endpoint"), "{error}");
}

#[test]
fn where_every_candidate_is_for_another_value_of_one_key_it_is_named() {
    let shut = |ctx: Context, needs: When<()>| ctx.register(Connect, "", 0, needs, |(), ()| async { named("") });
    let ctx = shut(shut(Context::new(), when(is(B, 7)).and(is(A, 3))), when(is(B, 8)).and(is(A, 2)));
    let reason = |ctx: &Context| match plan_error(&connect(ctx).unwrap_err()) {
        error @ PlanError::UnknownValue { .. } => error.to_string(),
        other => other.to_string(),
    };
    assert_eq!(reason(&ctx.clone().with(A, 1).with(B, 7)), "A is 1; Connect has candidates for 2, 3");
    assert_eq!(reason(&ctx.clone().with(A, 1).with(B, 1)), "B is 1; Connect has candidates for 7, 8");
    // The first is shut by A, and the other by B.
    assert_eq!(reason(&ctx.clone().with(A, 2).with(B, 7)), "no candidate for Connect applies");
    // A computed one is as good, if somebody asked for it; of what nobody asked for, nothing is
    // claimed.
    let computed = ctx.clone().derive(A, (), |()| async { Ok(Some(9)) });
    assert_eq!(reason(&computed.with(B, 7)), "A is 9; Connect has candidates for 2, 3");
    let unasked = shut(shut(Context::new(), when(is(B, 7)).and(is(A, 3))), when(is(C, 8)).and(is(A, 2)));
    let unasked = unasked.derive(A, (), |()| async { Ok(Some(9)) });
    assert_eq!(reason(&unasked), "no candidate for Connect applies");

    // A key of another's that is called as the standard one is not it.
    mod theirs {
        mimic_core::key! {
            /// Of colours.
            pub Scheme: u16;
        }
    }
    let ctx = Context::new().with(theirs::Scheme, 1);
    let ctx = ctx.register(Connect, "", 0, when(is(theirs::Scheme, 2)), |(), ()| async { named("") });
    assert_eq!(reason(&ctx), "Scheme is 1; Connect has candidates for 2");
    let error = connect(&ctx).unwrap_err();
    assert_eq!(error.advice(), Some("check Scheme, or register a protocol for that value that fills Connect"));

    // Values of secret keys are not named.
    let ctx = Context::new().with(User, "marker".into());
    let ctx = ctx.register(Connect, "", 0, when(is(User, "other")), |(), ()| async { named("") });
    assert_eq!(reason(&ctx), "User is …; Connect has candidates for …");
    assert!(!format!("{:?} {:#}", connect(&ctx).unwrap_err(), ctx.explain(Connect)).contains("marker"));
}

#[test]
fn a_panic_goes_through_and_poisons_nothing() {
    let ctx = Context::new()
        .derive(A, when(is(B, 1)), |()| async { panic!("in a function") })
        .register(Connect, "panics", 0, when(is(C, 1)), |(), ()| async { panic!("in a connect") })
        .register(Connect, "root", 1, opt(A), |(), _| async { named("root") })
        .layer(Connect, "layer", (), |(), below, ()| async move { below.dial(()).await });
    for bad in [ctx.clone().with(B, 1), ctx.clone().with(C, 1)] {
        let panic = catch_unwind(AssertUnwindSafe(|| connect(&bad))).unwrap_err();
        assert!(panic.downcast_ref::<&str>().is_some_and(|text| text.starts_with("in a ")));
        assert_eq!(connect(&bad.without(B).without(C)).unwrap(), "root");
    }
    assert_eq!(connect(&ctx).unwrap(), "root");
}
