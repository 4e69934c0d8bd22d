//! Look-ups by hickory, of a name server on the loopback that says what the test wants.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mimic_core::keys::PeerAddr;
use mimic_core::roles::{Connect, HostPort, Lookup, Question, Record, RecordType, Service, Tcp, Transport};
use mimic_core::{Context, ErrorKind, FlowExt, Handshake, Phase, Shared};
use mimic_happy_eyeballs::{Config, Event, EventKind, Kind, RaceConfig, Timeline};
use mimic_tokio::hickory_resolver::TokioResolver;
use mimic_tokio::hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use mimic_tokio::hickory_resolver::net::runtime::TokioRuntimeProvider;
use mimic_tokio::hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use mimic_tokio::hickory_resolver::proto::rr::rdata::svcb::{
    Alpn, EchConfigList, IpHint, Mandatory, SVCB, SvcParamKey as Key, SvcParamValue as Value, Unknown,
};
use mimic_tokio::hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, HTTPS};
use mimic_tokio::hickory_resolver::proto::rr::{self, Name, RData};
use mimic_tokio::{Hickory, context};
use tokio::net::TcpListener;
use tokio::time::timeout;

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the adapters' tests need more of it")]
#[path = "../../tests/hosted/namespace.rs"]
mod namespace;

const LIMIT: Duration = Duration::from_secs(30);

/// What the server says.
enum Reply {
    Data(Vec<(&'static str, RData)>),
    Code(ResponseCode),
    Silence,
}

use Reply::{Code, Data, Silence};

fn v4(name: &'static str, address: [u8; 4]) -> (&'static str, RData) {
    (name, RData::A(A(address.into())))
}

fn v6(name: &'static str, address: &str) -> (&'static str, RData) {
    (name, RData::AAAA(AAAA(address.parse().unwrap())))
}

fn https(name: &'static str, priority: u16, target: &str, keys: Vec<(Key, Value)>) -> (&'static str, RData) {
    (name, RData::HTTPS(HTTPS(SVCB::new(priority, Name::from_ascii(target).unwrap(), keys))))
}

fn nothing() -> Reply {
    Data(Vec::new())
}

/// What was asked, as `name type`.
type Asked = Arc<Mutex<Vec<String>>>;

/// A context that asks this server, with a second of patience.
fn asking(reply: impl Fn(&str, rr::RecordType) -> Reply + Send + 'static) -> (Context, Asked) {
    asking_with(|_| (), reply)
}

fn asking_with(
    options: impl FnOnce(&mut ResolverOpts),
    reply: impl Fn(&str, rr::RecordType) -> Reply + Send + 'static,
) -> (Context, Asked) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let asked = Asked::default();
    let log = asked.clone();
    // It ends with the test's process.
    std::thread::spawn(move || {
        let mut buf = [0; 4096];
        loop {
            let (len, from) = socket.recv_from(&mut buf).unwrap();
            let query = Message::from_vec(&buf[..len]).unwrap();
            let question = query.queries[0].clone();
            let name = question.name().to_ascii();
            log.lock().unwrap().push(format!("{name} {}", question.query_type()));
            let mut message = Message::response(query.id, OpCode::Query);
            message.add_query(question.clone());
            match reply(&name, question.query_type()) {
                Silence => continue,
                Code(code) => message.metadata.response_code = code,
                Data(data) => {
                    for (name, data) in data {
                        message.add_answer(rr::Record::from_rdata(Name::from_ascii(name).unwrap(), 60, data));
                    }
                }
            }
            socket.send_to(&message.to_vec().unwrap(), from).unwrap();
        }
    });
    let mut connection = ConnectionConfig::udp();
    connection.port = port;
    let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection]);
    let config = ResolverConfig::from_name_servers(vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().timeout = Duration::from_secs(1);
    builder.options_mut().attempts = 0;
    options(builder.options_mut());
    (context().install(Hickory::from(builder.build().unwrap())), asked)
}

async fn lookup(ctx: &Context, name: &str, record_type: RecordType) -> Result<Vec<Record>, mimic_core::Error> {
    timeout(LIMIT, ctx.resolve(Lookup, Question { name: name.into(), record_type })).await.unwrap()
}

