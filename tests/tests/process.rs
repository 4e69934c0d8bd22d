//! The flow of a child, put through the conformance kit. The child relays to a TCP connection, so
//! that the other end is a flow of this process, too.

#![cfg(unix)]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

use futures_lite::future::try_zip;
use mimic_core::{Context, Error, ListenerExt};
use mimic_tests::conformance::{Ends, Fixture, Kind, Side, cases, pairs_on, run};
use mimic_tokio::process::{Command, Process};

/// Each direction ends by itself, which socat's do not: its output stays open until both have.
const RELAY: &str = "
import os, socket, sys, threading
peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
def outwards():
    try:
        while data := os.read(0, 65536):
            peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
    except OSError:
        os.close(0)
thread = threading.Thread(target=outwards)
thread.start()
try:
    while data := peer.recv(65536):
        while data:
            data = data[os.write(1, data):]
except OSError:
    pass
os.close(1)
thread.join()
os._exit(0)
";

async fn over_relay(ctx: Context) -> Result<Ends, Error> {
    let mut listener = ctx.clone().with_url("tcp://127.0.0.1:0")?.listen().await?;
    let port = listener.local_addr().map(|addr| addr.port().to_string()).unwrap_or_default();
    let relay = Command::new("python3").args(["-S", "-c", RELAY, &port]);
    let (client, server) = try_zip(ctx.resolve(Process, relay), listener.accept()).await?;
    Ok(Ends::shared(client, server))
}

fn kind() -> Kind {
    Kind::default().without_reset().without_addresses().not_told_of_drop()
}

fn on_tokio() -> impl Fixture {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    pairs_on(kind(), || over_relay(mimic_tokio::context()), move |case| runtime.block_on(case))
}

fn on_smol() -> impl Fixture {
    pairs_on(kind(), || over_relay(mimic_smol::context()), |case| smol::block_on(case))
}

fn conforms<F: Fixture + 'static>(fixture: fn() -> F) {
    let failed = |name| run(fixture, Side::Client, name).err().map(|failure| format!("{name}: {failure:?}"));
    let failures: Vec<String> = cases().iter().filter_map(|case| failed(case.name())).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn process_of_tokio_conforms() {
    conforms(on_tokio);
}

#[test]
fn process_of_smol_conforms() {
    conforms(on_smol);
}
