//! Time, by embassy-time's clock.

use core::task::{Context, Poll};
use core::time::Duration;

use mimic_core::adapter::Instant;

use crate::socket::{duration, poll_once};

/// Waits by embassy-time's queue, which wakes the task; nothing is kept here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer;

#[deny(clippy::missing_trait_methods)]
impl mimic_core::Timer for Timer {
    fn now(&self) -> Instant {
        Instant::new(Duration::from_micros(embassy_time::Instant::now().as_micros()))
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let now = self.now();
        if now >= at {
            return Poll::Ready(());
        }
        // Rounded up to the next tick, lest it wakes too early again and again.
        let wait = duration(at - now) + embassy_time::Duration::from_ticks(1);
        let _ = poll_once(cx, embassy_time::Timer::after(wait));
        Poll::Pending
    }
}