fn kinds(flow: &impl mimic_core::Flow) -> Vec<Kind> {
    let events = flow.attribute(Timeline).unwrap();
    let asked = events.iter().map(Event::kind).filter_map(|what| match what {
        EventKind::Ask(kind) => Some(kind),
        _ => None,
    });
    asked.collect()
}

#[tokio::test]
async fn addresses() {
    let (ctx, asked) = asking(|name, kind| match (name, kind) {
        ("both.test.", rr::RecordType::A) => {
            Data(vec![v4("both.test.", [192, 0, 2, 1]), v4("both.test.", [192, 0, 2, 2])])
        }
        ("both.test.", rr::RecordType::AAAA) => Data(vec![v6("both.test.", "2001:db8::1")]),
        ("alias.test.", rr::RecordType::A) => Data(vec![
            ("alias.test.", RData::CNAME(CNAME(Name::from_ascii("both.test.").unwrap()))),
            v4("both.test.", [192, 0, 2, 1]),
        ]),
        ("broken.test.", _) => Code(ResponseCode::ServFail),
        ("silent.test.", _) => Silence,
        ("gone.test.", _) => Code(ResponseCode::NXDomain),
        _ => nothing(),
    });
    let (first, second) = (Record::A([192, 0, 2, 1].into()), Record::A([192, 0, 2, 2].into()));
    let six = Record::Aaaa("2001:db8::1".parse().unwrap());
    assert_eq!(lookup(&ctx, "both.test", RecordType::A).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(lookup(&ctx, "both.test", RecordType::Aaaa).await.unwrap(), std::slice::from_ref(&six));
    assert_eq!(lookup(&ctx, "both.test", RecordType::Addresses).await.unwrap(), [six, first.clone(), second]);
    // Aliases are followed, and are no records.
    assert_eq!(lookup(&ctx, "alias.test", RecordType::A).await.unwrap(), [first]);
    assert_eq!(lookup(&ctx, "alias.test", RecordType::Aaaa).await.unwrap(), []);
    for (name, kind) in
        [("gone.test", ErrorKind::NotFound), ("broken.test", ErrorKind::Other), ("silent.test", ErrorKind::TimedOut)]
    {
        for asked in [RecordType::A, RecordType::Aaaa, RecordType::Addresses, RecordType::Https] {
            let error = lookup(&ctx, name, asked).await.unwrap_err();
            assert_eq!((error.kind(), error.phase()), (kind, Some(Phase::Lookup)), "{asked:?}: {error}");
            assert_eq!(error.at(), Some("Lookup \"hickory\""));
        }
    }
    let broken = lookup(&ctx, "broken.test", RecordType::A).await.unwrap_err().to_string();
    assert!(broken.to_lowercase().contains("server fail"), "{broken}");
    assert!(!asked.lock().unwrap().is_empty());
    let error = lookup(&ctx, &"x".repeat(64), RecordType::A).await.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidInput, Some(Phase::Lookup)), "{error}");
}

