//! What `ws` asks a server: an IPv6 address in brackets, and the port that is not the default.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

#[test]
fn the_host_is_that_of_the_url() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        // Not every machine has IPv6.
        let Ok(listener) = TcpListener::bind(address) else { continue };
        let at = listener.local_addr().unwrap();
        let asked = thread::spawn(move || {
            let (mut socket, mut request) = (listener.accept().unwrap().0, Vec::new());
            while !request.ends_with(b"\r\n\r\n") {
                let mut letter = [0];
                socket.read_exact(&mut letter).unwrap();
                request.extend(letter);
            }
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
            String::from_utf8(request).unwrap()
        });
        let mut command = Command::new(env!("CARGO_BIN_EXE_ws"));
        let output = command.arg(format!("ws://{at}/echo")).args(["hello", "--timeout", "3"]).output().unwrap();
        // Without the answer there was no request, and the thread would wait.
        assert!(String::from_utf8_lossy(&output.stderr).contains("400"), "{output:?}");
        let asked = asked.join().unwrap().to_lowercase();
        assert!(asked.starts_with("get /echo ") && asked.contains(&format!("\r\nhost: {at}\r\n")), "{asked}");
    }
}
