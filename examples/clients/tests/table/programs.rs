//! The programs of this package, against the same servers: over TLS, on each runtime.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};
use mimic_core::keys::Port;
use mimic_example_clients::Runtime;

use crate::columns::{Column, LOCALHOST};
use crate::servers::{MOSQUITTO, NGINX, NGINX_HTTP2, POSTGRES, REDIS, Server, new_dir};
use crate::web::{HEALTH, WEB_SOCKET};

const ON: [&[&str]; 2] = [&["--runtime", "tokio"], &["--runtime", "smol"]];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("programs::fetch", || {
            let file = |server: &Server| std::fs::read_to_string(server.dir.join("www/text")).unwrap();
            for (nginx, alpn) in [(NGINX.as_ref(), "http/1.1"), (NGINX_HTTP2.as_ref(), "h2")] {
                prints(
                    env!("CARGO_BIN_EXE_fetch"),
                    nginx,
                    alpn,
                    "https",
                    "/text",
                    &[],
                    &ON,
                    &nginx.map_or_else(String::new, file),
                )?;
            }
            Ok(())
        }),
        Trial::test("programs::redis", || {
            prints(
                env!("CARGO_BIN_EXE_redis"),
                REDIS.as_ref(),
                "",
                "rediss",
                "",
                &["PING"],
                &ON,
                "simple-string(\"PONG\")\n",
            )
        }),
        Trial::test("programs::psql", || {
            let query = ["select 1, 'a' union select 2, 'b' order by 1"];
            prints(
                env!("CARGO_BIN_EXE_psql"),
                POSTGRES.as_ref(),
                "",
                "postgress",
                "/postgres",
                &query,
                &ON,
                "1\ta\n2\tb\n",
            )
        }),
        Trial::test("programs::ws", || {
            prints(env!("CARGO_BIN_EXE_ws"), WEB_SOCKET.as_ref(), "", "wss", "/any?way", &["hello"], &ON, "hello\n")
        }),
        Trial::test("programs::grpc", || {
            prints(env!("CARGO_BIN_EXE_grpc"), HEALTH.as_ref(), "h2", "https", "", &[], &[&[]], "SERVING\n")
        }),
        Trial::test("programs::mqtt", mqtt),
    ]
}

/// Runs a program against the server behind TLS, and checks its standard output.
#[allow(clippy::too_many_arguments, reason = "each is a part of one command line")]
fn prints(
    program: &str,
    server: Option<&Server>,
    alpn: &'static str,
    scheme: &str,
    path: &str,
    arguments: &[&str],
    on: &[&[&str]],
    wanted: &str,
) -> Result<(), Failed> {
    let Some((url, ca)) = server.map(|server| over_tls(server, alpn, scheme)) else { return Ok(()) };
    for on in on {
        let url = format!("{url}{path}");
        let output = Command::new(program).arg(url).args(arguments).arg("--ca").arg(&ca).args(*on).output()?;
        let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if (&*printed, &*said, output.status.code()) != (wanted, "", Some(0)) {
            return Err(format!("{on:?} printed {printed:?} and said {said}").into());
        }
    }
    Ok(())
}

/// Returns a URL that leads to the server by TLS, and the file of its authority.
fn over_tls(server: &Server, alpn: &'static str, scheme: &str) -> (String, std::path::PathBuf) {
    let alpn: &'static [&'static str] = if alpn.is_empty() { &[] } else { Box::leak(Box::new([alpn])) };
    let (ctx, _) = Column::Tls.context(Runtime::Tokio, server.address, alpn).unwrap();
    let ca = new_dir().join("ca.pem");
    std::fs::write(&ca, &LOCALHOST.0).unwrap();
    (format!("{scheme}://localhost:{}", ctx.get(Port).unwrap()), ca)
}

/// One waits for the message that the other publishes.
fn mqtt() -> Result<(), Failed> {
    let Some((url, ca)) = MOSQUITTO.as_ref().map(|server| over_tls(server, "", "mqtts")) else { return Ok(()) };
    for on in ON {
        let command = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt"));
            command.args([&url, "program"]).arg("--ca").arg(&ca).args(on);
            command
        };
        let mut waiting = command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut said = BufReader::new(waiting.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line)?;
        assert_eq!(line, "subscribed\n");
        assert!(command().args(["--publish", "hello"]).status()?.success());
        let mut printed = String::new();
        waiting.stdout.take().unwrap().read_to_string(&mut printed)?;
        assert_eq!((printed.as_str(), waiting.wait()?.success()), ("hello\n", true));
    }
    Ok(())
}
