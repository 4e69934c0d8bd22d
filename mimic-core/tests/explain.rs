//! What `explain` says: per candidate yes, no with the reason, maybe, or fails; and it agrees with
//! `resolve`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use common::*;
use mimic_core::explain::{ChoiceKind, Explanation, GoalKind, Verdict};
use mimic_core::keys::Deadline;
use mimic_core::needs::{has, is, opt, or_default, over, req, when};
use mimic_core::roles::{Connect, HostPort, Lookup, Sleep, Tcp, Transport};
use mimic_core::{Context, InOrder, Schemes, Shared};

mimic_core::role! {
    X: ();
    Y: ();
    Z: ();
}

fn no(reason: &str) -> Verdict {
    Verdict::Skipped(reason.into())
}

fn maybe(reason: &str) -> Verdict {
    Verdict::Depends(reason.into())
}

fn fails(reason: &str) -> Verdict {
    Verdict::Errors(reason.into())
}

fn verdict<'a>(explained: &'a Explanation, name: &str) -> &'a Verdict {
    let choices = &explained.goals()[0].choices;
    &choices.iter().find(|choice| choice.name == name).unwrap_or_else(|| panic!("no {name} in\n{explained}")).verdict
}

#[test]
fn nothing_runs() {
    let ctx = Context::new().derive(A, (), |()| async { panic!("a function ran") }).register(
        Connect,
        "root",
        0,
        req(A),
        |(), _| async { panic!("a connect ran") },
    );
    assert!(ctx.explain(Connect).to_string().contains("maybe: A is computed by a function"));
}

#[test]
fn every_verdict_has_its_reason() {
    let ctx = Context::new()
        .with(A, 1)
        .derive(B, (), |()| async { Ok(None) })
        .register(Connect, "yes", 0, when(is(A, 1)).and(has(A)).needs((opt(D),)), |(), _| async { named("") })
        .register(Connect, "shut", 0, when(is(A, 2)), |(), ()| async { named("") })
        .register(Connect, "not given", 0, when(has(D)), |(), ()| async { named("") })
        .register(Connect, "missing", 0, req(D), |(), _| async { named("") })
        .register(Connect, "maybe", 0, req(B), |(), _| async { named("") })
        .register(Connect, "maybe gate", 0, when(is(B, 3)), |(), ()| async { named("") })
        .register(Connect, "maybe committed", 0, when(is(B, 3)).needs((req(D),)), |(), _| async { named("") })
        .register(Connect, "below", 0, over(Transport), |(), _| async { named("") });
    let explained = ctx.explain(Connect);
    let ctx = ctx.register(Connect, "committed", -1, when(is(A, 1)).needs((req(D),)), |(), _| async { named("") });
    let ended = ctx.explain(Connect);
    assert_eq!(*verdict(&explained, "yes"), Verdict::Applies);
    assert_eq!(*verdict(&explained, "shut"), no("A is 1, not 2"));
    assert_eq!(*verdict(&explained, "not given"), no("D: not given"));
    assert_eq!(*verdict(&explained, "missing"), no("req D: not given"));
    assert_eq!(*verdict(&ended, "committed"), fails("req D: not given"));
    assert_eq!(*verdict(&ended, "maybe"), Verdict::NotConsidered, "the resolve ends before");
    assert_eq!(*verdict(&explained, "maybe"), maybe("B is computed by a function"));
    assert_eq!(*verdict(&explained, "maybe gate"), maybe("B is computed by a function"));
    assert_eq!(*verdict(&explained, "maybe committed"), maybe("if it gets that far, it fails: req D: not given"));
    assert_eq!(*verdict(&explained, "below"), no("over Transport: nothing is registered for it"));
}

