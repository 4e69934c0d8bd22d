//! Flows of embassy-net: two stacks in one thread, joined in memory.

use std::cell::{Cell, RefCell};

use futures_lite::future::try_zip;
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
        self.world.borrow_mut().run(case)
    }
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
