//! Flows of tokio's sockets.

use futures_lite::future::try_zip;
use mimic_core::{Context, Error, ListenerExt, Port};
use mimic_tests::conformance::{Ends, Failure, Fixture, Kind, Work};

/// Pairs that need a runtime, and the runtime.
struct Tokio<F> {
    runtime: tokio::runtime::Runtime,
    kind: Kind,
    make: F,
}

impl<W, F> Fixture for Tokio<F>
where
    W: Future<Output = Result<Ends, Error>> + 'static,
    F: Fn() -> W,
{
    fn connect(&self) -> Work<'_, Result<Ends, Error>> {
        Box::pin((self.make)())
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn run(&self, case: Work<'_, Result<(), Failure>>) -> Result<(), Failure> {
        self.runtime.block_on(case)
    }
}

fn fixture<W>(kind: Kind, make: impl Fn() -> W) -> impl Fixture
where
    W: Future<Output = Result<Ends, Error>> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Tokio { runtime, kind, make }
}

/// Connected and accepted as users do: through contexts.
pub(crate) async fn over_tcp(ctx: Context, url: &str) -> Result<Ends, Error> {
    let ctx = ctx.with_url(url)?;
    let mut listener = ctx.listen().await?;
    let client = match listener.local_addr() {
        Some(addr) => ctx.with(Port, addr.port()),
        None => ctx,
    };
    let (client, server) = try_zip(client.connect(), listener.accept()).await?;
    Ok(Ends::shared(client, server))
}

pub(crate) fn tcp() -> impl Fixture {
    fixture(Kind::default(), || over_tcp(mimic_tokio::context(), "tcp://127.0.0.1:0"))
}