/// The reason of a maybe is what it hangs on, not what it can do without.
#[test]
fn the_timer_of_the_deadline_is_part_of_it() {
    let clock = JumpingClock::default();
    let ctx = Context::new().register(Connect, "root", 0, (), |(), ()| async { named("") });
    let timed = ctx.clone().with(Deadline, std::time::Duration::from_secs(1));
    let root = |ctx: &Context| ctx.explain(Connect).goals()[0].verdict.clone();
    assert_eq!(root(&ctx), Verdict::Applies, "no deadline, no timer");
    assert_eq!(ctx.explain(Connect).to_string(), clock.install(timed.clone()).explain(Connect).to_string());

    assert_eq!(root(&timed), fails("the deadline needs Sleep: nothing is registered for it"));
    assert!(block_on(timed.connect()).is_err());
    assert_eq!(
        timed.explain(Connect).to_string(),
        "Connect\n  + root [0]: yes\nSleep, which the deadline needs: no: nothing is registered for it"
    );
    let lacks = lacks_timer(&ctx);
    assert_eq!(root(&lacks), fails("the deadline needs Sleep: no candidate applies"));
    assert!(block_on(lacks.connect()).is_err());
    let may = lacks.derive(A, (), |()| async { Ok(None) });
    assert_eq!(root(&may), maybe("Sleep: A is computed by a function"));
    // Where it takes part anyway, it is explained once.
    let waits = lacks_timer(&ctx).register(Connect, "waits", 0, over(Sleep), |(), _| async { named("") });
    let text = waits.explain(Connect).to_string();
    assert_eq!(text.matches("lacks [0]").count(), 1, "{text}");
    // What cannot be had anyway stays so, and why.
    let nobody = Context::new().with(Deadline, std::time::Duration::from_secs(1));
    let nobody = nobody.derive(A, (), |()| async { Ok(None) });
    let nobody = nobody.register(Sleep, "may", 0, req(A), |(), _| async { Err(refused()) });
    assert_eq!(root(&nobody), no("nothing is registered for it"));
    assert_eq!(ctx.explain(Sleep), timed.explain(Sleep), "what is asked for is not asked for twice");
}

fn lacks_timer(ctx: &Context) -> Context {
    let ctx = ctx.clone().with(Deadline, std::time::Duration::from_secs(1));
    ctx.register(Sleep, "lacks", 0, req(A), |(), _| async { Err(refused()) })
}

#[test]
fn what_is_optional_is_no_reason() {
    let ctx = Context::new()
        .derive(A, (), |()| async { Ok(Some(1)) })
        .derive(B, (), |()| async { Ok(Some(1)) })
        .register(Connect, "opt", 0, (opt(A), req(B)), |(), _| async { named("") })
        .register(Connect, "or_default", 0, (or_default(A, 1), req(B)), |(), _| async { named("") });
    let explained = ctx.explain(Connect);
    for name in ["opt", "or_default"] {
        assert_eq!(*verdict(&explained, name), maybe("B is computed by a function"));
    }
}

/// For a goal that cannot be had, its own verdict and what needs it give the same reason.
#[test]
fn why_a_goal_cannot_be_had() {
    let ctx = Context::new()
        .with(A, 1)
        .register(Connect, "root", 0, over(X), |(), _| async { named("root") })
        .register(Z, "key", 0, req(B), |(), _| async { named("key") })
        .derive(B, when(is(A, 2)), |()| async { Ok(Some(1)) });
    let layer = ctx.clone().layer(X, "layer", (), |(), below, ()| async move { below.dial(()).await });
    let candidate = ctx.clone().register(X, "x", 0, when(is(A, 2)), |(), ()| async { named("x") });
    for (explained, need, reason) in [
        (ctx.explain(Connect), "over X", "nothing is registered for it"),
        (layer.explain(Connect), "over X", "no candidate applies"),
        (candidate.explain(Connect), "over X", "A is 1; X has candidates for 2"),
        (ctx.explain(Z), "req B", "no function applies"),
    ] {
        let [above, below] = explained.goals() else { panic!("{explained}") };
        assert_eq!(below.verdict, no(reason));
        assert_eq!(above.choices[0].inputs[0].state, reason);
        assert_eq!(above.choices[0].verdict, no(&format!("{need}: {reason}")));
        assert_eq!(above.verdict, no("no candidate applies"));
    }
    assert_eq!(Context::new().explain(Connect).goals()[0].verdict, no("nothing is registered for it"));
}

