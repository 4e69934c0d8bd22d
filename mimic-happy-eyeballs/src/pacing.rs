//! When the next attempt may start.
//!
//! ```text
//!   t =  0   v6 a starts              timer at 250
//!      100   v4 a cannot start yet    due at 250
//!      250   v4 a starts              timer at 500
//!      260   v4 a fails               due at 260: the latest failed, 10 ms passed
//!      260   v6 b starts              timer at 510
//!      400   v6 b begins TLS          timer at 650: one more delay from now
//! ```

use core::time::Duration;

use crate::Config;
use crate::config::FLOOR;

/// The Next Connection Attempt Timer (§6), with a policy where the draft is silent.
#[derive(Debug, Default)]
pub(crate) struct Pacing {
    /// When the timer expires.
    timer: Option<Duration>,
    /// The most recent attempt failed, so that the next waits for the floor alone.
    rush: bool,
    /// The last start that may have sent a packet.
    last_sent: Option<Duration>,
    /// The delay of the timer, for a restart.
    delay: Duration,
    /// How often the timer has expired.
    expired: u32,
}

impl Pacing {
    /// Returns when the next attempt may start; a time that has passed means at once. `idle`: no
    /// attempt is running.
    pub(crate) fn due(&self, idle: bool) -> Duration {
        let timer = if self.rush || idle { Duration::ZERO } else { self.timer.unwrap_or(Duration::ZERO) };
        let floor = self.last_sent.map_or(Duration::ZERO, |last| last.saturating_add(FLOOR));
        timer.max(floor)
    }

    /// Restarts the timer after a start. A start that waited for the timer grows the delay.
    pub(crate) fn started(&mut self, now: Duration, idle: bool, rtt: Option<Duration>, config: &Config) {
        if self.timer.is_some() && !self.rush && !idle {
            self.expired = self.expired.saturating_add(1);
        }
        self.delay = config.grown(config.delay(rtt), self.expired);
        self.timer = Some(now.saturating_add(self.delay));
        self.last_sent = Some(now);
        self.rush = false;
    }

    /// Lets the next attempt start early if the `latest` one failed.
    pub(crate) fn failed(&mut self, latest: bool, last_sent: Option<Duration>) {
        self.rush |= latest;
        self.last_sent = last_sent;
    }

    /// Extends the timer by one more delay: "the timer SHOULD be extended" (§6.1).
    pub(crate) fn progressed(&mut self, now: Duration) {
        self.rush = false;
        self.timer = Some(now.saturating_add(self.delay));
    }
}
