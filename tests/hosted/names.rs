//! Names, as every other program on the machine has them.

use std::time::Instant;

use mimic_core::roles::{HostPort, Transport};

use super::namespace::{Server, run, write};
use super::*;

const ALL: [RecordType; 3] = [RecordType::A, RecordType::Aaaa, RecordType::Addresses];

/// The answers to the questions for A, for AAAA, and for both.
async fn ask(name: &str) -> [Vec<String>; 3] {
    let lookup = adapter::context().dialer(Lookup).await.unwrap();
    let mut answers = [const { Vec::new() }; 3];
    for (answer, record_type) in answers.iter_mut().zip(ALL) {
        let found = lookup.dial(question(name, record_type)).await.unwrap();
        *answer = found.iter().map(|record| record.address().unwrap().to_string()).collect();
    }
    answers
}

fn all<'a>(v4: &[&'a str], v6: &[&'a str], both: &[&'a str]) -> [Vec<&'a str>; 3] {
    [v4.into(), v6.into(), both.into()]
}

/// A name server that would lead elsewhere is not asked for what the hosts file has, nor for
/// `localhost`.
pub(crate) async fn the_hosts_file_decides() {
    let server = Server::start();
    let elsewhere = ["192.0.2.66", "2001:db8::66"];
    for name in ["pinned", "alias.test", "six", "both", "localhost", "app.localhost", "new", "mapped"] {
        server.name(name, Some(&elsewhere));
    }
    write(
        "/etc/hosts",
        "127.0.0.5 Pinned alias.TEST # c\n::1 six\n127.0.0.6 both\n::1 both\n127.0.0.7 both\n::ffff:127.0.0.8 mapped\n",
    );
    for name in ["pinned", "PINNED", "alias.test", "Alias.Test"] {
        assert_eq!(ask(name).await, all(&["127.0.0.5"], &[], &["127.0.0.5"]), "{name}");
    }
    assert_eq!(ask("six").await, all(&[], &["::1"], &["::1"]));
    assert_eq!(ask("mapped").await, all(&["127.0.0.8"], &[], &["127.0.0.8"]));
    assert_eq!(ask("both").await, all(&["127.0.0.6", "127.0.0.7"], &["::1"], &["::1", "127.0.0.6", "127.0.0.7"]));
    // No line has these.
    for name in ["localhost", "app.localhost", "A.B.LocalHost."] {
        assert_eq!(ask(name).await, all(&["127.0.0.1"], &["::1"], &["::1", "127.0.0.1"]), "{name}");
    }
    assert_eq!(server.asked(), [""; 0]);
    // Other names are asked for by family.
    server.name("other.test", Some(&["127.0.0.9"]));
    assert_eq!(ask("other.test").await[..2], all(&["127.0.0.9"], &[], &[])[..2]);
    assert_eq!(server.asked(), ["other.test 1", "other.test 28"]);
    // The root's dot makes another name of it, as for the system.
    assert_eq!(ask("pinned.").await[0], ["192.0.2.66"]);
    server.asked();
    // A line that is new counts at once, and so does one that is gone.
    assert_eq!(ask("new").await[0], ["192.0.2.66"]);
    server.asked();
    write("/etc/hosts", "10.0.0.1 localhost\n127.0.0.9 new\n");
    assert_eq!(ask("new").await, all(&["127.0.0.9"], &[], &["127.0.0.9"]));
    assert_eq!(ask("localhost").await, all(&["10.0.0.1"], &[], &["10.0.0.1"]));
    assert_eq!(server.asked(), [""; 0]);
    assert_eq!(ask("pinned").await[1], ["2001:db8::66"]);
    // And whole: another server listens where DNS leads to.
    let (mut listener, ctx) = listening(adapter::context()).await;
    let at = listener.local_addr().unwrap();
    write("/etc/hosts", "127.0.0.1 pinned\n");
    server.name("pinned", Some(&["::1"]));
    let wrong = TcpListener::bind(("::1", at.port())).unwrap();
    let ctx = ctx.with_url(&format!("tcp://pinned:{}", at.port())).unwrap();
    let (served, ponged) = zip(serve_one::<Shared>(&mut listener), ping(&ctx)).await;
    served.unwrap();
    assert_eq!(ponged.unwrap(), "ping\n");
    drop(wrong);
}

