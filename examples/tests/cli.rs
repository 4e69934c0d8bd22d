//! The command line of the binaries: what they print, how they exit, and what they say to bad
//! input.
//!
//! The same for all three: a case is a function, and `every_binary!` makes a test of it for each.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::{BOTH, Bin, Over, Peer, Program, TRANSCRIPT};
use rustix::fs::OFlags;
use rustix::process::Signal;
use socket2::{Domain, Socket, Type};

common::every_binary! {
    // The demo, and help.
    demo, help, the_command_line_is_checked,
    // Bad input.
    a_malformed_url, a_zone_id, an_unknown_host, a_refused_port, a_missing_socket_file, a_path_too_long_for_a_socket,
    a_server_that_does_not_accept, a_server_that_says_nothing, a_server_that_closes_at_once,
    a_server_with_wrong_answers, a_server_with_an_endless_answer, a_peer_that_resets,
    // serve
    serve_prints_what_it_listens_on, serve_listens_at_every_address_of_a_name, serve_answers_lines, serve_answers_many_at_once, serve_survives_bad_clients,
    serve_closes_what_it_accepted, serve_ends_on_a_signal, serve_refuses_a_path_in_use, serve_replaces_a_dead_socket,
    serve_refuses_an_address_in_use, serve_is_all_or_nothing, serve_outlives_a_shortage_of_descriptors,
    // ping
    ping_takes_a_timeout, ping_over_ipv6, ping_by_name, ping_a_path_with_a_space,
    // connect
    connect_takes_input_from_a_pipe, connect_takes_input_from_a_file, connect_takes_input_from_dev_null,
    connect_gives_output_to_a_file, connect_half_closes_at_the_end_of_input, connect_answers_as_it_goes,
    connect_ends_when_the_peer_closes, connect_ends_quietly_on_closed_output,
    connect_timeout_is_for_connecting_only, connect_copies_both_ways_at_once, connect_leaves_its_input_as_it_was,
    connect_waits_for_input_that_does_not_block, connect_waits_for_output_that_does_not_block,
    connect_over_a_socket_that_does_not_block, connect_on_a_terminal_that_does_not_block,
    ping_prints_on_output_that_does_not_block, connect_cuts_the_answer_of_a_server_that_takes_a_half_close_for_the_end,
    connect_without_shutdown_gets_all_of_it, connect_without_shutdown_sends_all_of_its_input,
    connect_explains,
    // --trace
    trace_tells_of_a_race, trace_tells_of_a_failure, trace_is_silent_without_a_race,
    // explain
    explain_does_no_io, explain_says_why_not_the_rest, explain_draws, default_ports, closed_output_is_no_panic,
}

fn demo(bin: Bin) {
    let tmp = common::dir();
    let mut command = bin.command::<&str>(&[]);
    command.env("TMPDIR", tmp.path()).stdin(Stdio::null());
    let ran = Program::start(command).wait().exits(0);

    let lines: Vec<&str> = ran.text().lines().map(str::trim).collect();
    let six: Vec<&str> = TRANSCRIPT.lines().collect();
    let at: Vec<usize> = (0..lines.len()).filter(|&i| lines[i..].starts_with(&six)).collect();
    assert_eq!(at.len(), 3, "a transcript over TCP, over a Unix socket and over TLS: {ran}");
    let mut from = 0;
    for (at, scheme) in at.into_iter().zip(["tcp://", "unix:/", "tls://"]) {
        assert!(lines[from..at].iter().any(|line| line.starts_with(scheme)), "each is under its URL: {ran}");
        from = at + 6;
    }
    assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 0, "files are left behind");
}

fn help(bin: Bin) {
    let ran = bin.run(&["--help"]).exits(0).quietly();
    for word in ["serve", "ping", "connect", "explain"] {
        assert!(ran.text().contains(word), "{word}: {ran}");
    }
    for (command, word) in [
        ("serve", "URL"),
        ("ping", "--timeout"),
        ("ping", "--trace"),
        ("connect", "--explain"),
        ("connect", "--no-shutdown"),
        ("connect", "--trace"),
        ("explain", "--format"),
    ] {
        let ran = bin.run(&[command, "--help"]).exits(0).quietly();
        assert!(ran.text().contains(word), "{word}: {ran}");
    }
}

fn the_command_line_is_checked(bin: Bin) {
    let url = "tcp://127.0.0.1:9";
    for (args, word) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["nonsense"], "nonsense"),
        (&["serve"], "url"),
        (&["ping"], "url"),
        (&["ping", url, url], url),
        (&["connect"], "url"),
        (&["explain"], "url"),
        (&["explain", url, "--format", "svg"], "svg"),
        (&["ping", url, "--timeout"], "--timeout"),
        (&["ping", url, "--timeout", "soon"], "soon"),
        (&["ping", url, "--timeout=-1"], "-1"),
        (&["connect", url, "--timeout", "nan"], "nan"),
        (&["connect", url, "--timeout", "inf"], "inf"),
        (&["connect", url, "--timeout", "1e40"], "1e40"),
    ] {
        bin.run(args).exits(2).names(&[word]).prints("");
    }
}

