//! The error of a race without a winner.
//!
//! ```text
//!   one attempt      its error, as it is
//!   several          every connection attempt failed; [::1]:7: …; 127.0.0.1:7: …
//!                    with kind, phase and advice of the attempt that got furthest
//! ```

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use mimic_core::{Error, ErrorKind, Phase};

use crate::timeline::{Event, Peer};
use crate::{Dropped, Failure};

/// The failure of a race. It is the source of the race's error.
#[derive(Debug)]
pub struct RaceError {
    failure: Failure,
    timeline: Box<[Event]>,
    errors: Errors,
    untold: Untold,
}

impl RaceError {
    /// Returns the race error among the sources of `error`, if a race failed.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        let mut source = core::error::Error::source(error);
        while let Some(error) = source {
            if let Some(race) = error.downcast_ref() {
                return Some(race);
            }
            source = error.source();
        }
        None
    }

    /// Returns the reason in short.
    #[must_use]
    pub fn failure(&self) -> Failure {
        self.failure
    }

    /// Returns the events; of a long race the first and the latest
    /// ([`EventKind::Skip`](crate::EventKind::Skip)).
    #[must_use]
    pub fn timeline(&self) -> &[Event] {
        &self.timeline
    }

    /// Returns at most 32 errors of look-ups (without a peer) and attempts, in the order of their
    /// arrival. Of more than 32, it has the first eight, the one that the race ends with, and those
    /// of the others that got furthest. Of equals it has the latest.
    #[must_use]
    pub fn errors(&self) -> &[(Option<Peer>, Error)] {
        &self.errors.list
    }

    /// Returns how many errors [`errors`](Self::errors) lacks.
    #[must_use]
    pub fn omitted(&self) -> u32 {
        self.errors.omitted
    }

    /// Returns how many different addresses of the answers were never tried, because the race ended
    /// before, the service records leave them out, or the machine had no room.
    #[must_use]
    pub fn untried(&self) -> u32 {
        self.untold.untried
    }

    /// Returns the counts of unusable and excess addresses and records.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        self.untold.dropped
    }

    /// Returns the error of the attempt that got furthest, the earliest of equals. Without attempts
    /// it is that of a look-up.
    fn telling(&self) -> Option<&Error> {
        self.errors.list.get(self.errors.telling()?).map(|(_, error)| error)
    }

    /// Makes mimic's error of it, with kind, phase, layer, target and advice of the telling error.
    pub(crate) fn into_error(failure: Failure, timeline: Box<[Event]>, errors: Errors, untold: Untold) -> Error {
        let race = Self { failure, timeline, errors, untold };
        if failure == Failure::NoService {
            return Error::with_source(ErrorKind::Unsupported, race).in_phase(Phase::Lookup);
        }
        let Some(telling) = race.telling() else {
            return Error::with_source(ErrorKind::NotFound, race).in_phase(Phase::Lookup);
        };
        let (kind, phase) = (telling.kind(), telling.phase());
        let advice = telling.advice().map(ToOwned::to_owned);
        // Several errors belong to the race as a whole. The dial of the race adds layer and target.
        let place = Some(telling).filter(|_| race.alone());
        let layer = place.and_then(Error::at).map(ToOwned::to_owned);
        let target = place.and_then(Error::target).map(ToOwned::to_owned);
        let mut error = Error::with_source(kind, race);
        if let Some(phase) = phase {
            error = error.in_phase(phase);
        }
        if let Some(layer) = layer {
            error = error.located_at(layer);
        }
        if let Some(target) = target {
            error = error.to_target(target);
        }
        match advice {
            Some(advice) => error.advise(advice),
            None => error,
        }
    }

    /// Returns whether a single error tells everything.
    fn alone(&self) -> bool {
        let Errors { list, omitted } = &self.errors;
        let alike = || list.windows(2).all(|pair| pair[0].1.reason() == pair[1].1.reason());
        !matches!(self.failure, Failure::Services | Failure::NoService)
            && *omitted == 0
            && match list.iter().filter(|(peer, _)| peer.is_some()).count() {
                // Two look-ups of one name that does not exist.
                0 => alike(),
                attempts => attempts == 1,
            }
    }
}

impl fmt::Display for RaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.telling() {
            Some(telling) if self.alone() => f.write_str(&telling.reason())?,
            _ => {
                fmt::Display::fmt(&self.failure, f)?;
                self.untold.records(self.failure, f)?;
                for (peer, error) in &self.errors.list {
                    match (peer, error.target()) {
                        (Some(peer), _) => write!(f, "; {peer}: {}", error.reason())?,
                        (None, Some(question)) => write!(f, "; {question}: {}", error.reason())?,
                        (None, None) => write!(f, "; {}", error.reason())?,
                    }
                }
                if self.errors.omitted > 0 {
                    write!(f, "; {} more errors", self.errors.omitted)?;
                }
            }
        }
        if self.untold.only_records {
            f.write_str("; the service records give no other port")?;
        }
        match self.untold.untried {
            0 => Ok(()),
            1 => f.write_str("; 1 address was never tried"),
            many => write!(f, "; {many} addresses were never tried"),
        }
    }
}

/// Facts of a race that its errors do not tell.
#[derive(Debug)]
pub(crate) struct Untold {
    pub(crate) untried: u32,
    pub(crate) dropped: Dropped,
    /// Whether every attempt went to the port of a service record.
    pub(crate) only_records: bool,
}

impl Untold {
    /// Writes why the service records are unusable.
    fn records(&self, failure: Failure, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if failure != Failure::NoService {
            return Ok(());
        }
        let Dropped { unsupported, protocols, ports, .. } = self.dropped;
        let mut between = ": ";
        for (count, why) in [
            (protocols, "for protocols that are not spoken here"),
            (ports, "with port 0"),
            (unsupported, "with mandatory keys that are not known"),
        ] {
            if count > 0 {
                write!(f, "{between}{count} {why}")?;
                between = ", ";
            }
        }
        Ok(())
    }
}

/// The number of errors that are kept, and of the first among them.
const KEPT: usize = 32;
const FIRST: usize = 8;

/// The errors of a race, bounded for a race of many attempts.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    list: Vec<(Option<Peer>, Error)>,
    omitted: u32,
}

impl Errors {
    /// Adds an error. Beyond `KEPT` it drops the one that got least far, after the first `FIRST`.
    pub(crate) fn push(&mut self, peer: Option<Peer>, error: Error) {
        self.list.push((peer, error));
        if self.list.len() > KEPT {
            let telling = self.telling();
            let others = (FIRST..KEPT).filter(|place| Some(*place) != telling);
            if let Some(place) = others.min_by_key(|place| self.list.get(*place).map(reach)) {
                self.list.remove(place);
                self.omitted = self.omitted.saturating_add(1);
            }
        }
    }

    /// Returns the index of the error that got furthest, the earliest of equals.
    fn telling(&self) -> Option<usize> {
        let furthest = self.list.iter().enumerate().rev().max_by_key(|(_, error)| reach(error));
        furthest.map(|(place, _)| place)
    }
}

/// Ranks an error by how far its attempt got.
fn reach((peer, error): &(Option<Peer>, Error)) -> u8 {
    match (peer, error.phase()) {
        // A failing server tells more than one that denies the name, since the name may exist.
        (None, _) => u8::from(error.kind() != ErrorKind::NotFound),
        (Some(_), None | Some(Phase::Connect)) => 2,
        (Some(_), _) => 3,
    }
}

impl core::error::Error for RaceError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        core::error::Error::source(self.telling()?)
    }
}
