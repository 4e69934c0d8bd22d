//! Data both ways at once over flows that make trouble, against our own peer and against rustls's
//! buffered connection, which also asks for key updates. A failure prints its seed.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};

use common::flows::{Plan, Trouble};
use common::tasks::{Random, Task, both, run};
use common::{Authority, BOTH, NAME};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::{Memory, OwnedReadHalf, OwnedWriteHalf, Split, memory_pair};
use mimic_core::{ErrorKind, Flow, FlowExt, Local, Mode, Phase, Shared};
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::rustls::{
    self, AlertDescription, ClientConfig, ClientConnection, Connection, PeerMisbehaved, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};
use mimic_rustls::{Side, TlsFlow, accept, connect, tls_error};

/// The parameters of one run. They are printed if it fails.
#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    version: &'static str,
    capacity: usize,
    fragment: Option<usize>,
    /// Bytes from client to server, and back.
    totals: [usize; 2],
    plans: [Plan; 2],
    key_updates: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

struct Configs {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Case {
    fn new(seed: u64, version: &'static str) -> Self {
        let mut random = Random::new(seed);
        let plan = |random: &mut Random| Plan {
            at_once: random.pick(&[1, 3, 50, 2000, 0]),
            spurious: random.pick(&[0, 2, 3, 10]),
            buffered: random.pick(&[false, false, true]),
            ..Plan::default()
        };
        let plans = [plan(&mut random), plan(&mut random)];
        // One byte at a time is slow.
        let most = if plans.iter().any(|plan| plan.at_once == 1) { 3_000 } else { 60_000 };
        Self {
            seed,
            version,
            capacity: random.pick(&[1, 5, 100, 1000, 20_000, 100_000]),
            fragment: random.pick(&[None, Some(64), Some(1000)]),
            totals: [random.below(most), random.below(most)],
            plans,
            key_updates: 0,
        }
    }

