//! Flows of embassy-net: two stacks in one thread, joined in memory.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use futures_lite::future::{block_on, try_zip};
use mimic_core::{Error, ListenerExt, LocalContext};
use mimic_embassy::context;
use mimic_rustls::{TlsConfig, TlsServer, TlsServerConfig};
use mimic_tests::conformance::{Ends, Failure, Fixture, Kind, Work};

use crate::world::{SERVER, World, buffers};

struct Embassy {
    world: RefCell<World>,
    client: LocalContext,
    server: LocalContext,
    scheme: &'static str,
    /// Each pair has a port of its own: a listener leaves its socket to the next.
    port: Cell<u16>,
    kind: Kind,
}

impl Fixture for Embassy {
    fn connect(&self) -> Work<'_, Result<Ends, Error>> {
        Box::pin(async {
            let port = self.port.replace(self.port.get() + 1);
            let server = self.server.clone().with_url(&format!("{}://0.0.0.0:{port}", self.scheme))?;
            let client = self.client.clone().with_url(&format!("{}://{SERVER}:{port}", self.scheme))?;
            let mut listener = server.listen().await?;
            let (client, server) = try_zip(client.connect(), listener.accept()).await?;
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

/// Polls a future with a waker that was used before, if one is free: embassy's timers are in a queue of the process that
/// has room for 128 wakers, and keeps those of the tests before until their time has come.
async fn with_kept_waker<T>(work: impl Future<Output = T>) -> T {
    #[derive(Default)]
    struct Kept(Mutex<Option<Waker>>);
    impl Wake for Kept {
        fn wake(self: Arc<Self>) {
            let woken = self.0.lock().unwrap().take();
            woken.into_iter().for_each(Waker::wake);
        }
    }
    static FREE: Mutex<Vec<Arc<Kept>>> = Mutex::new(Vec::new());
    let kept = FREE.lock().unwrap().pop().unwrap_or_default();
    let waker = Waker::from(kept.clone());
    let mut work = pin!(work);
    let output = poll_fn(|cx| {
        *kept.0.lock().unwrap() = Some(cx.waker().clone());
        work.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await;
    FREE.lock().unwrap().push(kept);
    output
}

fn embassy(scheme: &'static str, kind: Kind) -> Embassy {
    let world = World::new();
    let (server_config, client_config) = super::tls::for_server();
    Embassy {
        client: context(world.client, buffers::<8>()).with(TlsConfig, client_config),
        server: context(world.server, buffers::<8>()).install(TlsServer).with(TlsServerConfig, server_config),
        world: RefCell::new(world),
        scheme,
        port: Cell::new(1000),
        // A dropped flow closes in order, and its socket waits for the peer to close too.
        kind: kind.not_told_of_drop(),
    }
}

pub(crate) fn tcp() -> impl Fixture {
    embassy("tcp", Kind::default())
}

pub(crate) fn tls() -> impl Fixture {
    embassy("tls", Kind::default().with_error_on_drop())
}
