//! Time, by the clock of a runtime.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time;

use mimic_core::Timer;
use mimic_core::adapter::Instant;

use crate::Adapter;

/// The timer of a runtime. It waits by one sleep, made at the first wait and reset at later ones.
#[derive(Debug)]
pub struct Clock<A: Adapter> {
    epoch: time::Instant,
    wait: Option<(Instant, A::Sleep)>,
}

impl<A: Adapter> Clock<A> {
    /// Makes a timer whose instants count from `epoch`: those of two timers compare if theirs is
    /// the same.
    #[must_use]
    pub fn new(epoch: time::Instant) -> Self {
        Self { epoch, wait: None }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<A: Adapter> Timer for Clock<A> {
    fn now(&self) -> Instant {
        Instant::new(A::now().duration_since(self.epoch))
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let Some(end) = self.epoch.checked_add(at.since_epoch()) else {
            // Further away than the clock goes.
            return Poll::Pending;
        };
        // A sleep may first wait for a tick of the runtime, even when its time has passed.
        if end <= A::now() {
            return Poll::Ready(());
        }
        let early = end.checked_sub(A::LATE).unwrap_or(end);
        let (until, sleep) = self.wait.get_or_insert_with(|| (at, A::sleep_until(early)));
        if *until != at {
            *until = at;
            A::reset(sleep, early);
        }
        loop {
            ready!(Pin::new(&mut *sleep).poll(cx));
            if end <= A::now() {
                return Poll::Ready(());
            }
            A::reset(sleep, end);
        }
    }
}
