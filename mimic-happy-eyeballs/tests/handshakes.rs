//! The handshake above: part of every attempt, done once, and never on the flow to another host.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod world;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll};

use mimic_core::adapter::AttributeRequest;
use mimic_core::needs::{handshake, over};
use mimic_core::roles::{HostPort, RecordType, Transport};
use mimic_core::{
    Context, Ctx, Error, ErrorKind, Flow, FlowExt, Handshake, Install, Local, Mode, Phase, Shared, for_each_mode, key,
    role,
};
use mimic_happy_eyeballs::{Config, EventKind, RaceConfig};
use world::*;

key! {
    /// How many handshakes a flow has behind it.
    Depth: u32;
}

role! {
    /// As `Secure`, by a handshake of the test's.
    Safe: HostPort;
}

/// The time that a handshake takes, and its error; `-1` is never.
type Fate = (i64, Option<ErrorKind>);

/// By the address of the peer.
#[derive(Clone, Default)]
struct Peers(Arc<Mutex<HashMap<String, Fate>>>);

/// A flow after a handshake, or in a tunnel.
#[derive(Debug)]
struct Above<F> {
    below: F,
    depth: Option<u32>,
}

impl<F: Flow> Flow for Above<F> {
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
        Some(&self.below)
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide_value(Depth, || self.depth);
    }
}

fn depth(flow: &impl Flow) -> u32 {
    flow.attribute(Depth).unwrap_or_default()
}

async fn shake<F: Flow>(world: World, peers: Peers, flow: F) -> Result<Above<F>, Error> {
    let _guard = world.guard("handshakes");
    let with = peer(&flow);
    world.say(format!("{} shake {with}", world.now().as_millis()));
    let (after, fault) = peers.0.lock().unwrap().get(&with).copied().unwrap_or((0, None));
    match u64::try_from(after) {
        Ok(0) => {}
        Ok(after) => world.wait(ms(after)).await,
        Err(_) => std::future::pending().await,
    }
    match fault {
        Some(kind) => Err(Error::new(kind, "not trusted")),
        None => Ok(Above { depth: Some(depth(&flow) + 1), below: flow }),
    }
}

#[derive(Clone, Default)]
struct Safety {
    world: World,
    peers: Peers,
}

impl Safety {
    fn new(world: World) -> Self {
        Self { world, ..Self::default() }
    }

    fn peer(self, peer: &str, after: i64, fault: Option<ErrorKind>) -> Self {
        self.peers.0.lock().unwrap().insert(peer.into(), (after, fault));
        self
    }

    fn ctx<M: Mode>(&self) -> Ctx<M>
    where
        World: Install<M>,
        Self: Install<M>,
    {
        self.world.ctx().install(self.clone())
    }

    fn connect<M: Mode>(&self, ctx: &Ctx<M>) -> Result<M::Flow, Error> {
        let result = self.world.run(ctx.resolve(Safe, host()));
        let alive = |what| self.world.alive(what);
        let flows = usize::from(result.is_ok());
        assert_eq!((alive("look-ups"), alive("attempts"), alive("handshakes"), alive("flows")), (0, 0, 0, flows));
        result
    }

    /// The peers of the handshakes, and when each began.
    fn shaken(&self) -> Vec<String> {
        self.world.log().into_iter().filter(|line| line.contains(" shake ") || line.contains(" proxy ")).collect()
    }
}

for_each_mode!(M => {
    impl Install<M> for Safety {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            ctx.register(Safe, "safe", 0, over(Transport), move |to: HostPort, transport| {
                let Self { world, peers } = self.clone();
                async move {
                    let hook = Handshake::<M>::new(move |flow| {
                        let (world, peers) = (world.clone(), peers.clone());
                        async move { Ok(Box::new(shake(world, peers, flow).await?) as <M as Mode>::Flow) }
                    });
                    let flow = transport.dial_with(to, hook.clone()).await?;
                    if depth(&flow) > 0 { Ok(flow) } else { hook.run(flow).await }
                }
            })
        }
    }
});