#[tokio::test]
async fn services() {
    let hints = (
        Value::Ipv4Hint(IpHint(vec![A(Ipv4Addr::new(192, 0, 2, 1))])),
        Value::Ipv6Hint(IpHint(vec![AAAA("2001:db8::1".parse().unwrap())])),
    );
    let mandatory = |keys: &[Key]| (Key::Mandatory, Value::Mandatory(Mandatory(keys.to_vec())));
    let alpn = (Key::Alpn, Value::Alpn(Alpn(vec!["h2".into(), "h3".into()])));
    let ech = (Key::EchConfigList, Value::EchConfigList(EchConfigList(vec![0, 4, 1, 2, 3, 4])));
    let port = (Key::Port, Value::Port(8443));
    let unknown = (Key::Unknown(9), Value::Unknown(Unknown(vec![1, 2])));
    let records = vec![
        https(
            "full.test.",
            1,
            ".",
            vec![
                mandatory(&[Key::Alpn, Key::Port]),
                alpn.clone(),
                (Key::NoDefaultAlpn, Value::NoDefaultAlpn),
                port.clone(),
                (Key::Ipv4Hint, hints.0),
                ech.clone(),
                (Key::Ipv6Hint, hints.1),
                unknown.clone(),
            ],
        ),
        https("full.test.", 2, "other.test.", vec![]),
        // Of each of these something must be understood that is not told.
        https("full.test.", 3, ".", vec![mandatory(&[Key::Unknown(9)]), unknown]),
        https("full.test.", 4, ".", vec![mandatory(&[Key::EchConfigList]), ech]),
        https("full.test.", 5, ".", vec![mandatory(&[Key::Port])]),
    ];
    let (ctx, asked) = asking(move |name, kind| match (name, kind) {
        ("full.test.", rr::RecordType::HTTPS) => Data(records.clone()),
        ("alias.test.", rr::RecordType::HTTPS) => Data(vec![https("alias.test.", 0, "Svc.Test.", vec![])]),
        _ => nothing(),
    });
    let mut found = lookup(&ctx, "full.test", RecordType::Https).await.unwrap();
    found.sort_by_key(|record| match record {
        Record::Https(service) => service.priority,
        other => panic!("{other:?}"),
    });
    let plain = |priority| Service {
        priority,
        target: "".into(),
        alpn: vec![],
        no_default_alpn: false,
        port: None,
        hints: vec![],
        ech: false,
        unsupported: false,
    };
    let hint = |text: &str| text.parse::<IpAddr>().unwrap();
    let full = Service {
        alpn: vec![b"h2".to_vec(), b"h3".to_vec()],
        no_default_alpn: true,
        port: Some(8443),
        hints: vec![hint("192.0.2.1"), hint("2001:db8::1")],
        ech: true,
        ..plain(1)
    };
    let wanted = [
        full,
        Service { target: "other.test.".into(), ..plain(2) },
        Service { unsupported: true, ..plain(3) },
        Service { unsupported: true, ech: true, ..plain(4) },
        Service { unsupported: true, ..plain(5) },
    ];
    assert_eq!(found, wanted.map(Record::Https));
    let alias = lookup(&ctx, "alias.test", RecordType::Https).await.unwrap();
    let [Record::Https(alias)] = &alias[..] else { panic!("{alias:?}") };
    assert_eq!(alias.priority, 0);
    assert!(alias.target.eq_ignore_ascii_case("svc.test."), "{alias:?}");
    assert_eq!(lookup(&ctx, "none.test", RecordType::Https).await.unwrap(), []);
    assert_eq!(asked.lock().unwrap().len(), 3);
}

/// Connects with a handshake that does nothing: without one, service records are not asked for.
async fn secure(ctx: &Context, port: u16) -> Result<<Shared as mimic_core::Mode>::Flow, mimic_core::Error> {
    let handshake = Handshake::<Shared>::new(|flow| async { Ok(flow) });
    ctx.dialer(Transport).await?.dial_with(HostPort::new("host.test", port), handshake).await
}

/// By the hint and the port of an HTTPS record, while the addresses are not answered.
#[tokio::test]
async fn a_hint_and_a_port() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (ctx, _) = asking(move |_, kind| match kind {
        rr::RecordType::HTTPS => Data(vec![https(
            "host.test.",
            1,
            ".",
            vec![
                (Key::Port, Value::Port(at.port())),
                (Key::Ipv4Hint, Value::Ipv4Hint(IpHint(vec![A(Ipv4Addr::LOCALHOST)]))),
            ],
        )]),
        rr::RecordType::AAAA => nothing(),
        _ => Silence,
    });
    let ctx = ctx.with(RaceConfig, Config::new().https());
    let flow = timeout(LIMIT, secure(&ctx, 443)).await.unwrap().unwrap();
    assert_eq!(flow.attribute(PeerAddr), Some(at));
    assert_eq!(kinds(&flow), [Kind::Https, Kind::Aaaa, Kind::A]);
}

#[tokio::test]
async fn an_alias() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (ctx, asked) = asking(move |name, kind| match (name, kind) {
        // The name of a port of its own (RFC 9460, section 9.1).
        ("_9._https.host.test.", rr::RecordType::HTTPS) => {
            Data(vec![https("_9._https.host.test.", 0, "svc.test.", vec![])])
        }
        ("svc.test.", rr::RecordType::HTTPS) => {
            Data(vec![https("svc.test.", 1, ".", vec![(Key::Port, Value::Port(at.port()))])])
        }
        ("svc.test.", rr::RecordType::A) => Data(vec![v4("svc.test.", [127, 0, 0, 1])]),
        ("host.test.", rr::RecordType::A | rr::RecordType::AAAA) => Silence,
        _ => nothing(),
    });
    let ctx = ctx.with(RaceConfig, Config::new().https());
    let flow = timeout(LIMIT, secure(&ctx, 9)).await.unwrap().unwrap();
    assert_eq!(flow.attribute(PeerAddr), Some(at));
    assert!(asked.lock().unwrap().contains(&"svc.test. HTTPS".to_owned()));
}

