//! The standard keys and roles, and what their targets and outputs are made of.

pub(crate) mod dns;
mod endpoint;
pub(crate) mod keys;
mod percent;
mod redact;
pub(crate) mod roles;
pub(crate) mod targets;

pub use endpoint::Endpoint;
pub use percent::percent_decode;
