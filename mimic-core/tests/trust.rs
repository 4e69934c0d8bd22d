//! What an application trusts does not hang on the order of its lines, and only an authenticated
//! peer fills `Secure`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::task::{Context as Task, Poll};

use common::*;
use mimic_core::adapter::AttributeRequest;
use mimic_core::keys::{Protected, Protection, RequestedName, ServerName, TlsVersion};
use mimic_core::needs::req;
use mimic_core::roles::{Connect, HostPort, Secure};
use mimic_core::{Context, Dialer, Error, ErrorKind, Flow, Phase, Priority, Shared};

/// One way to add a function, by its name.
type Function = (&'static str, fn(Context) -> Context);

const FIRST: Function = ("first", |ctx| ctx.derive_as(A, "first", -1, (), |()| async { Ok(Some(1)) }));
const PINNED: Function = ("pinned", |ctx| ctx.derive(A, (), |()| async { Ok(Some(2)) }));
const LATE: Function = ("late", |ctx| ctx.derive_as(A, "late", 7, (), |()| async { Ok(Some(3)) }));
const DEFAULT: Function =
    ("default", |ctx| ctx.derive_as(A, "default", Priority::NONE, (), |()| async { panic!("the default is asked") }));

fn value(ctx: Context) -> u32 {
    let (kept, keep) = Kept::new();
    let ctx = ctx.register(Connect, "root", 0, req(A), move |(), a| {
        keep.put(a);
        async { named("root") }
    });
    block_on(ctx.connect()).unwrap();
    kept.take()
}

fn orders(of: &[Function]) -> Vec<Vec<Function>> {
    let Some((first, rest)) = of.split_first() else { return vec![Vec::new()] };
    let places = |order: Vec<Function>| {
        (0..=order.len()).map(move |at| {
            let mut order = order.clone();
            order.insert(at, *first);
            order
        })
    };
    orders(rest).into_iter().flat_map(places).collect()
}

#[test]
fn functions_go_by_rank_in_whatever_order_they_are_registered_or_merged() {
    for (functions, winner) in
        [(&[DEFAULT, LATE, PINNED, FIRST][..], 1), (&[DEFAULT, LATE, PINNED], 2), (&[DEFAULT, LATE], 3)]
    {
        for order in orders(functions) {
            let names: Vec<_> = order.iter().map(|(name, _)| *name).collect();
            let add = |ctx: Context, part: &[Function]| part.iter().fold(ctx, |ctx, (_, add)| add(ctx));
            for cut in 0..=order.len() {
                let (here, there) = order.split_at(cut);
                let (here, there) = (add(Context::new(), here), add(Context::new(), there));
                assert_eq!(value(here.clone().merge(&there)), winner, "{names:?}, merged at {cut}");
                assert_eq!(value(there.merge(&here)), winner, "{names:?}, merged the other way at {cut}");
            }
            assert_eq!(value(add(Context::new(), &order)), winner, "{names:?}");
        }
    }
}

#[test]
fn of_functions_of_one_rank_the_latest_is_asked_first() {
    let two = |ctx: Context, rank: Priority| {
        ctx.derive_as(A, "old", rank, (), |()| async { Ok(Some(1)) })
            .derive_as(A, "new", rank, (), |()| async { Ok(Some(2)) })
    };
    for rank in [Priority::from(-3), Priority::from(0), Priority::NONE] {
        assert_eq!(value(two(Context::new(), rank)), 2, "{rank}");
    }
    let ctx = Context::new().derive_as(A, "0", 0, (), |()| async { Ok(Some(1)) });
    assert_eq!(value(ctx.derive(A, (), |()| async { Ok(Some(2)) })), 2, "derive gives the rank 0");
}

#[test]
fn functions_are_told_apart_in_explanations_and_errors() {
    let fails = |()| async { Err(Error::new(ErrorKind::PermissionDenied, "no key")) };
    let ctx = Context::new().derive(A, (), |()| async { Ok(None) }).derive(A, (), |()| async { Ok(None) }).register(
        Connect,
        "root",
        0,
        req(A),
        |(), _| async { named("root") },
    );
    let named = ctx.clone().derive_as(A, "the store", Priority::NONE, (), fails);
    assert_eq!(
        named.explain(Connect).to_string(),
        r#"
Connect
  ? root [0]: maybe: A is computed by a function
    req A: computed by a function
      ? function #1 [0]: maybe: A is computed by a function
      ? function #2 [0]: maybe: A is computed by a function
      ? function the store [last]: maybe: A is computed by a function
"#
        .trim()
    );
    let error = block_on(named.connect()).map(drop).unwrap_err();
    assert_eq!(error.at(), Some("the function \"the store\" for A"));
    assert_eq!(error.report().unwrap().computing(), error.at());
    assert!(format!("{error:#}").contains("? function the store [last]"), "{error:#}");

    let error = block_on(ctx.derive(A, (), fails).connect()).map(drop).unwrap_err();
    assert_eq!(error.at(), Some("the function #1 for A"), "the latest is asked first");
    let last = Context::new().derive(A, (), fails).derive(A, (), |()| async { Ok(None) });
    let error = block_on(last.register(Connect, "root", 0, req(A), |(), _| async { common::named("root") }).connect());
    assert_eq!(error.map(drop).unwrap_err().at(), Some("the function #2 for A"));
}

/// A toy of a flow that some protocol protects, or pretends to.
#[derive(Debug)]
struct Toy {
    says: Says,
    below: Option<Boxed>,
}

#[derive(Clone, Copy, Debug)]
enum Says {
    /// This is the peer that was authenticated.
    Peer(&'static str, &'static str),
    /// None was.
    Anonymous,
    /// All that TLS tells, but for that.
    Tls(&'static str),
    Nothing,
}

impl Flow for Toy {
    fn poll_read(&mut self, _: &mut Task<'_>, _: &mut [u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Ok(0))
    }

    fn poll_write(&mut self, _: &mut Task<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn inner(&self) -> Option<&dyn Flow> {
        Some(&**self.below.as_ref()?)
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        match self.says {
            Says::Peer(protocol, peer) => {
                request.provide_final(Protection, || Some(Protected::new(protocol, peer)));
            }
            Says::Anonymous => {
                request.provide_final(Protection, || None);
            }
            Says::Tls(name) => {
                request
                    .provide_value(TlsVersion, || Some(0x0304))
                    .provide_value(ServerName, || Some(name.into()))
                    .provide_value(RequestedName, || Some(name.into()));
            }
            Says::Nothing => {}
        }
    }
}

fn toy(says: Says, below: Option<Boxed>) -> Boxed {
    Box::new(Toy { says, below })
}

/// What comes of a dial to `host` where the flow is one in another, the outermost first.
fn secure(host: &str, flow: &'static [Says]) -> Result<Boxed, Error> {
    let made = move || flow.iter().rev().fold(None, |below, says| Some(toy(*says, below))).unwrap();
    let ctxs = [
        Context::new().register(Secure, "toy", 0, (), move |_, ()| async move { Ok(made()) }),
        Context::new()
            .register(Secure, "good", 0, (), |to: HostPort, ()| async move {
                let peer = Box::leak(to.host.to_string().into_boxed_str());
                Ok(toy(Says::Peer("SSH", peer), None))
            })
            .layer(Secure, "toy", (), move |to, below, ()| async move {
                below.dial(to).await?;
                Ok(made())
            }),
        Context::new().with_dialer(Secure, Dialer::<_, Shared>::from_fn(Secure, move |_| async move { Ok(made()) })),
    ];
    let [candidate, layer, given] = ctxs.map(|ctx| block_on(ctx.resolve(Secure, HostPort::new(host, 443))));
    let same = |other: &Result<Boxed, Error>| match (&candidate, other) {
        (Ok(_), Ok(_)) => true,
        (Err(one), Err(other)) => one.reason() == other.reason(),
        _ => false,
    };
    assert!(same(&layer) && same(&given), "a candidate, a layer and a given dialer: {candidate:?} {layer:?} {given:?}");
    candidate
}

#[test]
fn whatever_protects_a_flow_fills_secure_with_the_peer_it_authenticated() {
    for (host, flow) in [
        ("example.org", &[Says::Peer("Noise", "example.org")][..]),
        ("example.org", &[Says::Peer("SSH", "example.org")]),
        ("::1", &[Says::Peer("TLS 1.3", "::1")]),
        ("fe80::1%eth0", &[Says::Peer("PAKE", "fe80::1%eth0")]),
        // A layer that knows nothing of it, within; a protected flow through the TLS of a proxy.
        ("example.org", &[Says::Nothing, Says::Peer("Noise", "example.org")]),
        ("example.org", &[Says::Peer("Noise", "example.org"), Says::Peer("TLS 1.3", "proxy")]),
    ] {
        secure(host, flow).unwrap_or_else(|error| panic!("{host} {flow:?}: {error}"));
    }
}

#[test]
fn nothing_but_the_authenticated_peer_fills_secure() {
    let anonymous = "the flow is not protected, or its peer not authenticated";
    for (host, flow, reason) in [
        ("example.org", &[Says::Nothing][..], anonymous),
        ("example.org", &[Says::Tls("example.org")], anonymous),
        ("example.org", &[Says::Anonymous], anonymous),
        // The peer of the flow below is not that of one whose own peer is unknown.
        ("example.org", &[Says::Anonymous, Says::Peer("TLS 1.3", "example.org")], anonymous),
        ("example.org", &[Says::Nothing, Says::Anonymous, Says::Peer("TLS 1.3", "example.org")], anonymous),
        // The proxy on the way is authenticated.
        (
            "example.org",
            &[Says::Nothing, Says::Peer("TLS 1.3", "proxy")],
            r#"TLS 1.3 has authenticated "proxy", not "example.org""#,
        ),
        (
            "example.org",
            &[Says::Tls("example.org"), Says::Peer("SSH", "proxy")],
            r#"SSH has authenticated "proxy", not "example.org""#,
        ),
        (
            "proxy",
            &[Says::Peer("Noise", "example.org"), Says::Peer("TLS 1.3", "proxy")],
            r#"Noise has authenticated "example.org", not "proxy""#,
        ),
        // Letter by letter.
        (
            "fe80::1%eth0",
            &[Says::Peer("PAKE", "fe80::1%eth1")],
            r#"PAKE has authenticated "fe80::1%eth1", not "fe80::1%eth0""#,
        ),
        ("fe80::1%eth0", &[Says::Peer("PAKE", "fe80::1")], r#"PAKE has authenticated "fe80::1", not "fe80::1%eth0""#),
    ] {
        let error = secure(host, flow).map(|_| panic!("{host} {flow:?} passes")).unwrap_err();
        assert_eq!(error.reason(), reason, "{flow:?}");
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Unsupported, Some(Phase::Handshake)), "{error}");
        assert!(error.to_string().contains("must answer the attribute Protection"), "{error}");
    }
}