/// What is not answered, or answered badly, holds up nothing but itself.
#[tokio::test]
async fn servers_that_are_broken_for_some_types() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    for bad in [|| Silence, || Code(ResponseCode::ServFail), || Code(ResponseCode::NotImp)] {
        let (ctx, _) = asking(move |name, kind| match kind {
            rr::RecordType::A if name == "host.test." => Data(vec![v4("host.test.", [127, 0, 0, 1])]),
            _ => bad(),
        });
        for config in [Config::new(), Config::new().https()] {
            let ctx = ctx.clone().with(RaceConfig, config);
            let flow = timeout(LIMIT, secure(&ctx, at.port())).await.unwrap().unwrap();
            assert_eq!(flow.attribute(PeerAddr), Some(at));
            let took = flow.attribute(Timeline).unwrap().last().unwrap().at();
            assert!(took < Duration::from_millis(900), "less than the patience with the server: {took:?}");
        }
    }
}

/// Of addresses and of services, whatever the hosts file says of `localhost`; it has no line for
/// the others.
#[tokio::test]
async fn localhost_is_not_asked_of_dns() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (ctx, asked) = asking(|_, _| Data(vec![v4("localhost.", [192, 0, 2, 66]), v6("localhost.", "2001:db8::66")]));
    let both = lookup(&ctx, "localhost", RecordType::Addresses).await.unwrap();
    assert!(!both.is_empty() && both.iter().all(|record| record.address().unwrap().is_loopback()), "{both:?}");
    for name in ["app.localhost", "App.LocalHost."] {
        assert_eq!(lookup(&ctx, name, RecordType::A).await.unwrap(), [Record::A(Ipv4Addr::LOCALHOST)]);
        assert_eq!(lookup(&ctx, name, RecordType::Aaaa).await.unwrap(), [Record::Aaaa(Ipv6Addr::LOCALHOST)]);
    }
    for name in ["localhost", "app.localhost", "_8443._https.app.localhost"] {
        assert_eq!(lookup(&ctx, name, RecordType::Https).await.unwrap(), [], "{name}");
    }
    // Nor are addresses with a zone.
    let scoped = Record::Scoped("fe80::1".parse().unwrap(), 7);
    assert_eq!(lookup(&ctx, "fe80::1%7", RecordType::Aaaa).await.unwrap(), [scoped]);
    assert_eq!(lookup(&ctx, "fe80::1%7", RecordType::A).await.unwrap(), []);
    let error = lookup(&ctx, "fe80::1%no-such-if", RecordType::Aaaa).await.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::AddrNotAvailable, Some(Phase::Lookup)), "{error}");
    let ctx = ctx.with(RaceConfig, Config::new().https());
    let ctx = ctx.with_url(&format!("tcp://localhost:{}", at.port())).unwrap();
    let flow = timeout(LIMIT, ctx.connect()).await.unwrap().unwrap();
    assert_eq!(flow.attribute(PeerAddr), Some(at));
    assert_eq!(*asked.lock().unwrap(), [""; 0]);
}

