//! What adapters for hosted systems share: everything but the runtime.
//!
//! - [`Adapter`] and [`Listens`] are the parts of a runtime. [`Hosted`] makes the roles of them,
//!   and [`Acceptor`] listeners.
//! - [`StreamFlow`] is a flow over a stream of a runtime. [`Ends`] keeps the promises of
//!   [`Flow`](mimic_core::Flow) over streams with the habits of `std::io`. [`with_io_slices`] and
//!   [`with_byte_slices`] convert vectored writes without allocating. An adapter calls
//!   [`discard_unread`] before it closes a socket.
//! - [`lookup`] looks names up as the system does. `source` (feature `happy-eyeballs`) returns the
//!   address that the system would connect from.
//! - `Connector` (feature `hyper`) connects HTTP clients by a context, and `ToHyper` is the
//!   connection. `OverUnix` reaches hosts by Unix sockets. [`ConnectionInfo`] keeps attributes of a
//!   flow.
//! - Listeners take the sockets of [`Inherited`], if one listens at their address. `SocketFile` is
//!   the file of a Unix listener.
//! - `process` (feature `process`) has commands as transports.
//!
//! Authors of adapters depend on this crate. Applications depend on an adapter.

#![forbid(unsafe_code)]

mod accept;
mod acceptor;
mod adapter;
mod bridge;
mod cached_file;
mod clock;
#[cfg(unix)]
mod connect_unix;
mod ends;
mod hosted;
mod hosts;
mod http;
mod inherited;
mod itself;
mod listening;
mod lookup;
mod nsswitch;
mod numeric;
#[cfg(feature = "process")]
pub mod process;
mod questions;
mod search;
mod slices;
#[cfg(unix)]
mod socket_file;
mod source;
mod system;
mod tcp_options;
mod unread;

pub use acceptor::Acceptor;
pub use adapter::{Adapter, AsSocket, Listens, UnixSockets};
pub use bridge::{PollStream, StreamFlow};
pub use clock::Clock;
pub use ends::Ends;
pub use hosted::Hosted;
#[cfg(feature = "happy-eyeballs")]
pub use hosted::SourceAddresses;
#[cfg(unix)]
pub use http::OverUnix;
pub use http::{Attributes, ConnectionInfo};
#[cfg(feature = "hyper")]
pub use http::{Connector, ToHyper};
pub use inherited::{Inherited, InheritedSockets};
pub use lookup::{lookup, lookup_locally, set_lookup_threads};
pub use slices::{with_byte_slices, with_io_slices};
#[cfg(unix)]
pub use socket_file::SocketFile;
#[cfg(feature = "happy-eyeballs")]
pub use source::source;
pub use system::enough_descriptors;
pub use unread::discard_unread;
