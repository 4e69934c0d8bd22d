//! A client of embedded-nal-async's traits over a context, and the same client over a flow.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod world;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use embedded_nal_async::{AddrType, Dns, TcpConnect};
use futures_lite::future::or;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::keys::{Deadline, PeerAddr, Protection};
use mimic_core::{ErrorKind, FlowExt, ListenerExt, LocalContext};
use mimic_embassy::{Nal, context};
use mimic_rustls::rustls::crypto::ring::default_provider;
use mimic_rustls::rustls::pki_types::PrivateKeyDer;
use mimic_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use mimic_rustls::{TlsConfig, TlsServer, TlsServerConfig};
use rcgen::generate_simple_self_signed;
use reqwless::client::{HttpClient, HttpConnection};
use reqwless::request::{Method, Request, RequestBuilder};
use world::dns::serve as dns;
use world::{CLIENT, CLIENT_V6, SERVER, SERVER_V6, World, at, buffers, config, millis};

/// Answers requests with their first line.
async fn http(server: LocalContext) {
    let mut listener = server.listen().await.unwrap();
    loop {
        // A handshake that fails is the client's to tell.
        let Ok(mut flow) = listener.accept().await else { continue };
        let mut request = Vec::new();
        let mut piece = [0; 500];
        while !request.ends_with(b"\r\n\r\n") {
            match flow.read(&mut piece).await {
                Ok(n @ 1..) => request.extend_from_slice(&piece[..n]),
                _ => break,
            }
        }
        let body = request.split(|byte| *byte == b'\r').next().unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        flow.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        flow.close().await.unwrap();
    }
}

/// The network of the client's context; the server answers HTTP at port 80, and DNS.
fn run(test: impl AsyncFnOnce(LocalContext)) {
    let mut world = World::new();
    let server = at(&context(world.server, buffers::<4>()), "http://0.0.0.0");
    let client = context(world.client, buffers::<4>());
    world.run(or(or(dns(world.server), http(server)), test(client)))
}

async fn get(nal: &Nal, url: &str) -> Result<Vec<u8>, reqwless::Error> {
    let (mut http, mut rx) = (HttpClient::new(nal, nal), [0; 500]);
    let mut request = http.request(Method::GET, url).await?;
    Ok(request.send(&mut rx).await?.body().read_to_end().await?.to_vec())
}

#[test]
fn reqwless_gets_by_name_and_by_address() {
    run(async |client| {
        let nal = Nal::new(client);
        for host in ["v4.test", "both.test", "10.0.0.2"] {
            assert_eq!(get(&nal, &format!("http://{host}/a")).await.unwrap(), b"GET /a HTTP/1.1", "{host}");
        }
    });
}

