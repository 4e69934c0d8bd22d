//! The deadline of one resolve.

use alloc::format;
use core::task::{Context, Poll};
use core::time::Duration;

use crate::escape::ShortDuration;
use crate::{Error, Instant, Mode, Timer};

/// A deadline whose timer runs.
pub(super) struct ArmedDeadline<M: Mode> {
    timer: M::Timer,
    at: Instant,
    pub(super) after: Duration,
}

impl<M: Mode> ArmedDeadline<M> {
    /// Starts the deadline now.
    pub(super) fn new(after: Duration, timer: M::Timer) -> Self {
        Self { at: timer.now() + after, timer, after }
    }

    /// Waits until the deadline expires, and returns its error.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        self.timer.poll_until(cx, self.at).map(|()| {
            Error::deadline(format!("the deadline of {} passed", ShortDuration(self.after)))
                .advise("raise the key Deadline, or find out why the peer does not answer")
        })
    }
}
