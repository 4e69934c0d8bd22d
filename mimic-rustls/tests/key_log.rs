//! The secrets of a connection are logged where the context asks for it, and nowhere else.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;
#[path = "common/world.rs"]
#[allow(dead_code, reason = "of the world, only the listener is needed")]
mod world;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use common::tasks::both;
use common::{Authority, BOTH, NAME};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::{Memory, memory_pair};
use mimic_core::roles::{HostPort, Secure, Transport};
use mimic_core::{Context, Flow, FlowExt, ListenerExt, Shared};
use mimic_rustls::rustls::crypto::ring;
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::rustls::{ClientConfig, KeyLog, KeyLogFile, ServerConfig, SupportedProtocolVersion};
use mimic_rustls::{Resumed, Tls, TlsConfig, TlsKeyLog, accept};
use world::{Listen, World};

/// Label, random number of the client, and secret.
type Line = (String, Vec<u8>, Vec<u8>);

/// Keeps the lines in memory.
#[derive(Debug, Default)]
struct Lines(Mutex<Vec<Line>>);

impl KeyLog for Lines {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        self.0.lock().unwrap().push((label.into(), client_random.into(), secret.into()));
    }
}

impl Lines {
    /// Removes the lines.
    fn take(&self) -> BTreeSet<Line> {
        std::mem::take(&mut *self.0.lock().unwrap()).into_iter().collect()
    }
}

fn secure(ctx: &Context, near: Memory<Shared>) -> Context {
    let near = Mutex::new(Some(near));
    ctx.clone().register(Transport, "memory", 0, (), move |_, ()| {
        let near = near.lock().unwrap().take().unwrap();
        async move { Ok(Box::new(near) as Box<dyn Flow + Send>) }
    })
}

/// Reads a byte, with which tickets come. Returns whether the session was resumed.
async fn hear(mut flow: impl Flow + Read) -> bool {
    assert_eq!(flow.read(&mut [0; 9]).await.unwrap(), 1);
    flow.attribute(Resumed).unwrap()
}

async fn say(mut flow: impl Flow + Write) {
    flow.write_all(b"!").await.unwrap();
    flow.flush().await.unwrap();
}

/// Dials by the context. Returns whether the session was resumed.
fn dial(ctx: &Context, server: &ServerConfig) -> bool {
    let (near, far) = memory_pair::<Shared>(1 << 16);
    let ctx = secure(ctx, near);
    let client = async { hear(ctx.resolve(Secure, HostPort::new(NAME, 443)).await.unwrap()).await };
    both(&"a dial", client, async { say(accept(far, server).await.unwrap()).await }).0
}

/// Serves one client by a context. Returns whether the session was resumed.
fn serve(ctx: &Context, world: &World<Shared>, client: &Arc<ClientConfig>) -> bool {
    let mut listener = Shared::listen(ctx.clone()).unwrap();
    let near = world.come();
    let ctx = secure(&Context::new().install(Tls).with(TlsConfig, client.clone()), near);
    let client = async { hear(ctx.resolve(Secure, HostPort::new(NAME, 443)).await.unwrap()).await };
    both(&"a listener", client, async { say(listener.accept().await.unwrap()).await }).0
}

const LABELS: [&str; 5] = [
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "EXPORTER_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_TRAFFIC_SECRET_0",
];

fn labels(version: &SupportedProtocolVersion) -> &'static [&'static str] {
    if *version == TLS13 { &LABELS } else { &["CLIENT_RANDOM"] }
}

/// The configuration is shared with others. They are not logged, and go on resuming. What is logged
/// does neither.
#[test]
fn a_client_is_logged_by_its_context_alone() {
    for version in [&TLS13, &TLS12] {
        let authority = Authority::new();
        let (client, server) = (Arc::new(authority.client(&[version])), authority.server(&[NAME], &[version]));
        let lines = Arc::new(Lines::default());
        let ctx = Context::new().install(Tls).with(TlsConfig, client);
        let logged = ctx.clone().with(TlsKeyLog, lines.clone());
        for (ctx, is_logged, resumed) in
            [(&ctx, false, false), (&logged, true, false), (&logged, true, false), (&ctx, false, true)]
        {
            assert_eq!(dial(ctx, &server), resumed);
            let found = lines.take();
            let found: Vec<&str> = found.iter().map(|(label, ..)| label.as_str()).collect();
            assert_eq!(found, if is_logged { labels(version) } else { &[] });
        }
    }
}

