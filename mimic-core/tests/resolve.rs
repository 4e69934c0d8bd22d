//! Who is chosen, what is computed, and in which order: the promises of `resolve`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use common::*;
use mimic_core::adapter::first_ok;
use mimic_core::explain::PlanError;
use mimic_core::needs::{has, is, map, opt, or_default, over, req, when};
use mimic_core::roles::{Connect, HostPort, Tcp, Transport};
use mimic_core::{Context, Dialer, Error, ErrorKind, FlowExt, LocalContext, Priority, Role, Shared};

fn target() -> HostPort {
    HostPort::new("example.org", 443)
}

fn connect(ctx: &Context) -> Result<&'static str, Error> {
    block_on(ctx.connect()).map(|flow| name_of(&flow))
}

/// A candidate of the root that is nothing but a name.
fn root(ctx: Context, name: &'static str, priority: impl Into<Priority>) -> Context {
    ctx.register(Connect, name, priority, (), move |(), ()| async move { named(name) })
}

#[test]
fn lower_priority_first_then_latest_registered_and_unprioritised_last() {
    let ctx = root(Context::new(), "unprioritised", Priority::NONE);
    let ctx = root(ctx, "20", 20);
    let ctx = root(ctx, "10, older", 10);
    assert_eq!(connect(&ctx).unwrap(), "10, older");
    let ctx = root(ctx, "10, newer", 10);
    assert_eq!(connect(&ctx).unwrap(), "10, newer");
    assert_eq!(connect(&root(ctx, "-1", -1)).unwrap(), "-1");
    let ctx = root(root(Context::new(), "first", Priority::NONE), "second", Priority::NONE);
    assert_eq!(connect(&ctx).unwrap(), "second");
}

#[test]
fn gates_choose_and_leave_no_trace_in_the_arguments() {
    let ctx = Context::new()
        .register(Connect, "other", 1, when(is(A, 2)).needs((req(B),)), |(), (b,)| async move {
            let _: u32 = b;
            named("other")
        })
        .register(Connect, "one", 2, when(has(B)).and(is(A, 1)).needs((req(B), opt(C))), |(), (b, c)| async move {
            assert_eq!((b, c), (7u32, None::<u32>));
            named("one")
        })
        .with(A, 1)
        .with(B, 7);
    assert_eq!(connect(&ctx).unwrap(), "one");
    assert_eq!(connect(&ctx.with(A, 2)).unwrap(), "other");
}

#[test]
fn needs_reach_the_function_in_order_single_needs_bare() {
    let ctx = Context::new()
        .with(A, 1)
        .register(
            Connect,
            "all",
            0,
            (req(A), opt(B), or_default(C, 3), map((req(A), or_default(D, 10)), |(a, d)| a + d)),
            |(), args| async move {
                assert_eq!(args, (1, None, 3, 11));
                named("all")
            },
        )
        .register(Tcp, "single", 0, req(A), |_: SocketAddr, a| async move {
            assert_eq!(a, 1);
            named("single")
        });
    assert_eq!(connect(&ctx).unwrap(), "all");
    block_on(ctx.resolve(Tcp, "127.0.0.1:1".parse().unwrap())).unwrap();
}

/// Of more needs than the engine remembers where it found them, and of functions that have as many.
#[test]
fn eight_needs_given_and_computed_each_reach_their_place() {
    let given = [0, 2, 4, 6].into_iter().fold(Context::new(), |ctx, n| ctx.with(Nth(n), n));
    let ctx = [1, 3, 5, 7].into_iter().fold(given, |ctx, n| {
        let needs = (req(Nth(6)), req(Nth(4)), or_default(Nth(99), 5), opt(Nth(2)), req(Nth(0)), req(Nth(n - 1)));
        ctx.derive(Nth(n), needs, move |args| async move {
            assert_eq!(args, (6, 4, 5, Some(2), 0, n - 1));
            Ok(Some(n))
        })
    });
    let needs =
        ((req(Nth(0)), req(Nth(1)), req(Nth(2)), req(Nth(3))), (req(Nth(4)), req(Nth(5)), req(Nth(6)), req(Nth(7))));
    let both = (map(needs.0, |args| args), map(needs.1, |args| args));
    let ctx = ctx.register(Connect, "eight", 0, both, |(), args| async move {
        assert_eq!(args, ((0, 1, 2, 3), (4, 5, 6, 7)));
        named("eight")
    });
    assert_eq!(connect(&ctx).unwrap(), "eight");
}

