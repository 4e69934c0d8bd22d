//! Races between addresses, on a runtime: over real sockets, and names that are not looked up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mimic_core::Context;
use mimic_happy_eyeballs::{Event, EventKind, Kind, Raced, Timeline};
use socket2::{Domain, Socket, Type};

use super::*;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// A look-up without the network. None: it never answers.
pub(crate) type Answers = fn(RecordType) -> Option<Vec<IpAddr>>;

/// The URL of a host whose addresses are these.
pub(crate) fn named(answers: Answers, port: u16) -> Context {
    let answer = move |question: Question, ()| async move {
        match answers(question.record_type) {
            Some(found) => Ok(found.into_iter().map(Record::from).collect()),
            None => std::future::pending().await,
        }
    };
    let ctx = adapter::context().register(Lookup, "scripted", 0, (), answer);
    ctx.with_url(&format!("tcp://host.test:{port}")).unwrap()
}

fn both(record_type: RecordType) -> Option<Vec<IpAddr>> {
    Some(match record_type {
        RecordType::A => vec![V4],
        RecordType::Aaaa => vec![V6],
        _ => vec![V6, V4],
    })
}

fn bound(at: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
    socket.bind(&at.into())?;
    Ok(socket)
}

/// One port that is ours at each of these addresses, so that nobody else listens there. None
/// without IPv6.
fn one_port(addresses: &[IpAddr]) -> Option<(u16, Vec<Socket>)> {
    for _ in 0..100 {
        let first = bound((addresses[0], 0).into()).ok()?;
        let port = first.local_addr().unwrap().as_socket().unwrap().port();
        let rest: Result<Vec<_>, _> = addresses[1..].iter().map(|address| bound((*address, port).into())).collect();
        match rest {
            Ok(rest) => return Some((port, std::iter::once(first).chain(rest).collect())),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(_) => return None,
        }
    }
    panic!("no port is free at all of {addresses:?}");
}

pub(crate) fn timeline(flow: &impl Flow) -> Vec<Event> {
    flow.attribute(Timeline).unwrap()
}

fn won(flow: &BoxedFlow) -> IpAddr {
    match timeline(flow).last().unwrap().kind() {
        EventKind::Win(peer) => {
            assert_eq!(flow.attribute(PeerAddr), Some((peer.address, peer.port).into()));
            peer.address
        }
        other => panic!("{other:?} is last"),
    }
}

/// One address of the two listens.
async fn only(listens: IpAddr) {
    let Some((port, sockets)) = one_port(&[V6, V4]) else { return };
    sockets[usize::from(listens.is_ipv4())].listen(8).unwrap();
    let flow = named(both, port).connect().await.unwrap();
    assert_eq!(won(&flow), listens);
    let asked: Vec<_> =
        timeline(&flow).iter().map(Event::kind).filter(|what| matches!(what, EventKind::Ask(_))).collect();
    assert_eq!(asked, [EventKind::Ask(Kind::Aaaa), EventKind::Ask(Kind::A)]);

    // And by the name that the system knows: it may have one of the two only.
    let lookup = adapter::context().dialer(Lookup).await.unwrap();
    let known = lookup.dial(question("localhost", RecordType::Addresses)).await.unwrap();
    if known.contains(&Record::from(listens)) {
        let ctx = adapter::context().with_url(&format!("tcp://localhost:{port}")).unwrap();
        assert_eq!(won(&ctx.connect().await.unwrap()), listens);
    }
}

pub(crate) async fn a_server_on_ipv4_only() {
    only(V4).await;
}

pub(crate) async fn a_server_on_ipv6_only() {
    only(V6).await;
}

pub(crate) async fn refused_everywhere() {
    let Some((port, _sockets)) = one_port(&[V6, V4]) else { return };
    let error = named(both, port).connect().await.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectionRefused, Some(Phase::Connect)));
    assert!(error.at().unwrap().contains("happy-eyeballs"), "{error}");
    for text in [error.to_string(), format!("{error:#}")] {
        for address in [format!("[::1]:{port}"), format!("127.0.0.1:{port}"), format!("host.test:{port}")] {
            assert!(text.contains(&address), "{address}: {text}");
        }
    }
}

/// A literal is not looked up.
pub(crate) async fn an_address_is_raced_alone() {
    let (_listener, ctx) = listening(adapter::context()).await;
    let flow = ctx.connect().await.unwrap();
    assert_eq!(won(&flow), V4);
    let what: Vec<_> = timeline(&flow).iter().map(Event::kind).collect();
    assert!(matches!(what[..], [EventKind::Start(_), EventKind::Win(_)]), "{what:?}");
    // And the socket is there to be taken out.
    let Ok(raced) = flow.downcast::<Raced<BoxedFlow>>() else { panic!("another type") };
    let Ok(_socket) = raced.into_inner().downcast::<TcpFlow>() else { panic!("another type") };
}

pub(crate) async fn a_family_that_is_never_answered() {
    for silent in [RecordType::A, RecordType::Aaaa] {
        let answers: Answers = match silent {
            RecordType::A => |asked| both(asked).filter(|_| asked != RecordType::A),
            _ => |asked| both(asked).filter(|_| asked != RecordType::Aaaa),
        };
        let address = if silent == RecordType::A { V6 } else { V4 };
        let Some((port, sockets)) = one_port(&[address]) else { continue };
        sockets[0].listen(8).unwrap();
        let flow = named(answers, port).connect().await.unwrap();
        assert_eq!(won(&flow), address);
        let answered = timeline(&flow).iter().filter(|event| matches!(event.kind(), EventKind::Answer(..))).count();
        assert_eq!(answered, 1);
        let delay = if silent == RecordType::A { Duration::ZERO } else { MOMENT };
        assert!(timeline(&flow).last().unwrap().at() >= delay, "{:?}", timeline(&flow));
    }
}