/// URLs that name nothing to connect to, with what is to be named as wrong.
const MALFORMED: &[(&str, &[&str])] = &[
    ("", &["scheme", "empty"]),
    ("127.0.0.1:80", &["scheme"]),
    ("://127.0.0.1:80", &["scheme"]),
    ("gopher://127.0.0.1:70", &["the scheme \"gopher\" is not known here; known: \"git\", \"http\", "]),
    ("tcp://127.0.0.1", &["port"]),
    ("tcp://127.0.0.1:", &["port"]),
    ("tcp://127.0.0.1:70000", &["port"]),
    ("tcp://127.0.0.1:+80", &["port"]),
    ("tcp://127.0.0.1:-1", &["port"]),
    ("tcp://127.0.0.1:eighty", &["port"]),
    ("tcp://:80", &["host"]),
    ("tcp://", &["host"]),
    ("tcp://some@body@127.0.0.1:80", &["user"]),
    ("tcp://somebody:%1b@127.0.0.1:80", &["control character"]),
    ("tcp://somebody@", &["host"]),
    ("tcp://::1:80", &["bracket"]),
    ("tcp://fe80::1:80", &["bracket"]),
    ("tcp://[::1:80", &["bracket"]),
    ("tcp://[nonsense]:80", &["address", "ipv6"]),
    ("tcp://exa mple.invalid:80", &["space"]),
    ("tcp://127.0.0.1:80 ", &["space", "port"]),
    (" tcp://127.0.0.1:80", &["space", "scheme"]),
    ("tcp://ex\u{e4}mple.invalid:80", &["ascii"]),
    ("unix:", &["path"]),
    ("unix:/tmp/%zz", &["percent"]),
    ("unix:/tmp/%4", &["percent"]),
    ("unix:/tmp/%", &["percent"]),
];

fn a_malformed_url(bin: Bin) {
    for &(url, words) in MALFORMED {
        for command in ["ping", "connect", "serve"] {
            bin.run(&[command, url]).exits(2).names(words).prints("");
        }
        bin.run(&["explain", url]).exits(2).names(words);
    }
    // Where nothing can be connected to, but a `serve` may choose.
    for command in ["ping", "connect"] {
        bin.run(&[command, "tcp://127.0.0.1:0"]).exits(2).names(&["port"]).prints("");
    }
    // What may be secret is not repeated, wherever it fails: neither here nor where nobody listens.
    let secret = "Zq7secret";
    for url in [
        format!("tcp://{secret}:{secret}@127.0.0.1:x/?{secret}"),
        format!("gopher://{secret}:{secret}@127.0.0.1/?{secret}"),
        format!("tcp://{secret}:{secret}@127.0.0.1:1/?{secret}"),
        format!("unix:/nowhere/at/all?{secret}"),
    ] {
        for command in ["ping", "connect", "explain"] {
            let ran = bin.run(&[command, &url]);
            assert!(!ran.text().contains(secret) && !ran.err.contains(secret), "{ran}");
        }
    }
    // One bad URL among good ones serves none.
    bin.run(&["serve", "tcp://127.0.0.1:0", "tcp://127.0.0.1"]).exits(2).names(&["port"]).prints("");
}

fn a_zone_id(bin: Bin) {
    for url in ["tcp://[fe80::1%25lo]:80", "tcp://[fe80::1%lo]:80", "tcp://[fe80::1%1]:80"] {
        bin.run(&["explain", url]).exits(0);
    }
    bin.run(&["explain", "tcp://[fe80::1%25l/o]:80"]).exits(2).names(&["bracket"]);
    bin.run(&["explain", "tcp://[fe80::1%]:80"]).exits(2).names(&["zone"]);
}

fn an_unknown_host(bin: Bin) {
    for command in ["ping", "connect"] {
        // `.invalid` is never registered (RFC 6761); the limit is for a resolver that does not
        // answer at all.
        bin.run(&[command, "tcp://nosuch.invalid:80", "--timeout", "5"])
            .exits(1)
            .names(&["nosuch.invalid"])
            .names(&["lookup"])
            .prints("")
            .within(Duration::from_secs(15));
    }
}

fn a_refused_port(bin: Bin) {
    // Bound, so that no other test gets it, and not listening.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    for command in ["ping", "connect"] {
        bin.run(&[command, &format!("tcp://127.0.0.1:{port}")])
            .exits(1)
            .names(&["refused"])
            .names(&["tcp"])
            .names(&[&format!("127.0.0.1:{port}")])
            .prints("");
    }
    let (_dir, path) = common::socket_path();
    drop(UnixListener::bind(&path).unwrap());
    // Another test that is just starting a program may hold a copy of the listener until that
    // program runs.
    common::until("nobody listens", || UnixStream::connect(&path).is_err());
    bin.run(&["connect", &common::unix_url(&path)]).exits(1).names(&["refused"]).names(&["unix"]);
}

fn a_missing_socket_file(bin: Bin) {
    let (_dir, path) = common::socket_path();
    for command in ["ping", "connect"] {
        bin.run(&[command, &common::unix_url(&path)])
            .exits(1)
            .names(&["no such file", "not found", "notfound"])
            .names(&[path.to_str().unwrap()])
            .prints("");
    }
}

fn a_path_too_long_for_a_socket(bin: Bin) {
    let url = format!("unix:/tmp/{}", "x".repeat(200));
    for command in ["ping", "connect", "serve"] {
        bin.run(&[command, &url]).exits(1).names(&["xxx"]).prints("");
    }
}

/// A deadline while the connection is being made: names the layer and the deadline.
fn a_server_that_does_not_accept(bin: Bin) {
    if !cfg!(target_os = "linux") {
        return common::skip("a backlog that drops what does not fit");
    }
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    loop {
        match TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            Ok(stream) => waiting.push(stream),
            Err(error) if error.kind() == ErrorKind::TimedOut => break,
            Err(error) => panic!("{error}"),
        }
        assert!(waiting.len() < 100, "the backlog does not fill");
    }
    for command in ["ping", "connect"] {
        let ran = bin.run(&[command, &format!("tcp://{address}"), "--timeout", "1"]);
        assert!(ran.took >= Duration::from_millis(900), "{ran}");
        ran.exits(1).names(&["tcp"]).names(&["deadline"]).prints("").within(Duration::from_secs(6));
    }
}

