//! Flows in memory, and what goes over them.

use mimic_core::{Shared, memory_pair};
use mimic_tests::conformance::{Ends, Fixture, Kind, pairs};

pub(crate) fn memory() -> impl Fixture {
    pairs(Kind::default().without_addresses(), || async {
        let (client, server) = memory_pair::<Shared>(4096);
        Ok(Ends::shared(client, server))
    })
}
