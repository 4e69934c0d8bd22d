//! One client and one server, written once, on every pair of runtimes, over every transport.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::future::Future;
use std::time::Duration;

use common::tls;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::memory_pair;
use mimic_core::keys::{Deadline, Host, PeerAddr, Port};
use mimic_core::roles::{Connect, Transport};
use mimic_core::{
    Context, Ctx, Error, FlowExt, Install, ListenerExt, Local, LocalContext, Mode, Shared, for_each_mode,
};
use mimic_rustls::{TlsConfig, TlsServerConfig};

/// The server's side: one connection of the line protocol, to its end.
async fn serve(listener: &mut <Shared as Mode>::Listener) -> Result<(), Error> {
    let mut flow = listener.accept().await?;
    mimic_example_app::serve(&mut flow).await.map_err(app)?;
    flow.close().await
}

/// The client's side, for any context in any mode.
async fn ping<M: Mode>(ctx: &Ctx<M>) -> Result<String, Error> {
    let mut flow = ctx.connect().await?;
    let mut transcript = String::new();
    mimic_example_app::ping(&mut flow, &mut transcript).await.map_err(app)?;
    flow.close().await?;
    Ok(transcript)
}

fn app(error: mimic_example_app::AppError<Error>) -> Error {
    Error::new(mimic_core::ErrorKind::Other, error.to_string())
}

const TRANSCRIPT: &str = "> ping\n< pong\n> pong\n< ping\n> mimic\n< mimic\n";

struct Runtime {
    name: &'static str,
    context: fn() -> Context,
    block_on: fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>),
}

fn runtimes() -> [Runtime; 3] {
    [
        Runtime {
            name: "tokio",
            context: mimic_tokio::context,
            block_on: |future| tokio::runtime::Runtime::new().unwrap().block_on(future),
        },
        Runtime { name: "smol", context: mimic_smol::context, block_on: |future| smol::block_on(future) },
        Runtime {
            name: "async-std",
            context: mimic_smol::context,
            block_on: |future| async_std::task::block_on(future),
        },
    ]
}

#[test]
fn every_client_meets_every_server() {
    let (server_config, client_config) = tls("127.0.0.1");
    let directory = std::env::temp_dir().join(format!("mimic-runtimes-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for server in runtimes() {
        for client in runtimes() {
            let socket = directory.join(format!("{}-{}.sock", server.name, client.name));
            let mut urls = vec!["tcp://127.0.0.1:0".to_string(), "tls://127.0.0.1:0".to_string()];
            if cfg!(unix) {
                urls.push(format!("unix:{}", socket.display()));
            }
            for url in urls {
                let (send, receive) = std::sync::mpsc::channel();
                let (context, block_on) = (server.context, server.block_on);
                let (listen_at, config) = (url.clone(), server_config.clone());
                let thread = std::thread::spawn(move || {
                    block_on(Box::pin(async move {
                        let ctx = context().with(TlsServerConfig, config).with_url(&listen_at).unwrap();
                        let mut listener = ctx.listen().await.unwrap();
                        send.send(listener.local_addr()).unwrap();
                        serve(&mut listener).await.unwrap();
                    }));
                });
                let bound = receive.recv_timeout(Duration::from_secs(30)).unwrap();
                let mut ctx = (client.context)().with(TlsConfig, client_config.clone()).with_url(&url).unwrap();
                if let Some(addr) = bound {
                    ctx = ctx.with(Port, addr.port());
                }
                (client.block_on)(Box::pin(async move { assert_eq!(ping(&ctx).await.unwrap(), TRANSCRIPT) }));
                thread.join().unwrap();
                assert!(!socket.exists(), "the listener removes its socket file");
            }
        }
    }
    std::fs::remove_dir(&directory).unwrap();
}

/// A transport in memory whose peer says "pong" and goes, for both modes.
struct InMemory;

for_each_mode!(M => {
    impl Install<M> for InMemory {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            ctx.install(mimic_core::Schemes).register(Transport, "memory", 0, (), |_to, ()| async {
                let (here, mut there) = memory_pair::<M>(16);
                there.write_all(b"pong\n").await?;
                Ok(Box::new(here) as <M as Mode>::Flow)
            })
        }
    }
});

#[test]
fn one_install_serves_both_modes() {
    let shared = Context::new().install(InMemory).with_url("tcp://anywhere:1").unwrap();
    let local = LocalContext::new().install(InMemory).with_url("tcp://anywhere:1").unwrap();
    async fn first_line<M: Mode>(ctx: &Ctx<M>) -> [u8; 5] {
        let mut flow = ctx.connect().await.unwrap();
        let mut line = [0; 5];
        flow.read_exact(&mut line).await.unwrap();
        line
    }
    smol::block_on(async {
        assert_eq!(first_line::<Shared>(&shared).await, *b"pong\n");
        assert_eq!(first_line::<Local>(&local).await, *b"pong\n");
    });
}

#[test]
fn contexts_of_adapters_have_a_deadline_and_say_what_they_would_do() {
    for runtime in runtimes() {
        let ctx = (runtime.context)().with_url("http://example.org/index.html").unwrap();
        assert_eq!(ctx.get(Deadline), Some(Duration::from_secs(30)), "{}", runtime.name);
        assert_eq!(ctx.get(Host).as_deref(), Some("example.org"));
        let plan = ctx.explain(Connect).to_string();
        assert!(plan.contains("+ http [100]: yes") && plan.contains("- tcp [100]: no"), "{}: {plan}", runtime.name);
        let tls = (runtime.context)().with_url("https://example.org").unwrap().explain(Connect).to_string();
        assert!(tls.contains("over Secure") && tls.contains("req TlsConfig: computed"), "{}: {tls}", runtime.name);
    }
}

#[test]
fn attributes_come_through_the_box_on_every_runtime() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = server.local_addr().unwrap();
    for runtime in runtimes() {
        let ctx = (runtime.context)().with_url(&format!("tcp://{addr}")).unwrap();
        (runtime.block_on)(Box::pin(async move {
            assert_eq!(ctx.connect().await.unwrap().attribute(PeerAddr), Some(addr));
        }));
    }
}
