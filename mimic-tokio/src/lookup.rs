//! Look-ups by the system's resolver.

use mimic_core::{Error, ErrorKind, Phase, Question, Record, std_io};

use crate::runtime;

pub(crate) async fn lookup(question: Question) -> Result<Vec<Record>, Error> {
    match runtime()?.spawn_blocking(move || std_io::lookup(&question)).await {
        Ok(result) => result,
        // The runtime is shutting down.
        Err(error) => Err(Error::with_source(ErrorKind::Other, error).in_phase(Phase::Lookup)),
    }
}
