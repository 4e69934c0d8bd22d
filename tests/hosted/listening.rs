//! Listening: every address of a name, sockets that listen already.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use adapter::{Inherited, InheritedSockets, TcpAcceptor};
use mimic_core::{Context, Local};

use super::*;

/// A context in which `both.test` has two addresses of the loopback, one of them twice.
fn context() -> Context {
    adapter::context().register(Lookup, "table", 0, (), |question: Question, ()| async move {
        assert_eq!(&*question.name, "both.test");
        let addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.1"];
        Ok(addresses.map(|address| Record::from(address.parse::<IpAddr>().unwrap())).into())
    })
}

/// Whether the loopback is all of 127.0.0.0/8, which it is not on macOS.
fn has_second() -> bool {
    TcpListener::bind("127.0.0.2:0").is_ok()
}

async fn listen(url: &str) -> Result<<Shared as Mode>::Listener, Error> {
    context().with_url(url).unwrap().listen().await
}

pub(crate) async fn a_name_is_bound_at_every_address() {
    if !has_second() {
        return;
    }
    let mut listener = listen("tcp://both.test:0").await.unwrap();
    let addresses = listener.local_addrs();
    let port = listener.local_addr().unwrap().port();
    assert_ne!(port, 0);
    assert_eq!(addresses, [SocketAddr::from(([127, 0, 0, 1], port)), SocketAddr::from(([127, 0, 0, 2], port))]);
    for address in &addresses {
        let ctx = to(adapter::context(), *address);
        let (served, ponged) = zip(serve_one::<Shared>(&mut listener), ping(&ctx)).await;
        served.unwrap();
        assert_eq!(ponged.unwrap(), "ping\n");
    }
    drop(listener);
    assert!(addresses.iter().all(|address| TcpStream::connect(address).is_err()));
}

pub(crate) async fn a_name_with_an_address_in_use_is_not_bound() {
    if !has_second() {
        return;
    }
    for taken in ["127.0.0.1", "127.0.0.2"] {
        let other = TcpListener::bind((taken, 0)).unwrap();
        let at = other.local_addr().unwrap();
        let error = listen(&format!("tcp://both.test:{}", at.port())).await.unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::AddrInUse, Some(Phase::Bind)), "{error}");
        assert_eq!((error.at(), error.target()), (Some("TcpListen \"tcp\""), Some(&*at.to_string())));
        // Nor at its other address: nothing was left listening there.
        let free = if taken == "127.0.0.1" { "127.0.0.2" } else { "127.0.0.1" };
        assert!(TcpStream::connect((free, at.port())).is_err());
    }
}

pub(crate) async fn an_address_of_no_interface() {
    // Of a network for documentation (RFC 5737).
    let error = adapter::context().with_url("tcp://192.0.2.1:0").unwrap().listen().await.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::AddrNotAvailable, Some(Phase::Bind)));
    assert_eq!(error.target(), Some("192.0.2.1:0"));
    assert!(error.advice().is_some_and(|advice| advice.contains("hosts file")), "{error}");
}

pub(crate) async fn one_family_or_both() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    drop(listener);
    // Two listeners at one port, one for each family.
    let ctx = adapter::context().with(mimic_core::keys::V6Only, true);
    let six = ctx.clone().with_url("tcp://[::]:0").unwrap().listen().await.unwrap();
    let port = six.local_addr().unwrap().port();
    let four = ctx.with_url(&format!("tcp://0.0.0.0:{port}")).unwrap().listen().await;
    // Unless another program, or another test, has the port.
    assert!(four.is_ok() || TcpListener::bind(("0.0.0.0", port)).is_err());
    assert!(TcpStream::connect(("::1", port)).is_ok());
    // IPv4 peers at the port go to the listener of their own family.
    let Ok(mut four) = four else { return };
    let peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let flow = four.accept().await.unwrap();
    assert_eq!(flow.attribute(mimic_core::keys::PeerAddr), peer.local_addr().ok());
}

