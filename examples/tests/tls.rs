//! TLS on the command line: what works, and what each failure says.
//!
//! The peers that are not the binaries themselves are rustls's blocking streams.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::tls::{self, Authority, Identity};
use common::{BINARIES, Bin, Conn, Over, Peer, Program, Ran, TRANSCRIPT};
use mimic_rustls::rustls::pki_types::CertificateDer;
use mimic_rustls::rustls::pki_types::pem::PemObject;
use mimic_rustls::rustls::{ServerConnection, StreamOwned};
use rustix::process::Signal;

common::every_binary! {
    // What works.
    every_binary_pings, https_too, options_are_unused_without_tls, explain_does_no_io, alpn_is_agreed_on,
    a_client_certificate, connect_half_closes_at_the_end_of_input, connect_answers_the_close_of_the_peer,
    connect_copies_both_ways_at_once, serve_closes_in_order, serve_ends_on_a_signal,
    // Options and files.
    the_command_line_is_checked, serve_needs_a_certificate, files_that_do_not_serve,
    the_line_of_broken_pem_is_named,
    // Certificates.
    a_wrong_host, an_address_without_a_name, an_unknown_authority, expired, not_yet_valid, self_signed,
    issued_by_a_leaf, no_client_certificate, a_client_certificate_of_somebody_else,
    // Peers.
    plain_text_on_a_tls_port, a_plain_server, alpn_without_overlap, a_server_that_stalls_in_the_handshake,
    a_server_that_closes_in_the_handshake, clients_that_stall_hold_up_nobody, a_reset_in_mid_record,
    an_end_without_close_notify, a_client_that_goes_without_close_notify, a_handshake_cut_short, records_of_garbage,
    ten_thousand_small_records, key_updates_in_a_loop,
    serve_outlives_a_shortage_of_descriptors,
}

fn every_binary_pings(server: Bin) {
    let authority = Authority::new();
    let serving = server.serve_with(&["tls://127.0.0.1:0"], &authority.localhost().options());
    let port = serving.urls[0].strip_prefix("tls://127.0.0.1:").unwrap();
    assert_ne!(port.parse::<u16>().unwrap(), 0);
    for client in BINARIES {
        // By name too; where it has an IPv6 address, nothing listens there, and the next address is
        // tried.
        for url in [&serving.urls[0], &format!("tls://localhost:{port}")] {
            client.run(&["ping", url, "--ca", &authority.file]).exits(0).quietly().prints(TRANSCRIPT);
        }
    }
    let ran = end(serving.program).quietly();
    assert_eq!(ran.text().lines().count(), 1, "{ran}");
}

/// Stops a `serve`.
fn end(program: Program) -> Ran {
    program.signal(Signal::TERM);
    program.wait().exits(0)
}

fn https_too(bin: Bin) {
    let authority = Authority::new();
    let serving = bin.serve_with(&["https://127.0.0.1:0", "tcp://127.0.0.1:0"], &authority.localhost().options());
    assert!(serving.urls[0].starts_with("https://127.0.0.1:"), "{serving:?}");
    for url in &serving.urls {
        bin.run(&["ping", url, "--ca", &authority.file, "--timeout", "20"]).exits(0).quietly().prints(TRANSCRIPT);
    }
    let ran = bin.run(&["explain", "https://example.org"]).exits(0).quietly();
    assert!(ran.text().contains("https"), "{ran}");
}

fn options_are_unused_without_tls(bin: Bin) {
    let (_dir, path) = common::socket_path();
    let unix = common::unix_url(&path);
    let identity = ["--cert", "/nowhere/cert", "--key", "/nowhere/key"];
    let serving = bin.serve_with(&["tcp://127.0.0.1:0", &unix], &identity);
    for url in &serving.urls {
        let tls = [&["--ca", "/nowhere/ca", "--alpn", "a", "--alpn", "b"], &identity[..]].concat();
        bin.run(&[&["ping", url], &tls[..]].concat()).exits(0).quietly().prints(TRANSCRIPT);
        let ran = bin.feed(&[&["connect", url], &tls[..]].concat(), "ping\n");
        ran.exits(0).quietly().prints("pong\n");
    }
}