/// A deadline after the connection is made.
fn a_server_that_says_nothing(bin: Bin) {
    for over in BOTH {
        let peer = Peer::new(over, |mut conn| conn.rest());
        let ran = bin.run(&["ping", &peer.url, "--timeout", "1"]);
        assert!(ran.took >= Duration::from_millis(900), "{ran}");
        ran.exits(1).names(&["deadline", "timeout", "timed out"]).prints("> ping\n").within(Duration::from_secs(6));
        assert_eq!(peer.finish(), b"ping\n", "and the connection was closed");
    }
}

fn a_server_that_closes_at_once(bin: Bin) {
    for over in BOTH {
        let peer = Peer::new(over, |conn| {
            conn.end_writing();
            conn
        });
        bin.run(&["ping", &peer.url]).exits(1).names(&["closed"]);
    }
}

fn a_server_with_wrong_answers(bin: Bin) {
    for over in BOTH {
        bin.run(&["ping", &common::echo(over).url])
            .exits(1)
            .names(&["answer"])
            .prints("> ping\n< ping\n> pong\n< pong\n> mimic\n< mimic\n");
    }
}

fn a_server_with_an_endless_answer(bin: Bin) {
    for over in BOTH {
        let peer = Peer::new(over, |mut conn| while conn.write_all(&[b'x'; 4096]).is_ok() {});
        bin.run(&["ping", &peer.url]).exits(1).names(&["line"]).prints("> ping\n");
        peer.finish();
    }
}

/// In the middle of a transfer, once without and once with input left. The system reports a reset
/// once: if a write gets it, the next read sees an ordinary end, which must not hide it.
fn a_peer_that_resets(bin: Bin) {
    let reset = ["reset", "aborted", "broken pipe", "brokenpipe"];

    let peer = Peer::new(Over::Tcp, |mut conn| {
        conn.write_all(&[b'x'; 1000]).unwrap();
        assert_eq!(conn.rest(), b"");
        conn.reset();
    });
    bin.run(&["connect", &peer.url]).exits(1).names(&["reset"]);
    peer.finish();

    let peer = Peer::new(Over::Tcp, |mut conn| {
        conn.read_exact(&mut [0; 100_000]).unwrap();
        conn.write_all(&[b'x'; 1000]).unwrap();
        conn.reset();
    });
    bin.feed(&["connect", &peer.url], vec![b'y'; 50_000_000]).exits(1).names(&reset);
    peer.finish();

    let peer = Peer::new(Over::Tcp, |mut conn| {
        conn.read_exact(&mut [0; 5]).unwrap();
        conn.reset();
    });
    bin.run(&["ping", &peer.url]).exits(1).names(&reset).prints("> ping\n");
    peer.finish();
}

fn serve_prints_what_it_listens_on(bin: Bin) {
    let (_dir, path) = common::socket_path();
    let serving = bin.serve(&["tcp://127.0.0.1:0", &common::unix_url(&path), "tcp://127.0.0.1:0"]);
    let [first, unix, second] = &serving.urls[..] else {
        panic!("{serving:?}");
    };
    for tcp in [first, second] {
        let port = tcp.strip_prefix("tcp://127.0.0.1:").unwrap();
        assert_ne!(port.parse::<u16>().unwrap(), 0);
    }
    assert_ne!(first, second);
    assert_eq!(common::path_of(unix), path);
    for url in &serving.urls {
        bin.run(&["ping", url]).exits(0).quietly().prints(TRANSCRIPT);
    }
}

fn serve_answers_lines(bin: Bin) {
    let serving = bin.serve_both();
    for url in &serving.urls {
        let mut conn = common::dial(url);
        // Cut anywhere, together, and a last line without its end.
        conn.write_all(b"pi").unwrap();
        thread::sleep(Duration::from_millis(20));
        conn.write_all(b"ng\n").unwrap();
        let mut answer = [0; 5];
        conn.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"pong\n");
        conn.write_all(b"pong\nmimic\n\n\xff\nping\r\npi").unwrap();
        conn.write_all(b"ng").unwrap();
        conn.end_writing();
        assert_eq!(conn.rest(), b"ping\nmimic\n\n\xff\nping\r\npong\n");
    }
}

fn serve_answers_many_at_once(bin: Bin) {
    let serving = bin.serve_both();
    for url in &serving.urls {
        let mut silent: Vec<_> = (0..50).map(|_| common::dial(url)).collect();
        bin.run(&["ping", url]).exits(0).prints(TRANSCRIPT);
        for conn in &mut silent {
            conn.write_all(b"ping\n").unwrap();
            conn.end_writing();
        }
        for conn in &mut silent {
            assert_eq!(conn.rest(), b"pong\n");
        }
    }
}

fn serve_survives_bad_clients(bin: Bin) {
    let serving = bin.serve_both();
    for url in &serving.urls {
        let mut endless = common::dial(url);
        while endless.write_all(&[b'x'; 4096]).is_ok() {}
        let mut halfway = common::dial(url);
        halfway.write_all(b"pi").unwrap();
        drop(halfway);
        drop(common::dial(url));
        if url.starts_with("tcp") {
            let mut resets = common::dial(url);
            resets.write_all(b"ping\n").unwrap();
            resets.reset();
        }
        bin.run(&["ping", url]).exits(0).prints(TRANSCRIPT);
    }
    serving.program.signal(Signal::TERM);
    let ran = serving.program.wait().exits(0);
    assert_eq!(ran.text().lines().count(), 2, "only what it listens on: {ran}");
}