#[test]
fn only_what_the_chosen_candidate_needs_is_computed_and_at_most_once() {
    let calls = Calls::default();
    let log = |name: &'static str, value: u32| {
        let calls = calls.clone();
        move |()| {
            calls.add(name);
            async move { Ok(Some(value)) }
        }
    };
    let ctx = Context::new()
        .derive(A, (), log("A", 1))
        .derive(B, (), log("B", 2))
        .derive(C, (), log("C", 3))
        .register(Connect, "never", 0, when(is(A, 99)).needs((req(C),)), |(), _| async { named("never") })
        .register(Connect, "this", 1, (req(B), opt(B), map(req(B), |b| b + 1)), |(), args| async move {
            assert_eq!(args, (2, Some(2), 3));
            named("this")
        });
    assert_eq!(connect(&ctx).unwrap(), "this");
    assert_eq!(calls.take(), ["A", "B"], "C belongs to a candidate that cannot win");
    assert_eq!(connect(&ctx).unwrap(), "this");
    assert_eq!(calls.take(), ["A", "B"], "a resolve begins anew");
}

#[test]
fn what_many_need_is_computed_once_and_a_deep_circle_is_seen() {
    const MANY: u32 = 100;
    let calls = Calls::default();
    // Each needs the next, and all need the last.
    let ctx = (0..MANY).fold(Context::new(), |ctx, n| {
        let calls = calls.clone();
        ctx.derive(Nth(n), (opt(Nth(n + 1)), opt(Nth(MANY - 1))), move |_| {
            calls.add(n.to_string());
            async move { Ok(Some(n)) }
        })
    });
    let root = |ctx: Context| ctx.register(Connect, "root", 0, req(Nth(0)), |(), _| async { named("root") });
    // The last needs itself: a circle, at the end of a hundred.
    assert!(matches!(plan_error(&block_on(root(ctx.clone()).connect()).unwrap_err()), PlanError::Cycle { .. }));
    assert!(calls.take().is_empty());
    let last = calls.clone();
    let ctx = ctx.derive(Nth(MANY - 1), (), move |()| {
        last.add("last");
        async { Ok(Some(0)) }
    });
    assert_eq!(connect(&root(ctx)).unwrap(), "root");
    let called = calls.take();
    assert_eq!((called.len(), called[0].as_str()), (MANY as usize, "last"));
}

#[test]
fn gates_are_decided_before_any_other_need_wherever_they_stand() {
    let calls = Calls::default();
    let log = calls.clone();
    let ctx = Context::new()
        .derive(B, (), move |()| {
            log.add("B");
            async { Ok(Some(2)) }
        })
        .register(Connect, "gated", 0, when(is(A, 1)).needs((req(B),)), |(), _| async { named("gated") })
        .register(Connect, "else", 1, (), |(), ()| async { named("else") });
    assert_eq!(connect(&ctx).unwrap(), "else");
    assert_eq!(calls.take(), [""; 0]);
    assert_eq!(connect(&ctx.with(A, 1)).unwrap(), "gated");
    assert_eq!(calls.take(), ["B"]);
}

#[test]
fn a_value_beats_every_function_and_without_gives_them_back() {
    let ctx = Context::new().derive(A, (), |()| async { Ok(Some(1)) }).register(
        Connect,
        "a",
        0,
        req(A),
        |(), a| async move { if a == 1 { named("function") } else { named("value") } },
    );
    assert_eq!(connect(&ctx).unwrap(), "function");
    let ctx = ctx.with(A, 5).with(A, 2);
    assert_eq!((connect(&ctx).unwrap(), ctx.get(A)), ("value", Some(2)));
    let ctx = ctx.without(A);
    assert_eq!((connect(&ctx).unwrap(), ctx.get(A)), ("function", None));
}

/// However many values came since.
#[test]
fn a_value_that_was_taken_away_long_ago_hides_no_function() {
    let ctx =
        Context::new()
            .derive(A, (), |()| async { Ok(Some(1)) })
            .register(Connect, "a", 0, req(A), |(), _| async { named("a") });
    for ctx in [ctx.clone().without(A), ctx.with(A, 2).without(A)] {
        let ctx = (0..40).fold(ctx, |ctx, n| ctx.with(Nth(n), n));
        assert_eq!(connect(&ctx).unwrap(), "a");
        assert_eq!(connect(&Context::new().merge(&ctx)).unwrap(), "a");
    }
}

