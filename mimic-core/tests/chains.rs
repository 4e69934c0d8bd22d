//! Long chains: no recursion anywhere, and time linear in their length.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::time::{Duration, Instant};

use common::*;
use mimic_core::explain::PlanError;
use mimic_core::needs::{over, req};
use mimic_core::roles::{Connect, Tcp};
use mimic_core::{Context, Key, Role};

/// Runs `f` on a stack of 128 KiB.
fn on_a_small_stack<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(128 * 1024).spawn(f).unwrap().join().unwrap()
}

/// Miri takes a thousand times as long, and has stacks of its own.
const LONG: u32 = if cfg!(miri) { 10 } else { 10_000 };

#[derive(Clone, Copy, Debug)]
struct Nth(u32);

impl Key for Nth {
    type Value = u64;
    const NAME: &'static str = "Nth";
    fn instance(&self) -> u32 {
        self.0
    }
}

/// `Nth(length)` is computed from `Nth(length - 1)`, and so on down to `Nth(1)`, which is computed
/// from `first`.
fn chain(length: u32, first: Nth) -> Context {
    let ctx = (2..=length)
        .fold(Context::new(), |ctx, n| ctx.derive(Nth(n), req(Nth(n - 1)), |below| async move { Ok(Some(below + 1)) }));
    ctx.derive(Nth(1), req(first), |below| async move { Ok(Some(below + 1)) }).register(
        Connect,
        "end",
        0,
        req(Nth(length)),
        move |(), end| async move {
            assert_eq!(end, u64::from(length));
            named("end")
        },
    )
}

#[test]
fn ten_thousand_functions_resolve_and_explain_on_a_small_stack() {
    on_a_small_stack(|| {
        let ctx = chain(LONG, Nth(0)).with(Nth(0), 0);
        assert_eq!(name_of(&block_on(ctx.connect()).unwrap()), "end");
        let dialer = block_on(ctx.dialer(Connect)).unwrap();
        assert!(block_on(dialer.dial(())).is_ok());
        let explained = ctx.explain(Connect);
        assert_eq!(explained.goals().len(), LONG as usize + 1);
        let text = explained.to_string();
        assert_eq!(text.lines().count(), 1 + 2 * (LONG as usize + 1));
        assert!(text.lines().all(|line| line.len() < 200), "the indentation has a limit");
        assert!(explained.dot().to_string().starts_with("digraph"));
    });
}

#[test]
fn a_missing_start_and_a_circle_of_ten_thousand_are_errors_on_a_small_stack() {
    on_a_small_stack(|| {
        let error = block_on(chain(LONG, Nth(0)).connect()).unwrap_err();
        assert_eq!(plan_error(&error), PlanError::NoCandidate { role: "Connect".into() });
        assert!(format!("{error:#}").contains("req Nth: not given"), "the tree goes down to the missing key");
        match plan_error(&block_on(chain(LONG, Nth(LONG)).connect()).unwrap_err()) {
            PlanError::Cycle { path, .. } => assert_eq!(path.len(), LONG as usize + 1),
            other => panic!("{other}"),
        }
    });
}

/// Which a resolve may enter, or not: so the circle is the reason of every goal around.
#[test]
fn a_circle_that_may_be_entered_is_explained_in_few_words() {
    let (short, long) = (LONG / 10, LONG);
    let text = |length| {
        let ctx = chain(length, Nth(length)).derive(Nth(length), (), move |()| async move { Ok(Some(length.into())) });
        assert!(block_on(ctx.connect()).is_ok());
        ctx.explain(Connect).to_string()
    };
    let (short, long) = (text(short), text(long));
    assert!(long.len() < 20 * short.len(), "{} and {}", short.len(), long.len());
    assert!(long.lines().all(|line| line.len() < 500));
    assert!(cfg!(miri) || long.contains(" -> … -> "));
}

/// Not a benchmark: ten times the length may take thrice as long as ten times the work, on a noisy
/// machine, but not ten times. Both take about as long, so that what else runs on the machine
/// interrupts both.
#[test]
#[cfg_attr(miri, ignore = "time under Miri says nothing")]
fn time_is_linear() {
    let best = |length: u32, times: usize| -> Duration {
        let ctx = chain(length, Nth(0)).with(Nth(0), 0);
        (0..5)
            .map(|_| {
                let start = Instant::now();
                for _ in 0..times {
                    block_on(ctx.connect()).unwrap();
                    assert!(!ctx.explain(Connect).to_string().is_empty());
                }
                start.elapsed()
            })
            .min()
            .unwrap()
    };
    let (short, long) = (best(1_000, 10), best(10_000, 1));
    assert!(long < short * 3, "1,000 functions, ten times: {short:?}, 10,000: {long:?}");
}

/// Dialled layers nest their futures; in release, a hundred fit. (Debug builds take more stack per
/// layer.)
#[test]
fn a_hundred_dialled_layers_fit_a_small_stack() {
    let layers = if cfg!(debug_assertions) { 20 } else { 100 };
    on_a_small_stack(move || {
        let ctx = Context::new().register(Tcp, "end", 0, (), |_, ()| async { named("end") });
        let ctx = (0..layers).fold(ctx, |ctx, _| {
            ctx.layer(Tcp, "layer", (), |to, below, ()| async move {
                let flow = below.dial(to).await?;
                Ok(flow)
            })
        });
        let to = "192.0.2.1:1".parse().unwrap();
        assert_eq!(name_of(&block_on(ctx.resolve(Tcp, to)).unwrap()), "end");
        assert!(ctx.explain(Tcp).to_string().contains("+ layer layer: yes"));
    });
}

/// Plans of roles over roles are held one by the other; planning and dropping them must not recurse
/// too deep either.
#[test]
fn a_hundred_roles_over_one_another_fit_a_small_stack() {
    #[derive(Clone, Copy, Debug)]
    struct Level(u32);
    impl Role for Level {
        type Target = ();
        type Output<M: mimic_core::Mode> = u32;
        const NAME: &'static str = "Level";
        fn instance(&self) -> u32 {
            self.0
        }
    }
    let levels = if cfg!(debug_assertions) { 20 } else { 100 };
    on_a_small_stack(move || {
        let ctx = Context::new().register(Level(0), "end", 0, (), |(), ()| async { Ok(0) });
        let ctx =
            (1..=levels).fold(ctx, |ctx, n| {
                ctx.register(Level(n), "level", 0, over(Level(n - 1)), |(), below| async move {
                    Ok(below.dial(()).await? + 1)
                })
            });
        assert_eq!(block_on(ctx.resolve(Level(levels), ())).unwrap(), levels);
    });
}
