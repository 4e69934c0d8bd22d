//! What `fetch` makes of bad servers: an error that names the layer, in time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use mimic_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};
use mimic_rustls::{ServerOptions, identity};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::NamedTempFile;

/// A certificate for `localhost`, as PEM and as a configuration.
static LOCALHOST: LazyLock<(String, ServerOptions)> = LazyLock::new(|| {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".into()]).unwrap();
    (cert.pem(), ServerOptions::new(identity(cert.pem(), signing_key.serialize_pem()).unwrap()))
});

/// Writes PEM to a file, which goes with the result.
fn file(pem: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(pem.as_bytes()).unwrap();
    file
}

/// A server of one test: answers each request by `answer`, and closes.
struct Server {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Server {
    fn new(answer: impl Fn(SocketAddr) -> String + Send + 'static) -> Self {
        Self::over(None, answer)
    }

    fn over_tls(alpn: &[&str], answer: impl Fn(SocketAddr) -> String + Send + 'static) -> Self {
        let alpn = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self::over(Some(LOCALHOST.1.clone().alpn(alpn).config().unwrap()), answer)
    }

    fn over(tls: Option<Arc<ServerConfig>>, answer: impl Fn(SocketAddr) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = requests.clone();
        // It ends with the process of the tests.
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::Relaxed);
                let text = answer(address);
                // A client that gives up is no error of the server.
                let _ = match tls.clone() {
                    Some(tls) => respond(StreamOwned::new(ServerConnection::new(tls).unwrap(), socket), &text),
                    None => respond(socket, &text),
                };
            }
        });
        Self { address, requests }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    fn https(&self) -> String {
        format!("https://localhost:{}/", self.address.port())
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

fn respond(mut stream: impl Read + Write, text: &str) -> std::io::Result<()> {
    let count = stream.read(&mut [0; 4096])?;
    assert!(count > 0 || text.is_empty());
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// Runs `fetch` on each runtime; it has to end in time, and both ways alike.
#[track_caller]
fn fetch(url: &str, arguments: &[&str]) -> (String, String, Option<i32>) {
    let ca = file(&LOCALHOST.0);
    let [on_tokio, on_smol] = ["tokio", "smol"].map(|runtime| {
        let begun = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fetch"));
        command.args([url, "--timeout", "3", "--runtime", runtime, "--ca"]).arg(ca.path()).args(arguments);
        let Output { status, stdout, stderr } = command.output().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10), "on {runtime} it took {:?}", begun.elapsed());
        (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap(), status.code())
    });
    assert_eq!((&on_tokio.0, on_tokio.2), (&on_smol.0, on_smol.2), "{} {}", on_tokio.1, on_smol.1);
    on_tokio
}

/// Checks that `fetch` fails with all of `texts` in its error.
#[track_caller]
fn fails(url: &str, arguments: &[&str], printed: &str, texts: &[&str]) {
    let (output, error, status) = fetch(url, arguments);
    assert_eq!((output.as_str(), status), (printed, Some(1)), "{error}");
    for text in texts {
        assert!(error.contains(text), "no {text:?} in: {error}");
    }
}

#[track_caller]
fn succeeds(url: &str, arguments: &[&str]) {
    let (output, error, status) = fetch(url, arguments);
    assert_eq!((output.as_str(), error.as_str(), status), ("ok", "", Some(0)));
}

#[test]
fn a_redirect_is_resolved_anew() {
    let there = Server::over_tls(&["http/1.1"], |_| OK.into());
    let to = there.https();
    let here = Server::new(move |_| redirect(&to));
    succeeds(&here.url(), &[]);
    assert_eq!((here.requests(), there.requests()), (2, 2));
}

#[test]
fn a_redirect_loop() {
    let server = Server::new(|address| redirect(&format!("http://{address}/")));
    fails(&server.url(), &[], "", &["redirect to http://127.0.0.1:", "more than 10 redirects"]);
    // The first request, and 10 redirects, on each runtime.
    assert_eq!(server.requests(), 22);
}

#[test]
fn a_redirect_out_of_tls() {
    let there = Server::new(|_| OK.into());
    let to = there.url();
    let here = Server::over_tls(&[], move |_| redirect(&to));
    fails(&here.https(), &[], "", &["redirect to http://127.0.0.1:", "from https to http"]);
    assert_eq!(there.requests(), 0);
    succeeds(&here.https(), &["--insecure-redirects"]);

    let here = Server::over_tls(&[], |_| redirect("http://user:hunter2@127.0.0.1:1/x"));
    let (_, error, _) = fetch(&here.https(), &[]);
    assert!(error.contains("redirect to http://127.0.0.1:1/x: ") && !error.contains("hunter2"), "{error}");
}