#[test]
fn the_newest_function_that_does_not_say_not_me_wins() {
    let ctx = Context::new()
        .derive(A, (), |()| async { Ok(Some(1)) })
        .derive(A, (), |()| async { Ok(Some(2)) })
        .derive(A, (), |()| async { Ok(None) })
        .derive(A, req(B), |_| async { Ok(Some(3)) })
        .derive(A, when(is(C, 9)), |()| async { Ok(Some(4)) })
        .register(Connect, "a", 0, req(A), |(), a| async move { if a == 2 { named("2") } else { named("?") } });
    assert_eq!(connect(&ctx).unwrap(), "2", "\"not me\", a missing need and a shut gate all move on");
}

#[test]
fn a_function_that_fails_ends_the_resolve_even_behind_opt_or_a_gate() {
    let fails = |ctx: Context| {
        ctx.derive(A, (), |()| async { Ok(Some(1)) })
            .derive(A, (), |()| async { Err(Error::new(ErrorKind::PermissionDenied, "no key")) })
    };
    for ctx in [
        fails(Context::new()).register(Connect, "opt", 0, opt(A), |(), _| async { named("opt") }),
        fails(Context::new()).register(Connect, "gate", 0, when(is(A, 1)), |(), ()| async { named("gate") }),
        fails(Context::new()).register(Connect, "given", 0, when(has(A)), |(), ()| async { named("given") }),
        fails(Context::new()).register(Connect, "default", 0, or_default(A, 1), |(), _| async { named("default") }),
    ] {
        let ctx = root(ctx, "fallback", Priority::NONE);
        let error = connect(&ctx).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert_eq!(error.to_string(), "the function #1 for A: planning failed: no key");
    }
}

#[test]
fn a_committed_candidate_with_a_missing_need_is_an_error_an_ungated_one_is_passed_over() {
    let ctx = root(Context::new(), "next", 1).with(A, 1);
    let ungated = ctx.clone().register(Connect, "ungated", 0, req(B), |(), _| async { named("ungated") });
    assert_eq!(connect(&ungated).unwrap(), "next");
    let gated = ctx.register(Connect, "gated", 0, when(is(A, 1)).needs((req(B),)), |(), _| async { named("gated") });
    let error = connect(&gated).unwrap_err();
    assert_eq!(plan_error(&error), PlanError::Missing { need: "B".into(), of: "Connect \"gated\"".into() });
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("with(B, …)"), "{error}");
}

#[test]
fn a_committed_failure_below_is_not_a_reason_to_move_on_above() {
    let ctx = root(Context::new(), "next", 1)
        .with(A, 1)
        .register(Transport, "below", 0, when(is(A, 1)).needs((req(B),)), |_, _| async { named("below") })
        .register(Connect, "above", 0, over(Transport), |(), _| async { named("above") });
    assert_eq!(
        plan_error(&connect(&ctx).unwrap_err()),
        PlanError::Missing { need: "B".into(), of: "Transport \"below\"".into() }
    );
    // Where nothing applies below, and nobody is committed, the next candidate is free to try.
    assert_eq!(connect(&ctx.with(A, 2)).unwrap(), "next");
}

#[test]
fn a_failed_connect_never_moves_to_another_candidate() {
    let calls = Calls::default();
    let log = calls.clone();
    let ctx = Context::new()
        .register(Transport, "clear text", 1, (), move |_, ()| {
            log.add("clear text");
            async { named("clear text") }
        })
        .register(Transport, "tls", 0, (), |_, ()| async { Err(refused()) });
    let error = block_on(ctx.resolve(Transport, target())).unwrap_err();
    assert_eq!(error.to_string(), "Transport \"tls\" to example.org:443: nobody listens");
    assert_eq!(calls.take(), [""; 0]);
}

mimic_core::role! {
    /// Of the hypervisor.
    pub Vsock: HostPort;
    /// Plain TCP.
    pub Plain: HostPort;
}

