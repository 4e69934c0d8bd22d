//! Listening.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::task::{Context, Poll, Waker};

use embassy_net::IpListenEndpoint;
use embassy_net::tcp::State;
use mimic_core::{Error, Listener, Local, Mode};

use crate::address;
use crate::flow::TcpFlow;
use crate::pool::{Pool, PooledSocket};
use crate::socket::{Options, poll_once, start};

/// Accepts flows over sockets of the pool: a listening socket becomes the connection, and another
/// takes its place.
pub(crate) struct Acceptor {
    pool: &'static Pool,
    at: SocketAddr,
    endpoint: IpListenEndpoint,
    options: Options,
    backlog: usize,
    /// Those that listen, and those whose peer has begun to connect.
    sockets: Vec<PooledSocket>,
}

impl Acceptor {
    pub(crate) fn bind(pool: &'static Pool, at: SocketAddr, options: Options, backlog: usize) -> Result<Self, Error> {
        let endpoint = pool.bind(address::listen(pool.stack(), at)?)?;
        let at = SocketAddr::new(at.ip(), endpoint.port);
        let backlog = backlog.clamp(1, pool.size());
        let mut acceptor = Self { pool, at, endpoint, options, backlog, sockets: Vec::new() };
        // At once, if there are sockets: a peer may connect before anybody accepts.
        acceptor.listen(&mut Context::from_waker(Waker::noop()));
        Ok(acceptor)
    }

    /// Lets sockets listen until there are enough that do. As many others may be on the way to a
    /// connection.
    fn listen(&mut self, cx: &mut Context<'_>) {
        let mut missing = self.backlog - self.listening().min(self.backlog);
        while missing > 0 && self.sockets.len() < 2 * self.backlog {
            match self.pool.poll_take(cx) {
                Poll::Ready(Some(socket)) => {
                    self.options.connecting(&mut socket.get());
                    // The rest of embassy-net's future only waits for the state to change.
                    let _ = start(socket.get().accept(self.endpoint));
                    self.sockets.push(socket);
                    missing -= 1;
                }
                Poll::Ready(None) => return self.pool.wait(cx),
                Poll::Pending => return,
            }
        }
    }

    fn listening(&self) -> usize {
        self.sockets.iter().filter(|socket| socket.get().state() == State::Listen).count()
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.pool.unbind(self.endpoint);
        // No flow will be made of those that connected.
        self.sockets.iter_mut().for_each(PooledSocket::abort_on_drop);
    }
}

#[deny(clippy::missing_trait_methods)]
impl Listener<Local> for Acceptor {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<<Local as Mode>::Flow, Error>> {
        // Peers that gave up; the pool may have waited for their sockets.
        self.sockets.retain(|socket| !matches!(socket.get().state(), State::Closed | State::TimeWait));
        let connected = |socket: &PooledSocket| !matches!(socket.get().state(), State::Listen | State::SynReceived);
        let place = self.sockets.iter().position(connected);
        let accepted = place.map(|place| self.sockets.remove(place));
        self.listen(cx);
        if let Some(socket) = accepted {
            log!(debug, "accepted at port {}", self.endpoint.port);
            return Poll::Ready(Ok(Box::new(TcpFlow::new(socket, self.options))));
        }
        for socket in &self.sockets {
            // Wakes when the state changes.
            let _ = poll_once(cx, socket.get().wait_write_ready());
        }
        Poll::Pending
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        Some(self.at)
    }

    fn each_local_addr(&self, visit: &mut dyn FnMut(SocketAddr)) {
        visit(self.at);
    }
}