pub(crate) async fn no_family_is_answered() {
    let error = named(|_| None, 9).with(Deadline, MOMENT * 4).connect().await.unwrap_err();
    assert!(error.is_deadline(), "{error:?}");
    let tree = format!("{error:#}");
    for wanted in ["host.test (Aaaa): cancelled", "host.test (A): cancelled"] {
        assert!(tree.contains(wanted), "{wanted}: {tree}");
    }
}

/// What a resolver may say of one family while the other is fine.
pub(crate) async fn a_family_that_fails() {
    let Some((port, sockets)) = one_port(&[V4]) else { return };
    sockets[0].listen(8).unwrap();
    for kind in [ErrorKind::NotFound, ErrorKind::Other, ErrorKind::TimedOut] {
        let answer = move |question: Question, ()| async move {
            match question.record_type {
                RecordType::A => Ok(vec![Record::from(V4)]),
                _ => Err(Error::new(kind, "it is broken").in_phase(Phase::Lookup)),
            }
        };
        let ctx = adapter::context().register(Lookup, "scripted", 0, (), answer);
        let flow = ctx.with_url(&format!("tcp://host.test:{port}")).unwrap().connect().await.unwrap();
        assert_eq!(won(&flow), V4);
        let said = timeline(&flow).iter().any(|event| event.kind() == EventKind::NoAnswer(Kind::Aaaa, kind));
        assert!(said, "{:?}", timeline(&flow));
    }
}

/// An observer is a function, so what it hears goes where a thread of its own looks: the thread of
/// this test polls.
pub(crate) async fn told_while_it_happens() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static TOLD: AtomicUsize = AtomicUsize::new(0);
    let (_listener, ctx) = listening(adapter::context()).await;
    let before = TOLD.load(Ordering::SeqCst);
    let ctx = ctx.with(mimic_happy_eyeballs::Observer, |event| {
        assert!(!event.to_string().is_empty());
        TOLD.fetch_add(1, Ordering::SeqCst);
    });
    drop(ctx.connect().await.unwrap());
    assert!(TOLD.load(Ordering::SeqCst) >= before + 2);
}

#[cfg(target_os = "linux")]
mod linux {
    use std::pin::pin;

    use mimic_happy_eyeballs::{Config, RaceConfig};

    use super::super::linux::Silent;
    use super::*;

    const FIVE: [IpAddr; 5] = [loopback(1), loopback(2), loopback(3), loopback(4), loopback(5)];

    const fn loopback(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
    }

    fn five(asked: RecordType) -> Option<Vec<IpAddr>> {
        Some(if asked == RecordType::Aaaa { Vec::new() } else { FIVE.into() })
    }

    /// Hosts that do not answer, at one port.
    fn silent(addresses: &[IpAddr]) -> (u16, Vec<Silent>, Vec<Socket>) {
        let (port, mut sockets) = one_port(&FIVE).unwrap();
        let rest = sockets.split_off(addresses.len());
        (port, sockets.into_iter().map(Silent::at).collect(), rest)
    }

    fn trying(silent: &[Silent]) -> usize {
        silent.iter().map(Silent::trying).sum()
    }

    fn impatient() -> Config {
        Config::new().attempt_delay(Duration::from_millis(20))
    }

    pub(crate) async fn a_dropped_race_closes_every_attempt() {
        let (port, silent, _) = silent(&FIVE);
        let ctx = named(five, port).with(RaceConfig, impatient());
        {
            let mut connect = pin!(ctx.connect());
            let mut timer = adapter::context().resolve(Sleep, ()).await.unwrap();
            while trying(&silent) < silent.len() {
                assert!(poll_once(&mut connect).await.is_none());
                sleep(&mut timer, MOMENT / 10).await;
            }
        }
        assert_eq!(trying(&silent), 0);
    }

    pub(crate) async fn a_deadline_ends_every_attempt() {
        let (port, silent, _) = silent(&FIVE);
        let ctx = named(five, port).with(RaceConfig, impatient()).with(Deadline, MOMENT * 6);
        let error = ctx.connect().await.unwrap_err();
        assert!(error.is_deadline(), "{error:?}");
        assert_eq!(trying(&silent), 0);
        let tree = format!("{error:#}");
        for address in FIVE {
            assert!(tree.contains(&format!("{address}:{port}: cancelled")), "{address}: {tree}");
        }
    }

    pub(crate) async fn the_winner_closes_the_losers() {
        let (port, silent, last) = silent(&FIVE[..4]);
        last[0].listen(8).unwrap();
        let flow = named(five, port).with(RaceConfig, impatient()).connect().await.unwrap();
        assert_eq!(trying(&silent), 0);
        let events = timeline(&flow);
        let count = |wanted: fn(&EventKind) -> bool| events.iter().filter(|event| wanted(&event.kind())).count();
        assert_eq!(count(|what| matches!(what, EventKind::Start(_))), 5, "{events:?}");
        assert_eq!(count(|what| matches!(what, EventKind::Cancel(_))), 4, "{events:?}");
        assert_eq!(won(&flow), FIVE[4]);
        // Four delays; how late beyond that is a matter of the machine.
        assert!(events.last().unwrap().at() >= Duration::from_millis(80), "{events:?}");
    }
}

#[cfg(target_os = "linux")]
pub(crate) use linux::*;
