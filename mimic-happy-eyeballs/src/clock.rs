//! Time on the caller's clock, and the machine's own time since its start.

use core::time::Duration;

/// A point in time on a monotonic clock of the caller.
///
/// The machine measures only the time since the last call. A clock that goes back counts as one
/// that stood still, and never stops a race.
pub trait Timestamp: Copy + Ord {
    /// Returns the point that is `duration` later. Saturates.
    #[must_use]
    fn plus(self, duration: Duration) -> Self;

    /// Returns the time from `earlier` to this point; zero if `earlier` is later.
    #[must_use]
    fn since(self, earlier: Self) -> Duration;
}

/// The time since an epoch of the caller, for simulated time.
impl Timestamp for Duration {
    fn plus(self, duration: Duration) -> Self {
        self.saturating_add(duration)
    }

    fn since(self, earlier: Self) -> Duration {
        self.saturating_sub(earlier)
    }
}

impl Timestamp for mimic_core::adapter::Instant {
    fn plus(self, duration: Duration) -> Self {
        self + duration
    }

    fn since(self, earlier: Self) -> Duration {
        self - earlier
    }
}

/// Measures how long the machine has been running, by the times that the caller gives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock<T> {
    last: T,
    elapsed: Duration,
}

impl<T: Timestamp> Clock<T> {
    pub(crate) fn new(now: T) -> Self {
        Self { last: now, elapsed: Duration::ZERO }
    }

    pub(crate) fn advance(&mut self, now: T) {
        self.elapsed = self.elapsed.saturating_add(now.since(self.last));
        self.last = now;
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns the point on the caller's clock at which `elapsed` will be `at`.
    pub(crate) fn timestamp(&self, at: Duration) -> T {
        self.last.plus(at.saturating_sub(self.elapsed))
    }
}
