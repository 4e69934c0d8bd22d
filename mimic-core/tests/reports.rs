//! What a failed connect says of the dials below it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::future::pending;
use std::task::{Context as Task, Waker};

use common::*;
use mimic_core::explain::Outcome;
use mimic_core::keys::Deadline;
use mimic_core::needs::over;
use mimic_core::roles::{Connect, HostPort, Tcp, Transport};
use mimic_core::{Context, Dialer, Error, ErrorKind, Shared};

fn failed(ctx: &Context) -> Error {
    block_on(ctx.connect()).unwrap_err()
}

fn attempts(error: &Error) -> Vec<String> {
    error.report().unwrap().attempts().iter().map(ToString::to_string).collect()
}

fn target() -> HostPort {
    HostPort::new("x", 1)
}

/// A root over a transport over a link that refuses; the transport fails with what `own` makes of
/// the link's error.
fn through(own: impl Fn(Error) -> Error + Clone + Send + Sync + 'static) -> Context {
    Context::new()
        .register(Tcp, "refuses", 0, (), |_, ()| async { Err::<Boxed, _>(refused()) })
        .register(Transport, "fails", 0, over(Tcp), move |_: HostPort, link| {
            let own = own.clone();
            async move { Err::<Boxed, _>(own(link.dial("192.0.2.1:1".parse().unwrap()).await.unwrap_err())) }
        })
        .register(Connect, "root", 0, over(Transport), |(), transport| async move { transport.dial(target()).await })
}

#[test]
fn an_error_that_is_passed_on_is_told_once_and_one_s_own_is_told_too() {
    let error = failed(&through(|error| error));
    assert_eq!(error.to_string(), "Tcp \"refuses\" to 192.0.2.1:1: nobody listens");
    assert_eq!(
        attempts(&error),
        ["Transport \"fails\" to x:1: failed below", "Tcp \"refuses\" to 192.0.2.1:1: nobody listens"]
    );

    let error = failed(&through(|_| Error::new(ErrorKind::Other, "no way")));
    assert_eq!(error.to_string(), "Transport \"fails\" to x:1: no way");
    assert_eq!(
        attempts(&error),
        ["Transport \"fails\" to x:1: no way", "Tcp \"refuses\" to 192.0.2.1:1: nobody listens"]
    );
}

#[test]
fn of_very_many_attempts_the_first_and_the_last_are_kept() {
    let after = |last| {
        let ctx = Context::new().register(Tcp, "refuses", 0, (), |_, ()| async { Err::<Boxed, _>(refused()) });
        failed(&ctx.register(Connect, "retries", 0, over(Tcp), move |(), link| async move {
            for port in 1..last {
                let _ = link.dial(([192, 0, 2, 1], port).into()).await;
            }
            link.dial(([192, 0, 2, 1], last).into()).await
        }))
    };
    let error = after(100);
    let expected: Vec<_> = (1..=8).chain(77..=100).map(|port| format!("192.0.2.1:{port}")).collect();
    let report = error.report().unwrap();
    assert_eq!(report.attempts().iter().map(mimic_core::explain::Attempt::target).collect::<Vec<_>>(), expected);
    assert_eq!(report.omitted(), 68);
    let tree = format!("{error:#}");
    let at = |what: &str| tree.find(what).unwrap_or_else(|| panic!("no {what} in {tree}"));
    assert!(at("192.0.2.1:8: nobody") < at("(68 more)") && at("(68 more)") < at("192.0.2.1:77: nobody"), "{tree}");
    let all = after(32);
    assert_eq!((all.report().unwrap().attempts().len(), all.report().unwrap().omitted()), (32, 0));
    assert!(!format!("{all:#}").contains("more)"));
}