fn serve_closes_what_it_accepted(bin: Bin) {
    if !cfg!(target_os = "linux") {
        return common::skip("/proc");
    }
    let serving = bin.serve_both();
    let open = || fs::read_dir(format!("/proc/{}/fd", serving.program.id())).unwrap().count();
    for url in &serving.urls {
        // The first one may open what the runtime keeps.
        bin.run(&["ping", url]).exits(0);
    }
    let before = open();
    for url in &serving.urls {
        for n in 0..50 {
            let mut conn = common::dial(url);
            if n % 2 == 0 {
                conn.write_all(b"ping\n").unwrap();
                conn.end_writing();
                assert_eq!(conn.rest(), b"pong\n");
            }
        }
    }
    common::until("all accepted sockets are closed", || open() <= before);
}

fn serve_ends_on_a_signal(bin: Bin) {
    for signal in [Signal::INT, Signal::TERM] {
        let serving = bin.serve_both();
        let (tcp, unix) = (&serving.urls[0], &serving.urls[1]);
        // Clients that keep their connection do not keep the server.
        let mut clients = [common::dial(tcp), common::dial(unix)];
        for client in &mut clients {
            client.write_all(b"ping\n").unwrap();
            client.read_exact(&mut [0; 5]).unwrap();
        }
        assert!(common::path_of(unix).exists());
        serving.program.signal(signal);
        serving.program.wait().exits(0).quietly();
        assert!(!common::path_of(unix).exists(), "the socket file is left behind");
        for client in &mut clients {
            assert!(!matches!(client.read(&mut [0; 1]), Ok(1..)));
        }
        // And the path can be served again.
        let again = bin.serve(&[unix]);
        bin.run(&["ping", &again.urls[0]]).exits(0).prints(TRANSCRIPT);
    }
}

fn serve_refuses_a_path_in_use(bin: Bin) {
    let (_dir, path) = common::socket_path();
    let url = common::unix_url(&path);
    let refuses = || bin.run(&["serve", &url]).exits(1).names(&[path.to_str().unwrap()]).prints("");

    // One in use, and no socket at all.
    let listener = UnixListener::bind(&path).unwrap();
    refuses();
    assert!(path.exists());
    drop(listener);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    refuses();
    assert_eq!(fs::read(&path).unwrap(), b"precious");

    let missing = common::unix_url(&path.with_file_name("missing").join("socket"));
    bin.run(&["serve", &missing]).exits(1).names(&["missing"]).prints("");
}

/// A server that was killed leaves its file behind, and the next one starts all the same.
fn serve_replaces_a_dead_socket(bin: Bin) {
    let (_dir, path) = common::socket_path();
    let url = common::unix_url(&path);
    let killed = bin.serve(&[&url]);
    killed.program.signal(Signal::KILL);
    drop(killed);
    assert!(path.exists());
    let serving = bin.serve(&[&url]);
    bin.run(&["ping", &serving.urls[0]]).exits(0).quietly().prints(TRANSCRIPT);
}

/// Each address of the name is printed and served, and the second server is refused, whichever
/// family it finds first.
fn serve_listens_at_every_address_of_a_name(bin: Bin) {
    let mut addresses: Vec<_> = ("localhost", 0).to_socket_addrs().unwrap().map(|address| address.ip()).collect();
    addresses.dedup();
    if addresses.iter().any(|address| TcpListener::bind((*address, 0)).is_err()) {
        return common::skip("every address of localhost");
    }
    let program = bin.start(&["serve", "tcp://localhost:0"]);
    program.until("it listens", |out| out.iter().filter(|&&byte| byte == b'\n').count() >= addresses.len());
    let printed = String::from_utf8(program.stdout()).unwrap();
    let mut urls: Vec<_> = printed.lines().map(|line| line.strip_prefix("listening on ").unwrap()).collect();
    let port = urls[0].rsplit(':').next().unwrap().parse().unwrap();
    let mut expected: Vec<_> =
        addresses.iter().map(|address| format!("tcp://{}", SocketAddr::new(*address, port))).collect();
    urls.sort_unstable();
    expected.sort_unstable();
    assert_eq!(urls, expected);
    for url in urls {
        bin.run(&["ping", url]).exits(0).quietly().prints(TRANSCRIPT);
    }
    bin.run(&["serve", &format!("tcp://localhost:{port}")]).exits(1).names(&["in use", "addrinuse"]).prints("");
    // Nor where one of the addresses alone is in use.
    drop(program);
    for address in addresses {
        let _other = TcpListener::bind((address, port)).unwrap();
        bin.run(&["serve", &format!("tcp://localhost:{port}")])
            .exits(1)
            .names(&[&SocketAddr::new(address, port).to_string()])
            .prints("");
    }
}

fn serve_refuses_an_address_in_use(bin: Bin) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    bin.run(&["serve", &format!("tcp://{address}")])
        .exits(1)
        .names(&["in use", "addrinuse"])
        .names(&[&address.to_string()])
        .prints("");
}

fn serve_is_all_or_nothing(bin: Bin) {
    let (_dir, path) = common::socket_path();
    let url = common::unix_url(&path);
    // The second one fails, and takes back the first.
    bin.run(&["serve", &url, &url]).exits(1).names(&[path.to_str().unwrap()]);
    assert!(!path.exists(), "the socket file is left behind");
}

