//! The standard keys and roles, and what their targets and outputs are made of.

mod dns;
mod endpoint;
mod keys;
mod percent;
mod redact;
mod roles;
mod targets;

pub use dns::{Question, Record, RecordType, Service};
pub use endpoint::Endpoint;
pub use keys::*;
pub use percent::percent_decode;
pub use roles::*;
pub use targets::{HostPort, UnixPath};