#[test]
fn fallback_is_written_down_and_reports_every_failure() {
    let ctx = Context::new()
        .register(Vsock, "vsock", 0, (), |_, ()| async { Err(Error::new(ErrorKind::NotFound, "no hypervisor")) })
        .register(Transport, "vsock, else tcp", 0, (over(Vsock), over(Plain)), first_ok);
    let works = ctx.clone().register(Plain, "tcp", 0, (), |_, ()| async { named("tcp") });
    assert_eq!(name_of(&block_on(works.resolve(Transport, target())).unwrap()), "tcp");

    let fails = ctx.register(Plain, "tcp", 0, (), |_, ()| async { Err(refused()) });
    let error = block_on(fails.resolve(Transport, target())).unwrap_err();
    assert_eq!(error.to_string(), "Plain \"tcp\" to example.org:443: nobody listens");
    let attempts: Vec<String> = error.report().unwrap().attempts().iter().map(ToString::to_string).collect();
    assert_eq!(
        attempts,
        ["Vsock \"vsock\" to example.org:443: no hypervisor", "Plain \"tcp\" to example.org:443: nobody listens"]
    );
    assert!(format!("{error:#}").contains("Vsock \"vsock\" to example.org:443: no hypervisor"), "{error:#}");
}

#[test]
fn layers_wrap_newest_outermost_outside_every_candidate_and_choose_the_target_below() {
    let calls = Calls::default();
    let proxy = |ctx: Context, name: &'static str| {
        let calls = calls.clone();
        ctx.layer(Transport, name, (), move |to: HostPort, below, ()| {
            calls.add(format!("{name}: {to}"));
            async move { below.dial(HostPort::new(name, 1080)).await }
        })
    };
    let ctx = proxy(proxy(Context::new(), "inner"), "outer");
    let log = calls.clone();
    let ctx = ctx.register(Transport, "tcp", -5, (), move |to: HostPort, ()| {
        log.add(format!("tcp: {to}"));
        async { named("tcp") }
    });
    block_on(ctx.resolve(Transport, target())).unwrap();
    assert_eq!(calls.take(), ["outer: example.org:443", "inner: outer:1080", "tcp: inner:1080"]);
}

#[test]
fn only_its_gates_skip_a_layer_a_missing_need_is_an_error() {
    let ctx = root(Context::new(), "flow", 0).layer(
        Connect,
        "gated",
        when(is(A, 1)).needs((req(B),)),
        |(), _below, _| async { named("layer") },
    );
    assert_eq!(connect(&ctx).unwrap(), "flow");
    assert_eq!(connect(&ctx.clone().with(A, 1).with(B, 0)).unwrap(), "layer");
    let error = connect(&ctx.with(A, 1)).unwrap_err();
    assert_eq!(plan_error(&error), PlanError::Missing { need: "B".into(), of: "Connect \"gated\"".into() });
    let ctx = root(Context::new(), "flow", 0).layer(Connect, "bare", req(B), |(), _below, _| async { named("layer") });
    assert_eq!(
        plan_error(&connect(&ctx).unwrap_err()),
        PlanError::Missing { need: "B".into(), of: "Connect \"bare\"".into() }
    );
}

#[test]
fn a_given_dialer_replaces_candidates_and_layers_and_later_layers_wrap_it() {
    let ctx = root(Context::new(), "candidate", 0)
        .layer(Connect, "old layer", (), |(), _below, ()| async { named("old layer") })
        .with_dialer(Connect, Dialer::<_, Shared>::from_fn(Connect, |()| async { named("given") }));
    assert_eq!(connect(&ctx).unwrap(), "given");
    assert_eq!(connect(&root(ctx.clone(), "later candidate", -1)).unwrap(), "given");
    let ctx = ctx.layer(Connect, "new layer", (), |(), below, ()| async move {
        assert_eq!(name_of(&below.dial(()).await?), "given");
        named("new layer")
    });
    assert_eq!(connect(&ctx).unwrap(), "new layer");
}