    fn configs(&self, authority: &Authority) -> Configs {
        let versions: [&'static SupportedProtocolVersion; 1] = if self.version == "1.3" { [&TLS13] } else { [&TLS12] };
        let mut client = authority.client(&versions);
        let mut server = authority.server(&[NAME], &versions);
        (client.max_fragment_size, server.max_fragment_size) = (self.fragment, self.fragment);
        Configs { client: Arc::new(client), server: Arc::new(server) }
    }

    fn pair<M: Mode>(&self) -> [Trouble<Memory<M>>; 2] {
        let (near, far) = memory_pair::<M>(self.capacity);
        [
            Trouble::new(near, self.plans[0].clone(), self.seed ^ 0x55),
            Trouble::new(far, self.plans[1].clone(), self.seed ^ 0xaa),
        ]
    }
}

/// Returns the byte at a place in the stream of a side.
fn byte(side: usize, at: usize) -> u8 {
    ((at * 31) ^ (at >> 8) ^ (side * 97)).to_le_bytes()[0]
}

async fn write<F: Flow, M: Mode>(mut half: OwnedWriteHalf<F, M>, side: usize, total: usize, mut random: Random) {
    let mut at = 0;
    while at < total {
        let most = random.pick(&[1, 10, 300, 5_000, 40_000]);
        let chunk: Vec<u8> = (at..total.min(at + 1 + random.below(most))).map(|at| byte(side, at)).collect();
        let n = if random.below(3) == 0 {
            let (a, b) = chunk.split_at(random.below(chunk.len()));
            poll_fn(|cx| half.poll_write_vectored(cx, &[a, &[], b])).await.unwrap()
        } else {
            half.write(&chunk).await.unwrap()
        };
        assert!(0 < n && n <= chunk.len());
        at += n;
        if random.below(4) == 0 {
            half.flush().await.unwrap();
        }
    }
    half.shutdown().await.unwrap();
    assert_eq!(half.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

async fn read<F: Flow, M: Mode>(mut half: OwnedReadHalf<F, M>, side: usize, total: usize, mut random: Random) {
    let mut at = 0;
    let mut buf = vec![0; 20_000];
    loop {
        let most = random.pick(&[1, 100, 20_000]);
        let len = 1 + random.below(most);
        let n = half.read(&mut buf[..len]).await.unwrap();
        if n == 0 {
            break;
        }
        for got in &buf[..n] {
            assert_eq!(*got, byte(side, at), "byte {at}");
            at += 1;
        }
    }
    assert_eq!(at, total);
    assert_eq!(half.read(&mut buf).await.unwrap(), 0);
}

fn tasks<'a, M: Mode, F: Flow + 'a, S: Side>(flow: TlsFlow<F, S>, side: usize, case: &Case) -> Vec<Task<'a>> {
    let (reader, writer) = Split::<_, M>::new(flow).into_halves();
    let random = |salt| Random::new(case.seed ^ salt);
    vec![
        Box::pin(read(reader, 1 - side, case.totals[1 - side], random(1 + side as u64))),
        Box::pin(write(writer, side, case.totals[side], random(11 + side as u64))),
    ]
}

fn ours_with_ours<M: Mode>(authority: &Authority, case: &Case) {
    let configs = case.configs(authority);
    let [near, far] = case.pair::<M>();
    let (client, server) = both(case, connect(near, configs.client, Vec::new(), NAME), accept(far, &configs.server));
    let mut all = tasks::<M, _, _>(client.unwrap(), 0, case);
    all.extend(tasks::<M, _, _>(server.unwrap(), 1, case));
    run(case, all);
}

/// rustls's buffered connection over a flow, in one task.
struct Peer<F> {
    flow: F,
    tls: Connection,
    out: Vec<u8>,
    /// Application data of the other side.
    said: Vec<u8>,
    /// The other side sent close_notify.
    closed: bool,
}

/// The result of [`Peer::poll_io`].
struct Did {
    something: bool,
    /// Everything is sent and flushed.
    sent_all: bool,
}

impl<F: Flow> Peer<F> {
    fn new(flow: F, tls: impl Into<Connection>) -> Self {
        Self { flow, tls: tls.into(), out: Vec::new(), said: Vec::new(), closed: false }
    }

    fn poll_io(&mut self, cx: &mut Context<'_>) -> Did {
        let mut did = Did { something: false, sent_all: false };
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.out).unwrap();
        }
        if !self.out.is_empty()
            && let Poll::Ready(n) = self.flow.poll_write(cx, &self.out)
        {
            self.out.drain(..n.unwrap());
            did.something = true;
        }
        if self.out.is_empty() {
            did.sent_all = self.flow.poll_flush(cx).map(Result::unwrap).is_ready();
        }
        let mut buf = [0; 3000];
        if !self.closed
            && let Poll::Ready(n) = self.flow.poll_read(cx, &mut buf)
        {
            let mut slice = &buf[..n.unwrap()];
            assert!(!slice.is_empty(), "truncated");
            did.something = true;
            while !slice.is_empty() {
                self.tls.read_tls(&mut slice).unwrap();
                let state = self.tls.process_new_packets().unwrap();
                let at = self.said.len();
                self.said.resize(at + state.plaintext_bytes_to_read(), 0);
                self.tls.reader().read_exact(&mut self.said[at..]).unwrap();
                self.closed = state.peer_has_closed();
            }
        }
        did.sent_all &= !self.tls.wants_write();
        did
    }

    /// Goes on until `done` returns true. It is called whenever all is sent, and may write more.
    async fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        self.until_sent(|peer, sent_all| sent_all && done(peer) && !peer.tls.wants_write()).await;
    }

