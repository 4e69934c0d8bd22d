//! TLS as part of the race, with real handshakes: the handshake decides the race, runs once, and
//! runs with the right server.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll};
use std::thread;
use std::time::Duration;

use common::{Authority, BOTH, NAME};
use futures_lite::future::block_on;
use mimic_core::adapter::{AttributeRequest, Instant};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::{Memory, memory_pair};
use mimic_core::keys::{Deadline, TlsVersion};
use mimic_core::needs::{handshake, over};
use mimic_core::roles::{HostPort, Lookup, Question, Record, RecordType, Secure, Sleep, Tcp, Transport};
use mimic_core::{Context, Dialer, Error, ErrorKind, Flow, FlowExt, Handshake, Phase, Shared, Timer};
use mimic_happy_eyeballs::{Config, EventKind, HappyEyeballs, RaceConfig, RaceError, Timeline};
use mimic_rustls::rustls::{self, ClientConfig, ServerConfig};
use mimic_rustls::{ServerName, Tls, TlsConfig, accept, connect, tls_error};

const PROXY: &str = "proxy.example";

type Boxed = Box<dyn Flow + Send>;

/// A clock of threads.
#[derive(Debug)]
struct Alarm(std::time::Instant);

impl Timer for Alarm {
    fn now(&self) -> Instant {
        Instant::new(self.0.elapsed())
    }

    fn poll_until(&mut self, cx: &mut Task<'_>, at: Instant) -> Poll<()> {
        if self.now() >= at {
            return Poll::Ready(());
        }
        let (left, waker) = (at - self.now(), cx.waker().clone());
        thread::spawn(move || {
            thread::sleep(left);
            waker.wake();
        });
        Poll::Pending
    }
}

/// The host at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Party {
    /// The server.
    Server,
    /// A host that the client does not trust.
    Impostor,
    /// Accepts connections and sends nothing.
    Silent,
    /// A proxy with TLS of its own, and the server behind it.
    TlsProxy,
    /// Reads a line first, and connects to the server.
    Proxy,
}

struct Net {
    client: Arc<ClientConfig>,
    server: ServerConfig,
    impostor: ServerConfig,
    proxy: ServerConfig,
    /// By the last byte of the address.
    parties: Vec<Party>,
    silent: Mutex<Vec<Memory<Shared>>>,
    handshakes: AtomicUsize,
}

impl Net {
    fn new(parties: &[Party]) -> Arc<Self> {
        let (authority, other) = (Authority::new(), Authority::new());
        Arc::new(Self {
            client: Arc::new(authority.client(&BOTH)),
            server: authority.server(&[NAME], &BOTH),
            impostor: other.server(&[NAME], &BOTH),
            proxy: authority.server(&[PROXY], &BOTH),
            parties: parties.to_vec(),
            silent: Mutex::default(),
            handshakes: AtomicUsize::new(0),
        })
    }

    fn ctx(self: &Arc<Self>) -> Context {
        let (net, lookup) = (self.clone(), self.parties.len());
        Context::new()
            .install(HappyEyeballs)
            .install(Tls)
            .with(TlsConfig, self.client.clone())
            .with(RaceConfig, Config::new().attempt_delay(Duration::from_millis(50)))
            .with(Deadline, Duration::from_secs(10))
            .register(Sleep, "threads", 0, (), |(), ()| async { Ok(Box::new(Alarm(std::time::Instant::now())) as _) })
            .register(Lookup, "counted", 0, (), move |question: Question, ()| async move {
                let of = |n| Record::from(std::net::IpAddr::from([192, 0, 2, u8::try_from(n).unwrap()]));
                Ok(if question.record_type == RecordType::A { (0..lookup).map(of).collect() } else { Vec::new() })
            })
            .register(Tcp, "memory", 0, (), move |to, ()| {
                let near = net.clone().dial(to);
                async move { Ok(Box::new(near) as _) }
            })
    }

