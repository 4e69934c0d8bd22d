//! Flows of embassy-net: two stacks in one thread, joined in memory.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures_lite::future::{block_on, try_zip};
use mimic_core::{Error, Flow, ListenerExt, Local, LocalContext, Mode};
use mimic_embassy::context;
use mimic_tests::conformance::{Ends, Failure, Fixture, Kind, Work};

use crate::world::{SERVER, World, buffers};

struct Embassy {
    world: RefCell<World>,
    client: LocalContext,
    server: LocalContext,
    tls: bool,
    /// Each pair has a port of its own: a listener leaves its socket to the next.
    port: Cell<u16>,
    kind: Kind,
}

impl Fixture for Embassy {
    fn connect(&self) -> Work<'_, Result<Ends, Error>> {
        Box::pin(async {
            let port = self.port.replace(self.port.get() + 1);
            let server = self.server.clone().with_url(&format!("tcp://0.0.0.0:{port}"))?;
            let client = self.client.clone().with_url(&format!("tcp://{SERVER}:{port}"))?;
            let mut listener = server.listen().await?;
            let (client, server) = try_zip(client.connect(), listener.accept()).await?;
            if !self.tls {
                return Ok(Ends::local(client, server));
            }
            let (server_config, client_config) = super::tls::configs();
            let [client, server] =
                [client, server].map(|flow| Below { flow, reader: Kept::new(), writer: Kept::new() });
            let connect = mimic_rustls::connect(client, client_config, Vec::new(), "127.0.0.1");
            let (client, server) = try_zip(connect, mimic_rustls::accept(server, &server_config)).await?;
            Ok(Ends::local(client, server))
        })
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn run(&self, case: Work<'_, Result<(), Failure>>) -> Result<(), Failure> {
        block_on(with_kept_waker(self.world.borrow_mut().around(case)))
    }
}

/// A waker that was used before, if one is free, and wakes whoever was set last.
///
/// embassy's timers on a host are in one queue of the process that has room for 128 wakers, and
/// keeps those of tests that are over until their time has come. Whoever comes when it is full
/// wakes somebody else, who comes back, and so on.
struct Kept {
    relay: Arc<Relay>,
    waker: Waker,
}

#[derive(Default)]
struct Relay(Mutex<Option<Waker>>);

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        let woken = self.0.lock().unwrap().take();
        woken.into_iter().for_each(Waker::wake);
    }
}

static FREE: Mutex<Vec<Arc<Relay>>> = Mutex::new(Vec::new());

impl Kept {
    fn new() -> Self {
        let relay = FREE.lock().unwrap().pop().unwrap_or_default();
        Self { waker: relay.clone().into(), relay }
    }

    fn for_now(&self, cx: &Context<'_>) -> Context<'_> {
        *self.relay.0.lock().unwrap() = Some(cx.waker().clone());
        Context::from_waker(&self.waker)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        *self.relay.0.lock().unwrap() = None;
        FREE.lock().unwrap().push(self.relay.clone());
    }
}

async fn with_kept_waker<T>(work: impl Future<Output = T>) -> T {
    let kept = Kept::new();
    let mut work = pin!(work);
    poll_fn(|cx| work.as_mut().poll(&mut kept.for_now(cx))).await
}

/// Below TLS, each flow of which has a waker of its own.
struct Below {
    flow: <Local as Mode>::Flow,
    reader: Kept,
    writer: Kept,
}

impl Flow for Below {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.flow.poll_read(&mut self.reader.for_now(cx), buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.flow.poll_write(&mut self.writer.for_now(cx), buf)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.flow.poll_flush(&mut self.writer.for_now(cx))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.flow.poll_shutdown(&mut self.writer.for_now(cx))
    }

    fn abort(&mut self) {
        self.flow.abort();
    }

    fn inner(&self) -> Option<&dyn Flow> {
        Some(&*self.flow)
    }
}

impl fmt::Debug for Below {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Below").field(&self.flow).finish()
    }
}

fn embassy(tls: bool, kind: Kind) -> Embassy {
    let world = World::new();
    Embassy {
        client: context(world.client, buffers::<8>()),
        server: context(world.server, buffers::<8>()),
        world: RefCell::new(world),
        tls,
        port: Cell::new(1000),
        // A dropped flow closes in order, and its socket waits for the peer to close too.
        kind: kind.not_told_of_drop(),
    }
}

pub(crate) fn tcp() -> impl Fixture {
    embassy(false, Kind::default())
}

pub(crate) fn tls() -> impl Fixture {
    embassy(true, Kind::default().with_error_on_drop())
}
