//! The roots and what fills them: schemes that connect and listen, hosts that are looked up, Unix
//! sockets, fallback; in the mode in which nothing is `Send`.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Context as Task, Poll};

use futures_lite::future::block_on;
use mimic_core::adapter::first_ok;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::{Memory, memory_pair};
use mimic_core::needs::{opt, over};
use mimic_core::roles::{HostPort, Lookup, Question, Record, RecordType, Tcp, TcpListen, Transport, Unix, UnixListen};
use mimic_core::{
    Dialer, Error, ErrorKind, FlowExt, InOrder, Listener, ListenerExt, Local, LocalContext, Phase, Schemes, role,
};

/// What was dialled, in order. Not `Send`, as everything here.
type Calls = Rc<RefCell<Vec<String>>>;

type Boxed = Box<dyn mimic_core::Flow>;

/// Hands out the flows it has, and then an error.
#[derive(Debug)]
struct Queue(Vec<Memory<Local>>, Option<SocketAddr>);

impl Listener<Local> for Queue {
    fn poll_accept(&mut self, _: &mut Task<'_>) -> Poll<Result<Boxed, Error>> {
        match self.0.pop() {
            Some(flow) => Poll::Ready(Ok(Box::new(flow))),
            None => Poll::Ready(Err(Error::new(ErrorKind::Other, "no more").in_phase(Phase::Accept))),
        }
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.1
    }
}

/// Names have these addresses; the last alone answers.
const ADDRESSES: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

fn context(calls: &Calls) -> LocalContext {
    let (lookups, links, binds, files, unix) =
        (calls.clone(), calls.clone(), calls.clone(), calls.clone(), calls.clone());
    LocalContext::new()
        .install(Schemes)
        .install(InOrder)
        .register(Lookup, "table", 0, (), move |question: Question, ()| {
            lookups.borrow_mut().push(format!("{question:?}"));
            async move {
                match &*question.name {
                    "empty.example" => Ok(Vec::new()),
                    "fe80::1%eth0" => Ok([Record::Scoped("fe80::1".parse().unwrap(), 3)].into()),
                    _ => Ok(ADDRESSES.map(|address| Record::from(address.parse::<IpAddr>().unwrap())).into()),
                }
            }
        })
        .register(Tcp, "memory", 0, (), move |to: SocketAddr, ()| {
            links.borrow_mut().push(format!("link {to}"));
            async move {
                match to.is_ipv6() {
                    true => Ok(memory_pair::<Local>(1).0.boxed_local()),
                    false => Err(ErrorKind::ConnectionRefused.into()),
                }
            }
        })
        .register(TcpListen, "memory", 0, (), move |at: SocketAddr, ()| {
            binds.borrow_mut().push(format!("bind {at}"));
            let (here, mut there) = memory_pair::<Local>(8);
            async move {
                there.write_all(b"hello").await?;
                let queue: Box<dyn Listener<Local>> = Box::new(Queue(vec![here], Some(at)));
                Ok(queue)
            }
        })
        .register(UnixListen, "memory", 0, (), move |path: mimic_core::roles::UnixPath, ()| {
            files.borrow_mut().push(format!("bind {path}"));
            async move { Ok(Box::new(Queue(Vec::new(), None)) as Box<dyn Listener<Local>>) }
        })
        .register(Unix, "memory", 0, (), move |path: mimic_core::roles::UnixPath, ()| {
            unix.borrow_mut().push(format!("unix {path:?}"));
            async move { Ok(memory_pair::<Local>(1).0.boxed_local()) }
        })
}

/// What connecting to the endpoint dials, or why it does not.
fn connect(url: &str) -> Result<Vec<String>, Error> {
    let calls = Calls::default();
    block_on(context(&calls).with_url(url)?.connect())?;
    Ok(calls.take())
}

fn listen(url: &str) -> Result<Vec<String>, Error> {
    let calls = Calls::default();
    block_on(context(&calls).with_url(url)?.listen())?;
    Ok(calls.take())
}