/// Both families there, and both accept after 20.
fn both() -> World {
    World::new().name((0, &["2001:db8::1"]), (0, &["192.0.2.1"])).accepts(V6, 20).accepts(V4, 20)
}

fn stalled<M: Mode>()
where
    World: Install<M>,
    Safety: Install<M>,
{
    let safety = Safety::new(both()).peer(V6, -1, None).peer(V4, 30, None);
    let flow = safety.connect(&safety.ctx::<M>()).unwrap();
    assert_eq!((peer(&flow).as_str(), depth(&flow)), (V4, 1));
    assert_eq!(safety.shaken(), ["20 shake [2001:db8::1]:443", "290 shake 192.0.2.1:443"]);
    assert_eq!(
        timeline(&flow)[4..],
        [
            "0.0 ms  start   [2001:db8::1]:443",
            "20.0 ms  reach   [2001:db8::1]:443, handshake follows",
            "270.0 ms  start   192.0.2.1:443",
            "290.0 ms  reach   192.0.2.1:443, handshake follows",
            "320.0 ms  cancel  [2001:db8::1]:443",
            "320.0 ms  win     192.0.2.1:443",
        ]
    );
}

#[test]
fn who_accepts_and_says_no_more_loses_to_the_next_in_both_modes() {
    stalled::<Shared>();
    stalled::<Local>();
}

#[test]
fn a_handshake_that_takes_long_may_still_win() {
    let safety = Safety::new(both()).peer(V6, 400, None).peer(V4, -1, None);
    let flow = safety.connect::<Shared>(&safety.ctx()).unwrap();
    assert_eq!((peer(&flow).as_str(), safety.world.now()), (V6, ms(420)));
    assert_eq!(safety.shaken().len(), 2);
}

#[test]
fn after_a_handshake_that_fails_the_next_is_tried_at_once() {
    let safety = Safety::new(both()).peer(V6, 30, Some(ErrorKind::PermissionDenied)).peer(V4, 30, None);
    let flow = safety.connect::<Shared>(&safety.ctx()).unwrap();
    assert_eq!((peer(&flow).as_str(), safety.world.now()), (V4, ms(100)));
    let failed = timeline(&flow)[6].clone();
    assert_eq!(failed, "50.0 ms  fail    [2001:db8::1]:443: PermissionDenied");
}

#[test]
fn one_that_fails_at_once_has_sent_something() {
    let world = World::new().name((0, &["2001:db8::1"]), (0, &["192.0.2.1"])).accepts(V6, 0).accepts(V4, 20);
    let safety = Safety::new(world).peer(V6, 0, Some(ErrorKind::Other));
    safety.connect::<Shared>(&safety.ctx()).unwrap();
    assert_eq!(safety.world.now(), ms(30));
}

#[test]
fn when_all_fail_it_is_the_handshake_that_failed() {
    let distrusted = Some(ErrorKind::PermissionDenied);
    let safety = Safety::new(both()).peer(V6, 30, distrusted).peer(V4, 30, distrusted);
    let error = safety.connect::<Shared>(&safety.ctx()).unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::PermissionDenied, Some(Phase::Handshake)));
    let text = error.to_string();
    assert!(text.contains(&format!("{V6}: not trusted; {V4}: not trusted")), "{text}");
    assert_eq!(race_error(&error).errors().len(), 2);
}

#[test]
fn one_that_got_to_the_handshake_tells_more_than_one_that_did_not() {
    let world = World::new().name((0, &["2001:db8::1"]), (0, &["192.0.2.1"])).accepts(V4, 20).fails(V6, 5, refused);
    let safety = Safety::new(world).peer(V4, 30, Some(ErrorKind::PermissionDenied));
    let error = safety.connect::<Shared>(&safety.ctx()).unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::PermissionDenied, Some(Phase::Handshake)));
}

