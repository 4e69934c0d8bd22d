//! Client and server: the one difference between the two sides of the unbuffered API.

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::UnbufferedStatus;
use rustls::{CommonState, SideData};

/// The side of a TLS flow: [`Client`] or [`Server`]. Sealed.
pub trait Side: sealed::Sealed + 'static {
    #[doc(hidden)]
    type Connection: Connection + Send + Sync + Unpin;

    /// True for the side that accepts. In TLS 1.3 it may send session tickets behind its handshake.
    #[doc(hidden)]
    const IS_SERVER: bool;
}

/// The side that connects.
#[derive(Clone, Copy, Debug)]
pub struct Client;

/// The side that accepts.
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

/// The methods that both unbuffered connections of rustls have.
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
