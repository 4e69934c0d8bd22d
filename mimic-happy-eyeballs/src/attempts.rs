//! The attempts of a race. The list has room for `N`, and forgets the oldest that has ended.
//!
//! ```text
//!   N = 2    #0 running   #1 failed       one is in flight
//!            #0 running   #2 running      #1, the oldest that has ended, is forgotten
//!            #0 running   #2 connected    no attempt starts until the race is decided
//! ```

use core::time::Duration;

use heapless::Vec;

use crate::{AttemptId, RaceEndpoint};

/// One attempt of a race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RaceAttempt<E> {
    /// The number.
    pub id: AttemptId,
    /// The endpoint that it connects to.
    pub endpoint: RaceEndpoint,
    /// When it started, since [`Machine::new`](crate::Machine::new).
    pub started: Duration,
    /// When it ended, by the same clock; none while it runs.
    pub ended: Option<Duration>,
    /// The state.
    pub state: AttemptState<E>,
    /// Whether a lower handshake is complete.
    pub(crate) progressed: bool,
}

/// The state of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptState<E> {
    /// In flight: neither connected nor ended.
    Running,
    /// Connected, while the race is not decided yet.
    Connected,
    /// Is the connection.
    Won,
    /// Failed.
    Failed {
        /// The reason.
        reason: E,
        /// Whether the attempt may have sent a packet.
        sent: bool,
    },
    /// Ended by another's success, or with the race.
    Cancelled,
}

impl<E> AttemptState<E> {
    fn open(&self) -> bool {
        matches!(self, Self::Running | Self::Connected)
    }

    /// Returns whether the attempt may have sent a packet.
    fn sent(&self) -> bool {
        !matches!(self, Self::Failed { sent: false, .. })
    }
}

#[derive(Debug)]
pub(crate) struct Attempts<E, const N: usize> {
    /// All that run, and the latest of those that have ended.
    list: Vec<RaceAttempt<E>, N>,
    /// How many have started, in all.
    started: u32,
    running: usize,
    connected: usize,
    /// When the last forgotten attempt started that may have sent a packet.
    sent_before: Option<Duration>,
}

impl<E, const N: usize> Attempts<E, N> {
    pub(crate) const fn new() -> Self {
        Self { list: Vec::new(), started: 0, running: 0, connected: 0, sent_before: None }
    }

    pub(crate) fn list(&self) -> &[RaceAttempt<E>] {
        &self.list
    }

    /// Returns how many have not ended.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// Returns whether an attempt is connected while the race is undecided.
    pub(crate) fn holding(&self) -> bool {
        self.connected > 0
    }

    /// Returns whether any has started.
    pub(crate) fn any(&self) -> bool {
        self.started > 0
    }

    /// Returns whether the numbers are used up.
    pub(crate) fn is_over(&self) -> bool {
        self.next_id().is_none()
    }

    fn next_id(&self) -> Option<AttemptId> {
        u16::try_from(self.started).ok().map(AttemptId)
    }

    fn get_mut(&mut self, id: AttemptId) -> Option<&mut RaceAttempt<E>> {
        self.list.iter_mut().find(|attempt| attempt.id == id)
    }

    pub(crate) fn is_open(&self, id: AttemptId) -> bool {
        self.list.iter().any(|attempt| attempt.id == id && attempt.state.open())
    }

    /// Adds an attempt; none if the numbers are used up, or all in the list run.
    pub(crate) fn start(&mut self, endpoint: RaceEndpoint, now: Duration) -> Option<AttemptId> {
        let id = self.next_id()?;
        if self.list.is_full() {
            self.forget();
        }
        let attempt =
            RaceAttempt { id, endpoint, started: now, ended: None, state: AttemptState::Running, progressed: false };
        self.list.push(attempt).ok()?;
        self.started += 1;
        self.running += 1;
        Some(id)
    }

    /// Forgets the oldest that has ended.
    fn forget(&mut self) {
        let Some(place) = self.list.iter().position(|attempt| !attempt.state.open()) else { return };
        let attempt = self.list.remove(place);
        if attempt.state.sent() {
            self.sent_before = self.sent_before.max(Some(attempt.started));
        }
    }