    async fn until_sent(&mut self, mut done: impl FnMut(&mut Self, bool) -> bool) {
        poll_fn(|cx| {
            loop {
                let did = self.poll_io(cx);
                if done(self, did.sent_all) {
                    return Poll::Ready(());
                }
                if !did.something && !self.tls.wants_write() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    async fn handshake(&mut self) {
        self.until_sent(|peer, sent_all| {
            // A server's tickets need not be taken yet.
            let tickets = matches!(peer.tls, Connection::Server(_))
                && peer.tls.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
            !peer.tls.is_handshaking() && (sent_all || tickets)
        })
        .await;
    }

    /// Moves the data of `side` both ways, and asks for new keys on the way.
    async fn talk(mut self, side: usize, case: Case) {
        let mut random = Random::new(case.seed ^ 0x77);
        let (mut sent, mut closed, mut updates) = (0, false, case.key_updates);
        self.until(|peer| {
            if sent < case.totals[side] {
                if updates > 0 && random.below(2) == 0 {
                    peer.tls.refresh_traffic_keys().unwrap();
                    updates -= 1;
                }
                let end = case.totals[side].min(sent + 1 + random.below(900));
                let chunk: Vec<u8> = (sent..end).map(|at| byte(side, at)).collect();
                sent += peer.tls.writer().write(&chunk).unwrap();
            } else if !closed {
                peer.tls.send_close_notify();
                closed = true;
            }
            closed && peer.closed
        })
        .await;
        let wanted: Vec<u8> = (0..case.totals[1 - side]).map(|at| byte(1 - side, at)).collect();
        assert!(self.said == wanted, "{} bytes of {}", self.said.len(), wanted.len());
    }
}

fn client_peer<F: Flow>(flow: F, config: &Arc<ClientConfig>) -> Peer<F> {
    Peer::new(flow, ClientConnection::new(config.clone(), NAME.try_into().unwrap()).unwrap())
}

fn server_peer<F: Flow>(flow: F, config: &Arc<ServerConfig>) -> Peer<F> {
    Peer::new(flow, ServerConnection::new(config.clone()).unwrap())
}

fn ours_with_rustls<M: Mode>(authority: &Authority, case: &Case, client: bool) {
    let configs = case.configs(authority);
    let [near, far] = case.pair::<M>();
    let mut all: Vec<Task<'_>>;
    if client {
        let mut peer = server_peer(far, &configs.server);
        let (ours, ()) = both(case, connect(near, configs.client, Vec::new(), NAME), peer.handshake());
        all = tasks::<M, _, _>(ours.unwrap(), 0, case);
        all.push(Box::pin(peer.talk(1, case.clone())));
    } else {
        let mut peer = client_peer(near, &configs.client);
        let ((), ours) = both(case, peer.handshake(), accept(far, &configs.server));
        all = tasks::<M, _, _>(ours.unwrap(), 1, case);
        all.push(Box::pin(peer.talk(0, case.clone())));
    }
    run(case, all);
}

/// The number of seeds of each test, unless the variable of this name has another.
const SEEDS: u64 = 10;

fn chaos<M: Mode>(version: &'static str) {
    let authority = Authority::new();
    let seeds = std::env::var("MIMIC_CHAOS_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        let mut case = Case::new(seed * 2 + 1, version);
        ours_with_ours::<M>(&authority, &case);
        // Not both: rustls refuses to refresh its own keys while a session ticket has come in part,
        // as it often has in 64-byte fragments. `refresh_traffic_keys` of the peer returns
        // KeyEpochWithPendingFragment.
        if version == "1.3" && case.fragment != Some(64) {
            case.key_updates = Random::new(seed).below(40);
        }
        ours_with_rustls::<M>(&authority, &case, true);
        ours_with_rustls::<M>(&authority, &case, false);
    }
}

#[test]
fn tls_13_shared() {
    chaos::<Shared>("1.3");
}

#[test]
fn tls_13_local() {
    chaos::<Local>("1.3");
}

#[test]
fn tls_12_shared() {
    chaos::<Shared>("1.2");
}

#[test]
fn tls_12_local() {
    chaos::<Local>("1.2");
}

const ALL: [[&SupportedProtocolVersion; 1]; 2] = [[&TLS13], [&TLS12]];

#[test]
fn ten_thousand_small_records() {
    let authority = Authority::new();
    for versions in ALL {
        let (client, server) = (Arc::new(authority.client(&versions)), authority.server(&[NAME], &versions));
        let (near, far) = memory_pair::<Shared>(1000);
        both(
            &"small records",
            async {
                let mut flow = connect(near, client, Vec::new(), NAME).await.unwrap();
                for at in 0..10_000 {
                    flow.write_all(&[byte(0, at)]).await.unwrap();
                }
                flow.shutdown().await.unwrap();
                assert_eq!(flow.read(&mut [0]).await.unwrap(), 0);
            },
            async {
                let mut flow = accept(far, &server).await.unwrap();
                let (mut at, mut buf) = (0, [0; 300]);
                loop {
                    let n = flow.read(&mut buf).await.unwrap();
                    for got in &buf[..n] {
                        assert_eq!(*got, byte(0, at));
                        at += 1;
                    }
                    if n == 0 {
                        break;
                    }
                }
                assert_eq!(at, 10_000);
                flow.shutdown().await.unwrap();
            },
        );
    }
}

/// Key updates without data between them are an attack on the processor. With data between them
/// they may go on.
#[test]
fn key_updates_in_a_loop() {
    let authority = Authority::new();
    let (client, server) = (Arc::new(authority.client(&BOTH)), Arc::new(authority.server(&[NAME], &BOTH)));
    for with_data in [true, false] {
        let (near, far) = memory_pair::<Shared>(1 << 16);
        let mut peer = server_peer(far, &server);
        let got = Cell::new(0);
        let ((), ()) = both(
            &"key updates",
            async {
                let mut flow = connect(near, client.clone(), Vec::new(), NAME).await.unwrap();
                let mut buf = [0; 100];
                loop {
                    match flow.read(&mut buf).await {
                        Ok(0) => break assert!(with_data),
                        Ok(n) => {
                            got.set(got.get() + n);
                            // The answer to a key update leaves with it, in order.
                            flow.write_all(&buf[..n]).await.unwrap();
                        }
                        Err(error) => {
                            assert!(!with_data, "{error}");
                            assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidData, Some(Phase::Read)));
                            let misbehaved = rustls::Error::PeerMisbehaved(PeerMisbehaved::TooManyKeyUpdateRequests);
                            assert_eq!(tls_error(&error), Some(&misbehaved), "{error}");
                            assert_eq!(flow.read(&mut buf).await.unwrap_err().kind(), ErrorKind::InvalidData);
                            assert_eq!(flow.write(&buf).await.unwrap_err().kind(), ErrorKind::InvalidData);
                            break;
                        }
                    }
                }
                flow.shutdown().await.unwrap();
            },
            async {
                peer.handshake().await;
                let mut updates = 0;
                // Asks whenever all is sent, so that each is a message of its own.
                peer.until(|peer| {
                    match updates {
                        300 => peer.tls.send_close_notify(),
                        301.. => return peer.closed || !with_data,
                        _ => {
                            peer.tls.refresh_traffic_keys().unwrap();
                            if with_data {
                                peer.tls.writer().write_all(b"x").unwrap();
                            }
                        }
                    }
                    updates += 1;
                    false
                })
                .await;
                assert_eq!(peer.said.len(), if with_data { 300 } else { 0 });
            },
        );
        assert_eq!(got.get(), if with_data { 300 } else { 0 });
    }
}

/// A bit that flips anywhere in the input of the reader is an error with an alert. The reader gets
/// only the bytes that were sent before it.
#[test]
fn a_flipped_bit_is_an_error_and_an_alert() {
    let authority = Authority::new();
    for versions in ALL {
        let (client, server) = (Arc::new(authority.client(&versions)), authority.server(&[NAME], &versions));
        for at in 0..140 {
            let what = format!("{versions:?}, byte {at} flipped");
            let (near, far) = memory_pair::<Shared>(1 << 16);
            let flip = Arc::new(AtomicUsize::new(0));
            let near = Trouble::new(near, Plan { flip: flip.clone(), ..Plan::default() }, 1);
            let (flow, peer) = both(&what, connect(near, client.clone(), Vec::new(), NAME), accept(far, &server));
            let (mut flow, mut peer) = (flow.unwrap(), peer.unwrap());
            // Session tickets come with these bytes.
            both(&what, async { flow.read_exact(&mut [0; 5]).await.unwrap() }, async {
                peer.write_all(b"hello").await.unwrap();
                peer.flush().await.unwrap();
            });
            flip.store(flow.get_ref().read + 1 + at, SeqCst);
            let (read, told) = both(
                &what,
                async {
                    let mut got = Vec::<u8>::new();
                    let error = loop {
                        let mut buf = [0; 100];
                        match flow.read(&mut buf).await {
                            Ok(0) => break None,
                            Ok(n) => got.extend(&buf[..n]),
                            Err(error) => break Some(error),
                        }
                    };
                    assert!([0, 50, 100].contains(&got.len()) && got.iter().all(|byte| *byte == 7), "{what}: {got:?}");
                    let Some(error) = error else {
                        // A record of TLS 1.3 has a type and a version in clear text that mean
                        // nothing. The true ones are sealed.
                        assert!(versions[0] == &TLS13 && at % 72 < 3 && got.len() == 100, "{what}: a clean end");
                        flow.shutdown().await.unwrap();
                        return None;
                    };
                    assert_eq!(flow.read(&mut [0; 9]).await.unwrap_err().kind(), error.kind());
                    if tls_error(&error).is_some() {
                        assert_eq!(flow.write(b"x").await.unwrap_err().kind(), ErrorKind::InvalidData);
                    }
                    flow.shutdown().await.unwrap();
                    Some(error)
                },
                async {
                    for _ in 0..2 {
                        peer.write_all(&[7; 50]).await.unwrap();
                    }
                    // A record that claims to be longer waits for more bytes. The end of the stream
                    // ends that wait.
                    peer.shutdown().await.unwrap();
                    peer.read(&mut [0; 9]).await
                },
            );
            let Some(read) = read else {
                assert_eq!(told.unwrap(), 0);
                continue;
            };
            match tls_error(&read) {
                None => assert_eq!(read.kind(), ErrorKind::ConnectionAborted, "{what}: {read}"),
                Some(rustls::Error::DecryptError) => {
                    let alert = told.unwrap_err();
                    let received = rustls::Error::AlertReceived(AlertDescription::BadRecordMac);
                    assert_eq!(tls_error(&alert), Some(&received), "{what}: {alert}");
                }
                Some(_) => drop(told.unwrap_err()),
            }
        }
    }
}

/// Early data may be a replay. A client sends none, even if its configuration and its server allow
/// it.
#[test]
fn early_data_is_never_sent() {
    let authority = Authority::new();
    let mut client = authority.client(&[&TLS13]);
    client.enable_early_data = true;
    let client = Arc::new(client);
    let mut server = authority.server(&[NAME], &[&TLS13]);
    server.max_early_data_size = 1000;
    let server = Arc::new(server);
    for resumed in [false, true] {
        let (near, far) = memory_pair::<Shared>(1 << 16);
        let mut peer = server_peer(far, &server);
        both(
            &"early data",
            async {
                let mut flow = connect(near, client.clone(), Vec::new(), NAME).await.unwrap();
                flow.write_all(b"late").await.unwrap();
                flow.shutdown().await.unwrap();
                let mut answer = [0; 6];
                flow.read_exact(&mut answer).await.unwrap();
                assert_eq!(flow.read(&mut answer).await.unwrap(), 0);
            },
            async {
                peer.handshake().await;
                if let Connection::Server(tls) = &mut peer.tls {
                    assert_eq!(tls.early_data().map(|mut data| data.read(&mut [0; 9]).unwrap()).unwrap_or(0), 0);
                }
                let kind = if resumed { rustls::HandshakeKind::Resumed } else { rustls::HandshakeKind::Full };
                assert_eq!(peer.tls.handshake_kind(), Some(kind));
                peer.tls.writer().write_all(b"answer").unwrap();
                peer.tls.send_close_notify();
                peer.until(|peer| peer.closed).await;
                assert_eq!(peer.said, b"late");
            },
        );
    }
}