    fn dial(self: Arc<Self>, to: SocketAddr) -> Memory<Shared> {
        let (near, far) = memory_pair(1 << 16);
        let std::net::IpAddr::V4(address) = to.ip() else { panic!("{to}") };
        let party = self.parties[usize::from(address.octets()[3])];
        if party == Party::Silent {
            self.silent.lock().unwrap().push(far);
        } else {
            thread::spawn(move || drop(block_on(self.serve(party, far))));
        }
        near
    }

    async fn serve(&self, party: Party, mut flow: Memory<Shared>) -> Result<(), Error> {
        match party {
            Party::Silent => Ok(()),
            Party::Server => echo(self.accept(flow, &self.server).await?).await,
            Party::Impostor => echo(self.accept(flow, &self.impostor).await?).await,
            Party::TlsProxy => {
                let flow = self.accept(flow, &self.proxy).await?;
                echo(self.accept(flow, &self.server).await?).await
            }
            Party::Proxy => {
                let mut line = [0; 8];
                flow.read_exact(&mut line).await.map_err(|_| ErrorKind::Other)?;
                assert_eq!(&line, b"CONNECT\n");
                flow.write_all(b"OK\n").await?;
                echo(self.accept(flow, &self.server).await?).await
            }
        }
    }

    async fn accept<F: Flow>(
        &self,
        flow: F,
        config: &ServerConfig,
    ) -> Result<mimic_rustls::TlsFlow<F, mimic_rustls::Server>, Error> {
        let flow = accept(flow, config).await?;
        self.handshakes.fetch_add(1, SeqCst);
        Ok(flow)
    }
}

async fn echo(mut flow: impl Read<Error = Error> + Write<Error = Error>) -> Result<(), Error> {
    let mut buf = [0; 64];
    loop {
        let n = flow.read(&mut buf).await?;
        if n == 0 {
            return Ok(());
        }
        flow.write_all(&buf[..n]).await?;
        flow.flush().await?;
    }
}

fn dial(ctx: &Context) -> Result<Boxed, Error> {
    block_on(ctx.resolve(Secure, HostPort::new(NAME, 443)))
}

/// Speaks with the server under exactly one TLS.
#[track_caller]
fn assert_speaks(mut flow: Boxed) {
    assert!(flow.attribute(TlsVersion).is_some());
    assert_eq!(flow.attribute(ServerName).as_deref(), Some(NAME));
    block_on(async {
        flow.write_all(b"hello").await.unwrap();
        flow.flush().await.unwrap();
        let mut buf = [0; 5];
        flow.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"hello");
    });
}

/// A layer that forwards.
struct Over<F> {
    below: F,
    hides: bool,
}

impl<F> fmt::Debug for Over<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Over")
    }
}

impl<F: Flow> Flow for Over<F> {
    fn poll_read(&mut self, cx: &mut Task<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.below.poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Task<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.below.poll_write(cx, buf)
    }

    fn poll_flush(&mut self, cx: &mut Task<'_>) -> Poll<Result<(), Error>> {
        self.below.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Task<'_>) -> Poll<Result<(), Error>> {
        self.below.poll_shutdown(cx)
    }

    fn inner(&self) -> Option<&dyn Flow> {
        if self.hides { None } else { Some(&self.below) }
    }

