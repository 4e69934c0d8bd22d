//! Look-ups by the system's resolver.

use mimic_core::{Error, Question, Record};

pub(crate) async fn lookup(question: Question) -> Result<Vec<Record>, Error> {
    blocking::unblock(move || mimic_std::lookup(&question)).await
}
