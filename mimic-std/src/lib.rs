//! What adapters for hosted systems share: everything but the runtime.
//!
//! [`StreamFlow`] is a flow over a stream of a runtime; [`Ends`] keeps the promises of [`Flow`](mimic_core::Flow) over streams with the habits of
//! `std::io`; [`with_io_slices`] and [`with_byte_slices`] convert vectored writes without
//! allocating; [`lookup`] looks names up as the system does, and `source` (feature
//! `happy-eyeballs`) tells the address that it would connect from; [`TcpOptions`] are what a
//! context says of TCP sockets, and [`refuse_itself`] refuses one that is its own peer;
//! [`TcpListening`] and `UnixListening` bind listeners, or take those of [`Inherited`];
//! [`discard_unread`] comes before a socket is closed; `SocketFile` is the file of a Unix
//! listener, and `connect_unix` connects to one; [`accept_error`] and [`accepted_error`] say
//! whether an accept loop rests.
//!
//! Authors of adapters depend on this crate. Applications depend on an adapter.

#![forbid(unsafe_code)]

mod accept;
mod bridge;
mod cached_file;
#[cfg(unix)]
mod connect_unix;
mod ends;
mod hosts;
mod inherited;
mod itself;
mod listening;
mod lookup;
mod nsswitch;
mod numeric;
mod questions;
mod search;
mod slices;
#[cfg(unix)]
mod socket_file;
mod source;
mod system;
mod tcp_options;
mod unread;

pub use accept::{accept_error, accepted_error};
pub use bridge::{PollStream, StreamFlow};
#[cfg(unix)]
pub use connect_unix::connect_unix;
pub use ends::Ends;
pub use inherited::{Inherited, InheritedSockets};
pub use itself::refuse_itself;
pub use listening::TcpListening;
#[cfg(unix)]
pub use listening::UnixListening;
pub use lookup::{lookup, lookup_locally, set_lookup_threads};
pub use slices::{with_byte_slices, with_io_slices};
#[cfg(unix)]
pub use socket_file::SocketFile;
#[cfg(feature = "happy-eyeballs")]
pub use source::source;
pub use system::enough_descriptors;
pub use tcp_options::TcpOptions;
pub use unread::discard_unread;