fn serve_outlives_a_shortage_of_descriptors(bin: Bin) {
    const FEW: &str = r#"ulimit -n 24 && exec "$0" serve tcp://127.0.0.1:0"#;
    let mut command = Command::new("sh");
    command.args(["-c", FEW]).arg(bin.command::<&str>(&[]).get_program());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = Program::start(command);
    program.until("it listens", |out| out.ends_with(b"\n"));
    let printed = String::from_utf8(program.stdout()).unwrap();
    let url = printed.trim_end().strip_prefix("listening on ").unwrap();

    let many: Vec<_> = (0..40).map(|_| common::dial(url)).collect();
    common::until("it says that something is short", || !program.stderr().is_empty());
    thread::sleep(Duration::from_millis(500));
    drop(many);
    bin.run(&["ping", url]).exits(0).prints(TRANSCRIPT);
    program.signal(Signal::TERM);
    let ran = program.wait().exits(0);
    assert!(ran.err.lines().count() < 10, "it says so again and again: {ran}");
}

fn ping_takes_a_timeout(bin: Bin) {
    let serving = bin.serve_both();
    for url in &serving.urls {
        bin.run(&["ping", url, "--timeout", "20"])
            .exits(0)
            .quietly()
            .prints(TRANSCRIPT)
            .within(Duration::from_secs(10));
        // More than any clock can count to.
        let ran = bin.run(&["ping", url, "--timeout", "18446744073709551615"]);
        let code = if ran.code == Some(0) { 0 } else { 2 };
        ran.exits(code);
    }
}

fn ping_over_ipv6(bin: Bin) {
    if TcpListener::bind("[::1]:0").is_err() {
        return common::skip("IPv6");
    }
    let serving = bin.serve(&["tcp://[::1]:0"]);
    assert!(serving.urls[0].starts_with("tcp://[::1]:"), "{serving:?}");
    bin.run(&["ping", &serving.urls[0]]).exits(0).quietly().prints(TRANSCRIPT);
}

fn ping_by_name(bin: Bin) {
    let serving = bin.serve(&["tcp://127.0.0.1:0"]);
    let port = serving.urls[0].rsplit(':').next().unwrap();
    // Where the name has an IPv6 address too, nothing listens there, and the next address is tried.
    bin.run(&["ping", &format!("tcp://localhost:{port}")]).exits(0).quietly().prints(TRANSCRIPT);
}

fn ping_a_path_with_a_space(bin: Bin) {
    let dir = common::dir();
    let path = dir.path().join("a socket 100%");
    let url = format!("unix:{}/a%20socket%20100%25", dir.path().display());
    let serving = bin.serve(&[&url]);
    assert!(path.exists());
    for url in [&url, &url.replace("unix:", "unix://"), &serving.urls[0]] {
        bin.run(&["ping", url]).exits(0).quietly().prints(TRANSCRIPT);
    }
}

fn connect_takes_input_from_a_pipe(bin: Bin) {
    let bytes = common::random(1_000_000);
    for over in BOTH {
        bin.feed(&["connect", &common::echo(over).url], bytes.clone()).exits(0).quietly().prints(&bytes);
    }
}

fn connect_takes_input_from_a_file(bin: Bin) {
    let dir = common::dir();
    for (over, size) in [(Over::Tcp, 1_000_000), (Over::Unix, 1_000_001), (Over::Tcp, 1), (Over::Tcp, 0)] {
        let bytes = common::random(size);
        let peer = common::echo(over);
        let mut command = bin.command(&["connect", &peer.url]);
        command.stdin(common::file_with(&dir, &bytes));
        Program::start(command).wait().exits(0).quietly().prints(&bytes);
    }
}

fn connect_takes_input_from_dev_null(bin: Bin) {
    for over in BOTH {
        let peer = Peer::new(over, |mut conn| {
            assert_eq!(conn.rest(), b"");
            conn.write_all(b"nothing came").unwrap();
        });
        let mut command = bin.command(&["connect", &peer.url]);
        command.stdin(File::open("/dev/null").unwrap());
        Program::start(command).wait().exits(0).quietly().prints("nothing came");
    }
}

fn connect_gives_output_to_a_file(bin: Bin) {
    let dir = common::dir();
    let path = dir.path().join("output");
    let bytes = common::random(1_000_000);
    let peer = common::echo(Over::Tcp);
    let mut command = bin.command(&["connect", &peer.url]);
    command.stdout(File::create(&path).unwrap());
    let mut program = Program::start(command);
    program.feed(bytes.clone());
    program.wait().exits(0).quietly();
    assert!(fs::read(&path).unwrap() == bytes);
}

fn connect_half_closes_at_the_end_of_input(bin: Bin) {
    for over in BOTH {
        // Answers only once the client has ended its side, and is heard all the same.
        let peer = Peer::new(over, |mut conn| {
            let size = conn.rest().len();
            thread::sleep(Duration::from_millis(300));
            write!(conn, "{size} bytes").unwrap();
        });
        bin.feed(&["connect", &peer.url], vec![0; 300_000]).exits(0).quietly().prints("300000 bytes");
    }
}

fn connect_answers_as_it_goes(bin: Bin) {
    let serving = bin.serve_both();
    for url in &serving.urls {
        let mut program = bin.start(&["connect", url]);
        program.write("ping\n");
        program.until("the first answer", |out| out == b"pong\n");
        program.write("mimic");
        program.write("\n");
        program.until("the second answer", |out| out == b"pong\nmimic\n");
        program.close_stdin();
        program.wait().exits(0).quietly();
    }
}

fn connect_ends_when_the_peer_closes(bin: Bin) {
    for over in BOTH {
        let peer = Peer::new(over, |mut conn| conn.write_all(b"bye\n").unwrap());
        // Its input stays open: only the peer can end this.
        bin.start(&["connect", &peer.url]).wait().exits(0).quietly().prints("bye\n").within(Duration::from_secs(10));
    }
}

