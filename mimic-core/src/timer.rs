//! Time, as a role supplies it: a monotonic clock that can also wake.
//!
//! ```text
//! timeout(timer, 5 s, flow.read(buf)):   at = now + 5 s
//!   each poll:  the read, first ── ready ──────────► its result
//!                 │ pending
//!                 ▼
//!               timer.poll_until(at) ── ready ─────► TimedOut; the read is dropped
//! ```

use alloc::boxed::Box;
use core::fmt;
use core::future::poll_fn;
use core::ops::{Add, Sub};
use core::pin::pin;
use core::task::{Context, Poll};
use core::time::Duration;

use crate::Error;
use crate::escape::ShortDuration;

/// Names a point on a monotonic clock: the time since the clock's own epoch. Only instants of one
/// clock compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// Returns the instant `since_epoch` after the clock's epoch.
    #[must_use]
    pub const fn new(since_epoch: Duration) -> Self {
        Self(since_epoch)
    }

    /// Returns the time since the clock's epoch.
    #[must_use]
    pub const fn since_epoch(self) -> Duration {
        self.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Adds and saturates: the latest instant never comes.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// Returns the time from `earlier` to `self`; zero if `earlier` is later.
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Tells the time, and wakes one task at an instant. The role [`Sleep`](crate::Sleep) returns
/// timers.
pub trait Timer: fmt::Debug {
    /// Returns the time now. Never goes back.
    fn now(&self) -> Instant;

    /// Waits until `at`; an instant that has passed is ready at once.
    ///
    /// One timer waits for one instant: a later call with another `at` replaces the earlier wait.
    /// Dropping the timer ends the wait. Allocates nothing.
    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()>;
}

#[deny(clippy::missing_trait_methods)]
impl<T: Timer + ?Sized> Timer for Box<T> {
    fn now(&self) -> Instant {
        (**self).now()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        (**self).poll_until(cx, at)
    }
}

/// Waits for `duration`.
pub async fn sleep(timer: &mut impl Timer, duration: Duration) {
    let at = timer.now() + duration;
    poll_fn(|cx| timer.poll_until(cx, at)).await;
}

/// Runs `work` for at most `duration`. The deadline of the context covers connecting; this bounds
/// the reads and writes that follow.
///
/// ```
/// # use core::time::Duration;
/// # use mimic_core::{Ctx, Error, Mode, timeout};
/// # use mimic_core::roles::Sleep;
/// # use embedded_io_async::Read;
/// async fn read_soon<M: Mode>(ctx: &Ctx<M>, flow: &mut M::Flow) -> Result<usize, Error> {
///     let mut timer = ctx.resolve(Sleep, ()).await?;
///     let mut buf = [0; 64];
///     timeout(&mut timer, Duration::from_secs(5), flow.read(&mut buf)).await
/// }
/// ```
///
/// # Errors
/// Those of `work`; or [`TimedOut`](crate::ErrorKind::TimedOut) after `work` was dropped.
pub async fn timeout<T>(
    timer: &mut impl Timer,
    duration: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let at = timer.now() + duration;
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending => timer
            .poll_until(cx, at)
            .map(|()| Err(Error::deadline(alloc::format!("not done within {}", ShortDuration(duration))))),
    })
    .await
}
