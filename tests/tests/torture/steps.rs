//! The steps to a flow, which may fail: a question, a link, a timer. And the time of the deadline,
//! which may have come whenever somebody looks at the clock.

use std::fmt;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use futures_lite::future::yield_now;
use mimic_core::adapter::Instant;
use mimic_core::roles::{Lookup, Sleep, Tcp};
use mimic_core::{Ctx, Error, ErrorKind, Install, Mode, Phase, Timer, for_each_mode};

use super::HOST;
use super::flow::{Call, Fault, Script, Stage};

/// The faults of steps.
pub(crate) const STEPS: [Fault; 4] = [Fault::NoAnswer, Fault::Refused, Fault::NoTimer, Fault::Late];

/// Lays these faults over whoever answers, links and times.
#[derive(Clone, Debug)]
pub(crate) struct Steps(pub(crate) Script);

for_each_mode!(M => {
    impl Install<M> for Steps {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            let Self(script) = self;
            let [lookups, links, timers] = [(); 3].map(|()| script.clone());
            ctx.layer(Lookup, "step", (), move |question, below, ()| {
                let script = lookups.clone();
                async move {
                    yield_now().await;
                    script.fail(Call::Lookup)?;
                    below.dial(question).await
                }
            })
            .layer(Tcp, "step", (), move |to, below, ()| {
                let script = links.clone();
                async move {
                    // Twice: each wait is one more look at the clock, and so one more place for the
                    // deadline.
                    yield_now().await;
                    yield_now().await;
                    script.fail(Call::Tcp)?;
                    below.dial(to).await
                }
            })
            .layer(Sleep, "step", (), move |(), below, ()| {
                let script = timers.clone();
                async move {
                    yield_now().await;
                    script.fail(Call::Sleep)?;
                    Ok(Box::new(Hurried { below: below.dial(()).await?, script }) as <M as Mode>::Timer)
                }
            })
        }
    }
});

/// A timer that is late once it had its fault, as all of its run are.
struct Hurried<T> {
    below: T,
    script: Script,
}

impl<T: Timer> Timer for Hurried<T> {
    fn now(&self) -> Instant {
        self.below.now() + self.script.late()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let _ = self.script.call(Call::Timer);
        self.below.poll_until(cx, Instant::new(at.since_epoch().saturating_sub(self.script.late())))
    }
}

impl<T: Timer> fmt::Debug for Hurried<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hurried").field(&self.below).finish()
    }
}

/// The result of a run in which the n-th step of a kind had its fault, on the way to one address:
/// an error that says which step it was, of whom, and why. Gives whether there was one.
pub(crate) fn judge_step(n: usize, fault: Fault, script: &Script, result: Result<(), Error>) -> bool {
    let hit = script.hit();
    let what = format!("{fault:?} at call {n} ({hit:?})");
    let Err(error) = result else {
        // The other family has the address.
        let spared = fault == Fault::NoAnswer && n == 1;
        assert!(hit.is_none() || spared, "{what}: nobody noticed");
        return false;
    };
    let (text, tree) = (format!("{error}"), format!("{error:#}"));
    if std::env::var_os("MIMIC_TORTURE_SHOW").is_some() {
        println!("{what}: {:?}: {text}", error.kind());
    }
    assert!(hit.is_some(), "{what}: {error:?}");
    assert_eq!(script.entered(), Stage::Connecting, "{what}: {error:?}");
    let (kind, phase, layer, reason) = match fault {
        Fault::NoAnswer => (ErrorKind::Other, Some(Phase::Lookup), Some("Lookup \"step\""), "no answer, by the test"),
        Fault::Refused => {
            (ErrorKind::ConnectionRefused, Some(Phase::Connect), Some("Tcp \"step\""), "refused by the test")
        }
        Fault::NoTimer => {
            (ErrorKind::OutOfMemory, Some(Phase::Connect), Some("Sleep \"step\""), "no timer, by the test")
        }
        // It strikes whoever is dialled just then.
        _ => (ErrorKind::TimedOut, None, None, "the deadline of "),
    };
    assert_eq!((error.kind(), error.phase()), (kind, phase), "{what}: {text}");
    assert!(layer.is_none_or(|layer| error.at() == Some(layer)) && error.at().is_some(), "{what}: {text}");
    assert!(text.contains(reason), "{what}: {text}");
    assert!(tree.contains("plan:"), "{what}: {tree}");
    let of_link = |target: &str| target.parse::<SocketAddr>().is_ok();
    let fits = match (fault, error.target()) {
        // The timer of the deadline is made before anybody is dialled: there is no target yet.
        (Fault::NoTimer, None) => n == 1,
        (Fault::NoAnswer | Fault::NoTimer, Some(target)) => target.contains(HOST),
        (Fault::Refused, Some(target)) => of_link(target),
        (_, Some(target)) => target.contains(HOST) || of_link(target),
        (_, None) => false,
    };
    assert!(fits, "{what}: no target, or another: {text}");
    if fault == Fault::Late {
        assert!(error.is_deadline() && tree.contains("cancelled while it ran"), "{what}: {tree}");
    }
    true
}
