//! The sockets and the clock of tokio.

use std::io;
use std::net::{self, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use mimic_core::{Error, ErrorKind};
use mimic_std::{Adapter, Listens};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::time;

use crate::{TcpFlow, Tokio};

impl Adapter for Tokio {
    type Sleep = Pin<Box<time::Sleep>>;

    /// A tick: the end is rounded up to one, and so is the wait for it.
    const LATE: Duration = Duration::from_millis(1);

    // Outside a runtime tokio panics, and mimic does not.
    fn check() -> Result<(), Error> {
        Handle::try_current().map(drop).map_err(|error| {
            Error::with_source(ErrorKind::Unsupported, error)
                .advise("poll it inside a tokio runtime, or install the adapter of the runtime that you use")
        })
    }

    async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(to).await
    }

    fn now() -> Instant {
        time::Instant::now().into_std()
    }

    fn sleep_until(at: Instant) -> Self::Sleep {
        Box::pin(time::sleep_until(at.into()))
    }

    fn reset(sleep: &mut Self::Sleep, at: Instant) {
        sleep.as_mut().reset(at.into());
    }
}

impl Listens<net::TcpListener> for Tokio {
    type Listener = TcpListener;
    type Stream = TcpStream;
    type Flow = TcpFlow;

    fn poll_accept(listener: &Self::Listener, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>> {
        listener.poll_accept(cx).map_ok(|(socket, _)| socket)
    }
}

#[cfg(unix)]
impl Listens<std::os::unix::net::UnixListener> for Tokio {
    type Listener = tokio::net::UnixListener;
    type Stream = tokio::net::UnixStream;
    type Flow = crate::UnixFlow;

    fn poll_accept(listener: &Self::Listener, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>> {
        listener.poll_accept(cx).map_ok(|(socket, _)| socket)
    }
}
