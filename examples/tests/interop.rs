//! The binaries against servers that were not written here, against one another, and under load.
//!
//! A server that is not installed is said to be skipped; see `common::tool`.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use common::{BINARIES, BOTH, Bin, Program, TRANSCRIPT, nginx_config};

common::every_binary! {
    every_binary_pings, socat_over_tcp, socat_over_unix, nginx, git_daemon, a_hundred_megabytes_both_ways,
}

fn every_binary_pings(server: Bin) {
    let serving = server.serve_both();
    for client in BINARIES {
        for url in &serving.urls {
            client.run(&["ping", url]).exits(0).quietly().prints(TRANSCRIPT);
        }
    }
}

fn socat_over_tcp(bin: Bin) {
    let Some((_socat, line)) = socat("TCP-LISTEN:0,bind=127.0.0.1") else {
        return;
    };
    let address = line.rsplit(' ').next().unwrap();
    echoes(bin, &format!("tcp://{address}"));
}

fn socat_over_unix(bin: Bin) {
    let (_dir, path) = common::socket_path();
    let Some((_socat, _)) = socat(&format!("UNIX-LISTEN:{}", path.display())) else {
        return;
    };
    echoes(bin, &common::unix_url(&path));
}

/// A socat that echoes to one client, and the line in which it says where.
fn socat(listen: &str) -> Option<(Program, String)> {
    let mut command = Command::new(common::tool("socat")?);
    // It gives the second direction half a second once the first has ended, unless told otherwise.
    command.args(["-d", "-d", "-t", "60", listen, "EXEC:cat"]).stdin(Stdio::null()).stderr(Stdio::piped());
    let socat = Program::start_group(command);
    let said = || {
        let said = socat.stderr();
        let line = said.split_inclusive('\n').find(|line| line.contains("listening on") && line.ends_with('\n'));
        line.map(|line| line.trim_end().to_owned())
    };
    common::until("socat listens", || said().is_some());
    let line = said()?;
    Some((socat, line))
}

fn echoes(bin: Bin, url: &str) {
    let bytes = common::random(10_000_000);
    bin.feed(&["connect", url], bytes.clone()).exits(0).quietly().prints(&bytes);
}

fn nginx(bin: Bin) {
    let Some(nginx) = common::tool("nginx") else {
        return;
    };
    let dir = common::dir();
    let page = common::random(3_000_000);
    fs::create_dir(dir.path().join("www")).unwrap();
    fs::write(dir.path().join("www/index.html"), &page).unwrap();
    let socket = dir.path().join("nginx.sock");
    let config = dir.path().join("nginx.conf");
    let (_nginx, port) = common::on_free_port(|port| {
        let _ = fs::remove_file(&socket);
        fs::write(
            &config,
            nginx_config(
                dir.path(),
                &format!("listen 127.0.0.1:{port}; listen unix:{}/nginx.sock;", dir.path().display()),
            ),
        )
        .unwrap();
        let mut command = Command::new(&nginx);
        command
            .args(["-e", "stderr", "-p"])
            .arg(dir.path())
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        command
    });

    for url in [format!("http://127.0.0.1:{port}"), common::unix_url(&socket)] {
        // It drops a client that ends its side while the page is still on its way: this one keeps
        // it open.
        let mut program = bin.start(&["connect", &url]);
        program.write("GET / HTTP/1.0\r\n\r\n");
        let ran = program.wait().exits(0).quietly();
        assert!(ran.out.starts_with(b"HTTP/1.1 200 OK\r\n"), "{ran}");
        assert!(ran.out.ends_with(&page), "the page is not whole: {} bytes", ran.out.len());

        let ran = bin.feed(&["connect", &url], "GET /missing HTTP/1.0\r\n\r\n").exits(0).quietly();
        assert!(ran.text().starts_with("HTTP/1.1 404 "), "{ran}");
    }
}

fn git_daemon(bin: Bin) {
    let Some(git) = common::tool("git") else {
        return;
    };
    let dir = common::dir();
    let run = |program: &Path, args: &[&str]| {
        let mut command = Command::new(program);
        command
            .current_dir(dir.path())
            // Nothing from the user, and nothing from a git hook that runs the tests.
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", dir.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    };
    let git = |args: &[&str]| {
        let ran = Program::start(run(&git, args)).wait().exits(0);
        ran.text().trim().to_owned()
    };
    // Not through `git`, which would be killed in its place.
    let daemon = Path::new(&git(&["--exec-path"])).join("git-daemon");
    if !daemon.is_file() {
        return common::skip_without_tool("git daemon");
    }

    let repository = "--git-dir=repository.git";
    git(&["init", "--quiet", "--bare", "--initial-branch=main", "repository.git"]);
    let tree = git(&[repository, "hash-object", "-w", "-t", "tree", "--stdin"]);
    let commit = git(&[
        "-c",
        "user.name=mimic",
        "-c",
        "user.email=mimic@example.invalid",
        repository,
        "commit-tree",
        "-m",
        "empty",
        &tree,
    ]);
    git(&[repository, "update-ref", "refs/heads/main", &commit]);

    let (_daemon, port) = common::on_free_port(|port| {
        let directory = dir.path().display();
        run(
            &daemon,
            &[
                "--reuseaddr",
                "--export-all",
                "--listen=127.0.0.1",
                &format!("--port={port}"),
                &format!("--base-path={directory}"),
                &directory.to_string(),
            ],
        )
    });

    let url = format!("git://127.0.0.1:{port}");
    let request = packet("git-upload-pack /repository.git\0host=127.0.0.1\0");
    let first = format!("{commit} HEAD\0");
    let is_first = |out: &[u8]| {
        let size = out.get(..4).and_then(|size| std::str::from_utf8(size).ok());
        let size = size.and_then(|size| usize::from_str_radix(size, 16).ok());
        let packet = size.and_then(|size| out.get(4..size));
        packet.is_some_and(|packet| packet.starts_with(first.as_bytes()) && packet.ends_with(b"\n"))
    };

    // As git does: an answer, then the flush packet that wants nothing, then the end.
    let mut program = bin.start(&["connect", &url]);
    program.write(&request);
    program.until("the first packet of git-upload-pack", is_first);
    program.write("0000");
    program.close_stdin();
    program.wait().exits(0).quietly();

    // As a shell does: all at once, with a half-close long before the answer.
    let ran = bin.feed(&["connect", &url], format!("{request}0000")).exits(0).quietly();
    assert!(is_first(&ran.out), "{ran}");

    let ran = bin.feed(&["connect", &url], packet("git-upload-pack /missing.git\0host=127.0.0.1\0"));
    assert!(!is_first(&ran.out), "{ran}");
}

/// A packet of the git protocol: its size in four hexadecimal digits, themselves included, then its
/// bytes.
fn packet(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

/// Compared byte by byte, which is more than comparing digests.
static HUNDRED_MEGABYTES: LazyLock<Vec<u8>> = LazyLock::new(|| common::random(100_000_000));

fn a_hundred_megabytes_both_ways(bin: Bin) {
    for over in BOTH {
        let peer = common::echo(over);
        let mut program = bin.start(&["connect", &peer.url]);
        program.feed(HUNDRED_MEGABYTES.as_slice());
        let ran = program.wait_for(Duration::from_secs(120)).exits(0).quietly();
        println!("{}: 100 MB over {over:?} and back in {:?}", bin.name, ran.took);
        ran.prints(HUNDRED_MEGABYTES.as_slice());
    }
}