/// For both families and for services: a server that would lead elsewhere is not asked, unless the
/// resolver is told not to use the file.
#[cfg(target_os = "linux")]
#[test]
fn the_hosts_file_decides() {
    namespace::alone("hickory::the_hosts_file_decides", || {
        namespace::write("/etc/hosts", "127.0.0.5 pinned.test alias\n::1 six.test\n");
        let elsewhere = |_: &str, kind| match kind {
            rr::RecordType::A => Data(vec![v4("pinned.test.", [192, 0, 2, 66])]),
            rr::RecordType::AAAA => Data(vec![v6("pinned.test.", "2001:db8::66")]),
            _ => Data(vec![https("pinned.test.", 1, "elsewhere.test.", vec![])]),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (ctx, asked) = asking(elsewhere);
            let pinned = Record::A([127, 0, 0, 5].into());
            for name in ["pinned.test", "Pinned.Test", "alias"] {
                assert_eq!(lookup(&ctx, name, RecordType::A).await.unwrap(), std::slice::from_ref(&pinned), "{name}");
                assert_eq!(lookup(&ctx, name, RecordType::Aaaa).await.unwrap(), [], "{name}");
                assert_eq!(lookup(&ctx, name, RecordType::Addresses).await.unwrap(), std::slice::from_ref(&pinned));
                assert_eq!(lookup(&ctx, name, RecordType::Https).await.unwrap(), [], "{name}");
            }
            assert_eq!(lookup(&ctx, "_8443._https.pinned.test", RecordType::Https).await.unwrap(), []);
            assert_eq!(lookup(&ctx, "six.test", RecordType::A).await.unwrap(), []);
            assert_eq!(*asked.lock().unwrap(), [""; 0]);
            // A line that is gone counts no more, and one with another dot is of another name.
            for (hosts, name) in [("", "pinned.test"), ("127.0.0.5 pinned.test\n", "pinned.test.")] {
                namespace::write("/etc/hosts", hosts);
                let (ctx, _) = if hosts.is_empty() { (ctx.clone(), asked.clone()) } else { asking(elsewhere) };
                let found = [lookup(&ctx, name, RecordType::A).await, lookup(&ctx, name, RecordType::Aaaa).await];
                let dns = [Record::A([192, 0, 2, 66].into()), Record::Aaaa("2001:db8::66".parse().unwrap())];
                assert_eq!(found.map(Result::unwrap).concat(), dns, "{name}");
            }

            let (ctx, asked) = asking_with(|options| options.use_hosts_file = ResolveHosts::Never, elsewhere);
            let found = lookup(&ctx, "pinned.test", RecordType::A).await.unwrap();
            assert_eq!(found, [Record::A([192, 0, 2, 66].into())]);
            assert_eq!(*asked.lock().unwrap(), ["pinned.test. A"]);
        });
    });
}

/// It may have the name: the system is asked, which reads it, and DNS is not.
#[cfg(target_os = "linux")]
#[test]
fn a_hosts_file_that_cannot_be_used() {
    namespace::alone("hickory::a_hosts_file_that_cannot_be_used", || {
        let large = format!("{}127.0.0.5 pinned.test\n::1 six.test\n", "# nothing at all\n".repeat(600_000));
        namespace::write("/etc/hosts", &large);
        let elsewhere = |_: &str, kind| match kind {
            rr::RecordType::A => Data(vec![v4("pinned.test.", [192, 0, 2, 66])]),
            rr::RecordType::AAAA => Data(vec![v6("pinned.test.", "2001:db8::66")]),
            _ => Data(vec![https("pinned.test.", 1, "elsewhere.test.", vec![])]),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (ctx, asked) = asking(elsewhere);
            let pinned = Record::A([127, 0, 0, 5].into());
            assert_eq!(lookup(&ctx, "pinned.test", RecordType::A).await.unwrap(), std::slice::from_ref(&pinned));
            assert_eq!(lookup(&ctx, "pinned.test", RecordType::Aaaa).await.unwrap(), []);
            assert_eq!(lookup(&ctx, "pinned.test", RecordType::Addresses).await.unwrap(), [pinned]);
            assert_eq!(lookup(&ctx, "six.test", RecordType::A).await.unwrap(), []);
            for name in ["pinned.test", "_8443._https.pinned.test", "other.test"] {
                let error = lookup(&ctx, name, RecordType::Https).await.unwrap_err();
                assert_eq!((error.kind(), error.phase()), (ErrorKind::Other, Some(Phase::Lookup)), "{error}");
                assert!(error.reason().contains("hosts file") && error.reason().contains("too large"), "{error}");
                assert!(error.advice().is_some_and(|advice| advice.contains("8 MiB")), "{error}");
            }
            // What needs no file is answered.
            assert_eq!(lookup(&ctx, "app.localhost", RecordType::Https).await.unwrap(), []);
            assert_eq!(lookup(&ctx, "app.localhost", RecordType::A).await.unwrap(), [Record::A(Ipv4Addr::LOCALHOST)]);
            assert_eq!(*asked.lock().unwrap(), [""; 0]);

            let (ctx, asked) = asking_with(|options| options.use_hosts_file = ResolveHosts::Never, elsewhere);
            let found = lookup(&ctx, "pinned.test", RecordType::A).await.unwrap();
            assert_eq!(found, [Record::A([192, 0, 2, 66].into())]);
            assert_eq!(*asked.lock().unwrap(), ["pinned.test. A"]);
        });
    });
}

