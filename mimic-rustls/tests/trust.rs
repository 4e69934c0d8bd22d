//! The platform's trust comes after the application's in every order, and only the end that has
//! authenticated its peer fills `Secure`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use common::{Authority, BOTH, NAME, handshake, handshake_with};
use futures_lite::future::{block_on, zip};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::{Memory, memory_pair};
use mimic_core::keys::{Protected, TlsVersion};
use mimic_core::roles::{HostPort, Secure, Transport};
use mimic_core::{Context, Dialer, Error, ErrorKind, Flow, FlowExt, Shared, Text};
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::rustls::{CertificateError, ClientConfig, Error as TlsError, ServerConfig};
use mimic_rustls::{Protection, RequestedName, Resumed, ServerName, Tls, TlsConfig, accept, tls_error};

type Boxed = Box<dyn Flow + Send>;

/// Adds a pin: a function that trusts this authority alone, and counts its calls.
fn pin(ctx: Context, config: &Arc<ClientConfig>, asked: &Arc<AtomicUsize>) -> Context {
    let (config, asked) = (config.clone(), asked.clone());
    ctx.derive(TlsConfig, (), move |()| {
        asked.fetch_add(1, SeqCst);
        let config = config.clone();
        async move { Ok(Some(config)) }
    })
}

/// Connects `ctx` to a server with this configuration.
fn dial(ctx: Context, server: &ServerConfig) -> Result<Boxed, Error> {
    let (near, far) = memory_pair::<Shared>(1 << 16);
    let near = Mutex::new(Some(near));
    let ctx = ctx.register(Transport, "memory", 0, (), move |_, ()| {
        let near = near.lock().unwrap().take().unwrap();
        async move { Ok(Box::new(near) as Boxed) }
    });
    block_on(zip(ctx.resolve(Secure, HostPort::new(NAME, 443)), accept(far, server))).0
}

#[test]
fn the_platform_is_asked_after_the_application_in_every_order() {
    let (ours, other) = (Authority::new(), Authority::new());
    let config = Arc::new(ours.client(&BOTH));
    let (server, impostor) = (ours.server(&[NAME], &BOTH), other.server(&[NAME], &BOTH));
    let asked = Arc::new(AtomicUsize::new(0));
    let (pinned, installed) = (pin(Context::new(), &config, &asked), Context::new().install(Tls));
    let orders = [
        ("installed, then pinned", pin(installed.clone(), &config, &asked)),
        ("pinned, then installed", pinned.clone().install(Tls)),
        ("installed, pinned, installed", pin(installed.clone(), &config, &asked).install(Tls)),
        ("the pin merged into it", installed.clone().merge(&pinned)),
        ("it merged into the pin", pinned.merge(&installed)),
    ];
    for (order, ctx) in orders {
        let tree = ctx.explain(Secure).to_string();
        let places = ["function #1 [0]", "platform trust [last]"].map(|function| tree.find(function));
        assert!(places[0].is_some() && places[0] < places[1], "{order}: {places:?} in\n{tree}");

        let flow = dial(ctx.clone(), &server).unwrap_or_else(|error| panic!("{order}: {error:#}"));
        assert_eq!(flow.attribute(Protection), Some(Protected::new("TLS 1.3", NAME)), "{order}");
        assert_eq!(asked.swap(0, SeqCst), 1, "{order}");

        let error = dial(ctx, &impostor).map(drop).unwrap_err();
        let unknown = TlsError::InvalidCertificate(CertificateError::UnknownIssuer);
        assert_eq!(tls_error(&error), Some(&unknown), "{order}: {error}");
        assert_eq!(asked.swap(0, SeqCst), 1, "{order}");
    }
}

/// A value comes before every function, of the application or of a merged context. The last value
/// counts.
#[test]
fn a_value_comes_before_every_function() {
    let (ours, other) = (Authority::new(), Authority::new());
    let (config, untrusted) = (Arc::new(ours.client(&BOTH)), Arc::new(other.client(&BOTH)));
    let (server, impostor) = (ours.server(&[NAME], &BOTH), other.server(&[NAME], &BOTH));
    let asked = Arc::new(AtomicUsize::new(0));
    let pinned = pin(Context::new().install(Tls), &config, &asked);
    let (value, function) =
        (Context::new().with(TlsConfig, untrusted.clone()), pin(Context::new(), &untrusted, &asked));

    let merged = pinned.clone().merge(&value);
    dial(merged.clone(), &impostor).unwrap();
    dial(merged.clone(), &server).map(drop).unwrap_err();
    // An application does this if it does not trust the contexts that it merges.
    for (what, ctx) in [("a value", merged), ("a function", pinned.merge(&function))] {
        let last = ctx.with(TlsConfig, config.clone());
        dial(last.clone(), &server).unwrap_or_else(|error| panic!("{what}: {error:#}"));
        dial(last, &impostor).map(drop).unwrap_err();
    }
    assert_eq!(asked.load(SeqCst), 0);
}

