//! What adapters for hosted systems share: everything but the runtime.
//!
//! [`Ends`] keeps the promises of [`Flow`](mimic_core::Flow) over streams with the habits of
//! `std::io`; [`with_io_slices`] and [`with_byte_slices`] convert vectored writes without
//! allocating; [`lookup`] asks the system for addresses, and `source` (feature `happy-eyeballs`)
//! for the address that it would connect from; [`TcpOptions`] are what a context says of TCP
//! sockets; [`TcpListening`] and `UnixListening` bind listeners, or take those of [`Inherited`];
//! `SocketFile` is the file of a Unix listener, and `connect_unix` connects to one;
//! [`accept_error`] and [`accepted_error`] say whether an accept loop rests.
//!
//! Authors of adapters depend on this crate. Applications depend on an adapter.

#![forbid(unsafe_code)]

mod accept;
#[cfg(unix)]
mod connect_unix;
mod ends;
mod inherited;
mod listening;
mod lookup;
mod slices;
#[cfg(unix)]
mod socket_file;
#[cfg(feature = "happy-eyeballs")]
mod source;
mod tcp_options;

pub use accept::{accept_error, accepted_error};
#[cfg(unix)]
pub use connect_unix::connect_unix;
pub use ends::Ends;
pub use inherited::{Inherited, InheritedSockets};
pub use listening::TcpListening;
#[cfg(unix)]
pub use listening::UnixListening;
pub use lookup::lookup;
pub use slices::{with_byte_slices, with_io_slices};
#[cfg(unix)]
pub use socket_file::SocketFile;
#[cfg(feature = "happy-eyeballs")]
pub use source::source;
pub use tcp_options::TcpOptions;