#[test]
fn a_redirect_to_a_unix_socket() {
    for to in ["unix:/run/docker.sock", "tcp://127.0.0.1:1", "file:///etc/passwd"] {
        let server = Server::new(|_| redirect(to));
        fails(&server.url(), &["--insecure-redirects"], "", &["redirect to ", "not HTTP"]);
    }
}

#[test]
fn a_body_that_ends_too_early() {
    for ending in ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n5\r\n"] {
        let server = Server::new(move |_| format!("HTTP/1.1 200 OK\r\n{ending}"));
        fails(&server.url(), &[], "half", &["http to http://127.0.0.1:"]);
        let server = Server::over_tls(&["http/1.1"], move |_| format!("HTTP/1.1 200 OK\r\n{ending}"));
        fails(&server.https(), &[], "half", &["http to https://localhost:"]);
    }
}

#[test]
fn a_body_that_is_longer_than_promised() {
    let server = Server::new(|_| format!("{OK} and more"));
    succeeds(&server.url(), &[]);
}

/// How a response of HTTP/2 goes wrong that promised 10 bytes and sent 4.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Stream,
    Reset,
    Connection,
    TooMuch,
}

#[test]
fn a_body_of_another_length_over_http_2() {
    for ending in [Ending::Stream, Ending::Reset, Ending::Connection, Ending::TooMuch] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                loop {
                    let (socket, _) = listener.accept().await.unwrap();
                    // Its end is the client's doing.
                    let _ = respond_by_http_2(socket, ending).await;
                }
            });
        });
        fails(&url, &["--http2"], "half", &["http to http://127.0.0.1:"]);
    }
}

async fn respond_by_http_2(socket: tokio::net::TcpStream, ending: Ending) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(socket).await?;
    let Some(request) = connection.accept().await else { return Ok(()) };
    let response = hyper::Response::builder().header("content-length", 10).body(()).unwrap();
    let mut stream = request?.1.send_response(response, false)?;
    stream.send_data("half".into(), false)?;
    // The 4 bytes leave while the connection is polled.
    let moment = Duration::from_millis(200);
    let _ = tokio::time::timeout(moment, connection.accept()).await;
    match ending {
        Ending::Stream => stream.send_data("".into(), true)?,
        Ending::Reset => stream.send_reset(h2::Reason::INTERNAL_ERROR),
        Ending::Connection => return Ok(()),
        Ending::TooMuch => stream.send_data("more than 10 bytes".into(), true)?,
    }
    let _ = tokio::time::timeout(moment, connection.accept()).await;
    Ok(())
}

#[test]
fn no_response() {
    let server = Server::new(|_| String::new());
    fails(&server.url(), &[], "", &["http to http://127.0.0.1:"]);
}

#[test]
fn http_1_where_2_was_agreed_on() {
    let server = Server::over_tls(&["h2"], |_| OK.into());
    fails(&server.https(), &[], "", &["http to https://localhost:"]);
}

#[test]
fn a_server_that_agrees_on_no_protocol() {
    let server = Server::over_tls(&[], |_| OK.into());
    succeeds(&server.https(), &[]);
    fails(&server.https(), &["--http2"], "", &["https"]);
}

#[test]
fn a_silent_server() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    fails(&url, &[], "", &["http: not done within 3.1s"]);
}

#[test]
fn a_refused_connection() {
    let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    fails(&format!("http://{address}/"), &[], "", &["Tcp \"tcp\" to 127.0.0.1:", "Connection refused"]);
}

#[test]
fn an_unknown_host() {
    fails("http://nowhere.invalid/", &[], "", &["Lookup", "nowhere.invalid"]);
}

#[test]
fn an_authority_that_is_not_trusted() {
    let server = Server::over_tls(&[], |_| OK.into());
    let other = generate_simple_self_signed(["localhost".into()]).unwrap();
    let ca = file(&other.cert.pem());
    let Output { status, stderr, .. } = Command::new(env!("CARGO_BIN_EXE_fetch"))
        .args([&server.https(), "--ca", ca.path().to_str().unwrap()])
        .output()
        .unwrap();
    let error = String::from_utf8(stderr).unwrap();
    assert!(status.code() == Some(1) && error.contains("Secure \"tls\" to localhost:"), "{error}");
}

#[test]
fn secrets_are_not_printed() {
    let server = Server::new(|_| String::new());
    let (_, error, _) = fetch(&format!("{}?token=hunter2", server.url()), &[]);
    assert!(error.contains("http to http://127.0.0.1:") && !error.contains("hunter2"), "{error}");
    fails("http://me:hunter2@127.0.0.1:1/", &[], "", &["no user and password"]);
    let (_, error, _) = fetch("http://me:hunter2@127.0.0.1:1/", &[]);
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn the_help_says_what_the_client_does() {
    let Output { stdout, .. } = Command::new(env!("CARGO_BIN_EXE_fetch")).arg("--help").output().unwrap();
    let help = String::from_utf8(stdout).unwrap();
    assert!(help.starts_with("Prints what is at a URL"), "{help}");
}