#[test]
fn dropping_the_connect_drops_handshakes_and_their_flows() {
    let safety = Safety::new(both()).peer(V6, -1, None).peer(V4, -1, None);
    let ctx: Context = safety.ctx();
    let mut connect = Box::pin(ctx.resolve(Safe, host()));
    assert!(safety.world.run_until(connect.as_mut(), ms(1000)).is_none());
    assert_eq!((safety.world.alive("handshakes"), safety.world.alive("flows")), (2, 2));
    drop(connect);
    assert_eq!((safety.world.alive("handshakes"), safety.world.alive("flows")), (0, 0));
}

#[test]
fn handshakes_wait_for_records_that_they_depend_on() {
    for (answered, won) in [(10, 40), (100, 120), (1000, 1020)] {
        let world = both().answer(HOST, RecordType::Https, answered, Vec::new());
        let safety = Safety::new(world).peer(V6, 20, None).peer(V4, 20, None);
        let config = Config::new().https().wait_for_services(true).attempt_delay(ms(2000));
        let flow = safety.connect::<Shared>(&safety.ctx().with(RaceConfig, config)).unwrap();
        // Attempts start 50 after the addresses, and take 20.
        let begun = answered.min(50);
        let won = if answered < 70 { begun + 20 + 20 } else { won };
        assert_eq!(safety.world.now(), ms(u64::try_from(won).unwrap()), "{:?}", timeline(&flow));
        assert_eq!(depth(&flow), 1);
    }
}