/// The search list never gives one family of a name to another name.
pub(crate) async fn a_search_list_is_for_both_families() {
    let server = Server::start();
    write("/etc/hosts", "");
    for (name, address) in [
        ("a.b", "127.0.0.5"),
        ("a.b.one.test", "::1"),
        ("c.d", "::1"),
        ("c.d.one.test", "127.0.0.6"),
        ("e.f.one.test", "127.0.0.7"),
        ("e.f.two.test", "::1"),
        ("short.one.test", "127.0.0.8"),
        ("short.two.test", "::1"),
    ] {
        server.name(name, Some(&[address]));
    }
    write("/etc/resolv.conf", "nameserver 127.0.0.1\nsearch one.test two.test\n");
    assert_eq!(ask("a.b").await, all(&["127.0.0.5"], &[], &["127.0.0.5"]));
    assert_eq!(ask("c.d").await, all(&[], &["::1"], &["::1"]));
    assert_eq!(ask("e.f").await, all(&["127.0.0.7"], &[], &["127.0.0.7"]));
    assert_eq!(ask("short").await, all(&["127.0.0.8"], &[], &["127.0.0.8"]));
    // Now the list comes first.
    write("/etc/resolv.conf", "nameserver 127.0.0.1\nsearch one.test two.test\noptions ndots:2\n");
    assert_eq!(ask("a.b").await, all(&[], &["::1"], &["::1"]));
    assert_eq!(ask("a.b.").await, all(&["127.0.0.5"], &[], &["127.0.0.5"]));
}

/// Where the system asks others first, both families are asked for in one question, and split.
pub(crate) async fn other_orders_are_asked_as_one() {
    let server = Server::start();
    server.name("six.test", Some(&["::1"]));
    write("/etc/hosts", "127.0.0.5 six.test\n127.0.0.6 four.test\n");
    // DNS has the name: its answer is all, whatever family is asked for.
    for order in
        ["dns files", "dns [!UNAVAIL=return] files", "no_such_source dns files", "files [SUCCESS=continue] dns"]
    {
        write("/etc/nsswitch.conf", &format!("hosts: {order}\n"));
        assert_eq!(ask("six.test").await, all(&[], &["::1"], &["::1"]), "{order}");
        server.asked();
        let (v4, v6) = zip(found("six.test", RecordType::A), found("six.test", RecordType::Aaaa)).await;
        assert_eq!((v4.unwrap().len(), v6.unwrap().len()), (0, 1), "{order}");
        assert_eq!(server.asked(), ["six.test 1", "six.test 28"], "{order}");
    }
    // It has not.
    write("/etc/nsswitch.conf", "hosts: dns files\n");
    assert_eq!(ask("four.test").await, all(&["127.0.0.6"], &[], &["127.0.0.6"]));
    // Names of the link may be those of a source between; others are DNS's.
    write("/etc/nsswitch.conf", "hosts: files mdns4_minimal dns\n");
    for name in ["printer.local", "one.two.test"] {
        server.name(name, Some(&["127.0.0.8"]));
    }
    server.asked();
    let lookup = adapter::context().dialer(Lookup).await.unwrap();
    lookup.dial(question("printer.local", RecordType::A)).await.unwrap();
    lookup.dial(question("one.two.test", RecordType::A)).await.unwrap();
    assert_eq!(server.asked(), ["one.two.test 1", "printer.local 1", "printer.local 28"]);
    // A hosts file that is left to the system, for its size.
    write("/etc/nsswitch.conf", "hosts: files dns\n");
    write("/etc/hosts", &format!("{}127.0.0.6 four.test\n", "# nothing at all\n".repeat(600_000)));
    server.name("four.test", Some(&["2001:db8::66"]));
    assert_eq!(ask("four.test").await, all(&["127.0.0.6"], &[], &["127.0.0.6"]));
}

/// What this thread has read, in bytes.
fn read_by_this_thread() -> u64 {
    let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

/// On the thread that asks, while a file has just changed; one that is too large not at all.
pub(crate) async fn the_hosts_file_is_read_once_for_a_question() {
    const MIB: u64 = 1 << 20;
    let server = Server::start();
    server.name("other.test", Some(&["127.0.0.9"]));
    let lookup = adapter::context().dialer(Lookup).await.unwrap();
    let line = "# nothing at all\n";
    for (size, reads) in [(2 * MIB, 1), (9 * MIB, 0)] {
        write("/etc/hosts", &line.repeat(usize::try_from(size).unwrap() / line.len()));
        let mut dial = std::pin::pin!(lookup.dial(question("other.test", RecordType::A)));
        let before = read_by_this_thread();
        // The next poll may be on another thread.
        assert!(poll_once(&mut dial).await.is_none());
        let read = read_by_this_thread() - before;
        // And a few small files.
        assert_eq!((read + MIB) / size, reads, "{read} bytes of {size}");
        dial.await.unwrap();
    }
}

async fn found(name: &'static str, record_type: RecordType) -> Result<Vec<Record>, Error> {
    adapter::context().resolve(Lookup, question(name, record_type)).await
}

fn lookup_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.trim() == "mimic-lookup").count()
}