pub(crate) async fn a_socket_that_listens_already() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    let mut listener: <Shared as Mode>::Listener = Box::new(TcpAcceptor::from_std(socket).unwrap());
    assert_eq!(listener.local_addrs(), [at]);
    let ctx = to(adapter::context(), at);
    let (served, ponged) = zip(serve_one::<Shared>(&mut listener), ping(&ctx)).await;
    served.unwrap();
    assert_eq!(ponged.unwrap(), "ping\n");

    // Of the other mode just as well.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = other.local_addr().unwrap();
    let listener: <Local as Mode>::Listener = Box::new(TcpAcceptor::from_std(other).unwrap());
    assert_eq!(listener.local_addr(), Some(at));
}

pub(crate) async fn listening_takes_the_inherited_socket() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    let ctx = to(adapter::context().with(Inherited, InheritedSockets::new().tcp(socket)), at);
    // Taken, since a second one at this port is an error.
    let mut listener = ctx.listen().await.unwrap();
    assert_eq!(ctx.listen().await.unwrap_err().kind(), ErrorKind::AddrInUse);
    let (served, ponged) = zip(serve_one::<Shared>(&mut listener), ping(&ctx)).await;
    served.unwrap();
    assert_eq!(ponged.unwrap(), "ping\n");
    let flow = zip(listener.accept(), ctx.connect()).await.0.unwrap();
    let socket = SockRef::from(flow.downcast_ref::<TcpFlow>().unwrap().get_ref());
    assert!(socket.tcp_nodelay().unwrap(), "with the options of the context");
    // Other addresses are bound as ever.
    assert!(to(ctx.clone(), ([127, 0, 0, 1], 0).into()).listen().await.is_ok());
    drop(listener);
    // Windows ends the pending accept first, which may take a moment. `limited` bounds the loop.
    let mut timer = ctx.resolve(Sleep, ()).await.unwrap();
    while let Err(error) = ctx.listen().await {
        assert_eq!((error.kind(), cfg!(windows)), (ErrorKind::AddrInUse, true), "{error}");
        sleep(&mut timer, MOMENT / 10).await;
    }
}