fn connect_ends_quietly_on_closed_output(bin: Bin) {
    for over in BOTH {
        let peer = Peer::new(over, |mut conn| while conn.write_all(&[b'x'; 4096]).is_ok() {});
        let mut command = bin.command(&["connect", &peer.url]);
        command.stdout(common::closed_output());
        Program::start(command).wait().exits(0).quietly();
        peer.finish();
    }
}

fn connect_timeout_is_for_connecting_only(bin: Bin) {
    let peer = Peer::new(Over::Tcp, |mut conn| {
        thread::sleep(Duration::from_secs(2));
        conn.write_all(b"late\n").unwrap();
    });
    bin.start(&["connect", &peer.url, "--timeout", "1"]).wait().exits(0).quietly().prints("late\n");
}

/// The peer reads nothing before it has written all: only a client that does both at once gets
/// through.
fn connect_copies_both_ways_at_once(bin: Bin) {
    const SIZE: usize = 8_000_000;
    for over in BOTH {
        let there = common::random(SIZE);
        let back: Vec<u8> = there.iter().rev().copied().collect();
        let sent = back.clone();
        let peer = Peer::new(over, move |mut conn| {
            conn.write_all(&sent).unwrap();
            // Not ended here: a client may take that as the end of all.
            conn.rest()
        });
        bin.feed(&["connect", &peer.url], there.clone()).exits(0).quietly().prints(&back);
        assert!(peer.finish() == there, "the peer got something else");
    }
}

/// A terminal is shared with other programs: it must not be left non-blocking.
fn connect_leaves_its_input_as_it_was(bin: Bin) {
    let (input, _held) = io::pipe().unwrap();
    let peer = Peer::new(Over::Tcp, drop);
    let mut command = bin.command(&["connect", &peer.url]);
    command.stdin(input.try_clone().unwrap());
    Program::start(command).wait().exits(0);
    let flags = rustix::fs::fcntl_getfl(&input).unwrap();
    assert!(!flags.contains(OFlags::NONBLOCK));
}

/// Makes the description non-blocking, for all that share it: a child too.
fn do_not_block(descriptor: impl AsFd) {
    let flags = rustix::fs::fcntl_getfl(&descriptor).unwrap();
    rustix::fs::fcntl_setfl(&descriptor, flags | OFlags::NONBLOCK).unwrap();
}

/// The program changed nothing that others share.
#[track_caller]
fn still_does_not_block(descriptor: impl AsFd) {
    assert!(rustix::fs::fcntl_getfl(&descriptor).unwrap().contains(OFlags::NONBLOCK));
}

/// What `work` returns, which may wait for a program that has ended.
#[track_caller]
fn bounded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, done) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    done.recv_timeout(common::LIMIT).unwrap()
}

fn connect_waits_for_input_that_does_not_block(bin: Bin) {
    let bytes = common::random(3_000_000);
    let (input, mut feed) = io::pipe().unwrap();
    do_not_block(&input);
    let peer = common::echo(Over::Tcp);
    let mut command = bin.command(&["connect", &peer.url]);
    command.stdin(input.try_clone().unwrap());
    let program = Program::start(command);
    // Nothing is there at the beginning, in the middle and before the end.
    let parts = bytes.clone();
    bounded(move || {
        for part in parts.chunks(1_000_000) {
            thread::sleep(Duration::from_millis(100));
            feed.write_all(part).unwrap();
        }
        thread::sleep(Duration::from_millis(100));
    });
    program.wait().exits(0).quietly().prints(&bytes);
    still_does_not_block(&input);
}

fn connect_waits_for_output_that_does_not_block(bin: Bin) {
    let bytes = common::random(8_000_000);
    let (output, given) = io::pipe().unwrap();
    do_not_block(&given);
    let peer = common::echo(Over::Tcp);
    let mut command = bin.command(&["connect", &peer.url]);
    command.stdout(given.try_clone().unwrap());
    let mut program = Program::start(command);
    program.feed(bytes.clone());
    // By then it is full, and so is all before it.
    thread::sleep(Duration::from_millis(300));
    let mut all = output.take(8_000_000);
    let got = bounded(move || {
        let mut got = Vec::new();
        all.read_to_end(&mut got).map(|_| got).unwrap()
    });
    program.wait().exits(0).quietly();
    assert!(got == bytes, "{} of {} bytes", got.len(), bytes.len());
    still_does_not_block(&given);
}

/// One description for both directions, as `inetd` gives it.
fn connect_over_a_socket_that_does_not_block(bin: Bin) {
    let bytes = common::random(3_000_000);
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    do_not_block(&theirs);
    let peer = common::echo(Over::Unix);
    let mut command = bin.command(&["connect", &peer.url]);
    command.stdin(OwnedFd::from(theirs.try_clone().unwrap())).stdout(OwnedFd::from(theirs.try_clone().unwrap()));
    let program = Program::start(command);
    ours.set_write_timeout(Some(common::LIMIT)).unwrap();
    let (mut feed, sent) = (ours.try_clone().unwrap(), bytes.clone());
    let feeding = thread::spawn(move || {
        feed.write_all(&sent).unwrap();
        feed.shutdown(Shutdown::Write).unwrap();
    });
    thread::sleep(Duration::from_millis(300));
    let mut got = vec![0; bytes.len()];
    ours.set_read_timeout(Some(common::LIMIT)).unwrap();
    ours.read_exact(&mut got).unwrap();
    feeding.join().unwrap();
    program.wait().exits(0).quietly();
    assert!(got == bytes, "the bytes differ");
    still_does_not_block(&theirs);
}

