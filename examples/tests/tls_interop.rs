//! TLS with programs that were not written here, and under load.
//!
//! A program that is not installed is said to be skipped; see `common::tool`.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use common::tls::{Authority, Identity};
use common::{Bin, Program, TRANSCRIPT, nginx_config};
use rcgen::KeyPair;

common::every_binary! {
    openssl_servers, openssl_server_that_asks_for_a_certificate, openssl_server_that_asks_in_mid_connection,
    openssl_server_with_a_short_key, keys_that_openssl_encrypted, openssl_client, python_client, nginx, socat,
    a_hundred_megabytes_both_ways,
}

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

/// A program of its own that speaks by its standard input and output.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server that answers every line by the same line, backwards, until the client ends its side.
fn s_server(openssl: &Path, identity: &Identity, options: &[&str]) -> (Program, u16) {
    common::on_free_port(|port| {
        let mut command = command(openssl);
        command.args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-rev", "-quiet"]);
        command.args(["-cert", &identity.cert, "-key", &identity.key]).args(options);
        command
    })
}

/// Says lines one by one, then ends.
fn speaks_backwards(bin: Bin, port: u16, options: &[&str]) {
    let url = format!("tls://127.0.0.1:{port}");
    let mut program = bin.start(&[&["connect", &url], options].concat());
    program.write("stressed\n");
    program.until("the first answer", |out| out == b"desserts\n");
    program.write("drawer\n");
    program.until("the second answer", |out| out == b"desserts\nreward\n");
    program.close_stdin();
    program.wait().exits(0).quietly();
}