#[test]
fn while_one_waits_for_records_no_other_starts() {
    let names: Vec<_> = (1..=20).map(|n| format!("2001:db8::{n:x}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let world = World::new().name((0, &names), (0, &[])).answer(HOST, RecordType::Https, 4000, Vec::new());
    let world = names.iter().fold(world, |world, name| world.accepts(&format!("[{name}]:443"), 20));
    let safety = Safety::new(world).peer(V6, 20, None);
    let config = Config::new().https().wait_for_services(true);
    safety.connect::<Shared>(&safety.ctx().with(RaceConfig, config)).unwrap();
    assert_eq!((safety.world.dials(), safety.world.now()), (vec![ms(50)], ms(4020)));
}

/// One handshake, and then the other.
fn after<F, Fut>(then: Handshake<Shared>, first: F) -> Handshake<Shared>
where
    F: Fn(<Shared as Mode>::Flow) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<<Shared as Mode>::Flow, Error>> + Send + 'static,
{
    Handshake::<Shared>::new(move |flow| {
        let (first, then) = (first(flow), then.clone());
        async move { then.run(first.await?).await }
    })
}

/// A layer on Transport in the way of a proxy at `proxy.example`.
fn proxied(safety: &Safety, hands_on: bool) -> Context {
    let world = safety.world.clone();
    safety.ctx::<Shared>().layer(Transport, "proxy", handshake(), move |_: HostPort, below, hook| {
        let world = world.clone();
        async move {
            let hook: Option<Handshake<Shared>> = hook;
            let tunnel = move |flow: <Shared as Mode>::Flow| {
                let world = world.clone();
                async move {
                    world.say(format!("{} proxy {}", world.now().as_millis(), peer(&flow)));
                    if peer(&flow).contains("192.0.2.8") {
                        return std::future::pending().await;
                    }
                    world.wait(ms(10)).await;
                    Ok(Box::new(Above { below: flow, depth: None }) as <Shared as Mode>::Flow)
                }
            };
            let proxy = HostPort::new("proxy.example", 3128);
            match hook.filter(|_| hands_on) {
                Some(hook) => below.dial_with(proxy, after(hook, tunnel)).await,
                None => tunnel(below.dial(proxy).await?).await,
            }
        }
    })
}

fn proxies() -> World {
    World::new()
        .answer("proxy.example", RecordType::A, 0, addresses(&["192.0.2.8", "192.0.2.9"]))
        .accepts("192.0.2.8:3128", 20)
        .accepts("192.0.2.9:3128", 20)
}

#[test]
fn a_proxy_is_reached_without_the_handshake_which_is_done_through_it() {
    let safety = Safety::new(proxies().fails("192.0.2.8:3128", 0, refused)).peer("192.0.2.9:3128", 5, None);
    let flow = safety.connect(&proxied(&safety, false)).unwrap();
    assert_eq!(safety.shaken(), ["30 proxy 192.0.2.9:3128", "40 shake 192.0.2.9:3128"]);
    assert_eq!((depth(&flow), safety.world.now()), (1, ms(45)));
}

#[test]
fn a_proxy_that_hands_it_on_is_gone_through_by_every_attempt() {
    let safety = Safety::new(proxies());
    let flow = safety.connect(&proxied(&safety, true)).unwrap();
    assert_eq!(
        safety.shaken(),
        ["20 proxy 192.0.2.8:3128", "290 proxy 192.0.2.9:3128", "300 shake 192.0.2.9:3128"],
        "the first takes the connection and says no more"
    );
    assert_eq!((depth(&flow), peer(&flow).as_str()), (1, "192.0.2.9:3128"));
}

#[test]
fn a_chain_of_proxies_goes_from_the_last_registered_to_the_end() {
    let safety = Safety::new(proxies().fails("192.0.2.8:3128", 0, refused));
    let say = safety.world.clone();
    let ctx = proxied(&safety, true).layer(Transport, "outer", handshake(), move |_: HostPort, below, hook| {
        let say = say.clone();
        async move {
            let hook: Handshake<Shared> = hook.expect("the handshake");
            let first = move |flow| {
                say.say("the second proxy speaks");
                async move { Ok(flow) }
            };
            below.dial_with(HostPort::new("second.example", 3128), after(hook, first)).await
        }
    });
    let flow = safety.connect(&ctx).unwrap();
    assert_eq!(safety.shaken(), ["30 proxy 192.0.2.9:3128", "the second proxy speaks", "40 shake 192.0.2.9:3128"]);
    assert_eq!(depth(&flow), 1);
}

key! {
    /// The dial that a tunnel belongs to.
    TunnelOf: Arc<()>;
}

/// A flow through a proxy, which names its peer.
#[derive(Debug)]
struct Tunnel<F>(Above<F>, Arc<()>);

impl<F: Flow> Flow for Tunnel<F> {
    fn poll_read(&mut self, cx: &mut Task<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.0.poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Task<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.0.poll_write(cx, buf)
    }

    fn poll_flush(&mut self, cx: &mut Task<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Task<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_shutdown(cx)
    }

    fn inner(&self) -> Option<&dyn Flow> {
        Some(&self.0)
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide_value(TunnelOf, || Some(self.1.clone()));
    }
}

#[test]
fn a_proxy_over_who_ignores_the_handshake_finds_out_and_does_it_all() {
    for ignorant in [true, false] {
        let safety = Safety::new(proxies());
        let (say, ctx) = (safety.world.clone(), safety.ctx::<Shared>());
        let link = over(mimic_core::roles::Tcp);
        let dial = |_, link: mimic_core::Dialer<mimic_core::roles::Tcp, Shared>| async move {
            link.dial("192.0.2.9:3128".parse().unwrap()).await
        };
        let ctx = if ignorant { ctx.register(Transport, "ignorant", -1, link, dial) } else { ctx };
        let ctx = ctx.layer(Transport, "proxy", handshake(), move |_: HostPort, below, hook| {
            let say = say.clone();
            async move {
                let (hook, dial): (Handshake<Shared>, _) = (hook.expect("the handshake"), Arc::new(()));
                let whose = dial.clone();
                let all = after(hook, move |flow| {
                    say.say(format!("- proxy {}", peer(&flow)));
                    let tunnel = Tunnel(Above { below: flow, depth: None }, whose.clone());
                    async move { Ok(Box::new(tunnel) as <Shared as Mode>::Flow) }
                });
                let flow = below.dial_with(HostPort::new("proxy.example", 3128), all.clone()).await?;
                match flow.attribute(TunnelOf) {
                    Some(of) if Arc::ptr_eq(&of, &dial) => Ok(flow),
                    _ => all.run(flow).await,
                }
            }
        });
        let flow = safety.connect(&ctx).unwrap();
        assert_eq!(depth(&flow), 1);
        let shaken = safety.shaken();
        assert!(shaken.len() == 2 && shaken[0].starts_with("- proxy"), "{shaken:?}");
    }
}

/// A layer that passes the handshake on, or does not know of such things; and how many handshakes
/// it saw done.
fn metering(safety: &Safety, passes_on: bool) -> (Context, Arc<Mutex<Option<u32>>>) {
    let found = Arc::new(Mutex::new(None));
    let seen = found.clone();
    let ctx = safety.ctx::<Shared>().layer(
        Transport,
        "metering",
        handshake(),
        move |to: HostPort, below, handshake: Option<Handshake<_>>| {
            let seen = seen.clone();
            async move {
                let flow = below.dial_with(to, handshake.filter(|_| passes_on)).await?;
                *seen.lock().unwrap() = Some(depth(&flow));
                Ok(Box::new(Above { below: flow, depth: None }) as _)
            }
        },
    );
    (ctx, found)
}

#[test]
fn a_layer_that_passes_it_on_gets_a_flow_with_the_handshake_done() {
    let safety = Safety::new(both()).peer(V6, -1, None);
    let (ctx, found) = metering(&safety, true);
    let flow = safety.connect(&ctx).unwrap();
    assert_eq!(*found.lock().unwrap(), Some(1));
    assert_eq!((peer(&flow).as_str(), depth(&flow)), (V4, 1));
}

#[test]
fn a_layer_that_does_not_know_of_it_stays_below_it() {
    for clones in [false, true] {
        let safety = Safety::new(both()).peer(V6, 30, None);
        let (mut ctx, found) = metering(&safety, false);
        if clones {
            ctx = ctx.layer(
                Transport,
                "plain",
                (),
                |to: HostPort, below, ()| async move { below.dial(to.clone()).await },
            );
        }
        let flow = safety.connect(&ctx).unwrap();
        assert_eq!(*found.lock().unwrap(), Some(0), "what it writes comes before the handshake");
        assert_eq!((depth(&flow), safety.shaken().len(), safety.world.now()), (1, 1, ms(50)));
    }
}

#[test]
fn a_transport_that_ignores_the_handshake_gets_it_done_above() {
    let safety = Safety::new(both()).peer(V6, 30, None);
    let ctx =
        safety.ctx::<Shared>().register(
            Transport,
            "ignorant",
            -1,
            over(mimic_core::roles::Tcp),
            |_, link: mimic_core::Dialer<mimic_core::roles::Tcp, Shared>| async move {
                link.dial(V6.parse().unwrap()).await
            },
        );
    let flow = safety.connect(&ctx).unwrap();
    assert_eq!((depth(&flow), safety.shaken()), (1, vec!["20 shake [2001:db8::1]:443".to_owned()]));
}

#[test]
fn a_race_without_a_handshake_after_it_is_won_at_the_transport() {
    let safety = Safety::new(both()).peer(V6, -1, None);
    let flow = safety.world.connect(&safety.ctx::<Shared>(), host()).unwrap();
    assert_eq!((depth(&flow), safety.world.now()), (0, ms(20)));
    let progress = |event: &mimic_happy_eyeballs::Event| matches!(event.kind(), EventKind::Progress(_));
    assert!(!flow.attribute(mimic_happy_eyeballs::Timeline).unwrap().iter().any(progress));
}