fn connect_on_a_terminal_that_does_not_block(bin: Bin) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let theirs = rustix::fs::open(&*name, flags, rustix::fs::Mode::empty()).unwrap();
    let mut raw = tcgetattr(&theirs).unwrap();
    raw.make_raw();
    tcsetattr(&theirs, OptionalActions::Now, &raw).unwrap();
    do_not_block(&theirs);

    // A terminal has no end of its own: the peer makes it.
    let bytes = common::random(300_000);
    let size = bytes.len();
    let peer = Peer::new(Over::Tcp, move |mut conn| {
        let mut got = vec![0; size];
        conn.read_exact(&mut got).unwrap();
        conn.write_all(&got).unwrap();
    });
    let mut command = bin.command(&["connect", &peer.url]);
    command.stdin(theirs.try_clone().unwrap()).stdout(theirs.try_clone().unwrap());
    let program = Program::start(command);
    let (mut terminal, sent) = (File::from(ours), bytes.clone());
    let got = bounded(move || {
        thread::sleep(Duration::from_millis(100));
        terminal.write_all(&sent).unwrap();
        // The terminal is full of what it prints.
        thread::sleep(Duration::from_millis(300));
        let mut got = vec![0; size];
        terminal.read_exact(&mut got).map(|()| got).unwrap()
    });
    program.wait().exits(0).quietly();
    assert!(got == bytes, "the bytes differ");
    still_does_not_block(&theirs);
}

fn ping_prints_on_output_that_does_not_block(bin: Bin) {
    let serving = bin.serve_both();
    let (mut output, given) = io::pipe().unwrap();
    do_not_block(&given);
    let mut filled = 0;
    while let Ok(n) = (&given).write(&[b'x'; 4096]) {
        filled += n;
    }
    let mut command = bin.command(&["ping", &serving.urls[0]]);
    command.stdin(Stdio::null()).stdout(given);
    let mut program = Program::start(command);
    thread::sleep(Duration::from_millis(300));
    assert!(!program.has_ended(), "it has printed nothing yet");
    let got = bounded(move || {
        let mut got = Vec::new();
        output.read_to_end(&mut got).map(|_| got).unwrap()
    });
    program.wait().exits(0).quietly();
    assert_eq!(std::str::from_utf8(&got[filled..]).unwrap(), TRANSCRIPT);
}

/// How much the server of [`impatient`] sends at a time.
const HALF: usize = 500_000;

/// A server that takes the end of its client's side for the end of the client, as nginx does. Sends
/// two halves, and the second one only if the client has not ended its side in the meantime, which
/// it returns.
fn impatient() -> Peer<bool> {
    Peer::new(Over::Tcp, |mut conn| {
        let mut request = [0; 3];
        conn.read_exact(&mut request).unwrap();
        assert_eq!(&request, b"get");
        conn.write_all(&[b'x'; HALF]).unwrap();
        let mut twin = conn.twin();
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || sender.send(matches!(twin.read(&mut [0; 1]), Ok(0))));
        let ended = matches!(ended.recv_timeout(Duration::from_millis(500)), Ok(true));
        if !ended {
            conn.write_all(&[b'y'; HALF]).unwrap();
        }
        conn.end_writing();
        ended
    })
}

fn connect_cuts_the_answer_of_a_server_that_takes_a_half_close_for_the_end(bin: Bin) {
    let peer = impatient();
    bin.feed(&["connect", &peer.url], "get").exits(0).quietly().prints([b'x'; HALF]);
    assert!(peer.finish(), "the end of the input was not passed on");
}

fn connect_without_shutdown_gets_all_of_it(bin: Bin) {
    let peer = impatient();
    let ran = bin.feed(&["connect", &peer.url, "--no-shutdown"], "get").exits(0).quietly();
    ran.prints([[b'x'; HALF], [b'y'; HALF]].concat());
    assert!(!peer.finish(), "the end of the input was passed on");
}

/// Nothing of it waits for an end that does not come.
fn connect_without_shutdown_sends_all_of_its_input(bin: Bin) {
    for over in BOTH {
        let bytes = common::random(1_000_000);
        let size = bytes.len();
        let peer = Peer::new(over, move |mut conn| {
            let mut got = vec![0; size];
            conn.read_exact(&mut got).unwrap();
            got
        });
        bin.feed(&["connect", &peer.url, "--no-shutdown"], bytes.clone()).exits(0).quietly();
        assert!(peer.finish() == bytes, "the peer got something else");
    }
}

fn connect_explains(bin: Bin) {
    for over in BOTH {
        let ran = bin.feed(&["connect", &common::echo(over).url, "--explain"], "data").exits(0).prints("data");
        assert!(!ran.err.trim().is_empty(), "no plan: {ran}");
        ran.names(&[if over == Over::Tcp { "tcp" } else { "unix" }]);
    }
    // Before it connects: the plan comes also when that fails.
    let (_dir, path) = common::socket_path();
    let url = common::unix_url(&path);
    let without = bin.run(&["connect", &url]).exits(1);
    let with = bin.run(&["connect", &url, "--explain"]).exits(1).prints("");
    assert!(with.err.ends_with(&without.err) && with.err.len() > without.err.len(), "{with}{without}");
}

/// What a line of the trace says, without its time: `  250.3 ms  start   192.0.2.1:443`.
#[track_caller]
fn traced(line: &str) -> (&str, &str) {
    let split = || {
        let (time, event) = line.split_once(" ms  ")?;
        let (whole, tenth) = time.split_once('.')?;
        let digits = whole.trim_start_matches(' ');
        let number = !digits.is_empty() && digits.bytes().chain(tenth.bytes()).all(|byte| byte.is_ascii_digit());
        // In columns: the times end below one another, and so do the words.
        (number && tenth.len() == 1 && whole.len() >= 5 && event.len() > 8).then_some(())?;
        Some((event[..8].trim_end(), &event[8..]))
    };
    match split() {
        Some(event) => event,
        None => panic!("no line of a trace: {line:?}"),
    }
}