/// The root's dot is part of a name in the hosts file, and targets come with it.
#[cfg(target_os = "linux")]
#[test]
fn targets_are_names_of_dns() {
    namespace::alone("hickory::targets_are_names_of_dns", || {
        namespace::write("/etc/hosts", "127.0.0.5 svc.test canonical.test dotted.test.\n");
        let server = |name: &str, kind| match (name, kind) {
            ("host.test.", rr::RecordType::HTTPS) => Data(vec![https("host.test.", 1, "svc.test.", vec![])]),
            ("host.test.", rr::RecordType::A) => Data(vec![
                ("host.test.", RData::CNAME(CNAME(Name::from_ascii("canonical.test.").unwrap()))),
                v4("canonical.test.", [192, 0, 2, 1]),
            ]),
            ("svc.test.", rr::RecordType::A) => Data(vec![v4("svc.test.", [192, 0, 2, 2])]),
            _ => nothing(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (ctx, asked) = asking(server);
            let https = lookup(&ctx, "host.test", RecordType::Https).await.unwrap();
            let [Record::Https(service)] = &https[..] else { panic!("{https:?}") };
            let found = lookup(&ctx, &service.target, RecordType::A).await.unwrap();
            assert_eq!(found, [Record::A([192, 0, 2, 2].into())]);
            let found = lookup(&ctx, "host.test", RecordType::A).await.unwrap();
            assert_eq!(found, [Record::A([192, 0, 2, 1].into())]);
            asked.lock().unwrap().clear();
            for name in ["svc.test", "dotted.test."] {
                let found = lookup(&ctx, name, RecordType::A).await.unwrap();
                assert_eq!(found, [Record::A([127, 0, 0, 5].into())], "{name}");
            }
            assert_eq!(*asked.lock().unwrap(), [""; 0]);
        });
    });
}

/// The feature alone changes nothing: neither the resolver nor the questions.
#[tokio::test]
async fn it_does_what_is_installed_and_no_more() {
    let plan = context().with_url("tcp://host.test:9").unwrap().explain(Connect).to_string();
    assert!(plan.contains("+ system [100]: yes") && !plan.contains("hickory"), "{plan}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (ctx, asked) = asking(|name, kind| match (name, kind) {
        ("host.test.", rr::RecordType::A) => Data(vec![v4("host.test.", [127, 0, 0, 1])]),
        _ => nothing(),
    });
    let ctx = ctx.with_url(&format!("tcp://host.test:{}", at.port())).unwrap();
    let plan = ctx.explain(Connect).to_string();
    assert!(plan.contains("+ hickory [50]: yes") && plan.contains("- system [100]: not considered"), "{plan}");
    let flow = timeout(LIMIT, ctx.connect()).await.unwrap().unwrap();
    assert_eq!(kinds(&flow), [Kind::Aaaa, Kind::A]);
    assert!(asked.lock().unwrap().iter().all(|asked| !asked.ends_with("HTTPS")));
    drop(ctx.resolve(Tcp, at).await.unwrap());
}

#[test]
fn no_runtime_is_an_error() {
    let (ctx, _) = asking(|_, _| nothing());
    let ctx = ctx.without(mimic_core::keys::Deadline);
    let error = futures_lite::future::block_on(lookup_without_time(&ctx)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("inside a tokio runtime"), "{error}");
}

async fn lookup_without_time(ctx: &Context) -> Result<Vec<Record>, mimic_core::Error> {
    ctx.resolve(Lookup, Question { name: "host.test".into(), record_type: RecordType::A }).await
}

/// Of the system: it may have no server to name.
#[test]
fn from_system() {
    fn moves<T: Send + Sync + Unpin + Clone + std::fmt::Debug>(_: &T) {}
    match Hickory::from_system() {
        Ok(hickory) => moves(&hickory),
        Err(error) => assert_eq!(error.phase(), Some(Phase::Lookup), "{error}"),
    }
}
