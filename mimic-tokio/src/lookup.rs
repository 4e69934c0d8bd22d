//! Look-ups by the system's resolver.

use mimic_core::{Error, ErrorKind, Phase, Question, Record};

use crate::runtime;

pub(crate) async fn lookup(question: Question) -> Result<Vec<Record>, Error> {
    match runtime()?.spawn_blocking(move || mimic_std::lookup(&question)).await {
        Ok(result) => result,
        // The runtime is shutting down.
        Err(error) => Err(Error::with_source(ErrorKind::Other, error).in_phase(Phase::Lookup)),
    }
}