fn explain_does_no_io(bin: Bin) {
    for url in ["tls://nosuch.invalid:80", "tls://127.0.0.1:1", "https://nosuch.invalid"] {
        for format in ["text", "dot"] {
            let ran = bin.run(&["explain", url, "--format", format]).exits(0).quietly();
            assert!(ran.text().contains("tls"), "{ran}");
        }
    }
    bin.run(&["explain", "tls://127.0.0.1"]).exits(2).names(&["port"]);
}

fn alpn_is_agreed_on(bin: Bin) {
    let authority = Authority::new();
    let mut config = authority.server(&authority.localhost());
    config.alpn_protocols = vec!["best".into(), "good".into()];
    let peer = tls::peer(config, |tls| {
        tls::rest(tls);
        tls::close(tls);
        tls.conn.alpn_protocol().map(<[u8]>::to_vec)
    });
    bin.run(&["connect", &peer.url, "--ca", &authority.file, "--alpn", "other", "--alpn", "good"]).exits(0).quietly();
    assert_eq!(peer.finish().unwrap(), b"good");
}

fn a_client_certificate(bin: Bin) {
    let authority = Authority::new();
    let peer = tls::peer(authority.asking_server(&authority.localhost()), |tls| {
        let asked = tls::rest(tls);
        tls.write_all(&asked).unwrap();
        tls::close(tls);
        tls.conn.peer_certificates().map(<[_]>::len)
    });
    let client = authority.issue("client", &["client.invalid"], |_| ());
    let args = [&["connect", &peer.url, "--ca", &authority.file], &client.options()[..]].concat();
    bin.feed(&args, "known").exits(0).quietly().prints("known");
    assert_eq!(peer.finish(), Some(1));
}

fn connect_half_closes_at_the_end_of_input(bin: Bin) {
    let authority = Authority::new();
    // Answers only once the client has ended its side, and is heard all the same.
    let peer = tls::peer(authority.server(&authority.localhost()), |tls| {
        let size = tls::rest(tls).len();
        thread::sleep(Duration::from_millis(300));
        write!(tls, "{size} bytes").unwrap();
        tls::close(tls);
    });
    let ran = bin.feed(&["connect", &peer.url, "--ca", &authority.file], vec![0; 300_000]);
    ran.exits(0).quietly().prints("300000 bytes");
    peer.finish();
}

fn connect_answers_the_close_of_the_peer(bin: Bin) {
    let authority = Authority::new();
    let peer = tls::peer(authority.server(&authority.localhost()), |tls| {
        tls.write_all(b"bye\n").unwrap();
        tls::close(tls);
        tls::rest(tls)
    });
    // Its input stays open: only the peer can end this.
    let program = bin.start(&["connect", &peer.url, "--ca", &authority.file]);
    program.wait().exits(0).quietly().prints("bye\n").within(Duration::from_secs(10));
    assert_eq!(peer.finish(), b"", "and it ended with close_notify");
}

/// The peer reads nothing before it has written all: only a client that does both at once gets
/// through.
fn connect_copies_both_ways_at_once(bin: Bin) {
    const SIZE: usize = 4_000_000;
    let authority = Authority::new();
    let there = common::random(SIZE);
    let back: Vec<u8> = there.iter().rev().copied().collect();
    let sent = back.clone();
    let peer = tls::peer(authority.server(&authority.localhost()), move |tls| {
        tls.write_all(&sent).unwrap();
        let got = tls::rest(tls);
        tls::close(tls);
        got
    });
    let ran = bin.feed(&["connect", &peer.url, "--ca", &authority.file], there.clone());
    ran.exits(0).quietly().prints(&back);
    assert!(peer.finish() == there, "the peer got something else");
}

fn serve_closes_in_order(bin: Bin) {
    let authority = Authority::new();
    let serving = bin.serve_with(&["tls://127.0.0.1:0"], &authority.localhost().options());
    let mut tls = authority.dial(&serving.urls[0]);
    tls.write_all(b"ping\npo").unwrap();
    let mut answer = [0; 5];
    tls.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"pong\n");
    tls.write_all(b"ng").unwrap();
    tls.conn.send_close_notify();
    tls.flush().unwrap();
    assert_eq!(tls::rest(&mut tls), b"ping\n", "and the server ended with close_notify");
    end(serving.program).quietly();
}