fn openssl_servers(bin: Bin) {
    let Some(openssl) = common::tool("openssl") else {
        return;
    };
    let authority = Authority::new();
    let mut genpkey = command(&openssl);
    genpkey.args(["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    let mut ran = Program::start(genpkey).wait();
    if ran.code != Some(0) {
        // Before OpenSSL 3.2 there was no `-quiet`.
        let mut genpkey = command(&openssl);
        genpkey.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
        ran = Program::start(genpkey).wait().exits(0);
    }
    let rsa = KeyPair::from_pem(ran.text()).unwrap();
    let rsa = authority.issue_for(rsa, "rsa", &["127.0.0.1"], |_| ());
    for identity in [rsa, authority.localhost()] {
        for version in VERSIONS {
            let (_server, port) = s_server(&openssl, &identity, &[version]);
            speaks_backwards(bin, port, &["--ca", &authority.file]);
        }
    }
}

fn openssl_server_that_asks_for_a_certificate(bin: Bin) {
    let Some(openssl) = common::tool("openssl") else {
        return;
    };
    let authority = Authority::new();
    let client = authority.issue("client", &["client.invalid"], |_| ());
    for version in VERSIONS {
        let options = [version, "-Verify", "2", "-verify_return_error", "-CAfile", &authority.file];
        let (_server, port) = s_server(&openssl, &authority.localhost(), &options);
        let trust = ["--ca", &authority.file];
        speaks_backwards(bin, port, &[&trust, &client.options()[..]].concat());

        let url = format!("tls://127.0.0.1:{port}");
        let ran = bin.run(&[&["ping", &url, "--timeout", "20"], &trust[..]].concat()).exits(1);
        assert!(!ran.text().contains('<'), "{ran}");
        // With TLS 1.2 OpenSSL does not say that it is the certificate.
        let says = match version {
            "-tls1_2" => "HandshakeFailure; the peer most likely asks for a client certificate",
            _ => "CertificateRequired; the peer asks for a client certificate",
        };
        ran.names(&[says]).names(&["tls"]);
    }
}

/// A server of TLS 1.2 that asks for a certificate once the client has spoken, by a HelloRequest.
fn openssl_server_that_asks_in_mid_connection(bin: Bin) {
    let Some(openssl) = common::tool("openssl") else {
        return;
    };
    let authority = Authority::new();
    let identity = authority.localhost();
    let (mut server, port) = common::on_free_port(|port| {
        let mut command = command(&openssl);
        command.args(["s_server", "-tls1_2", "-accept", &format!("127.0.0.1:{port}")]);
        command.args(["-cert", &identity.cert, "-key", &identity.key, "-CAfile", &authority.file]);
        command
    });
    let mut program = bin.start(&["connect", &format!("tls://127.0.0.1:{port}"), "--ca", &authority.file]);
    program.write("hello\n");
    server.until("what the client said", |out| out.windows(6).any(|bytes| bytes == b"hello\n"));
    // Twice: rustls refuses the first request, and ends at the second if the server has not.
    server.write("R\n");
    server.write("R\n");
    let ran = program.wait().exits(1);
    ran.names(&["renegotiation"]).names(&["is not supported"]).names(&["in the first handshake"]);
}

/// A key of 1,024 bits, which the trusted authority signed.
fn openssl_server_with_a_short_key(bin: Bin) {
    let Some(openssl) = common::tool("openssl") else {
        return;
    };
    let dir = common::dir();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let run = |args: &[&str]| {
        let mut command = command(&openssl);
        command.args(args);
        let _ = Program::start(command).wait().exits(0);
    };
    std::fs::write(dir.path().join("ext"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    let (ca, ca_key, key, csr, cert) = (path("ca.pem"), path("ca.key"), path("key"), path("csr"), path("cert"));
    let new = ["req", "-nodes", "-newkey"];
    let authority = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-x509", "-subj", "/CN=short"];
    run(&[&new[..], &authority, &["-keyout", &ca_key, "-out", &ca]].concat());
    run(&[&new[..], &["rsa:1024", "-subj", "/CN=leaf", "-keyout", &key, "-out", &csr]].concat());
    let sign = ["x509", "-req", "-in", &csr, "-CA", &ca, "-CAkey", &ca_key, "-set_serial", "7"];
    run(&[&sign[..], &["-extfile", &path("ext"), "-out", &cert]].concat());
    for version in VERSIONS {
        let identity = Identity { cert: cert.clone(), key: key.clone() };
        let (_server, port) = s_server(&openssl, &identity, &[version, "-cipher", "DEFAULT@SECLEVEL=0"]);
        let ran = bin.run(&["ping", &format!("tls://127.0.0.1:{port}"), "--ca", &ca, "--timeout", "20"]).exits(1);
        let ran = ran.names(&["an RSA key has less than 2,048 bits"]);
        assert!(!ran.err.contains("impostor"), "{ran}");
    }
}

/// In both formats that there are.
fn keys_that_openssl_encrypted(bin: Bin) {
    let Some(openssl) = common::tool("openssl") else {
        return;
    };
    let authority = Authority::new();
    let identity = authority.localhost();
    let pkcs8 = authority.path("pkcs8.key").display().to_string();
    let legacy = authority.path("legacy.key").display().to_string();
    let to_pkcs8 = ["pkcs8", "-topk8", "-in", &identity.key, "-passout", "pass:secret", "-out", &pkcs8];
    let to_legacy = ["ec", "-in", &identity.key, "-aes128", "-passout", "pass:secret", "-out", &legacy];
    for (args, encrypted) in [(&to_pkcs8[..], &pkcs8), (&to_legacy, &legacy)] {
        let mut command = command(&openssl);
        command.args(args);
        let _ = Program::start(command).wait().exits(0);
        let ran = bin.run(&["serve", "tls://127.0.0.1:0", "--cert", &identity.cert, "--key", encrypted]).exits(1);
        ran.names(&[encrypted]).names(&["is encrypted"]).names(&["openssl pkey -in"]).prints("");
    }
}

/// Says lines to a `serve`, through a client that checks its certificate.
fn asks(bin: Bin, client: impl Fn(u16, &Authority) -> Command) {
    let authority = Authority::new();
    let serving = bin.serve_with(&["tls://127.0.0.1:0"], &authority.localhost().options());
    let port = serving.urls[0].rsplit(':').next().unwrap().parse().unwrap();
    let mut program = Program::start(client(port, &authority));
    program.write("ping\n");
    program.until("the first answer", |out| out.ends_with(b"pong\n"));
    program.write("pong\nmimic\n");
    program.until("all answers", |out| out.ends_with(b"pong\nping\nmimic\n"));
    program.close_stdin();
    program.wait().exits(0);
    assert_eq!(serving.program.stderr(), "", "the client closed in order");
    bin.run(&["ping", &serving.urls[0], "--ca", &authority.file]).exits(0).quietly().prints(TRANSCRIPT);
}

fn openssl_client(bin: Bin) {
    let Some(openssl) = common::tool("openssl") else {
        return;
    };
    for version in VERSIONS {
        asks(bin, |port, authority| {
            let mut command = command(&openssl);
            command.args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-CAfile", &authority.file, version]);
            command.args(["-verify_return_error", "-verify_ip", "127.0.0.1", "-quiet", "-no_ign_eof"]);
            command
        });
    }
}

/// Checks that it ends with close_notify: `suppress_ragged_eofs` would hide it if it did not.
const PYTHON: &str = r#"
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
plain = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
tls = context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
for line in sys.stdin.buffer:
    tls.sendall(line)
    answer = b""
    while not answer.endswith(b"\n"):
        answer += tls.recv(100)
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
tls.unwrap().close()
"#;

fn python_client(bin: Bin) {
    let Some(python) = common::tool("python3") else {
        return;
    };
    let has_ssl = {
        let mut command = command(&python);
        command.args(["-c", "import ssl"]);
        Program::start(command).wait().code == Some(0)
    };
    if !has_ssl {
        return common::skip_without_tool("Python's ssl");
    }
    asks(bin, |port, authority| {
        let mut command = command(&python);
        command.args(["-u", "-c", PYTHON, &port.to_string(), &authority.file]);
        command
    });
}

fn nginx(bin: Bin) {
    let Some(nginx) = common::tool("nginx") else {
        return;
    };
    let authority = Authority::new();
    let identity = authority.localhost();
    let dir = common::dir();
    let page = common::random(3_000_000);
    fs::create_dir(dir.path().join("www")).unwrap();
    fs::write(dir.path().join("www/index.html"), &page).unwrap();
    let config = dir.path().join("nginx.conf");
    let (_nginx, port) = common::on_free_port(|port| {
        fs::write(
            &config,
            nginx_config(
                dir.path(),
                &format!(
                    "listen 127.0.0.1:{port} ssl; ssl_certificate {}; ssl_certificate_key {};",
                    identity.cert, identity.key
                ),
            ),
        )
        .unwrap();
        let mut command = command(&nginx);
        command.args(["-e", "stderr", "-p"]).arg(dir.path()).arg("-c").arg(&config);
        command
    });
    let url = format!("https://localhost:{port}");
    // What nginx agrees to by ALPN.
    let args = ["connect", &url, "--ca", &authority.file, "--alpn", "http/1.1"];
    // It closes when it has sent all, and says so with close_notify.
    for (request, status, end) in [("/", "200 OK", &page[..]), ("/missing", "404 Not Found", b"</html>\r\n")] {
        let mut program = bin.start(&args);
        program.write(format!("GET {request} HTTP/1.0\r\n\r\n"));
        let ran = program.wait().exits(0).quietly();
        assert!(ran.out.starts_with(format!("HTTP/1.1 {status}\r\n").as_bytes()), "{ran}");
        assert!(ran.out.ends_with(end), "it is not whole: {} bytes", ran.out.len());
    }
    // If it sees that the client has ended its side, it may leave close_notify out: a small answer
    // is whole all the same, which only its length can tell.
    let ran = bin.feed(&args, "GET /missing HTTP/1.0\r\n\r\n");
    assert!(ran.out.ends_with(b"</html>\r\n"), "{ran}");
    match ran.code {
        Some(0) => ran.quietly(),
        _ => ran.exits(1).names(&["close_notify"]),
    };

    // Its port speaks no other protocol.
    let ran = bin.run(&["connect", &url, "--ca", &authority.file, "--alpn", "mimic"]).exits(1).prints("");
    ran.names(&["Secure \"tls\" to localhost"]).names(&["NoApplicationProtocol"]);
}

/// A socat that echoes to one client over TLS, and its URL.
fn socat_echo(authority: &Authority) -> Option<(Program, String)> {
    let socat = common::tool("socat")?;
    let identity = authority.localhost();
    let mut command = command(&socat);
    let (cert, key) = (&identity.cert, &identity.key);
    // The system chooses the port. Once one direction has ended, the other gets half a second
    // unless told otherwise.
    let listen = format!("OPENSSL-LISTEN:0,bind=127.0.0.1,reuseaddr,cert={cert},key={key},verify=0");
    command.args(["-d", "-d", "-t", "60", &listen, "EXEC:cat"]);
    let socat = Program::start_group(command);
    let said = || {
        let said = socat.stderr();
        let line = said.split_inclusive('\n').find(|line| line.contains("listening on") && line.ends_with('\n'));
        line.map(|line| line.trim_end().to_owned())
    };
    common::until("socat listens", || said().is_some());
    let line = said()?;
    let url = format!("tls://{}", line.rsplit(' ').next()?);
    Some((socat, url))
}

fn socat(bin: Bin) {
    let authority = Authority::new();
    let Some((_socat, url)) = socat_echo(&authority) else {
        return;
    };
    let mut program = bin.start(&["connect", &url, "--ca", &authority.file]);
    program.write("here\n");
    program.until("its echo", |out| out == b"here\n");
    program.write("there\n");
    program.until("its echo", |out| out == b"here\nthere\n");
    program.close_stdin();
    program.wait().exits(0).quietly();
}

/// Compared byte by byte, which is more than comparing digests.
static HUNDRED_MEGABYTES: LazyLock<Vec<u8>> = LazyLock::new(|| common::random(100_000_000));

fn a_hundred_megabytes_both_ways(bin: Bin) {
    let authority = Authority::new();
    let Some((_socat, url)) = socat_echo(&authority) else {
        return;
    };
    let mut program = bin.start(&["connect", &url, "--ca", &authority.file]);
    program.feed(HUNDRED_MEGABYTES.as_slice());
    let ran = program.wait_for(Duration::from_secs(120)).exits(0).quietly();
    println!("{}: 100 MB over TLS and back in {:?}", bin.name, ran.took);
    ran.prints(HUNDRED_MEGABYTES.as_slice());
}