#[test]
fn addresses_are_tried_in_the_order_of_the_look_up() {
    let expected = ["name.example (Addresses)", "link 192.0.2.1:7", "link [2001:db8::1]:7"];
    assert_eq!(connect("tcp://name.example:7").unwrap(), expected);
    // An address is not looked up.
    assert_eq!(connect("tcp://[2001:db8::9]:7").unwrap(), ["link [2001:db8::9]:7"]);
    let error = connect("tcp://192.0.2.9:7").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

/// What a zone by name is, only the system knows, and its look-up says so with the number.
#[test]
fn a_zone_by_number_is_an_address_and_one_by_name_is_looked_up() {
    for url in ["tcp://[fe80::1%252]:7", "tcp://[fe80::1%2]:7"] {
        assert_eq!(connect(url).unwrap(), ["link [fe80::1%2]:7"], "{url}");
        assert_eq!(listen(url).unwrap(), ["bind [fe80::1%2]:7"], "{url}");
    }
    for url in ["tcp://[fe80::1%25eth0]:7", "tcp://[fe80::1%eth0]:7"] {
        assert_eq!(connect(url).unwrap(), ["fe80::1%eth0 (Addresses)", "link [fe80::1%3]:7"], "{url}");
    }
}

/// User and password are for the protocol above, and so is the query: they change nothing about who
/// is dialled.
#[test]
fn what_is_for_the_protocol_above_is_not_in_the_way() {
    assert_eq!(connect("git://user:pw@[::1]/repo?x").unwrap(), ["link [::1]:9418"]);
}

#[test]
fn a_name_without_addresses_is_not_found() {
    let error = connect("tcp://empty.example:7").unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::NotFound, Some(Phase::Lookup)));
    assert_eq!(error.target(), Some("empty.example:7"));
}

#[test]
fn schemes_have_their_ports() {
    assert_eq!(connect("http://[::1]").unwrap(), ["link [::1]:80"]);
    assert_eq!(connect("git://[::1]").unwrap(), ["link [::1]:9418"]);
    assert_eq!(connect("git://[::1]:7").unwrap(), ["link [::1]:7"]);
    assert_eq!(listen("http://[::1]").unwrap(), ["bind [::1]:80"]);
    let error = connect("tcp://[::1]:0").unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidInput, Some(Phase::Endpoint)));
    assert!(error.to_string().contains("port 0 cannot be connected to"), "{error}");
    // A listener may ask for any port.
    assert_eq!(listen("tcp://[::1]:0").unwrap(), ["bind [::1]:0"]);
}

#[test]
fn unix_sockets_have_a_path_and_nothing_else() {
    assert_eq!(connect("unix:/run/a%20b").unwrap(), ["unix /run/a b"]);
    assert_eq!(listen("unix:/run/app").unwrap(), ["bind /run/app"]);
    assert_eq!(connect("unix:/run/a%3Fb").unwrap(), ["unix /run/a?b"]);
    let refused = [
        ("unix://run/app", "has no host"),
        ("unix://user:pw@/run/app", "the host is empty"),
        ("unix:/a%00b", "contains a NUL byte"),
        // Perhaps a file of that name was meant.
        ("unix:/run/a?b", "has no query"),
    ];
    for (url, reason) in refused {
        for error in [connect(url).unwrap_err(), listen(url).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.reason().contains(reason), "{error}");
        }
    }
    let calls = Calls::default();
    let ctx = context(&calls).with(mimic_core::keys::Scheme, "unix".into());
    let error = block_on(ctx.connect()).unwrap_err();
    assert!(error.reason().contains("path of the Unix socket is missing"), "{error}");
    assert!(error.advice().is_some_and(|advice| advice.contains("unix:/path")), "{error}");
}

#[test]
fn a_listener_hands_out_flows() {
    let calls = Calls::default();
    let ctx = context(&calls).with_url("tcp://name.example:7").unwrap();
    block_on(async {
        let mut listener = ctx.listen().await.unwrap();
        assert_eq!(*calls.borrow(), ["name.example (Addresses)", "bind 192.0.2.1:7", "bind [2001:db8::1]:7"]);
        assert_eq!(listener.local_addr(), Some("192.0.2.1:7".parse().unwrap()));
        let mut buf = [0; 9];
        for _ in ADDRESSES {
            let n = listener.accept().await.unwrap().read(&mut buf).await.unwrap();
            assert_eq!(&buf[..n], b"hello");
        }
        let error = listener.accept().await.unwrap_err();
        assert_eq!(error.phase(), Some(Phase::Accept));
    });
}

