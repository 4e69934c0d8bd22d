//! `serve URL...`: the application as a server.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use async_channel::Sender;
use futures_lite::future;
use mimic_core::embedded_io_async::{ErrorType, Read, Write};
use mimic_core::keys::PeerAddr;
use mimic_core::roles::Sleep;
use mimic_core::{Context, Endpoint, Error, Flow, FlowExt, Listener, ListenerExt, Mode, Shared, timeout};
use mimic_example_app as app;
use mimic_rustls::HandshakeObserver;

use crate::failure::{Failure, app_error, say};
use crate::runtime::Runtime;
use crate::stdio::print;
use crate::stop::{Stopped, stop};

/// How long connections may take to finish once the server stops.
const GRACE: Duration = Duration::from_secs(1);

/// Serves until a signal.
pub(crate) async fn run<R: Runtime>(ctx: &Context, urls: &[String]) -> Result<(), Failure> {
    let endpoints = urls.iter().map(|url| url.parse()).collect::<Result<Vec<Endpoint>, Error>>()?;
    let (stop, stopped) = stop();
    // Before anything listens: a signal that comes now must not leave a socket file behind.
    ctrlc::set_handler(move || stop.now()).map_err(|error| match error {
        ctrlc::Error::System(error) => Error::from(error).located_at("signals"),
        error => Error::with_source(mimic_core::ErrorKind::Other, error).located_at("signals"),
    })?;
    let server = Server::bind(ctx, endpoints).await?;
    for endpoint in server.endpoints() {
        print(format_args!("listening on {endpoint}\n"))?;
    }
    Ok(server.run::<R>(ctx, stopped).await?)
}

/// Listens, and does not accept yet. Dropping it removes what it made.
pub(crate) struct Server {
    listeners: Vec<(Endpoint, <Shared as Mode>::Listener)>,
}

impl Server {
    /// Listens on all endpoints, or on none.
    pub(crate) async fn bind(ctx: &Context, endpoints: impl IntoIterator<Item = Endpoint>) -> Result<Self, Error> {
        let mut listeners = Vec::new();
        for mut endpoint in endpoints {
            // Each client whose handshake fails; none is accepted before the endpoint is known.
            let known = Arc::new(OnceLock::<Endpoint>::new());
            let named = known.clone();
            let observer =
                move |error: &Error| named.get().into_iter().for_each(|at| say(format_args!("{at}: {error}")));
            let ctx = ctx.clone().with(HandshakeObserver, Arc::new(observer));
            let listening = ctx.with_endpoint(&endpoint).listen().await;
            let listener = listening.map_err(|error| error.to_target(&endpoint))?;
            if let Some(address) = listener.local_addr() {
                endpoint.port = Some(address.port());
            }
            known.get_or_init(|| endpoint.clone());
            listeners.push((endpoint, listener));
        }
        Ok(Self { listeners })
    }

    /// Where it listens: one endpoint for each address of a name, with the real port.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = Endpoint> {
        self.listeners.iter().flat_map(|(endpoint, listener)| {
            let addresses = listener.local_addrs();
            let path = addresses.is_empty().then(|| endpoint.clone());
            addresses.into_iter().map(|address| at(endpoint, address)).chain(path)
        })
    }

    /// Serves until it is stopped: then no connection is accepted any more, and the running ones
    /// see the end of their input and may finish their answers for a moment.
    pub(crate) async fn run<R: Runtime>(self, ctx: &Context, stopped: Stopped) -> Result<(), Error> {
        // Each connection holds one sender, so that the channel closes with the last of them.
        let (open, all_closed) = async_channel::bounded(1);
        let mut timer = ctx.resolve(Sleep, ()).await?;
        let mut accepting = Vec::new();
        for (endpoint, listener) in self.listeners {
            let timer = ctx.resolve(Sleep, ()).await?;
            accepting.push(Box::pin(accept::<R>(endpoint, listener, timer, stopped.clone(), open.clone())));
        }
        drop(open);
        let accept_all = poll_fn(|cx| {
            for accept in &mut accepting {
                let _ = accept.as_mut().poll(cx);
            }
            Poll::Pending
        });
        future::or(stopped, accept_all).await;
        // The listeners go first, and with them the socket files.
        drop(accepting);
        let _ = timeout(&mut timer, GRACE, async { Ok(all_closed.recv().await) }).await;
        Ok(())
    }
}

