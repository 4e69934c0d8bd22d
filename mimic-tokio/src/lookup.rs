//! Look-ups by the system's resolver.

#[cfg(not(feature = "happy-eyeballs"))]
use mimic_core::std_io as system;
use mimic_core::{Error, ErrorKind, Phase, Question, Record};
#[cfg(feature = "happy-eyeballs")]
use mimic_happy_eyeballs::system;

use crate::runtime;

pub(crate) async fn lookup(question: Question) -> Result<Vec<Record>, Error> {
    match runtime()?.spawn_blocking(move || system::lookup(&question)).await {
        Ok(result) => result,
        // The runtime is shutting down.
        Err(error) => Err(Error::with_source(ErrorKind::Other, error).in_phase(Phase::Lookup)),
    }
}
