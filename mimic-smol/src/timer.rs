//! Time, by the system's clock and async-io's timers.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time;

use mimic_core::Instant;

/// Waits by one timer of async-io, set anew for each wait.
#[derive(Debug)]
pub(crate) struct Timer {
    epoch: time::Instant,
    wait: async_io::Timer,
    /// What `wait` is set to; `None` once it has fired, because it fires once.
    until: Option<Instant>,
}

impl Timer {
    pub(crate) fn new(epoch: time::Instant) -> Self {
        Self { epoch, wait: async_io::Timer::never(), until: None }
    }
}

#[deny(clippy::missing_trait_methods)]
impl mimic_core::Timer for Timer {
    fn now(&self) -> Instant {
        Instant::new(self.epoch.elapsed())
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let Some(end) = self.epoch.checked_add(at.since_epoch()) else {
            // Further away than the clock goes.
            return Poll::Pending;
        };
        if self.until != Some(at) {
            self.until = Some(at);
            self.wait.set_at(end);
        }
        ready!(Pin::new(&mut self.wait).poll(cx));
        self.until = None;
        Poll::Ready(())
    }
}