    fn provide(&self, _: &mut AttributeRequest<'_>) {}
}

#[test]
fn a_host_that_accepts_and_says_no_more_loses() {
    let net = Net::new(&[Party::Silent, Party::Silent, Party::Server]);
    let flow = dial(&net.ctx()).unwrap();
    let timeline = flow.attribute(Timeline).unwrap();
    assert_eq!(timeline.iter().filter(|event| matches!(event.kind(), EventKind::Progress(_))).count(), 3);
    assert!(timeline.last().unwrap().to_string().ends_with("win     192.0.2.2:443"), "{timeline:?}");
    assert_speaks(flow);
    assert_eq!(net.handshakes.load(SeqCst), 1);
}

#[test]
fn an_untrusted_host_loses_to_the_next_at_once() {
    let net = Net::new(&[Party::Impostor, Party::Server]);
    let ctx = net.ctx().with(RaceConfig, Config::new().attempt_delay(Duration::from_secs(2)));
    let begun = std::time::Instant::now();
    assert_speaks(dial(&ctx).unwrap());
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn distrust_is_told_as_without_a_race() {
    for parties in [&[Party::Impostor][..], &[Party::Impostor, Party::Impostor, Party::Impostor]] {
        let error = dial(&Net::new(parties).ctx()).unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::PermissionDenied, Some(Phase::Handshake)), "{error}");
        assert!(matches!(tls_error(&error), Some(rustls::Error::InvalidCertificate(_))), "{error}");
        let text = error.to_string();
        assert!(text.contains("UnknownIssuer") && text.contains("trust the authority that issued it"), "{text}");
        assert_eq!(text.matches("UnknownIssuer").count(), parties.len(), "{text}");
        let race = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<RaceError>());
        assert_eq!(race.unwrap().errors().len(), parties.len());
    }
}

#[test]
fn a_deadline_strikes_in_the_handshake() {
    let net = Net::new(&[Party::Silent]);
    let error = dial(&net.ctx().with(Deadline, Duration::from_millis(200))).unwrap_err();
    assert!(error.is_deadline(), "{error}");
}

#[test]
fn a_layer_that_looks_on_sees_one_tls_below_it() {
    let net = Net::new(&[Party::Silent, Party::Server]);
    let ctx = net.ctx().layer(Transport, "metering", handshake(), |to: HostPort, below, handshake| async move {
        Ok(Box::new(Over { below: below.dial_with(to, handshake).await?, hides: false }) as _)
    });
    assert_speaks(dial(&ctx).unwrap());
    assert_eq!(net.handshakes.load(SeqCst), 1);
}

#[test]
fn a_layer_that_hides_what_is_below_ends_in_an_error_soon() {
    let net = Net::new(&[Party::Server]);
    let ctx = net.ctx().layer(Transport, "hiding", handshake(), |to: HostPort, below, handshake| async move {
        Ok(Box::new(Over { below: below.dial_with(to, handshake).await?, hides: true }) as _)
    });
    let error = dial(&ctx).unwrap_err();
    assert!(!error.is_timeout(), "{error}");
    assert_eq!(error.phase(), Some(Phase::Handshake));
    assert!(error.to_string().contains("Flow::inner"), "{error}");
}

#[test]
fn a_handshake_on_a_flow_that_was_given_up_does_not_count() {
    let net = Net::new(&[Party::Server, Party::Server]);
    let needs = (over(Tcp), handshake());
    let ctx = net.ctx().register(Transport, "second try", -1, needs, |_, (link, handshake)| async move {
        let link: Dialer<Tcp, Shared> = link;
        let handshake: Handshake<Shared> = handshake.unwrap();
        drop(handshake.run(link.dial(([192, 0, 2, 0], 443).into()).await?).await?);
        link.dial(([192, 0, 2, 1], 443).into()).await
    });
    assert_speaks(dial(&ctx).unwrap());
    assert_eq!(net.handshakes.load(SeqCst), 2);
}

#[test]
fn a_transport_that_does_not_know_of_handshakes_gets_one_all_the_same() {
    let net = Net::new(&[Party::Server]);
    let link = |_, link: Dialer<Tcp, Shared>| async move { link.dial(([192, 0, 2, 0], 443).into()).await };
    assert_speaks(dial(&net.ctx().register(Transport, "ignorant", -1, over(Tcp), link)).unwrap());
    assert_eq!(net.handshakes.load(SeqCst), 1);
}

/// Returns a context whose way to the server leads through a proxy with TLS of its own.
fn through_tls(net: &Arc<Net>, name: &'static str) -> Context {
    let config = net.client.clone();
    net.ctx().layer(Transport, "tls-proxy", (), move |_, below, ()| {
        let config = config.clone();
        async move {
            let flow = below.dial(HostPort::new(PROXY, 443)).await?;
            Ok(Box::new(connect(flow, config, Vec::new(), name).await?) as _)
        }
    })
}