/// Resolves `Secure` with `flow` as an open tunnel to `host`.
fn given(flow: impl Flow + Send + 'static, host: &str) -> Result<Boxed, Error> {
    let flow = Mutex::new(Some(Box::new(flow) as Boxed));
    let dialer = Dialer::<_, Shared>::from_fn(Secure, move |_| {
        let flow = flow.lock().unwrap().take().unwrap();
        async move { Ok(flow) }
    });
    block_on(Context::new().with_dialer(Secure, dialer).resolve(Secure, HostPort::new(host, 443)))
}

#[track_caller]
fn assert_refused(flow: impl Flow + Send + 'static, host: &str, reason: &str) {
    let error = given(flow, host).map(drop).unwrap_err();
    assert_eq!((error.kind(), error.reason().as_str()), (ErrorKind::Unsupported, reason));
}

const ANONYMOUS: &str = "the flow is not protected, or its peer not authenticated";

fn pipe() -> (Memory<Shared>, Memory<Shared>) {
    memory_pair(1 << 16)
}

#[test]
fn the_end_that_authenticated_its_peer_fills_secure_and_the_other_does_not() {
    let authority = Authority::new();
    let names = [NAME, "192.0.2.1", "::1"];
    for (version, protocol) in [(&TLS13, "TLS 1.3"), (&TLS12, "TLS 1.2")] {
        let (client, server) = (Arc::new(authority.client(&[version])), authority.server(&names, &[version]));
        for name in names {
            let (near, far) = handshake_with(name, pipe(), &client, &server);
            assert_eq!(near.attribute(Protection), Some(Protected::new(protocol, name)));
            assert_eq!(near.attribute(ServerName), Some(Text::from(name)));
            assert_eq!(near.attribute(RequestedName), None);
            assert!(far.attribute(TlsVersion).is_some());
            assert_eq!((far.attribute(Protection), far.attribute(ServerName)), (None, None));
            // SNI has no addresses.
            assert_eq!(far.attribute(RequestedName), (name == NAME).then(|| NAME.into()));
            given(near, name).unwrap();
            assert_refused(far, name, ANONYMOUS);

            let (near, _far) = handshake_with(name, pipe(), &client, &server);
            let reason = format!("{protocol} has authenticated {name:?}, not \"other.example\"");
            assert_refused(near, "other.example", &reason);
        }
    }
}

/// The same where one end lies in the other, with the same name.
#[test]
fn what_a_tls_below_authenticated_is_not_the_peer_of_the_flow() {
    let authority = Authority::new();
    let (client, server) = (Arc::new(authority.client(&BOTH)), authority.server(&[NAME, "proxy"], &BOTH));
    // The client of the tunnel is the server in it.
    let (below, above) = handshake(pipe(), &client, &server);
    let (near, far) = handshake((above, below), &client, &server);
    assert_eq!(far.get_ref().attribute(Protection), Some(Protected::new("TLS 1.3", NAME)));
    assert_eq!(far.get_ref().attribute(ServerName), Some(Text::from(NAME)));
    assert_eq!((far.attribute(Protection), far.attribute(ServerName)), (None, None));
    assert_refused(far, NAME, ANONYMOUS);
    // The server of the tunnel is the client in it.
    assert_eq!((near.attribute(RequestedName), near.get_ref().attribute(RequestedName)), (None, Some(NAME.into())));
    given(near, NAME).unwrap();

    let tunnel = handshake_with("proxy", pipe(), &client, &server);
    let (near, _far) = handshake(tunnel, &client, &server);
    assert_refused(near, "proxy", r#"TLS 1.3 has authenticated "example.org", not "proxy""#);
    let (tunnel, _far) = handshake_with("proxy", pipe(), &client, &server);
    assert_refused(tunnel, NAME, r#"TLS 1.3 has authenticated "proxy", not "example.org""#);
    // The tunnel goes on in clear text.
    let (tunnel, _far) = handshake(pipe(), &client, &server);
    assert_refused(tunnel.into_inner(), NAME, ANONYMOUS);
}

/// A resumed session has the name that was authenticated when it began.
#[test]
fn a_resumed_session_tells_the_peer_that_was_authenticated() {
    let authority = Authority::new();
    for version in [&TLS13, &TLS12] {
        let (client, server) =
            (Arc::new(authority.client(&[version])), authority.server(&[NAME, "other.example"], &[version]));
        for (name, resumed) in [(NAME, false), (NAME, true), ("other.example", false)] {
            let (mut near, mut far) = handshake_with(name, pipe(), &client, &server);
            assert_eq!((near.attribute(Resumed), far.attribute(Resumed)), (Some(resumed), Some(resumed)), "{name}");
            assert_eq!(near.attribute(Protection).map(|by| by.peer).as_deref(), Some(name));
            assert_eq!((far.attribute(Protection), far.attribute(ServerName)), (None, None));
            assert_eq!(far.attribute(RequestedName), Some(name.into()));
            // Tickets come before it.
            block_on(async {
                far.write_all(b"!").await.unwrap();
                far.flush().await.unwrap();
                assert_eq!(near.read(&mut [0; 9]).await.unwrap(), 1);
            });
            assert_refused(far, name, ANONYMOUS);
            given(near, name).unwrap();
        }
    }
}