/// It is closed when listening fails at another address; a clone serves the next try, and the peers
/// that came meanwhile.
pub(crate) async fn an_inherited_socket_is_taken_for_good() {
    if !has_second() {
        return;
    }
    let other = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = other.local_addr().unwrap().port();
    // Unless another program has the port.
    let Ok(socket) = TcpListener::bind(("127.0.0.1", port)) else { return };
    let kept = socket.try_clone().unwrap();
    let sockets = InheritedSockets::new().tcp(socket);
    let ctx = context().with(Inherited, sockets.clone()).with_url(&format!("tcp://both.test:{port}")).unwrap();
    assert_eq!(ctx.listen().await.unwrap_err().kind(), ErrorKind::AddrInUse);
    let at = kept.local_addr().unwrap();
    assert!(sockets.take_tcp(at).is_none());
    let ctx = to(adapter::context().with(Inherited, InheritedSockets::new().tcp(kept)), at);
    let early = TcpStream::connect(at).unwrap();
    let mut listener = ctx.listen().await.unwrap();
    let flow = listener.accept().await.unwrap();
    assert_eq!(flow.attribute(PeerAddr), Some(early.local_addr().unwrap()));
}

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::Path;

    use adapter::UnixAcceptor;
    use mimic_core::keys::UnixMode;
    use socket2::{Domain, SockAddr, Socket, Type};

    use super::super::unix::place;
    use super::*;

    pub(crate) async fn unix_file_of_a_dead_server() {
        let (_dir, path, ctx) = place();
        drop(UnixListener::bind(&path).unwrap());
        let mut listener = ctx.listen().await.unwrap();
        let (served, ponged) = zip(serve_one::<Shared>(&mut listener), ping(&ctx)).await;
        served.unwrap();
        assert_eq!(ponged.unwrap(), "ping\n");
        drop(listener);
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    pub(crate) async fn unix_file_that_is_served() {
        let (_dir, path, ctx) = place();
        let other = UnixListener::bind(&path).unwrap();
        let error = ctx.listen().await.unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::AddrInUse, Some(Phase::Bind)));
        let text = error.to_string();
        assert!(text.contains("UnixListen \"unix\"") && text.contains(path.to_str().unwrap()), "{text}");
        assert!(text.contains("a server listens there"), "{text}");
        drop(other);

        // One of ours, too.
        fs::remove_file(&path).unwrap();
        let _ours = ctx.listen().await.unwrap();
        assert_eq!(ctx.listen().await.unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(UnixStream::connect(&path).is_ok());
    }

    pub(crate) async fn unix_mode_of_the_file() {
        let (_dir, path, ctx) = place();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for wanted in [0o600, 0o666] {
            let listener = ctx.clone().with(UnixMode, wanted).listen().await.unwrap();
            assert_eq!(mode(&path), wanted);
            drop(listener);
        }
        // 600 in decimal is 0o1130.
        let error = ctx.with(UnixMode, 600).listen().await.unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidInput, Some(Phase::Bind)));
        assert!(error.advice().is_some_and(|advice| advice.contains("octal")), "{error}");
        assert!(!path.exists());
    }

    pub(crate) async fn unix_socket_that_listens_already() {
        let (_dir, path, ctx) = place();
        let mut listener: <Shared as Mode>::Listener =
            Box::new(UnixAcceptor::from_std(UnixListener::bind(&path).unwrap()).unwrap());
        let (served, ponged) = zip(serve_one::<Shared>(&mut listener), ping(&ctx)).await;
        served.unwrap();
        assert_eq!(ponged.unwrap(), "ping\n");
        drop(listener);
        assert!(path.exists(), "its file is not ours");
        fs::remove_file(&path).unwrap();

        let sockets = InheritedSockets::new().unix(UnixListener::bind(&path).unwrap());
        let ctx = ctx.with(Inherited, sockets);
        let mut listener = ctx.listen().await.unwrap();
        let (served, ponged) = zip(serve_one::<Shared>(&mut listener), ping(&ctx)).await;
        served.unwrap();
        assert_eq!(ponged.unwrap(), "ping\n");
        drop(listener);
        assert!(path.exists());
    }

    /// A listener with a backlog of one, and peers that fill it.
    #[cfg(target_os = "linux")]
    fn full(path: &Path) -> (UnixListener, Vec<Socket>) {
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        let address = SockAddr::unix(path).unwrap();
        listener.bind(&address).unwrap();
        listener.listen(0).unwrap();
        let mut waiting = Vec::new();
        loop {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            match socket.connect(&address) {
                Ok(()) => waiting.push(socket),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return (listener.into(), waiting),
                Err(error) => panic!("{error}"),
            }
            assert!(waiting.len() < 100, "the backlog does not fill");
        }
    }

    #[cfg(target_os = "linux")]
    pub(crate) async fn unix_backlog_that_is_full() {
        let (_dir, path, ctx) = place();
        let (server, mut waiting) = full(&path);
        // In vain until the deadline, and not at once.
        let started = std::time::Instant::now();
        let error = ctx.clone().with(Deadline, MOMENT).connect().await.unwrap_err();
        assert!(error.is_deadline() && started.elapsed() >= MOMENT, "{error:?}");
        let tree = format!("{error:#}");
        assert!(tree.contains("Unix \"unix\"") && tree.contains(path.to_str().unwrap()), "{tree}");
        // It is served, for those that listen.
        assert_eq!(ctx.listen().await.unwrap_err().kind(), ErrorKind::AddrInUse);

        // Until there is a place.
        let mut connect = std::pin::pin!(ctx.connect());
        assert!(poll_once(&mut connect).await.is_none());
        for _ in 0..waiting.len() {
            drop(server.accept().unwrap());
        }
        waiting.clear();
        let mut flow = connect.await.unwrap();
        let (mut peer, _) = server.accept().unwrap();
        flow.write_all(b"ping").await.unwrap();
        let mut buf = [0; 4];
        peer.read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"ping");
    }

    #[cfg(target_os = "linux")]
    pub(crate) async fn a_connect_that_waits_for_a_place_can_be_dropped() {
        let (_dir, path, ctx) = place();
        let (server, waiting) = full(&path);
        {
            let mut connect = std::pin::pin!(ctx.connect());
            assert!(poll_once(&mut connect).await.is_none());
        }
        server.set_nonblocking(true).unwrap();
        for _ in 0..waiting.len() {
            drop(server.accept().unwrap());
        }
        let mut timer = ctx.resolve(Sleep, ()).await.unwrap();
        sleep(&mut timer, MOMENT * 2).await;
        assert!(server.accept().is_err(), "it tries no more");
    }
}

#[cfg(unix)]
pub(crate) use unix::*;