#[test]
fn merge_adds_what_is_lacking_in_order_and_the_same_registration_once() {
    let base = root(Context::new(), "base", 5).with(A, 1).with(B, 1);
    let extended = root(base.clone(), "extended", 5).with(B, 2).with(C, 2);
    let merged = base.clone().merge(&extended);
    assert_eq!((merged.get(A), merged.get(B), merged.get(C)), (Some(1), Some(2), Some(2)));
    assert_eq!(connect(&merged).unwrap(), "extended");
    assert_eq!(merged.explain(Connect).goals()[0].choices.len(), 2, "\"base\" counts once");
    // The other way round nothing is lacking, so nothing becomes newer.
    assert_eq!(connect(&extended.clone().merge(&base)).unwrap(), "extended");
    assert_eq!(extended.merge(&base).get(B), Some(1));

    let layers = Context::new().layer(Connect, "inner", (), |(), below, ()| async move { below.dial(()).await }).layer(
        Connect,
        "outer",
        (),
        |(), below, ()| async move { below.dial(()).await },
    );
    let names: Vec<_> =
        base.clone().merge(&layers).explain(Connect).goals()[0].choices.iter().map(|c| c.name.clone()).collect();
    assert_eq!(names, ["base", "inner", "outer"]);

    let functions = Context::new().derive(D, (), |()| async { Ok(Some(1)) }).derive(D, (), |()| async { Ok(Some(2)) });
    let ctx = base.merge(&functions).register(Connect, "d", 0, req(D), |(), d| async move {
        if d == 2 { named("newest") } else { named("oldest") }
    });
    assert_eq!(connect(&ctx).unwrap(), "newest");

    let given =
        Context::new().with_dialer(Connect, Dialer::<_, Shared>::from_fn(Connect, |()| async { named("given") }));
    assert_eq!(connect(&ctx.merge(&given)).unwrap(), "given");
}

#[test]
fn contexts_are_values() {
    let a = root(Context::new(), "a", 0).with(A, 1);
    let b = root(a.clone(), "b", 0).with(A, 2);
    assert_eq!((connect(&a).unwrap(), a.get(A)), ("a", Some(1)));
    assert_eq!((connect(&b).unwrap(), b.get(A)), ("b", Some(2)));
}

#[test]
fn a_context_of_ten_thousand_values_keeps_them_all() {
    let mut ctx = Context::new();
    let mut older = Vec::new();
    // Miri takes a thousand times as long.
    let all = if cfg!(miri) { 120 } else { 10_000 };
    for n in 0..all {
        if n % 100 == 0 {
            older.push((n, ctx.clone()));
        }
        ctx = ctx.with(Nth(n), n);
        if n % 7 == 0 {
            ctx = ctx.without(Nth(n / 2));
        }
    }
    let removed = |n: u32, made: u32| (2 * n..2 * n + 2).any(|by| by % 7 == 0 && by < made && by / 2 == n && by >= n);
    for (made, ctx) in older.into_iter().chain([(all, ctx)]) {
        for n in (0..all).step_by(13) {
            let wanted = (n < made && !removed(n, made)).then_some(n);
            assert_eq!(ctx.get(Nth(n)), wanted, "value {n} of the context made at {made}");
        }
    }
}

#[test]
fn a_kept_dialer_plans_once_and_dials_often() {
    let calls = Calls::default();
    let log = calls.clone();
    let count = Arc::new(AtomicU32::new(0));
    let ctx = Context::new()
        .derive(A, (), move |()| {
            log.add("computed");
            async { Ok(Some(1)) }
        })
        .register(Transport, "counts", 0, req(A), move |to: HostPort, _| {
            let count = count.clone();
            async move {
                match count.fetch_add(1, Relaxed) {
                    1 => Err(refused()),
                    _ => named(if to.port == 1 { "one" } else { "other" }),
                }
            }
        });
    let dialer = block_on(ctx.dialer(Transport)).unwrap();
    assert_eq!(calls.take(), ["computed"]);
    assert_eq!(name_of(&block_on(dialer.dial(HostPort::new("a", 1))).unwrap()), "one");
    let error = block_on(dialer.dial(HostPort::new("b", 2))).unwrap_err();
    assert_eq!(error.to_string(), "Transport \"counts\" to b:2: nobody listens");
    assert!(error.report().unwrap().plan().to_string().contains("+ counts [0]: yes"), "a dial reports by itself");
    assert_eq!(name_of(&block_on(dialer.clone().dial(HostPort::new("c", 3))).unwrap()), "other");
    assert_eq!(calls.take(), [""; 0]);
}