#[test]
fn the_tree_shows_who_dialled_whom() {
    let ctx = Context::new()
        .register(Tcp, "refuses", 0, (), |_, ()| async { Err::<Boxed, _>(refused()) })
        .register(Transport, "twice", 0, over(Tcp), |_: HostPort, link| async move {
            let _ = link.dial("192.0.2.1:1".parse().unwrap()).await;
            link.dial("192.0.2.2:1".parse().unwrap()).await
        })
        .register(Connect, "again", 0, over(Transport), |(), transport| async move {
            let _ = transport.dial(target()).await;
            transport.dial(HostPort::new("y", 1)).await
        });
    let tree = format!("{:#}", failed(&ctx));
    let tried: Vec<_> = tree.lines().skip(1).take_while(|line| *line != "  plan:").collect();
    let expected = [
        "  tried:",
        "    Transport \"twice\" to x:1: failed below",
        "      Tcp \"refuses\" to 192.0.2.1:1: nobody listens",
        "      Tcp \"refuses\" to 192.0.2.2:1: nobody listens",
        "    Transport \"twice\" to y:1: failed below",
        "      Tcp \"refuses\" to 192.0.2.1:1: nobody listens",
        "      Tcp \"refuses\" to 192.0.2.2:1: nobody listens",
    ];
    assert_eq!(tried, expected, "{tree}");
    let nothing_tried = failed(&Context::new());
    assert!(!format!("{nothing_tried:#}").contains("tried:"));
}

#[test]
fn an_error_of_another_connect_is_no_failure_below() {
    let other = || failed(&through(|error| error));
    let ctx = Context::new()
        .register(Transport, "borrows", 0, (), move |_: HostPort, ()| async move { Err::<Boxed, _>(other()) })
        .register(Connect, "root", 0, over(Transport), |(), transport| async move { transport.dial(target()).await });
    assert_eq!(attempts(&failed(&ctx)), ["Transport \"borrows\" to x:1: nobody listens"]);
}