/// The endpoint at one of its addresses. That of a link means nothing without its zone.
fn at(endpoint: &Endpoint, address: SocketAddr) -> Endpoint {
    let host = match address {
        SocketAddr::V6(address) if address.scope_id() != 0 => format!("{}%{}", address.ip(), address.scope_id()),
        _ => address.ip().to_string(),
    };
    Endpoint { host: Some(host.into()), port: Some(address.port()), ..endpoint.clone() }
}

/// Gives every connection a task of its own, and says which errors there were in between.
async fn accept<R: Runtime>(
    endpoint: Endpoint,
    mut listener: <Shared as Mode>::Listener,
    mut timer: <Shared as Mode>::Timer,
    stopped: Stopped,
    open: Sender<Infallible>,
) -> Infallible {
    loop {
        let flow = listener.accept_ok(&mut timer, |error| say(format_args!("{endpoint}: {error}"))).await;
        R::spawn(connection(endpoint.clone(), flow, stopped.clone(), open.clone()));
    }
}

async fn connection(endpoint: Endpoint, flow: <Shared as Mode>::Flow, stopped: Stopped, open: Sender<Infallible>) {
    let peer: Option<SocketAddr> = flow.attribute(PeerAddr);
    let mut stream = Stoppable { flow, stopped };
    match app::serve(&mut stream).await {
        // All is answered, and the peer may still be reading; one that has gone already does not
        // want to hear that.
        Ok(()) => _ = stream.flow.close().await,
        Err(error) => match peer {
            Some(peer) => say(format_args!("{endpoint}, {peer}: {}", app_error(error))),
            None => say(format_args!("{endpoint}: {}", app_error(error))),
        },
    }
    // Now, and not with the arguments, so that "all closed" is said after the fact.
    drop(open);
}

/// A flow whose input ends when the server stops, once nothing more of it has arrived.
struct Stoppable {
    flow: <Shared as Mode>::Flow,
    stopped: Stopped,
}

impl ErrorType for Stoppable {
    type Error = Error;
}

impl Read for Stoppable {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        poll_fn(|cx| match self.flow.poll_read(cx, buf) {
            Poll::Pending => self.stopped.poll(cx).map(|()| Ok(0)),
            ready => ready,
        })
        .await
    }
}

impl Write for Stoppable {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
        self.flow.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.flow.flush().await
    }
}

#[cfg(test)]
mod tests {
    use mimic_core::roles::HostPort;

    use super::*;

    /// What is printed can be connected to: parsed again, it is the address that listens.
    #[test]
    fn an_endpoint_keeps_the_zone_of_its_address() {
        for (asked, address, printed) in [
            ("tcp://[fe80::1%25eth0]:0", "[fe80::1%3]:7007", "tcp://[fe80::1%253]:7007"),
            ("tcp://link.example:0", "[fe80::1%25]:7007", "tcp://[fe80::1%2525]:7007"),
            ("tls://localhost:0", "[::1]:7007", "tls://[::1]:7007"),
            ("tcp://localhost", "127.0.0.1:7007", "tcp://127.0.0.1:7007"),
        ] {
            let address: SocketAddr = address.parse().unwrap();
            let endpoint = at(&asked.parse().unwrap(), address);
            assert_eq!(endpoint.to_string(), printed);
            let Endpoint { host: Some(host), port: Some(port), .. } = printed.parse().unwrap() else {
                panic!("{printed}")
            };
            assert_eq!(HostPort::new(host, port).as_addr(), Some(address));
        }
    }
}