fn serve_ends_on_a_signal(bin: Bin) {
    let authority = Authority::new();
    let serving = bin.serve_with(&["tls://127.0.0.1:0"], &authority.localhost().options());
    // A client that keeps its connection does not keep the server, nor does one in its handshake.
    let _silent = tls::tcp(&serving.urls[0]);
    let mut tls = authority.dial(&serving.urls[0]);
    tls.write_all(b"ping\n").unwrap();
    tls.read_exact(&mut [0; 5]).unwrap();
    end(serving.program).quietly();
    assert_eq!(tls::rest(&mut tls), b"", "and the server ended with close_notify");
}

fn the_command_line_is_checked(bin: Bin) {
    let url = "tls://127.0.0.1:9";
    for command in ["serve", "ping", "connect"] {
        bin.run(&[command, url, "--cert", "a.pem"]).exits(2).names(&["--key"]).prints("");
        bin.run(&[command, url, "--key", "a.pem"]).exits(2).names(&["--cert"]).prints("");
        for option in ["--insecure", "-k", "--no-verify"] {
            bin.run(&[command, url, option]).exits(2).names(&[option]).prints("");
        }
        let help = bin.run(&[command, "--help"]).exits(0).quietly();
        assert!(help.text().contains("--cert") && help.text().contains("tls://"), "{help}");
    }
    bin.run(&["ping", url, "--alpn", ""]).exits(2).names(&["alpn"]).prints("");
    bin.run(&["ping", url, "--alpn", &"x".repeat(256)]).exits(2).names(&["255"]).prints("");
    bin.run(&["serve", url, "--ca", "ca.pem"]).exits(2).names(&["--ca"]).prints("");
}

fn serve_needs_a_certificate(bin: Bin) {
    for url in ["tls://127.0.0.1:0", "https://127.0.0.1:0"] {
        bin.run(&["serve", url]).exits(2).names(&["--cert"]).names(&["certificate"]).prints("");
    }
    // And one URL that cannot be served takes back the others.
    let (_dir, path) = common::socket_path();
    bin.run(&["serve", &common::unix_url(&path), "tls://127.0.0.1:0"]).exits(2).names(&["--cert"]).prints("");
    assert!(!path.exists());
}