#[test]
fn only_a_deadline_is_placed_where_it_cut_something_off() {
    let ctx = Context::new().register(Tcp, "silent", 0, (), |_, ()| pending::<Result<Boxed, Error>>()).register(
        Connect,
        "impatient",
        0,
        over(Tcp),
        |(), link| async move {
            let mut dialled = Box::pin(link.dial("192.0.2.1:1".parse().unwrap()));
            let polled = dialled.as_mut().poll(&mut Task::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            drop(dialled);
            Err::<Boxed, _>(Error::new(ErrorKind::Other, "waited long enough"))
        },
    );
    let error = failed(&ctx);
    assert_eq!((error.at(), error.target()), (Some("Connect \"impatient\""), None));
    let [attempt] = error.report().unwrap().attempts() else { panic!("{error:#}") };
    assert_eq!((attempt.at(), attempt.target()), ("Tcp \"silent\"", "192.0.2.1:1"));
    assert_eq!(attempt.outcome(), &Outcome::Cancelled);
}

#[test]
fn the_endpoint_is_named_where_it_decides() {
    let ctx = Context::new().with_url("gopher://host:70/path").unwrap();
    let target = |error: Error| error.target().map(str::to_owned);
    assert_eq!(target(failed(&ctx)).as_deref(), Some("gopher://host:70"));
    assert_eq!(target(block_on(ctx.listen()).unwrap_err()).as_deref(), Some("gopher://host:70"));
    assert_eq!(target(block_on(ctx.resolve(Transport, self::target())).unwrap_err()), None);
    assert_eq!(target(failed(&Context::new())), None);
}

/// A proxy: dials the proxy, and then does what `own` says.
fn proxy<Fut>(ctx: Context, own: impl Fn(Boxed) -> Fut + Clone + Send + Sync + 'static) -> Context
where
    Fut: Future<Output = Result<Boxed, Error>> + Send + 'static,
{
    ctx.layer(Transport, "proxy", (), move |_: HostPort, below, ()| {
        let own = own.clone();
        async move { own(below.dial(HostPort::new("proxy.example", 1080)).await?).await }
    })
}

fn direct() -> Context {
    Context::new().register(Transport, "direct", 0, (), |_: HostPort, ()| async { named("direct") }).register(
        Connect,
        "root",
        0,
        over(Transport),
        |(), transport| async move { transport.dial(target()).await },
    )
}

/// What a layer's own error is about may be the hop, whose name nothing else would tell.
#[test]
fn an_error_of_a_layer_names_the_hop_that_it_had_dialled() {
    let denies = || async { Err::<Boxed, _>(Error::new(ErrorKind::PermissionDenied, "denied")) };
    let ctx = proxy(direct(), move |_| denies());
    let line = "Transport \"proxy\" to x:1 via proxy.example:1080: denied";
    let error = failed(&ctx);
    assert_eq!((error.to_string().as_str(), error.via()), (line, Some("proxy.example:1080")));
    assert_eq!(attempts(&error), [line]);
    assert_eq!(error.report().unwrap().attempts()[0].via(), Some("proxy.example:1080"));
    // Also where the layer is what was asked for, and with a dialer that was kept.
    let error = block_on(ctx.resolve(Transport, target())).unwrap_err();
    assert_eq!(error.to_string(), line);
    let kept = block_on(ctx.dialer(Transport)).unwrap();
    for _ in 0..2 {
        assert_eq!(block_on(kept.dial(target())).unwrap_err().to_string(), line);
    }
    // An error with a target of its own is no exception.
    let ctx = proxy(direct(), |_| async { Err(Error::new(ErrorKind::Other, "no").to_target("elsewhere")) });
    assert_eq!(failed(&ctx).to_string(), "Transport \"proxy\" to elsewhere via proxy.example:1080: no");

    // Layers in layers: each has its own hop.
    let ctx = proxy(proxy(direct(), |flow| async { Ok(flow) }), move |_| denies());
    assert_eq!(failed(&ctx).to_string(), line);
    let inner = proxy(direct(), move |_| denies());
    let ctx = inner.layer(Transport, "outer", (), |_, below, ()| async move {
        below.dial(HostPort::new("outer.example", 1)).await
    });
    let error = failed(&ctx);
    assert_eq!(error.to_string(), "Transport \"proxy\" to outer.example:1 via proxy.example:1080: denied");
    assert_eq!(
        attempts(&error),
        ["Transport \"outer\" to x:1: failed below", error.to_string().as_str()],
        "what failed below is told below"
    );
}

#[test]
fn no_hop_is_named_where_there_was_none_or_where_it_is_the_target() {
    let refuses = Context::new()
        .register(Transport, "refuses", 0, (), |_: HostPort, ()| async { Err::<Boxed, _>(refused()) })
        .register(Connect, "root", 0, over(Transport), |(), transport| async move { transport.dial(target()).await });
    let error = failed(&proxy(refuses, |flow| async { Ok(flow) }));
    assert_eq!(error.to_string(), "Transport \"refuses\" to proxy.example:1080: nobody listens");
    let ctx = direct().layer(Transport, "counts", (), |to, below, ()| async move {
        below.dial(to).await?;
        Err::<Boxed, _>(Error::new(ErrorKind::Other, "too many"))
    });
    let error = failed(&ctx);
    assert_eq!((error.to_string().as_str(), error.via()), ("Transport \"counts\" to x:1: too many", None));
}

/// The proxy answers, and then says no more.
#[test]
fn a_deadline_names_the_hop_that_was_waited_for() {
    let clock = JumpingClock::default();
    let ctx = clock.install(proxy(direct(), |_| pending())).with(Deadline, std::time::Duration::from_secs(1));
    let error = failed(&ctx);
    let line = "Transport \"proxy\" to x:1 via proxy.example:1080: the deadline of 1s passed";
    assert!(error.to_string().starts_with(line), "{error}");
    let told = "Transport \"proxy\" to x:1 via proxy.example:1080: cancelled while it ran";
    assert_eq!(attempts(&error), [told]);
}

/// A dialer made of a function plans nothing and dials nothing below.
#[test]
fn a_report_with_nothing_to_tell_prints_nothing() {
    let refuse = |()| async { Err(ErrorKind::ConnectionRefused.into()) };
    let dialer = Dialer::<_, Shared>::from_fn(Connect, refuse);
    let bare = block_on(dialer.dial(())).unwrap_err();
    assert!(bare.report().is_some());
    assert_eq!(format!("{bare:#}"), bare.to_string());

    // As the report of a resolve within, it takes no line either.
    let ctx = Context::new().register(Connect, "kept", 100, (), move |(), ()| {
        let dialer = dialer.clone();
        async move { dialer.dial(()).await }
    });
    let within = failed(&ctx);
    assert!(within.report().unwrap().inner().is_some());
    assert!(!format!("{within:#}").contains("within"), "{within:#}");
}
