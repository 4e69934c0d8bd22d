//! Look-ups by the system's resolver.

#[cfg(not(feature = "happy-eyeballs"))]
use mimic_core::std_io as system;
use mimic_core::{Error, Question, Record};
#[cfg(feature = "happy-eyeballs")]
use mimic_happy_eyeballs::system;

pub(crate) async fn lookup(question: Question) -> Result<Vec<Record>, Error> {
    blocking::unblock(move || system::lookup(&question)).await
}