#[test]
fn tls_of_a_proxy_is_not_that_of_the_server() {
    let net = Net::new(&[Party::TlsProxy]);
    assert_speaks(dial(&through_tls(&net, PROXY)).unwrap());
    assert_eq!(net.handshakes.load(SeqCst), 2);
}

#[test]
fn tls_of_another_layer_is_not_ours_whatever_it_says() {
    // It has the attributes of the right server, in the right version. Only the id of the dial is
    // missing.
    let net = Net::new(&[Party::Server]);
    let error = dial(&through_tls(&net, NAME)).unwrap_err();
    assert!(error.phase() == Some(Phase::Handshake) && !error.is_timeout(), "{error}");
}

#[test]
fn a_handshake_of_another_dial_does_not_count() {
    let net = Net::new(&[Party::Server]);
    let first: Arc<Mutex<Option<Handshake<Shared>>>> = Arc::default();
    let ctx =
        net.ctx().layer(Transport, "mixing", handshake(), move |to: HostPort, below, own: Option<Handshake<_>>| {
            let hook = first.lock().unwrap().get_or_insert(own.unwrap()).clone();
            async move { hook.run(below.dial(to).await?).await }
        });
    assert_speaks(dial(&ctx).unwrap());
    let error = dial(&ctx).unwrap_err();
    assert!(error.phase() == Some(Phase::Handshake) && !error.is_timeout(), "{error}");
    assert_eq!(net.handshakes.load(SeqCst), 2);
}

/// Returns a handshake that runs `first` and then `then`.
fn after<F, Fut>(then: Handshake<Shared>, first: F) -> Handshake<Shared>
where
    F: Fn(Boxed) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Boxed, Error>> + Send + 'static,
{
    Handshake::<Shared>::new(move |flow| {
        let (first, then) = (first(flow), then.clone());
        async move { then.run(first.await?).await }
    })
}

#[test]
fn a_proxy_on_the_way_is_gone_through_by_every_attempt() {
    for hands_on in [true, false] {
        let ways: &[Party] = if hands_on { &[Party::Silent, Party::Proxy] } else { &[Party::Proxy] };
        let net = Net::new(ways);
        let ctx = net.ctx().layer(Transport, "proxy", handshake(), move |_: HostPort, below, hook| async move {
            let hook: Handshake<Shared> = hook.unwrap();
            let tunnel = |mut flow: Boxed| async move {
                flow.write_all(b"CONNECT\n").await?;
                flow.flush().await?;
                let mut answer = [0; 3];
                flow.read_exact(&mut answer).await.map_err(|_| ErrorKind::Other)?;
                assert_eq!(&answer, b"OK\n");
                Ok(flow)
            };
            let proxy = HostPort::new(PROXY, 3128);
            if hands_on {
                below.dial_with(proxy, after(hook, tunnel)).await
            } else {
                tunnel(below.dial(proxy).await?).await
            }
        });
        assert_speaks(dial(&ctx).unwrap());
        assert_eq!(net.handshakes.load(SeqCst), 1);
    }
}

#[test]
fn a_race_without_tls_after_it_does_none() {
    let net = Net::new(&[Party::Server]);
    let flow = block_on(net.ctx().resolve(Transport, HostPort::new(NAME, 443))).unwrap();
    assert_eq!(flow.attribute(TlsVersion), None);
    assert_eq!(net.handshakes.load(SeqCst), 0);
}

#[test]
fn the_connect_is_send() {
    fn assert_send<T: Send>(future: T) -> T {
        future
    }
    let ctx = Net::new(&[Party::Server]).ctx().with_url("tls://example.org:443").unwrap();
    assert_speaks(block_on(assert_send(ctx.connect())).unwrap());
}
