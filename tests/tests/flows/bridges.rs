//! Flows that went through a runtime's I/O traits and back.

use mimic_core::io::{Memory, memory_pair};
use mimic_core::{Flow, Shared};
use mimic_smol::{FromFutures, ToFutures};
use mimic_tests::conformance::{End, Ends, Fixture, Kind, pairs};
use mimic_tokio::{FromTokio, TcpFlow, ToTokio};

use super::tokio::{on_tokio, sockets};

/// The wrappers hide what is below: it can be neither aborted nor asked.
fn bridged() -> Kind {
    Kind::default().without_reset().without_addresses()
}

type ByTokio<F> = FromTokio<ToTokio<F>>;
type ByFutures<F> = FromFutures<ToFutures<F>>;

fn by_tokio<F: Flow + Send + 'static>(flow: F) -> End {
    End::shared(FromTokio::new(ToTokio::new(flow)))
        .opened_by(|flow| Some(Box::new(flow.downcast::<ByTokio<F>>().ok()?.into_inner().into_inner())))
}

fn by_futures<F: Flow + Send + 'static>(flow: F) -> End {
    End::shared(FromFutures::new(ToFutures::new(flow)))
        .opened_by(|flow| Some(Box::new(flow.downcast::<ByFutures<F>>().ok()?.into_inner().into_inner())))
}

pub(crate) fn tokio_traits() -> impl Fixture {
    pairs(bridged(), || async {
        let (client, server) = memory_pair::<Shared>(4096);
        Ok(Ends { client: by_tokio(client), server: by_tokio(server) })
    })
}

pub(crate) fn futures_traits() -> impl Fixture {
    pairs(bridged(), || async {
        let (client, server) = memory_pair::<Shared>(4096);
        Ok(Ends { client: by_futures(client), server: by_futures(server) })
    })
}

/// Through both, one in the other.
pub(crate) fn both_traits() -> impl Fixture {
    pairs(bridged(), || async {
        let (client, server) = memory_pair::<Shared>(4096);
        let bridge = |flow: Memory<Shared>| by_futures(FromTokio::new(ToTokio::new(flow)));
        Ok(Ends { client: bridge(client), server: bridge(server) })
    })
}

/// tokio's own pipe, as a flow.
pub(crate) fn tokio_duplex() -> impl Fixture {
    on_tokio(bridged(), || async {
        let (client, server) = tokio::io::duplex(4096);
        Ok(Ends::shared(FromTokio::new(client), FromTokio::new(server)))
    })
}

/// tokio's sockets through futures-io's traits.
pub(crate) fn tokio_sockets_by_futures() -> impl Fixture {
    on_tokio(bridged(), || async {
        let (client, server) = sockets().await?;
        Ok(Ends { client: by_futures(TcpFlow::from(client)), server: by_futures(TcpFlow::from(server)) })
    })
}
