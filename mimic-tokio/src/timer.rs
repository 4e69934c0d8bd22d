//! Time, by tokio's clock.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mimic_core::{Error, Instant};
use tokio::time;

use crate::runtime;

/// What tokio's timer counts in.
const TICK: Duration = Duration::from_millis(1);

/// Waits by one `Sleep`, made at the first wait and reset at later ones.
#[derive(Debug)]
pub(crate) struct Timer {
    epoch: time::Instant,
    wait: Option<(Instant, Pin<Box<time::Sleep>>)>,
}

impl Timer {
    pub(crate) fn new(epoch: time::Instant) -> Result<Self, Error> {
        runtime()?;
        Ok(Self { epoch, wait: None })
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
        // A `Sleep` first waits for the timer's next tick, even when its time has passed.
        if end <= time::Instant::now() {
            return Poll::Ready(());
        }
        // It rounds its end up to a tick, and so does the wait for it: two ticks late in all,
        // unless it aims earlier.
        let early = end.checked_sub(TICK).unwrap_or(end);
        let (until, sleep) = self.wait.get_or_insert_with(|| (at, Box::pin(time::sleep_until(early))));
        if *until != at {
            *until = at;
            sleep.as_mut().reset(early);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if end <= time::Instant::now() {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(end);
        }
    }
}