fn trace_tells_of_a_race(bin: Bin) {
    let serving = bin.serve(&["tcp://127.0.0.1:0"]);
    let port = serving.urls[0].rsplit(':').next().unwrap();
    let url = format!("tcp://localhost:{port}");
    let won = format!("127.0.0.1:{port}");
    for ran in [
        bin.run(&["ping", &url, "--trace"]).exits(0).prints(TRANSCRIPT),
        bin.feed(&["connect", &url, "--trace"], "ping\n").exits(0).prints("pong\n"),
    ] {
        let events: Vec<_> = ran.err.lines().map(traced).collect();
        assert_eq!(events.iter().filter(|(word, _)| *word == "ask").count(), 2, "{ran}");
        for wanted in [("ask", "AAAA"), ("ask", "A"), ("answer", "A: 1"), ("start", &won)] {
            assert!(events.contains(&wanted), "{wanted:?}: {ran}");
        }
        assert_eq!(events.last(), Some(&("win", &*won)), "{ran}");
        let words = ["ask", "answer", "start", "fail", "cancel", "win"];
        assert!(events.iter().all(|(word, _)| words.contains(word)), "{ran}");
    }
    // An address is not looked up.
    let ran = bin.run(&["ping", &serving.urls[0], "--trace"]).exits(0).prints(TRANSCRIPT);
    let events: Vec<_> = ran.err.lines().map(traced).collect();
    assert_eq!(events, [("start", &*won), ("win", &*won)], "{ran}");
}

fn trace_tells_of_a_failure(bin: Bin) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    for command in ["ping", "connect"] {
        // First the trace, then the error as it is without; only the plan below it differs.
        let ran = bin.run(&[command, &format!("tcp://{address}"), "--trace"]).exits(1).names(&["error: "]).prints("");
        let events: Vec<_> = ran.err.lines().take(2).map(traced).collect();
        assert_eq!(events[0], ("start", &*address.to_string()), "{ran}");
        assert!(events[1].0 == "fail" && events[1].1.starts_with(&format!("{address}: ")), "{ran}");
        let without = bin.run(&[command, &format!("tcp://{address}")]).exits(1);
        assert_eq!(ran.err.lines().nth(2), without.err.lines().next(), "{ran}{without}");
    }
}

fn trace_is_silent_without_a_race(bin: Bin) {
    let peer = common::echo(Over::Unix);
    bin.feed(&["connect", &peer.url, "--trace"], "data").exits(0).quietly().prints("data");
    let serving = bin.serve_both();
    bin.run(&["ping", &serving.urls[1], "--trace"]).exits(0).quietly().prints(TRANSCRIPT);
    // Nor does it change what a failure says.
    let (_dir, path) = common::socket_path();
    let url = common::unix_url(&path);
    let without = bin.run(&["connect", &url]).exits(1);
    assert_eq!(bin.run(&["connect", &url, "--trace"]).exits(1).err, without.err);
}

fn explain_does_no_io(bin: Bin) {
    let (_dir, path) = common::socket_path();
    for url in ["tcp://nosuch.invalid:80", "tcp://127.0.0.1:1", &common::unix_url(&path)] {
        for format in ["text", "dot"] {
            bin.run(&["explain", url, "--format", format]).exits(0).quietly();
        }
    }
    assert!(!path.exists());
}

fn explain_says_why_not_the_rest(bin: Bin) {
    // The more so if nothing is left.
    let none = bin.run(&["explain", "gopher://127.0.0.1:70"]).exits(2);
    assert!(none.text().contains("tcp") && none.text().contains("gopher"), "{none}");
    for url in ["tcp://127.0.0.1:80", "unix:/nowhere"] {
        let text = bin.run(&["explain", url]).exits(0).quietly();
        // What is tried and what is not are both there.
        let lower = text.text().to_lowercase();
        assert!(lower.contains("tcp") && lower.contains("unix"), "{text}");
        assert_eq!(lower.contains("happy-eyeballs"), url.starts_with("tcp"), "{text}");
        let explicit = bin.run(&["explain", url, "--format", "text"]).exits(0).quietly();
        explicit.prints(&text.out);
    }
}

fn explain_draws(bin: Bin) {
    for url in ["tcp://127.0.0.1:80", "unix:/no%22where"] {
        let dot = bin.run(&["explain", url, "--format", "dot"]).exits(0).quietly();
        assert!(dot.text().starts_with("digraph"), "{dot}");
        assert!(dot.text().trim_end().ends_with('}'), "{dot}");
    }
}

fn default_ports(bin: Bin) {
    for (url, port) in [("http://127.0.0.1", ":80"), ("git://127.0.0.1", ":9418")] {
        bin.run(&["explain", url]).exits(0).quietly();
        let ran = bin.run(&["connect", url, "--timeout", "5"]);
        // Something may listen there, and is then not asked anything.
        if ran.code != Some(0) {
            ran.exits(1).names(&[&format!("127.0.0.1{port}")]);
        }
    }
}

/// `connect` ends quietly with 0 then; the others must not panic, as `println!` would.
fn closed_output_is_no_panic(bin: Bin) {
    let serving = bin.serve_both();
    for args in [&[][..], &["--help"], &["ping", &serving.urls[0]], &["explain", "tcp://127.0.0.1:80"]] {
        let mut command = bin.command(args);
        command.stdin(Stdio::null()).stdout(common::closed_output());
        let ran = Program::start(command).wait();
        assert!(matches!(ran.code, Some(0 | 1)) && !ran.err.contains("panicked"), "{ran}");
    }
}
