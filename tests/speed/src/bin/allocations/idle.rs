//! Heap per connection that waits.

use std::net::{SocketAddr, TcpListener};

use allocation_counter::measure;
use futures_lite::future::{poll_once, zip};
use mimic_core::roles::{HostPort, Tcp, Transport};
use mimic_speed::net::{Configs, Net, Wire};
use mimic_speed::nets::{MimicTokioTls, TokioRustls};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use crate::tell;

/// How many TCP flows there are at once.
const FLOWS: usize = 10_000;
/// How many TLS connections, of two ends each.
const TLS: usize = 100;
/// Bytes each way before a connection is left alone: a ping, and more than any buffer.
const BEFORE: [(&str, usize); 2] = [("ping", 64), ("bulk", 60_000)];

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The peers are not accepted: that takes no descriptors, and nothing of them is in the heap.
pub(crate) fn tcp() {
    let limit = rlimit::increase_nofile_limit(FLOWS as u64 + 1_000).unwrap();
    let flows = FLOWS.min(usize::try_from(limit).unwrap() - 100);
    tell("idle-flows", flows);
    let ctx = mimic_tokio::context();

    each("idle-tcp-own", flows, async |to| TcpStream::connect(to).await.unwrap());
    each("idle-tcp-link", flows, async |to| ctx.resolve(Tcp, to).await.unwrap());
    each("idle-tcp-transport", flows, async |to| {
        ctx.resolve(Transport, HostPort::new("127.0.0.1", to.port())).await.unwrap()
    });
}

fn listen(backlog: usize) -> TcpListener {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(i32::try_from(backlog).unwrap()).unwrap();
    socket.into()
}

/// Heap bytes per connection that `connect` makes.
fn each<T>(name: &str, count: usize, connect: impl AsyncFn(SocketAddr) -> T) {
    // Anew each time: a connection that was closed and not accepted stays in the backlog.
    let listeners: Vec<TcpListener> = (0..4).map(|_| listen(count / 4 + 16)).collect();
    let addresses: Vec<SocketAddr> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
    let runtime = runtime();
    let mut kept = Vec::new();
    // What is made once, by the runtime and by the context.
    drop(runtime.block_on(connect(addresses[0])));
    let used = measure(|| {
        // The handle counts, too: one is boxed and the other is not.
        kept.reserve_exact(count);
        runtime.block_on(async {
            while kept.len() < count {
                kept.push(connect(addresses[kept.len() % addresses.len()]).await);
            }
        });
    });
    tell(name, format_args!("{:.1}", used.bytes_current as f64 / count as f64));
}

pub(crate) fn tls() {
    let configs = Configs::new(false);
    for (what, size) in BEFORE {
        both(&format!("idle-tls-own-{what}"), size, &TokioRustls(configs.clone()));
        both(&format!("idle-tls-mimic-{what}"), size, &MimicTokioTls(configs.clone()));
    }
}

/// Heap bytes per end of a connection, both ends being of one kind and on this thread.
fn both(name: &str, size: usize, net: &impl Net) {
    let runtime = runtime();
    let listener = listen(16);
    let mut kept = Vec::new();
    let connect = || runtime.block_on(connect(net, &listener, size));
    drop(connect());
    let used = measure(|| {
        kept.reserve_exact(TLS);
        while kept.len() < TLS {
            kept.push(connect())
        }
    });
    tell(name, format_args!("{:.0}", used.bytes_current as f64 / (2 * TLS) as f64));
}

async fn connect(net: &impl Net, listener: &TcpListener, size: usize) -> (impl Wire, impl Wire) {
    let (mut near, mut far) = zip(net.client(listener.local_addr().unwrap()), async {
        // The connection is there at once: it waits in the backlog.
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        net.server(socket).await
    })
    .await;
    let (message, mut buf) = (vec![7; size], vec![0; size]);
    pass(&mut near, &mut far, &message, &mut buf).await;
    pass(&mut far, &mut near, &message, &mut buf).await;
    // Both readers park, as those of an idle connection do.
    assert!(poll_once(near.get(&mut [0])).await.is_none());
    assert!(poll_once(far.get(&mut [0])).await.is_none());
    (near, far)
}

async fn pass(from: &mut impl Wire, to: &mut impl Wire, message: &[u8], buf: &mut [u8]) {
    let mut read = 0;
    let receive = async {
        while read < buf.len() {
            read += to.get(&mut buf[read..]).await;
        }
    };
    // The reader first: it parks before the bytes come.
    zip(receive, from.put(message)).await;
}