#[test]
fn a_dialer_kept_from_below_works_after_its_connect_and_reports_for_itself() {
    let (kept, keep) = Kept::new();
    let ctx = Context::new().register(Tcp, "refuses", 0, (), |_, ()| async { Err(refused()) }).register(
        Connect,
        "pool",
        0,
        over(Tcp),
        move |(), link| {
            keep.put(link);
            async { named("pooled") }
        },
    );
    assert_eq!(connect(&ctx).unwrap(), "pooled");
    let link = kept.take();
    let error = block_on(link.dial("127.0.0.1:9".parse().unwrap())).unwrap_err();
    assert_eq!(error.to_string(), "Tcp \"refuses\" to 127.0.0.1:9: nobody listens");
}

#[test]
fn functions_may_dial() {
    let ctx = Context::new()
        .register(Tcp, "link", 0, (), |_, ()| async { named("link") })
        .derive(Name, over(Tcp), |link| async move {
            let flow = link.dial("127.0.0.1:1".parse().map_err(|_| refused())?).await?;
            Ok(Some(name_of(&flow).into()))
        })
        .register(Connect, "root", 0, when(is(Name, "link")), |(), ()| async { named("root") });
    assert_eq!(connect(&ctx).unwrap(), "root");
}

#[test]
fn roles_and_keys_have_instances() {
    #[derive(Clone, Copy, Debug)]
    struct Dns(u32);
    impl Role for Dns {
        type Target = ();
        type Output<M: mimic_core::Mode> = u32;
        const NAME: &'static str = "Dns";
        fn instance(&self) -> u32 {
            self.0
        }
    }
    let ctx = Context::new().register(Dns(1), "one", 0, (), |(), ()| async { Ok(1) }).register(
        Dns(2),
        "two",
        0,
        over(Dns(1)),
        |(), one| async move { Ok(one.dial(()).await? + 1) },
    );
    assert_eq!(block_on(ctx.resolve(Dns(2), ())).unwrap(), 2);
    let error = block_on(ctx.resolve(Dns(3), ())).unwrap_err();
    assert_eq!(plan_error(&error), PlanError::NoCandidate { role: "Dns#3".into() });
}

#[test]
fn a_role_over_itself_in_another_instance_or_a_shared_lower_role_is_planned_once() {
    let calls = Calls::default();
    let log = calls.clone();
    let ctx = Context::new()
        .derive(A, (), move |()| {
            log.add("A");
            async { Ok(Some(1)) }
        })
        .register(Tcp, "link", 0, req(A), |_, _| async { named("link") })
        .register(Vsock, "v", 0, over(Tcp), |_, _| async { Err(refused()) })
        .register(Plain, "t", 0, over(Tcp), |_, link| async move { link.dial("127.0.0.1:1".parse().unwrap()).await })
        .register(Connect, "root", 0, (over(Vsock), over(Plain)), |(), dialers| {
            first_ok(HostPort::new("x", 1), dialers)
        });
    assert_eq!(connect(&ctx).unwrap(), "link");
    assert_eq!(calls.take(), ["A"]);
}

#[test]
fn the_local_mode_takes_what_is_not_send() {
    let cell = std::rc::Rc::new(std::cell::Cell::new(0));
    let inner = cell.clone();
    let ctx = LocalContext::new().register(Connect, "local", 0, (), move |(), ()| {
        inner.set(inner.get() + 1);
        let keep = inner.clone();
        async move {
            std::future::ready(()).await;
            keep.set(keep.get() + 10);
            Ok(Named("local").boxed_local())
        }
    });
    let flow = block_on(ctx.connect()).unwrap();
    assert!(flow.downcast_ref::<Named>().is_some());
    assert_eq!(cell.get(), 11);
}

#[test]
fn a_resolve_within_a_resolve_loses_neither_tree() {
    let inner = Context::new().register(Tcp, "inner link", 0, (), |_, ()| async { Err(refused()) }).register(
        Transport,
        "inner",
        0,
        over(Tcp),
        |_: HostPort, link| async move { link.dial("192.0.2.1:1".parse().map_err(|_| refused())?).await },
    );
    let ctx = Context::new().register(Connect, "outer", 0, (), move |(), ()| {
        let inner = inner.clone();
        async move { inner.resolve(Transport, target()).await }
    });
    let error = block_on(ctx.connect()).unwrap_err();
    let tree = format!("{error:#}");
    for line in ["+ outer [0]: yes", "+ inner [0]: yes", "Tcp \"inner link\" to 192.0.2.1:1: nobody listens"] {
        assert!(tree.contains(line), "{line:?} in\n{tree}");
    }
    assert!(error.report().unwrap().inner().is_some());
}
