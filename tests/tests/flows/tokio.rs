//! Flows of tokio's sockets.

use mimic_core::Error;
use mimic_tests::conformance::{End, Ends, Fixture, Kind, pairs_on};
use mimic_tokio::{TcpFlow, context};
use tokio::net::{TcpListener, TcpStream};

pub(crate) fn on_tokio<W>(kind: Kind, make: impl Fn() -> W) -> impl Fixture
where
    W: Future<Output = Result<Ends, Error>> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    pairs_on(kind, make, move |case| runtime.block_on(case))
}

pub(crate) fn tcp() -> impl Fixture {
    on_tokio(Kind::default(), || super::over_tcp(context()))
}

pub(crate) fn unix() -> impl Fixture {
    on_tokio(Kind::default().without_reset().without_addresses(), || super::over_unix(context()))
}

pub(crate) fn tls() -> impl Fixture {
    on_tokio(Kind::default().with_error_on_drop(), || super::over_tls(context()))
}

/// On a runtime of several threads, whose I/O is polled by another.
pub(crate) fn tcp_threads() -> impl Fixture {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let make = || super::over_tcp(context());
    pairs_on(Kind::default(), make, move |case| runtime.block_on(case))
}

/// The bare sockets, without a context.
pub(crate) async fn sockets() -> Result<(TcpStream, TcpStream), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (server, _) = listener.accept().await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    Ok((client, server))
}

pub(crate) fn socket() -> impl Fixture {
    on_tokio(Kind::default(), || async {
        let (client, server) = sockets().await?;
        let end = |socket| {
            End::shared(TcpFlow::from(socket)).opened_by(|flow| {
                let flow = flow.downcast::<TcpFlow>().ok()?;
                Some(Box::new(TcpFlow::new(flow.into_inner())))
            })
        };
        Ok(Ends { client: end(client), server: end(server) })
    })
}