/// A reason stands where it arose; above, the name of what fails leads to it.
#[test]
fn a_reason_is_not_repeated_on_the_way_up() {
    let ctx = Context::new()
        .register(Connect, "x", 0, over(X), |(), _| async { named("") })
        .register(X, "y", 0, over(Y), |(), _| async { named("") })
        .with(A, 1)
        .register(Y, "y", 0, when(is(A, 1)).needs((req(D),)), |(), _| async { named("") });
    let explained = ctx.explain(Connect);
    let verdicts: Vec<_> = explained.goals().iter().map(|goal| (&*goal.name, goal.verdict.clone())).collect();
    assert_eq!(verdicts, [("Connect", fails("X fails")), ("X", fails("Y fails")), ("Y", fails("req D: not given"))]);
    assert_eq!(explained.goals()[0].choices[0].inputs[0].state, "fails: X fails");
}

/// The first may fail, if A says so; that the second does is certain.
#[test]
fn the_reason_of_a_certain_failure_is_certain() {
    let ctx = Context::new()
        .with(C, 1)
        .derive(A, (), |()| async { Ok(Some(1)) })
        .register(Connect, "first", 0, when(is(A, 2)).needs((req(B),)), |(), _| async { named("") })
        .register(Connect, "second", 1, when(is(C, 1)).needs((req(D),)), |(), _| async { named("") });
    let explained = ctx.explain(Connect);
    assert_eq!(*verdict(&explained, "first"), maybe("if it gets that far, it fails: req B: not given"));
    assert_eq!(explained.goals()[0].verdict, fails("req D: not given"));
}

/// The tree of an error is told with what the functions said.
#[test]
fn after_a_resolve_what_was_computed_differs_from_what_was_given() {
    let ctx = Context::new().derive(A, (), |()| async { Ok(Some(1)) }).with(B, 1).register(
        Connect,
        "root",
        0,
        when(is(A, 1)).needs((req(A), req(B))),
        |(), _| async { Err(refused()) },
    );
    let states = |explained: &Explanation| {
        let inputs = &explained.goals()[0].choices[0].inputs;
        inputs.iter().map(|input| format!("{}: {}", input.need, input.state)).collect::<Vec<_>>()
    };
    let by_a_function = "computed by a function";
    let before = [format!("A is 1: {by_a_function}"), format!("req A: {by_a_function}"), "req B: given".into()];
    assert_eq!(states(&ctx.explain(Connect)), before);
    let error = block_on(ctx.connect()).unwrap_err();
    assert_eq!(states(error.report().unwrap().plan()), ["A is 1: yes", "req A: computed", "req B: given"]);
}

#[test]
fn the_first_that_applies_is_taken_and_says_what_resolve_does() {
    let ctx = Context::new()
        .register(Connect, "second", 2, (), |(), ()| async { named("second") })
        .register(Connect, "first", 1, when(is(A, 1)), |(), ()| async { named("first") })
        .layer(Connect, "skipped", when(is(A, 2)), |(), _below, ()| async { named("skipped") })
        .layer(Connect, "layer", (), |(), below, ()| async move { below.dial(()).await });
    for (a, name) in [(1, "first"), (3, "second")] {
        let ctx = ctx.clone().with(A, a);
        let explained = ctx.explain(Connect);
        let taken: Vec<_> = explained.goals()[0].choices.iter().filter(|choice| choice.taken).collect();
        assert_eq!(taken.iter().map(|choice| &*choice.name).collect::<Vec<_>>(), [name, "layer"]);
        assert_eq!((taken[0].kind, taken[1].kind), (ChoiceKind::Candidate, ChoiceKind::Layer));
        assert_eq!(explained.goals()[0].verdict, Verdict::Applies);
        assert_eq!(name_of(&block_on(ctx.connect()).unwrap()), name);
    }
}