/// Names whose server is silent hold up neither `localhost`, nor the runtime's own threads, nor,
/// once they are given up, the next name.
pub(crate) async fn silent_servers_hold_up_nothing() {
    let server = Server::start();
    server.name("real.test", Some(&["127.0.0.1"]));
    let names: Vec<_> = (0..1000).map(|n| format!("silent{n}.test")).collect();
    for name in &names {
        server.name(name, None);
    }
    let (listener, ctx) = listening(adapter::context()).await;
    let port = listener.local_addr().unwrap().port();
    let connect = |name: &str| {
        let ctx = ctx.clone().with_url(&format!("tcp://{name}:{port}")).unwrap();
        async move { ctx.connect().await }
    };
    let mut waiting: Vec<_> = names[..600].iter().map(|name| Box::pin(connect(name))).collect();
    for connect in &mut waiting {
        assert!(poll_once(connect).await.is_none());
    }
    for _ in 0..20 {
        let start = Instant::now();
        drop(connect("localhost").await.unwrap());
        adapter::read_file("/etc/hosts").await;
        let took = start.elapsed();
        assert!(took < Duration::from_secs(1), "localhost and a file, beside 600 names: {took:?}");
    }
    assert!(lookup_threads() <= 64, "{}", lookup_threads());
    drop(waiting);
    let start = Instant::now();
    let mut given_up: Vec<_> = names[600..].iter().map(|name| Box::pin(connect(name))).collect();
    for connect in &mut given_up {
        assert!(poll_once(connect).await.is_none());
    }
    sleep(&mut adapter::context().resolve(Sleep, ()).await.unwrap(), Duration::from_millis(20)).await;
    drop(given_up);
    // One more every 200 ms.
    let began = start.elapsed();
    assert!(lookup_threads() <= 66 + usize::try_from(began.as_millis()).unwrap() / 200, "{}", lookup_threads());
    let start = Instant::now();
    drop(connect("real.test").await.unwrap());
    let took = start.elapsed();
    assert!(took < Duration::from_secs(2), "the next name: {took:?}");
}

/// From the name to the socket, over a link whose addresses mean something on it alone.
pub(crate) async fn zones_reach_the_socket() {
    run(
        "ip link add d0 type veth peer name d1; ip link set d0 up; ip link set d1 up; ip addr add fe80::7/64 dev d0 nodad",
    );
    // The system's own words for it: `/sys` may be that of the other namespace.
    let found = adapter::context().resolve(Lookup, question("fe80::7%d0", RecordType::Aaaa)).await.unwrap();
    let [Record::Scoped(_, index)] = found[..] else { panic!("{found:?}") };
    let listener = TcpListener::bind(std::net::SocketAddrV6::new("fe80::7".parse().unwrap(), 0, 0, index)).unwrap();
    let port = listener.local_addr().unwrap().port();
    write("/etc/hosts", "fe80::7%d0 router\n");
    for host in ["fe80::7%d0".to_owned(), format!("fe80::7%{index}"), "router".to_owned()] {
        let flow = adapter::context().resolve(Transport, HostPort::new(&*host, port)).await.unwrap();
        let Some(SocketAddr::V6(peer)) = flow.attribute(PeerAddr) else { panic!("{host}") };
        assert_eq!((peer.port(), peer.scope_id()), (port, index), "{host}");
    }
    let error = adapter::context().resolve(Transport, HostPort::new("fe80::7%d9", port)).await.map(drop).unwrap_err();
    assert_eq!(error.phase(), Some(Phase::Lookup), "{error}");
    assert!(error.to_string().contains("no interface \"d9\""), "{error}");
}

/// With one port for all sockets, a connect to that port is given it.
pub(crate) async fn a_socket_is_not_its_own_peer() {
    run("echo 40000 40000 > /proc/sys/net/ipv4/ip_local_port_range");
    for host in ["127.0.0.1", "[::1]"] {
        let itself = TcpStream::connect(format!("{host}:40000")).unwrap();
        assert_eq!(itself.local_addr().unwrap(), itself.peer_addr().unwrap());
        SockRef::from(&itself).set_linger(Some(Duration::ZERO)).unwrap();
        drop(itself);
        for _ in 0..3 {
            let ctx = adapter::context().with_url(&format!("tcp://{host}:40000")).unwrap();
            let error = ctx.connect().await.map(drop).unwrap_err();
            assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectionRefused, Some(Phase::Connect)), "{error}");
        }
        // Nothing keeps the port busy.
        drop(TcpListener::bind(format!("{host}:40000")).unwrap());
    }
}