role! {
    /// One way.
    First: HostPort;
    /// Another.
    Second: HostPort;
    /// And another.
    Third: HostPort;
    /// And the last.
    Fourth: HostPort;
}

/// All fail but the one with that number, counted from 1.
fn ways(answers: usize) -> (LocalContext, Calls) {
    let calls = Calls::default();
    let way = |number: usize| {
        let calls = calls.clone();
        move |to: HostPort| {
            calls.borrow_mut().push(format!("{number} {to}"));
            async move {
                match number == answers {
                    true => Ok(memory_pair::<Local>(1).0.boxed_local()),
                    false => Err(Error::new(ErrorKind::ConnectionRefused, format!("way {number} is shut"))),
                }
            }
        }
    };
    let ctx = LocalContext::new()
        .with_dialer(First, Dialer::<_, Local>::from_fn(First, way(1)))
        .with_dialer(Second, Dialer::<_, Local>::from_fn(Second, way(2)))
        .with_dialer(Third, Dialer::<_, Local>::from_fn(Third, way(3)))
        .with_dialer(Fourth, Dialer::<_, Local>::from_fn(Fourth, way(4)));
    (ctx, calls)
}

#[test]
fn the_first_way_that_answers_is_taken() {
    let to = HostPort::new("name.example", 7);
    for answers in 1..=4 {
        let (ctx, calls) = ways(answers);
        let ctx = ctx.register(Transport, "ways", 0, (over(First), over(Second), over(Third), over(Fourth)), first_ok);
        block_on(ctx.resolve(Transport, to.clone())).unwrap();
        let expected: Vec<_> = (1..=answers).map(|number| format!("{number} name.example:7")).collect();
        assert_eq!(calls.take(), expected);
    }
    let (ctx, calls) = ways(9);
    let ctx = ctx.register(Transport, "ways", 0, (over(First), over(Second), over(Third)), first_ok);
    let error = block_on(ctx.resolve(Transport, to)).unwrap_err();
    assert_eq!(error.reason(), "way 3 is shut");
    assert!(format!("{error:#}").contains("way 1 is shut"), "{error:#}");
    assert_eq!(calls.take().len(), 3);
}

mimic_core::key! {
    /// Where a computed value comes from.
    Given: u16;
    /// What is computed.
    Computed: u16;
}

#[test]
fn local_functions_and_layers_need_not_be_send() {
    let calls = Calls::default();
    let (computing, wrapping) = (calls.clone(), calls.clone());
    let ctx = context(&calls)
        .derive(Computed, opt(Given), move |given| {
            computing.borrow_mut().push(format!("compute {given:?}"));
            async move { Ok(given.map(|given| given + 1)) }
        })
        .layer(Transport, "wrap", opt(Computed), move |to, below, computed| {
            wrapping.borrow_mut().push(format!("wrap {computed:?}"));
            async move { below.dial(to).await }
        })
        .with_url("tcp://[::1]:7")
        .unwrap();
    block_on(ctx.connect()).unwrap();
    assert_eq!(calls.take(), ["compute None", "wrap None", "link [::1]:7"]);
    block_on(ctx.with(Given, 4).connect()).unwrap();
    assert_eq!(calls.take(), ["compute Some(4)", "wrap Some(5)", "link [::1]:7"]);
}

#[test]
fn what_is_asked_and_answered_prints_briefly() {
    let question = Question { name: "name.example".into(), record_type: RecordType::A };
    assert_eq!(format!("{question:?}"), "name.example (A)");
    let address = |text: &str| Record::from(text.parse::<IpAddr>().unwrap()).address().unwrap().to_string();
    assert_eq!([address("192.0.2.1"), address("::1")], ["192.0.2.1", "::1"]);
    assert_eq!(format!("{:?}", HostPort::new("::1", 7)), "[::1]:7");
}