    pub(crate) fn succeed(&mut self, id: AttemptId) {
        if let Some(attempt) = self.get_mut(id)
            && matches!(attempt.state, AttemptState::Running)
        {
            attempt.state = AttemptState::Connected;
            self.connected += 1;
        }
    }

    /// Ends an attempt. Returns whether it was still open.
    pub(crate) fn end(&mut self, id: AttemptId, state: AttemptState<E>, now: Duration) -> bool {
        let Some(attempt) = self.get_mut(id).filter(|attempt| attempt.state.open()) else {
            return false;
        };
        let connected = matches!(attempt.state, AttemptState::Connected);
        attempt.state = state;
        attempt.ended = Some(now);
        self.connected -= usize::from(connected);
        self.running -= 1;
        true
    }

    pub(crate) fn progress(&mut self, id: AttemptId) {
        if let Some(attempt) = self.get_mut(id) {
            attempt.progressed = true;
        }
    }

    /// Returns whether an open attempt has reached its upper handshake.
    pub(crate) fn any_progressed(&self) -> bool {
        self.list.iter().any(|attempt| attempt.progressed && attempt.state.open())
    }

    /// Returns the connected attempt that started first.
    pub(crate) fn connected(&self) -> Option<AttemptId> {
        if self.connected == 0 {
            return None;
        }
        self.list.iter().find(|attempt| matches!(attempt.state, AttemptState::Connected)).map(|attempt| attempt.id)
    }

    /// Returns the first open attempt.
    pub(crate) fn next_open(&self) -> Option<AttemptId> {
        self.list.iter().find(|attempt| attempt.state.open()).map(|attempt| attempt.id)
    }

    pub(crate) fn is_latest(&self, id: AttemptId) -> bool {
        self.list.last().is_some_and(|attempt| attempt.id == id)
    }

    /// Returns when the last attempt started that may have sent a packet.
    pub(crate) fn last_sent(&self) -> Option<Duration> {
        let last = self.list.iter().rfind(|attempt| attempt.state.sent()).map(|attempt| attempt.started);
        last.max(self.sent_before)
    }

    /// Returns whether an attempt in the list went to this endpoint.
    pub(crate) fn tried(&self, endpoint: &RaceEndpoint) -> bool {
        self.list.iter().any(|attempt| attempt.endpoint.same(endpoint))
    }
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::Name;

    /// The capacity of the list does not limit the number of attempts.
    #[test]
    fn there_are_65536_numbers() {
        let mut attempts: Attempts<(), 2> = Attempts::new();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (name, original) = (Name::ORIGINAL, address);
        let endpoint = RaceEndpoint { address, scope_id: 0, original, port: None, name, service: None, protocol: None };
        for number in 0..=u16::MAX {
            assert!(!attempts.is_over());
            assert_eq!(attempts.start(endpoint, Duration::ZERO), Some(AttemptId(number)));
            assert!(attempts.end(AttemptId(number), AttemptState::Cancelled, Duration::ZERO));
        }
        assert!(attempts.is_over());
        assert_eq!(attempts.start(endpoint, Duration::ZERO), None);
    }

    /// The floor runs from the last packet, even if its attempt is forgotten.
    #[test]
    fn the_last_packet_is_not_forgotten() {
        let mut attempts: Attempts<(), 2> = Attempts::new();
        let (address, name) = (IpAddr::V4(Ipv4Addr::LOCALHOST), Name::ORIGINAL);
        let original = address;
        let endpoint = RaceEndpoint { address, scope_id: 0, original, port: None, name, service: None, protocol: None };
        let at = Duration::from_millis;
        for (now, sent) in [(1, true), (2, true), (3, false), (4, false), (5, false), (6, false)] {
            let id = attempts.start(endpoint, at(now)).unwrap_or(AttemptId(u16::MAX));
            assert!(attempts.end(id, AttemptState::Failed { reason: (), sent }, at(now)));
        }
        assert_eq!(attempts.last_sent(), Some(at(2)));
    }
}
