//! Look-ups by the system's resolver.

use mimic_core::{Error, Question, Record, std_io};

pub(crate) async fn lookup(question: Question) -> Result<Vec<Record>, Error> {
    blocking::unblock(move || std_io::lookup(&question)).await
}