fn files_that_do_not_serve(bin: Bin) {
    let authority = Authority::new();
    let good = authority.localhost();
    let missing = authority.path("missing.pem").display().to_string();
    let directory = authority.path("").display().to_string();
    let empty = authority.file_with("empty.pem", "");
    let garbage = authority.file_with("garbage.pem", common::random(1000));
    let broken =
        authority.file_with("broken.pem", "-----BEGIN CERTIFICATE-----\nn*nsense\n-----END CERTIFICATE-----\n");
    let cut = authority.file_with("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB");
    let hollow = authority.file_with("hollow.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    let other = authority.issue("other", &[], |_| ());

    let url = "tls://127.0.0.1:0";
    for cert in [&missing, &directory, &empty, &garbage, &broken, &cut, &hollow, &good.key] {
        bin.run(&["serve", url, "--cert", cert, "--key", &good.key]).exits(1).names(&[cert]).prints("");
    }
    for key in [&missing, &directory, &empty, &garbage, &good.cert, &other.key] {
        bin.run(&["serve", url, "--cert", &good.cert, "--key", key]).exits(1).names(&[key]).prints("");
    }
    // They are read before anything is connected to.
    let url = "tls://127.0.0.1:1";
    for ca in [&missing, &directory, &empty, &garbage, &broken, &cut, &hollow, &good.key] {
        bin.run(&["ping", url, "--ca", ca]).exits(1).names(&[ca]).prints("");
    }
    for key in [&missing, &empty, &good.cert, &other.key] {
        let identity = Identity { cert: good.cert.clone(), key: key.clone() };
        let args = [&["connect", url, "--ca", &authority.file], &identity.options()[..]].concat();
        bin.run(&args).exits(1).names(&[key]).prints("");
    }
    bin.run(&["ping", url, "--ca", &missing]).names(&["no such file", "not found"]);
    bin.run(&["ping", url, "--ca", &good.key]).names(&["no certificate in it, only: PRIVATE KEY"]);
    bin.run(&["serve", "tls://127.0.0.1:0", "--cert", &good.cert, "--key", &good.cert]).names(&["no private key"]);
    bin.run(&["serve", "tls://127.0.0.1:0", "--cert", &good.cert, "--key", &other.key]).names(&[&good.cert]);
}

/// A file in PEM format that is broken: where, by lines.
fn the_line_of_broken_pem_is_named(bin: Bin) {
    let authority = Authority::new();
    let good = authority.localhost();
    let chain = std::fs::read_to_string(&good.cert).unwrap();
    let lines: Vec<&str> = chain.lines().collect();
    let (body, last) = (&lines[..lines.len() - 1], lines.len());
    let file = |name: &str, text: &[&str]| authority.file_with(name, text.join("\n"));
    let der = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
    let twice = last + 1;
    for (cert, says) in [
        (file("empty.pem", &[]), "it is empty".into()),
        (authority.file_with("der.pem", &der), "no certificate in PEM format in it, but DER; openssl x509".into()),
        (file("text.pem", &["hello"]), "no certificate in PEM format in it".into()),
        (file("end.pem", body), "of line 1 has no end: -----END CERTIFICATE----- is missing".into()),
        (file("two.pem", &[&lines[..1], &["MIIBA"], &lines[..]].concat()), "of line 1 has no end before line 3".into()),
        (file("begin.pem", &["-----BEGIN CERTIFICATE"]), "line 1 begins a section, and does not end with".into()),
        (
            file("chain.pem", &[&lines[..], &lines[..1], &["MII*"], &lines[1..]].concat()),
            format!("line {}, in the CERTIFICATE of line {twice}, is not base64", twice + 1),
        ),
        (file("short.pem", &[&lines[..1], &["MIIBA"], &lines[last - 1..]].concat()), "of line 1 is not base64".into()),
        (
            file("other.pem", &[body, &["-----END X-----"]].concat()),
            format!("line {last} does not end the CERTIFICATE"),
        ),
        (
            file("hollow.pem", &[&lines[..1], &["MIIB"], &lines[last - 1..]].concat()),
            "certificate 1 in it cannot".into(),
        ),
    ] {
        for ran in [
            bin.run(&["ping", "tls://127.0.0.1:1", "--ca", &cert]),
            bin.run(&["serve", "tls://127.0.0.1:0", "--cert", &cert, "--key", &good.key]),
        ] {
            ran.exits(1).names(&[&cert]).names(&[&says]).prints("");
        }
    }
    // Nothing of a key is printed, whatever is wrong with it.
    let key = std::fs::read_to_string(&good.key).unwrap();
    let secret = key.lines().nth(1).unwrap();
    let broken = authority.file_with("broken.key", key.replace(secret, &format!("{secret}*")));
    let ran =
        bin.run(&["serve", "tls://127.0.0.1:0", "--cert", &good.cert, "--key", &broken]).exits(1).names(&[&broken]);
    let ran = ran.names(&["line 2, in the PRIVATE KEY of line 1, is not base64"]);
    assert!(!ran.err.contains(&secret[..16]), "{ran}");
}

/// Serves with a certificate, and pings at a name; the error names the layer and the peer.
fn refused(bin: Bin, identity: &Identity, host: &str, ca: &str) -> Ran {
    let serving = bin.serve_with(&["tls://127.0.0.1:0"], &identity.options());
    let url = serving.urls[0].replace("127.0.0.1", host);
    let peer = url.strip_prefix("tls://").unwrap();
    // In the handshake, so that nothing was said.
    let ran = bin.run(&["ping", &url, "--ca", ca]).exits(1).prints("");
    let ran = ran.names(&[&format!("Secure \"tls\" to {peer}")]).names(&["handshake"]).names(&["certificate"]);
    // The server says what it was told, and goes on.
    common::until("the server says why", || serving.program.stderr().contains("handshake failed"));
    let again = bin.run(&["ping", &url, "--ca", ca]).exits(1);
    assert_eq!(
        again.err.lines().next().map(without_digits),
        ran.err.lines().next().map(without_digits),
        "the same again"
    );
    end(serving.program).names(&["alert"]);
    ran
}

/// Without the time.
fn without_digits(line: &str) -> String {
    line.chars().filter(|char| !char.is_ascii_digit()).collect()
}

fn a_wrong_host(bin: Bin) {
    let authority = Authority::new();
    let identity = authority.issue("elsewhere", &["elsewhere.invalid"], |_| ());
    // Whose, and what was expected.
    refused(bin, &identity, "localhost", &authority.file).names(&["localhost"]).names(&["elsewhere.invalid"]);
}

fn an_address_without_a_name(bin: Bin) {
    let authority = Authority::new();
    let identity = authority.issue("named", &["localhost"], |_| ());
    refused(bin, &identity, "127.0.0.1", &authority.file).names(&["127.0.0.1"]).names(&["\"localhost\""]);
}

fn an_unknown_authority(bin: Bin) {
    let (authority, other) = (Authority::new(), Authority::new());
    refused(bin, &authority.localhost(), "127.0.0.1", &other.file).names(&["UnknownIssuer", "unknown issuer"]);
}

fn expired(bin: Bin) {
    let authority = Authority::new();
    let identity = authority.issue("old", &["127.0.0.1"], |params| {
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    refused(bin, &identity, "127.0.0.1", &authority.file).names(&["expired"]).names(&["clock", "renew"]);
}

fn not_yet_valid(bin: Bin) {
    let authority = Authority::new();
    let identity = authority.issue("young", &["127.0.0.1"], |params| {
        params.not_before = rcgen::date_time_ymd(2090, 1, 1);
        params.not_after = rcgen::date_time_ymd(2091, 1, 1);
    });
    refused(bin, &identity, "127.0.0.1", &authority.file).names(&["not valid yet", "not yet valid"]).names(&["clock"]);
}

fn self_signed(bin: Bin) {
    let authority = Authority::new();
    let identity = authority.self_signed();
    refused(bin, &identity, "127.0.0.1", &authority.file).names(&["UnknownIssuer", "unknown issuer"]);
    // Who trusts it, may.
    let serving = bin.serve_with(&["tls://127.0.0.1:0"], &identity.options());
    bin.run(&["ping", &serving.urls[0], "--ca", &identity.cert]).exits(0).quietly().prints(TRANSCRIPT);
}

fn issued_by_a_leaf(bin: Bin) {
    let authority = Authority::new();
    let ran = refused(bin, &authority.issued_by_a_leaf(), "127.0.0.1", &authority.file);
    ran.names(&["EndEntityUsedAsCa", "UnknownIssuer", "authority"]);
}

/// Against a server that asks for a certificate. With TLS 1.3 it may say no after the client is
/// done with the handshake.
fn refused_client(bin: Bin, authority: &Authority, options: &[&str]) -> Ran {
    let peer = tls::peer(authority.asking_server(&authority.localhost()), |tls| {
        let error = tls.read(&mut [0; 10]).unwrap_err();
        let _ = tls.conn.complete_io(&mut tls.sock);
        // What it has sent is read, or closing would reset the connection.
        tls.sock.end_writing();
        let _ = tls.sock.rest();
        error.kind()
    });
    let ran = bin.run(&[&["ping", &peer.url, "--ca", &authority.file], options].concat()).exits(1);
    assert_eq!(peer.finish(), ErrorKind::InvalidData);
    assert!(!ran.text().contains('<'), "{ran}");
    ran.names(&["tls"])
}

fn no_client_certificate(bin: Bin) {
    refused_client(bin, &Authority::new(), &[]).names(&["CertificateRequired"]).names(&["client certificate"]);
}

fn a_client_certificate_of_somebody_else(bin: Bin) {
    let other = Authority::new();
    let client = other.issue("client", &["client.invalid"], |_| ());
    refused_client(bin, &Authority::new(), &client.options()).names(&["UnknownCA"]).names(&["certificate"]);
}

fn plain_text_on_a_tls_port(bin: Bin) {
    let authority = Authority::new();
    let serving = bin.serve_with(&["tls://127.0.0.1:0"], &authority.localhost().options());
    let url = &serving.urls[0];
    let before = serving.program.stderr().len();
    let mut plain = tls::tcp(url);
    plain.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // An alert, or nothing; and never the application's answer.
    let _ = plain.read_to_end(&mut answer);
    assert!(answer.len() <= 7 && !answer.starts_with(b"GET"), "{answer:?}");
    let said = || serving.program.stderr()[before..].to_owned();
    common::until("the server says why", || said().contains("does not seem to speak TLS"));

    let ran = bin.run(&["ping", &url.replace("tls://", "tcp://"), "--timeout", "20"]).exits(1);
    assert!(!ran.text().contains("pong"), "{ran}");
    bin.run(&["ping", url, "--ca", &authority.file]).exits(0).quietly().prints(TRANSCRIPT);
}

fn a_plain_server(bin: Bin) {
    let authority = Authority::new();
    let peers = [
        Peer::new(Over::Tcp, |mut conn| {
            conn.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
            conn.end_writing();
            conn.rest()
        }),
        Peer::new(Over::Tcp, |mut conn| {
            conn.write_all(b"220 mail.invalid ESMTP\r\n").unwrap();
            conn.rest()
        }),
    ];
    for peer in peers {
        let peer = tls::over_tls(peer);
        let ran = bin.run(&["ping", &peer.url, "--ca", &authority.file, "--timeout", "20"]).exits(1).prints("");
        ran.names(&["Secure \"tls\" to 127.0.0.1"]).names(&["handshake"]).names(&["does not seem to speak TLS"]);
        let got = peer.finish();
        assert!(!got.windows(4).any(|bytes| bytes == b"ping"), "the application in clear text");
    }
    // What it hears is its own hello.
    let peer = tls::over_tls(common::echo(Over::Tcp));
    let ran = bin.run(&["ping", &peer.url, "--ca", &authority.file, "--timeout", "20"]).exits(1).prints("");
    ran.names(&["Secure \"tls\" to 127.0.0.1"]).names(&["handshake"]);
    // The application itself, without TLS.
    let serving = bin.serve(&["tcp://127.0.0.1:0"]);
    let url = serving.urls[0].replace("tcp://", "tls://");
    bin.run(&["ping", &url, "--ca", &authority.file, "--timeout", "2"]).exits(1).prints("").names(&["tls"]);
}

fn alpn_without_overlap(bin: Bin) {
    let authority = Authority::new();
    let mut config = authority.server(&authority.localhost());
    config.alpn_protocols = vec!["h2".into()];
    let peer = tls::peer(config, |tls| {
        let error = tls.read(&mut [0; 10]).unwrap_err();
        let _ = tls.conn.complete_io(&mut tls.sock);
        error.to_string()
    });
    let ran = bin.run(&["ping", &peer.url, "--ca", &authority.file, "--alpn", "mimic"]).exits(1).prints("");
    ran.names(&["Secure \"tls\" to 127.0.0.1"])
        .names(&["handshake"])
        .names(&["NoApplicationProtocol"])
        .names(&["ALPN"]);
    assert!(peer.finish().contains("protocol"));
}

fn a_server_that_stalls_in_the_handshake(bin: Bin) {
    let authority = Authority::new();
    // At once, and in the middle of its hello.
    for said in [&b""[..], &[22, 3, 3, 0, 100, 2, 0]] {
        let peer = Peer::new(Over::Tcp, move |mut conn| {
            conn.write_all(said).unwrap();
            conn.rest()
        });
        let peer = tls::over_tls(peer);
        let ran = bin.run(&["ping", &peer.url, "--ca", &authority.file, "--timeout", "1"]);
        assert!(ran.took >= Duration::from_millis(900), "{ran}");
        let ran = ran.exits(1).prints("").within(Duration::from_secs(6));
        ran.names(&["deadline"]).names(&["Secure \"tls\" to 127.0.0.1"]);
        assert!(!peer.finish().is_empty(), "and the connection was closed");
    }
}

fn a_server_that_closes_in_the_handshake(bin: Bin) {
    let authority = Authority::new();
    let peer = tls::over_tls(Peer::new(Over::Tcp, |mut conn| {
        conn.end_writing();
        conn.rest()
    }));
    let ran = bin.run(&["ping", &peer.url, "--ca", &authority.file]).exits(1).prints("");
    ran.names(&["Secure \"tls\" to 127.0.0.1"]).names(&["closed the connection in the handshake"]);
}

fn clients_that_stall_hold_up_nobody(bin: Bin) {
    let authority = Authority::new();
    let serving = bin.serve_with(&["tls://127.0.0.1:0"], &authority.localhost().options());
    let url = &serving.urls[0];
    let stalled: Vec<_> = (0..50)
        .map(|n| {
            let mut stream = tls::tcp(url);
            if n % 2 == 0 {
                stream.write_all(&[22, 3, 1, 0, 200, 1, 0]).unwrap();
            }
            stream
        })
        .collect();
    let ran = bin.run(&["ping", url, "--ca", &authority.file]).exits(0).quietly().prints(TRANSCRIPT);
    ran.within(Duration::from_secs(5));
    // Nor do those that fail, one after the other.
    for mut stream in stalled {
        stream.write_all(b"nonsense").unwrap();
    }
    let ran = bin.run(&["ping", url, "--ca", &authority.file]).exits(0).quietly().prints(TRANSCRIPT);
    ran.within(Duration::from_secs(4));
}

/// A header that promises 256 bytes, and three of them.
const HALF_A_RECORD: [u8; 8] = [23, 3, 3, 1, 0, 1, 2, 3];

fn a_reset_in_mid_record(bin: Bin) {
    let authority = Authority::new();
    let peer = Peer::new(Over::Tcp, {
        let config = authority.server(&authority.localhost());
        move |conn| {
            let twin = conn.twin();
            let server = ServerConnection::new(config.into()).unwrap();
            let mut tls = StreamOwned::new(server, conn);
            tls.write_all(b"some").unwrap();
            assert_eq!(tls::rest(&mut tls), b"");
            tls.sock.write_all(&HALF_A_RECORD).unwrap();
            drop(tls);
            twin.reset();
        }
    });
    let peer = tls::over_tls(peer);
    let ran = bin.run(&["connect", &peer.url, "--ca", &authority.file]).exits(1).names(&["reset"]);
    ran.names(&["read", "tls"]);
    peer.finish();
}

fn an_end_without_close_notify(bin: Bin) {
    let authority = Authority::new();
    // Between records and within one.
    for half in [&[][..], &HALF_A_RECORD] {
        let peer = tls::peer(authority.server(&authority.localhost()), move |tls| {
            tls.write_all(b"what was sent").unwrap();
            tls.sock.write_all(half).unwrap();
            tls.sock.end_writing();
            // The client goes once it sees that, with or without close_notify.
            let _ = tls.sock.rest();
        });
        let ran = bin.start(&["connect", &peer.url, "--ca", &authority.file]).wait().exits(1).prints("what was sent");
        ran.names(&["close_notify"]).names(&["cut short"]).within(Duration::from_secs(10));
        peer.finish();
    }
    // And for the application, which has not heard all of its answer.
    let peer = tls::peer(authority.server(&authority.localhost()), |tls| {
        tls.read_exact(&mut [0; 5]).unwrap();
        tls.write_all(b"po").unwrap();
        tls.sock.end_writing();
        let _ = tls.sock.rest();
    });
    let ran = bin.run(&["ping", &peer.url, "--ca", &authority.file]).exits(1).prints("> ping\n");
    ran.names(&["close_notify"]);
    peer.finish();
}

fn a_client_that_goes_without_close_notify(bin: Bin) {
    let authority = Authority::new();
    let serving = bin.serve_with(&["tls://127.0.0.1:0"], &authority.localhost().options());
    let mut tls = authority.dial(&serving.urls[0]);
    tls.write_all(b"ping\n").unwrap();
    tls.read_exact(&mut [0; 5]).unwrap();
    tls.sock.end_writing();
    // No answer to what may be half of a line.
    let _ = tls.read(&mut [0; 1]);
    common::until("the server says so", || serving.program.stderr().contains("close_notify"));
    bin.run(&["ping", &serving.urls[0], "--ca", &authority.file]).exits(0).quietly().prints(TRANSCRIPT);
}

/// The first flight of a server, as long as it is, and then the end.
fn a_handshake_cut_short(bin: Bin) {
    let authority = Authority::new();
    let identity = authority.localhost();
    // At the edges of a record and of its header, and here and there.
    for cut in [1, 4, 5, 6, 50, 127, 128, 129, 300, 600] {
        let mut server = ServerConnection::new(authority.server(&identity).into()).unwrap();
        let peer = Peer::new(Over::Tcp, move |mut conn| {
            while server.is_handshaking() && !server.wants_write() {
                server.read_tls(&mut conn).unwrap();
                server.process_new_packets().unwrap();
            }
            let mut flight = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut flight).unwrap();
            }
            assert!(cut < flight.len(), "{} bytes", flight.len());
            conn.write_all(&flight[..cut]).unwrap();
            conn.end_writing();
            conn.rest()
        });
        let peer = tls::over_tls(peer);
        let ran = bin.run(&["ping", &peer.url, "--ca", &authority.file]).exits(1).prints("");
        ran.names(&["closed the connection in the handshake"]).names(&["Secure \"tls\" to 127.0.0.1"]);
        assert!(!peer.finish().windows(4).any(|bytes| bytes == b"ping"), "the application in clear text");
    }
}

/// After a handshake in order: each ends it, once what came before is delivered.
fn records_of_garbage(bin: Bin) {
    let authority = Authority::new();
    let identity = authority.localhost();
    let forged = [&[23, 3, 3, 0, 40][..], &[7; 40]].concat();
    let oversized = [&[23, 3, 3, 0xff, 0xff][..], &[7; 0xffff]].concat();
    let plain = [&[23, 3, 3, 0, 4][..], b"pong"].concat();
    let text = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
    for (garbage, word) in [(forged, "decrypt"), (oversized, "corrupt"), (plain, "decrypt"), (text, "corrupt")] {
        let peer = tls::peer(authority.server(&identity), move |tls| {
            tls.write_all(b"good").unwrap();
            let _ = tls.sock.write_all(&garbage);
            let result = tls.read(&mut [0; 10]);
            // The rest of the garbage may not be read by anybody, which the system answers by a
            // reset.
            let _ = tls.sock.read_to_end(&mut Vec::new());
            result.map_err(|error| error.to_string())
        });
        let ran = bin.start(&["connect", &peer.url, "--ca", &authority.file]).wait().exits(1).prints("good");
        ran.names(&[word]).names(&["read"]).within(Duration::from_secs(10));
        // The peer is told by an alert.
        assert!(peer.finish().unwrap_err().contains("alert"));
    }
}

fn ten_thousand_small_records(bin: Bin) {
    let authority = Authority::new();
    let bytes = common::random(10_000);
    let sent = bytes.clone();
    let peer = tls::peer(authority.server(&authority.localhost()), move |tls| {
        tls.conn.complete_io(&mut tls.sock).unwrap();
        for byte in &sent {
            tls.conn.writer().write_all(&[*byte]).unwrap();
            // Each is a record of its own; some leave together.
            if tls.conn.wants_write() && byte % 7 == 0 {
                tls.conn.complete_io(&mut tls.sock).unwrap();
            }
        }
        tls::close(tls);
        tls::rest(tls)
    });
    let ran = bin.run(&["connect", &peer.url, "--ca", &authority.file]).exits(0).quietly().prints(&bytes);
    ran.within(Duration::from_secs(10));
}

fn key_updates_in_a_loop(bin: Bin) {
    let authority = Authority::new();
    let peer = tls::peer(authority.server(&authority.localhost()), |tls| {
        tls.conn.complete_io(&mut tls.sock).unwrap();
        let mut heard = Vec::new();
        let mut line = [0; 6];
        for _ in 0..200 {
            tls.conn.refresh_traffic_keys().unwrap();
            tls.write_all(b"again\n").unwrap();
            tls.read_exact(&mut line).unwrap();
            heard.extend_from_slice(&line);
        }
        tls::close(tls);
        assert_eq!(tls::rest(tls), b"");
        heard
    });
    let ran = bin.feed(&["connect", &peer.url, "--ca", &authority.file], "heard\n".repeat(200));
    ran.exits(0).quietly().prints("again\n".repeat(200));
    assert_eq!(peer.finish(), b"heard\n".repeat(200));
}

/// Connections whose clients have gone in the handshake free their descriptors, also while there
/// are none to accept by.
fn serve_outlives_a_shortage_of_descriptors(bin: Bin) {
    const FEW: &str = r#"ulimit -n 24 && exec "$0" serve tls://127.0.0.1:0 "$@""#;
    let authority = Authority::new();
    let mut command = Command::new("sh");
    command.args(["-c", FEW]).arg(bin.command::<&str>(&[]).get_program()).args(authority.localhost().options());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = Program::start(command);
    program.until("it listens", |out| out.ends_with(b"\n"));
    let printed = String::from_utf8(program.stdout()).unwrap();
    let url = printed.trim_end().strip_prefix("listening on ").unwrap();

    let many: Vec<_> = (0..40).map(|_| tls::tcp(url)).collect();
    common::until("it says that something is short", || !program.stderr().is_empty());
    thread::sleep(Duration::from_millis(500));
    drop(many);
    bin.run(&["ping", url, "--ca", &authority.file, "--timeout", "20"]).exits(0).prints(TRANSCRIPT);
    end(program);
}
