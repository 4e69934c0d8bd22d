//! Flows over the pipes of a child. The child relays to a TCP connection, so that the other end is a
//! flow of this process, too.

use futures_lite::future::try_zip;
use mimic_core::{Context, Error, ListenerExt};
use mimic_tests::conformance::{Ends, Fixture, Kind};
use mimic_tokio::process::{Command, Process};

async fn over_relay(ctx: Context) -> Result<Ends, Error> {
    let mut listener = ctx.clone().with_url("tcp://127.0.0.1:0")?.listen().await?;
    let to = listener.local_addr().map(|addr| format!("TCP:{addr}")).unwrap_or_default();
    // One direction may stay open for that many seconds after the other has ended.
    let relay = Command::new("socat").args(["-t", "60", "-", &to]);
    let (client, server) = try_zip(ctx.resolve(Process, relay), listener.accept()).await?;
    Ok(Ends::shared(client, server))
}

fn kind() -> Kind {
    Kind::default().without_reset().without_addresses().not_told_of_drop()
}

pub(crate) fn on_tokio() -> impl Fixture {
    super::tokio::on_tokio(kind(), || over_relay(mimic_tokio::context()))
}

pub(crate) fn on_smol() -> impl Fixture {
    super::smol::on_smol(kind(), || over_relay(mimic_smol::context()))
}
