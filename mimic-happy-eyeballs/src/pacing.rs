//! When the next attempt may start.

use core::time::Duration;

use crate::Config;
use crate::config::FLOOR;

/// The Next Connection Attempt Timer (§6), and the policy where the draft is silent.
#[derive(Debug, Default)]
pub(crate) struct Pacing {
    /// When the timer fires.
    timer: Option<Duration>,
    /// The most recent attempt failed: nothing is to be waited for but the floor.
    rush: bool,
    /// The last start that may have sent a packet.
    last_sent: Option<Duration>,
    /// The delay of the timer, in case that it starts again.
    delay: Duration,
    /// How often it has fired.
    fired: u32,
}

impl Pacing {
    /// When the next attempt may start: a time that has passed if at once. `idle` says that none is
    /// running.
    pub(crate) fn due(&self, idle: bool) -> Duration {
        let timer = if self.rush || idle { Duration::ZERO } else { self.timer.unwrap_or(Duration::ZERO) };
        let floor = self.last_sent.map_or(Duration::ZERO, |last| last.saturating_add(FLOOR));
        timer.max(floor)
    }

    pub(crate) fn started(&mut self, now: Duration, idle: bool, rtt: Option<Duration>, config: &Config) {
        if self.timer.is_some() && !self.rush && !idle {
            self.fired = self.fired.saturating_add(1);
        }
        self.delay = config.grown(config.delay(rtt), self.fired);
        self.timer = Some(now.saturating_add(self.delay));
        self.last_sent = Some(now);
        self.rush = false;
    }

    pub(crate) fn failed(&mut self, latest: bool, last_sent: Option<Duration>) {
        self.rush |= latest;
        self.last_sent = last_sent;
    }

    /// "The timer SHOULD be extended" (§6.1): by one more delay.
    pub(crate) fn progressed(&mut self, now: Duration) {
        self.rush = false;
        self.timer = Some(now.saturating_add(self.delay));
    }
}
