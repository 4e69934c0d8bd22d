//! Client and server: the one difference between the two sides of the unbuffered API.

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::UnbufferedStatus;
use rustls::{CommonState, SideData};

/// [`Client`] or [`Server`]. Sealed.
pub trait Side: sealed::Sealed + 'static {
    #[doc(hidden)]
    type Connection: Connection + Send + Sync + Unpin;

    /// Whether this side accepts. Then session tickets may follow what it sends in a handshake of
    /// TLS 1.3.
    #[doc(hidden)]
    const IS_SERVER: bool;
}

/// Whoever connects.
#[derive(Clone, Copy, Debug)]
pub struct Client;

/// Whoever accepts.
#[derive(Clone, Copy, Debug)]
pub struct Server;

impl Side for Client {
    type Connection = UnbufferedClientConnection;
    const IS_SERVER: bool = false;
}

impl Side for Server {
    type Connection = UnbufferedServerConnection;
    const IS_SERVER: bool = true;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Client {}
    impl Sealed for super::Server {}
}

/// What both connections can do.
pub trait Connection {
    type Data: SideData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;

    fn state(&self) -> &CommonState;
}

impl Connection for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }

    fn state(&self) -> &CommonState {
        self
    }
}

impl Connection for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }

    fn state(&self) -> &CommonState {
        self
    }
}