/// Both ends log the same secrets. Sessions are kept by the server, or by the client in tickets.
#[test]
fn a_listener_is_logged_by_its_context_alone() {
    for (version, tickets) in [(&TLS13, false), (&TLS13, true), (&TLS12, false), (&TLS12, true)] {
        let authority = Authority::new();
        let mut client = authority.client(&[version]);
        let (here, there) = (Arc::new(Lines::default()), Arc::new(Lines::default()));
        client.key_log = there.clone();
        let client = Arc::new(client);
        let world = World::<Shared>::new();
        let mut server = authority.server(&[NAME], &[version]);
        if tickets {
            server.ticketer = ring::Ticketer::new().unwrap();
        }
        let ctx = Shared::context(&world, server);
        let logged = ctx.clone().with(TlsKeyLog, here.clone());
        for (ctx, is_logged, resumed) in
            [(&ctx, false, false), (&ctx, false, true), (&logged, true, false), (&logged, true, false)]
        {
            assert_eq!(serve(ctx, &world, &client), resumed);
            let (here, there) = (here.take(), there.take());
            assert_eq!(there.iter().map(|(label, ..)| label.as_str()).collect::<Vec<_>>(), labels(version));
            assert!(if is_logged { here == there } else { here.is_empty() }, "{here:?}");
        }
    }
}

fn is_hex(text: &str, lengths: &[usize]) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Removes the directory when the test ends.
struct Dir(PathBuf);

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs in a process of its own, which has the variable.
#[test]
fn the_variable_alone_logs_nothing_and_the_file_is_in_the_format_of_nss() {
    const TEST: &str = "the_variable_alone_logs_nothing_and_the_file_is_in_the_format_of_nss";
    let Some(file) = std::env::var_os("MIMIC_TEST_CHILD").and_then(|_| std::env::var_os("SSLKEYLOGFILE")) else {
        let dir = Dir(std::env::temp_dir().join(format!("mimic-key-log-{}", std::process::id())));
        std::fs::create_dir(&dir.0).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", TEST, "--nocapture", "--test-threads=1"]);
        child.env("MIMIC_TEST_CHILD", "1").env("SSLKEYLOGFILE", dir.0.join("keys.log"));
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
        return;
    };
    let authority = Authority::new();
    let (client, server) = (Arc::new(authority.client(&BOTH)), authority.server(&[NAME], &BOTH));
    let ctx = Context::new().install(Tls).with(TlsConfig, client.clone());
    dial(&ctx, &server);
    let world = World::<Shared>::new();
    serve(&Shared::context(&world, authority.server(&[NAME], &BOTH)), &world, &client);
    #[cfg(feature = "std")]
    {
        let options = mimic_rustls::trust(&authority.pem).unwrap();
        dial(&ctx.clone().with(TlsConfig, options.config().unwrap()), &server);
    }
    assert!(!std::fs::exists(&file).unwrap(), "nothing was to be logged");

    let logged = ctx.clone().with(TlsKeyLog, Arc::new(KeyLogFile::new()));
    dial(&logged, &server);
    let text = std::fs::read_to_string(&file).unwrap();
    let old = Arc::new(authority.client(&[&TLS12]));
    dial(&logged.with(TlsConfig, old), &server);
    let all = std::fs::read_to_string(&file).unwrap();
    let old = all.strip_prefix(&text).unwrap();
    for (text, labels, lengths) in [(text.as_str(), &LABELS[..], &[64, 96][..]), (old, &["CLIENT_RANDOM"], &[96])] {
        let mut found: Vec<&str> = Vec::new();
        let mut randoms = BTreeSet::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [label, random, secret] = words[..] else { panic!("{line}") };
            assert!(is_hex(random, &[64]) && is_hex(secret, lengths), "{line}");
            found.push(label);
            randoms.insert(random);
        }
        found.sort_unstable();
        assert_eq!((&found[..], randoms.len()), (labels, 1));
    }
    dial(&ctx, &server);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), all, "the context that shares the configuration is logged");
}