/// The text as people read it, and the graph as Graphviz does. A change here is a change of what
/// users see.
#[test]
fn text_and_dot_as_they_are_printed() {
    let ctx =
        Context::new()
            .install(Schemes)
            .install(InOrder)
            .register(Lookup, "system", 100, (), |_, ()| async { Ok(Vec::new()) })
            .register(Tcp, "tcp", 100, opt(A), |_, _| async { named("tcp") })
            .layer(Transport, "socks5", req(B), |_to, below, _| async move {
                below.dial(HostPort::new("proxy", 1080)).await
            })
            .derive(B, opt(C), |_| async { Ok(Some(1)) })
            .with_url("tcp://example.org:7")
            .unwrap();
    let explained = ctx.explain(Connect);
    assert_eq!(
        explained.to_string(),
        r#"
Connect
  - git [100]: no: Scheme is "tcp", not "git"
  - http [100]: no: Scheme is "tcp", not "http"
  - unix [100]: no: Scheme is "tcp", not "unix"
  ? tcp [100]: maybe: B is computed by a function
    Scheme is "tcp": yes
    req Host: given
    req Port: given
    over Transport: maybe: B is computed by a function
      + in-order [last]: yes
        over Lookup: yes
          + system [100]: yes
        over Tcp: yes
          + tcp [100]: yes
            opt A: not given, which is fine
      ? layer socks5: maybe: B is computed by a function
        req B: computed by a function
          ? function #1 [0]: maybe: B is computed by a function
            opt C: not given, which is fine
"#
        .trim()
    );
    let dot = explained.dot().to_string();
    assert!(dot.starts_with("digraph explain {\n") && dot.ends_with('}'), "{dot}");
    assert_eq!(dot.matches("[shape=box").count(), 4, "Connect, Transport, Lookup and Tcp\n{dot}");
    assert_eq!(dot.matches("[shape=ellipse").count(), 1, "B\n{dot}");
    assert!(dot.contains(r#"label="over Transport""#), "{dot}");
    assert_eq!(explained.goals().iter().filter(|goal| goal.kind == GoalKind::Role).count(), 4);
}

/// Two spaces per level, up to a limit: what lies deeper says how deep.
#[test]
fn deep_trees_are_numbered_where_the_indentation_ends() {
    let ctx = (0..20)
        .fold(Context::new(), |ctx, n| ctx.derive(Nth(n + 1), req(Nth(n)), |below| async move { Ok(Some(below)) }))
        .with(Nth(0), 1)
        .register(Connect, "root", 0, req(Nth(20)), |(), _| async { named("root") });
    let text = ctx.explain(Connect).to_string();
    // The root, then who takes part and what it needs, in turn, each a level deeper.
    assert_eq!(text.lines().count(), 1 + 2 * 21);
    for (depth, line) in text.lines().enumerate() {
        let words = line.trim_start();
        assert_eq!(line.len() - words.len(), 2 * depth.min(30), "{line:?}");
        assert_eq!(words.starts_with(&format!("({depth}) ")), depth > 30, "{line:?} at {depth}");
    }
}

#[test]
fn what_is_shared_is_explained_once() {
    let ctx = Context::new().register(Tcp, "tcp", 0, (), |_, ()| async { named("tcp") }).register(
        Connect,
        "twice",
        0,
        (over(Tcp), over(Tcp)),
        |(), _| async { named("twice") },
    );
    let text = ctx.explain(Connect).to_string();
    assert_eq!(text.matches("+ tcp").count(), 1, "{text}");
    assert!(text.contains("over Tcp: yes (see above)"), "{text}");
}

/// Candidates that lose are shown, but what they need decides nothing: no resolve asks for it.
#[test]
fn what_stands_behind_a_certain_candidate_decides_nothing() {
    let ctx = Context::new()
        .register(X, "x2", 1, over(Y), |(), _| async { named("x2") })
        .register(X, "x1", 0, (), |(), ()| async { named("x1") })
        .register(Y, "y", 0, over(X), |(), x| async move { x.dial(()).await })
        .register(Z, "z2", 1, over(Connect), |(), _| async { named("z2") })
        .register(Z, "z1", 0, (), |(), ()| async { named("z1") })
        .register(Connect, "both", 0, (over(X), over(Y), over(Z)), |(), (_, y, _)| async move { y.dial(()).await });
    assert_eq!(name_of(&block_on(ctx.connect()).unwrap()), "x1");
    let explained = ctx.explain(Connect);
    assert!(explained.goals().iter().all(|goal| goal.verdict == Verdict::Applies), "{explained}");
    assert!(explained.to_string().contains("- x2 [1]: not considered"), "{explained}");
    let given = ctx.with_dialer(Y, mimic_core::Dialer::<_, Shared>::from_fn(Y, |()| async { named("given") }));
    assert_eq!(name_of(&block_on(given.connect()).unwrap()), "given");
    assert_eq!(given.explain(Connect).goals()[0].verdict, Verdict::Applies);
}

#[test]
fn what_may_be_passed_over_does_not_fail_for_certain() {
    let ctx = Context::new()
        .with(C, 1)
        .derive(A, (), |()| async { Ok(None) })
        .register(Y, "committed", 0, when(is(C, 1)).needs((req(D),)), |(), _| async { named("y") })
        .register(Connect, "first", 0, (req(A), over(Y)), |(), _| async { named("first") })
        .register(Connect, "second", 1, (), |(), ()| async { named("second") });
    assert_eq!(name_of(&block_on(ctx.connect()).unwrap()), "second");
    assert!(matches!(verdict(&ctx.explain(Connect), "first"), Verdict::Depends(_)));
}

#[test]
fn a_layer_over_nothing_is_not_asked() {
    let ctx = Context::new().layer(Connect, "layer", (), |(), below, ()| async move { below.dial(()).await });
    assert!(!ctx.explain(Connect).goals()[0].choices[0].taken);
    let tree = format!("{:#}", block_on(ctx.connect()).unwrap_err());
    assert!(tree.contains("- layer layer: not considered") && !tree.contains("not me"), "{tree}");
}

#[test]
fn who_may_be_uncertain_where_it_is_certain_that_somebody_does() {
    let ctx = Context::new()
        .derive(A, (), |()| async { Ok(None) })
        .register(X, "last", 2, over(Y), |(), y| async move { y.dial(()).await })
        .register(X, "sure", 1, (), |(), ()| async { named("sure") })
        .register(X, "perhaps", 0, req(A), |(), _| async { named("perhaps") })
        .register(Connect, "root", 0, over(X), |(), x| async move { x.dial(()).await });
    let explained = ctx.explain(Connect);
    assert!(explained.goals()[0].choices[0].taken, "{explained}");
    let sure = &explained.goals()[1].choices[1];
    assert!(sure.name == "sure" && !sure.taken, "who it is hangs on A\n{explained}");
    assert_eq!(name_of(&block_on(ctx.connect()).unwrap()), "sure");
}

#[test]
fn what_may_fail_behind_opt_is_not_certain() {
    let ctx = Context::new()
        .derive(A, (), |()| async { Ok(Some(1)) })
        .derive(B, when(is(A, 1)).needs((req(B),)), |_| async { Ok(Some(1)) })
        .register(Connect, "root", 0, opt(B), |(), _| async { named("root") });
    assert!(matches!(verdict(&ctx.explain(Connect), "root"), Verdict::Depends(_)));
    assert!(block_on(ctx.connect()).unwrap_err().to_string().contains("B -> B"));
}

/// Asked for by A, B is in a circle; asked for after A was decided, it need not be.
#[test]
fn a_circle_is_one_only_where_it_is_entered() {
    let ctx = Context::new()
        .derive(A, (), |()| async { Ok(Some(1)) })
        .derive(A, when(has(C)).needs((req(B),)), |_| async { Ok(Some(2)) })
        .derive(B, req(A), |a| async move { Ok(Some(a)) })
        .derive(C, (), |()| async { Ok(None) })
        .register(Connect, "root", 0, (req(A), req(B)), |(), _| async { named("root") });
    assert_eq!(name_of(&block_on(ctx.connect()).unwrap()), "root");
    let explained = ctx.explain(Connect);
    assert!(explained.goals().iter().all(|goal| matches!(goal.verdict, Verdict::Depends(_))), "{explained}");
    // Where C is certain, so is the circle.
    let circle = ctx.with(C, 1).explain(Connect);
    assert!(matches!(circle.goals()[0].verdict, Verdict::Errors(_)), "{circle}");
}

/// B and C need each other, in a circle within that of A. Asked for after A was decided otherwise,
/// C can do without.
#[test]
fn a_circle_within_a_circle_is_one_only_where_it_is_entered() {
    let ctx = Context::new()
        .derive(A, (), |()| async { Ok(Some(1)) })
        .derive(A, when(has(D)).needs((req(B),)), |_| async { Ok(Some(2)) })
        .derive(B, req(C), |c| async move { Ok(Some(c)) })
        .derive(C, req(B), |b| async move { Ok(Some(b)) })
        .derive(C, when(has(Nth(1))).needs((req(A),)), |_| async { Ok(Some(2)) })
        .derive(D, (), |()| async { Ok(None) })
        .derive(Nth(1), (), |()| async { Ok(Some(1)) })
        .register(Connect, "root", 0, (opt(A), req(C)), |(), _| async { named("root") });
    assert_eq!(name_of(&block_on(ctx.connect()).unwrap()), "root");
    let explained = ctx.explain(Connect);
    assert!(explained.goals().iter().all(|goal| matches!(goal.verdict, Verdict::Depends(_))), "{explained}");
}

/// B and C need each other wherever they are asked for: it does not matter that A, from where they
/// were, is in a circle of its own and gets out of it.
#[test]
fn a_circle_that_hangs_on_nobody_is_certain() {
    let ctx = Context::new()
        .derive(A, (), |()| async { Ok(Some(1)) })
        .derive(A, when(has(D)).needs((req(A),)), |_| async { Ok(Some(2)) })
        .derive(A, when(has(D)).needs((req(B),)), |_| async { Ok(Some(2)) })
        .derive(B, req(C), |c| async move { Ok(Some(c)) })
        .derive(C, req(B), |b| async move { Ok(Some(b)) })
        .derive(D, (), |()| async { Ok(None) })
        .register(Connect, "root", 0, (opt(A), req(C)), |(), _| async { named("root") });
    assert!(block_on(ctx.connect()).unwrap_err().to_string().contains("C -> B -> C"));
    let explained = ctx.explain(Connect);
    assert_eq!(explained.goals()[0].verdict, fails("C fails"), "{explained}");
}

/// B may do without C, and C is judged on the way of B: it may fail. Nothing is judged again, so
/// the verdict of A is a maybe, too, although every resolve fails.
#[test]
fn a_circle_is_judged_where_it_is_met_first() {
    let ctx = Context::new()
        .derive(A, (opt(B), req(C)), |_| async { Ok(Some(1)) })
        .derive(B, (), |()| async { Ok(Some(1)) })
        .derive(B, when(has(D)).needs((req(C),)), |_| async { Ok(Some(2)) })
        .derive(C, req(A), |a| async move { Ok(Some(a)) })
        .derive(D, (), |()| async { Ok(None) })
        .register(Connect, "root", 0, req(A), |(), _| async { named("root") });
    assert!(block_on(ctx.connect()).unwrap_err().to_string().contains("A -> C -> A"));
    let explained = ctx.explain(Connect);
    assert!(matches!(explained.goals()[0].verdict, Verdict::Depends(_)), "{explained}");
}

/// Out of its circle, B may fail, be had or not: if it is not, the second is asked, which is in a
/// circle itself.
#[test]
fn what_gets_out_of_a_circle_may_say_not_me() {
    let ctx = Context::new()
        .derive(A, (), |()| async { Ok(Some(1)) })
        .derive(A, when(has(C)).needs((req(B),)), |_| async { Ok(Some(2)) })
        .derive(B, req(A), |_| async { Ok(None) })
        .derive(C, (), |()| async { Ok(None) })
        .register(Connect, "first", 0, (opt(A), req(B)), |(), _| async { named("first") })
        .register(Connect, "second", 1, over(Connect), |(), _| async { named("second") });
    assert!(block_on(ctx.connect()).unwrap_err().to_string().contains("Connect -> Connect"));
    let explained = ctx.explain(Connect);
    assert!(matches!(verdict(&explained, "first"), Verdict::Depends(_)), "{explained}");
    assert_eq!(*verdict(&explained, "second"), fails("a cycle: Connect -> Connect"), "{explained}");
}