#[test]
fn reqwless_tells_the_kind_of_what_failed_and_the_trait_all_of_it() {
    run(async |client| {
        let nal = Nal::new(client);
        let refused = get(&nal, "http://v4.test:81/").await.unwrap_err();
        assert!(matches!(refused, reqwless::Error::Network(ErrorKind::ConnectionRefused)), "{refused:?}");
        let refused = nal.connect((SERVER, 81).into()).await.unwrap_err();
        assert_eq!((refused.at(), refused.target()), (Some(r#"Tcp "tcp""#), Some("10.0.0.2:81")), "{refused}");

        let unknown = get(&nal, "http://none.test/").await.unwrap_err();
        assert!(matches!(unknown, reqwless::Error::Dns), "{unknown:?}");
        let unknown = nal.get_host_by_name("none.test", AddrType::Either).await.unwrap_err();
        assert_eq!((unknown.at(), unknown.kind()), (Some(r#"Lookup "dns""#), ErrorKind::NotFound), "{unknown}");
    });
}

#[test]
fn names_have_addresses_of_the_family_that_is_asked_for() {
    run(async |client| {
        let nal = Nal::new(client);
        let ask = async |name: &str, family| nal.get_host_by_name(name, family).await;
        assert_eq!(ask("both.test", AddrType::IPv4).await.unwrap(), IpAddr::from(SERVER));
        assert_eq!(ask("both.test", AddrType::IPv6).await.unwrap(), IpAddr::from(SERVER_V6));
        assert_eq!(ask("v4.test", AddrType::Either).await.unwrap(), IpAddr::from(SERVER));
        // DNS on a device does not tell a name without such a record from no name.
        assert_eq!(ask("v4.test", AddrType::IPv6).await.unwrap_err().kind(), ErrorKind::NotFound);
        let error = nal.get_host_by_address(SERVER.into(), &mut [0; 255]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("10.0.0.2"), "{error}");
    });
}

#[test]
fn an_address_needs_no_look_up_and_has_one_family() {
    let mut world = World::with(config(CLIENT, CLIENT_V6, &[]));
    let nal = Nal::from(context(world.client, buffers::<1>()));
    world.run(async {
        let ask = async |name: &str, family| nal.get_host_by_name(name, family).await;
        for family in [AddrType::IPv4, AddrType::Either] {
            assert_eq!(ask("10.0.0.9", family).await.unwrap(), IpAddr::from([10, 0, 0, 9]));
        }
        assert_eq!(ask("2001:db8::2", AddrType::IPv6).await.unwrap(), IpAddr::from(SERVER_V6));
        let error = ask("10.0.0.9", AddrType::IPv6).await.unwrap_err();
        assert_eq!(error.to_string(), "10.0.0.9: lookup failed: it has no IPv6 address");
        let error = ask("2001:db8::2", AddrType::IPv4).await.unwrap_err();
        assert!(error.to_string().contains("it has no IPv4 address"), "{error}");
    });
}

#[test]
fn a_family_that_the_stack_does_not_have_is_not_connected_to() {
    let mut v4 = config(CLIENT, CLIENT_V6, &[SERVER]);
    v4.ipv6 = embassy_net::ConfigV6::None;
    let mut world = World::with(v4);
    let nal = Nal::new(context(world.client, buffers::<1>()));
    world.run(or(dns(world.server), async {
        assert_eq!(nal.get_host_by_name("both.test", AddrType::Either).await.unwrap(), IpAddr::from(SERVER));
        let error = nal.get_host_by_name("both.test", AddrType::IPv6).await.unwrap_err();
        assert!(error.to_string().contains("it has no IPv6 address"), "{error}");
        let error = nal.connect((SERVER_V6, 80).into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "{error}");
    }));
}

#[test]
fn the_deadline_of_the_context_covers_each_step() {
    run(async |client| {
        let nal = Nal::new(client.with(Deadline, millis(300)));
        let dead: SocketAddr = "10.0.0.77:80".parse().unwrap();
        for silent in
            [nal.connect(dead).await.map(drop), nal.get_host_by_name("silent.test", AddrType::IPv4).await.map(drop)]
        {
            let error = silent.unwrap_err();
            assert!(error.is_deadline(), "{error}");
        }
    });
}

#[test]
fn a_connection_that_is_dropped_is_closed() {
    let mut world = World::new();
    let wire = world.wire.clone();
    let server = at(&context(world.server, buffers::<2>()), "tcp://0.0.0.0:80");
    let nal = Nal::new(context(world.client, buffers::<1>()));
    world.run(async {
        let mut listener = server.listen().await.unwrap();
        drop(nal.connect((SERVER, 80).into()).await.unwrap());
        let mut flow = listener.accept().await.unwrap();
        assert_eq!(flow.read(&mut [0; 9]).await.unwrap(), 0);
        assert_eq!(wire.resets.get(), 0);
    });
}

/// What the documentation of [`Nal`] says is lost with it, and stays with a flow.
#[test]
fn a_flow_keeps_happy_eyeballs_and_tls() {
    let made = generate_simple_self_signed(["dead6.test".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let trusting = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let presenting = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into()))
        .unwrap();

    let mut world = World::new();
    let server = context(world.server, buffers::<4>()).install(TlsServer).with(TlsServerConfig, Arc::new(presenting));
    let server = at(&server, "https://0.0.0.0");
    let client = context(world.client, buffers::<4>()).with(TlsConfig, Arc::new(trusting));
    #[cfg(not(feature = "rustls"))]
    let client = client.install(mimic_rustls::TlsClient);

    world.run(or(or(dns(world.server), http(server)), async {
        // By the traits: the first address, which is dead, and no other.
        let started = Instant::now();
        let nal = Nal::new(client.clone().with(Deadline, millis(1500)));
        let dead = get(&nal, "http://dead6.test:443/").await.unwrap_err();
        assert!(matches!(dead, reqwless::Error::Network(ErrorKind::TimedOut)), "{dead:?}");
        assert!(started.elapsed() >= millis(1500));

        // By a flow: the next address, and a certificate for the name.
        let flow = at(&client, "https://dead6.test").connect().await.unwrap();
        assert_eq!(flow.attribute(PeerAddr), Some((SERVER, 443).into()));
        assert_eq!(&*flow.attribute(Protection).unwrap().peer, "dead6.test");
        let mut http = HttpConnection::Plain(flow);
        let mut rx = [0; 500];
        let response = http.send(Request::get("/b").host("dead6.test").build(), &mut rx).await.unwrap();
        assert_eq!(response.body().read_to_end().await.unwrap(), b"GET /b HTTP/1.1");
    }));
}
