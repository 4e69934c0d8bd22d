//! The sockets and the clock of async-io.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use async_io::{Async, Timer};
use mimic_std::{Adapter, AsSocket, Listens};

use crate::{Smol, TcpFlow};

impl Adapter for Smol {
    type Sleep = Timer;

    async fn connect(to: SocketAddr) -> io::Result<Async<TcpStream>> {
        Async::<TcpStream>::connect(to).await
    }

    fn now() -> Instant {
        Instant::now()
    }

    fn sleep_until(at: Instant) -> Timer {
        Timer::at(at)
    }

    fn reset(sleep: &mut Timer, at: Instant) {
        sleep.set_at(at);
    }
}

impl Listens<TcpListener> for Smol {
    type Listener = Async<TcpListener>;
    type Stream = Async<TcpStream>;
    type Flow = TcpFlow;

    fn poll_accept(listener: &Self::Listener, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>> {
        poll_accept(listener, cx, |listener| listener.accept())
    }
}

#[cfg(unix)]
impl Listens<std::os::unix::net::UnixListener> for Smol {
    type Listener = Async<std::os::unix::net::UnixListener>;
    type Stream = Async<std::os::unix::net::UnixStream>;
    type Flow = crate::UnixFlow;

    fn poll_accept(listener: &Self::Listener, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>> {
        poll_accept(listener, cx, |listener| listener.accept())
    }
}

/// Accepts by polling, which async-io has only as a future.
fn poll_accept<L, S: AsSocket, A>(
    listener: &Async<L>,
    cx: &mut Context<'_>,
    accept: fn(&L) -> io::Result<(S, A)>,
) -> Poll<io::Result<Async<S>>> {
    loop {
        match accept(listener.get_ref()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(listener.poll_readable(cx))?,
            accepted => return Poll::Ready(accepted.and_then(|(socket, _)| Async::new(socket))),
        }
    }
}
