//! Fixtures of all flows.

pub(crate) mod memory;
pub(crate) mod tokio;
