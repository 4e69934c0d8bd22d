//! The servers: started once, when the first cell needs them, and ended with the tests.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::columns::LOCALHOST;

/// A server that listens.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// What it reads and writes, and what its clients need.
    pub(crate) dir: PathBuf,
}

/// All that was started.
static STARTED: Mutex<(Vec<Child>, Vec<TempDir>)> = Mutex::new((Vec::new(), Vec::new()));

/// Ends all servers, and removes what they wrote.
pub(crate) fn end_all() {
    let (mut children, dirs) = std::mem::take(&mut *STARTED.lock().unwrap());
    for child in &children {
        // The orderly end of each of these servers, with its processes and shared memory.
        let _ = kill_process(Pid::from_child(child), Signal::INT);
    }
    for child in &mut children {
        let patience = Instant::now() + Duration::from_secs(5);
        while child.try_wait().unwrap().is_none() && Instant::now() < patience {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
    drop(dirs);
}

/// Makes a directory that lasts as long as the tests.
pub(crate) fn new_dir() -> PathBuf {
    let dir = tempfile::tempdir().unwrap();
    // A server may have another user.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = dir.path().to_owned();
    STARTED.lock().unwrap().1.push(dir);
    path
}

pub(crate) static MICROSOCKS: LazyLock<Option<Server>> = LazyLock::new(|| {
    let tool = tool("microsocks")?;
    Some(start(new_dir(), |port, _| {
        let mut command = Command::new(&tool);
        command.args(["-i", "127.0.0.1", "-p", &port.to_string()]);
        command
    }))
});

pub(crate) static REDIS: LazyLock<Option<Server>> = LazyLock::new(|| {
    let tool = tool("redis-server")?;
    Some(start(new_dir(), |port, dir| {
        let mut command = Command::new(&tool);
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string(), "--dir"]).arg(dir);
        command
    }))
});

/// Speaks HTTP/1.1.
pub(crate) static NGINX: LazyLock<Option<Server>> = LazyLock::new(|| nginx(""));

/// Speaks HTTP/2, and nothing else.
pub(crate) static NGINX_HTTP2: LazyLock<Option<Server>> = LazyLock::new(|| nginx("http2"));

/// What nginx serves as `/file`.
pub(crate) static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| (0..200_000_u32).flat_map(u32::to_le_bytes).collect());

fn nginx(protocol: &'static str) -> Option<Server> {
    let tool = tool("nginx")?;
    let dir = new_dir();
    fs::create_dir(dir.join("www")).unwrap();
    fs::write(dir.join("www/file"), &*FILE).unwrap();
    fs::write(dir.join("www/text"), "any transport\n".repeat(1000)).unwrap();
    // Its default user may not exist, and would not be let into the directory.
    let user = if is_root(&dir) { "user root root;" } else { "" };
    Some(start(dir, |port, dir| {
        let config = format!(
            "{user} daemon off; master_process off; pid {0}/pid; error_log {0}/log;
            events {{ worker_connections 256; }}
            http {{
                access_log off; client_body_temp_path {0}/body; proxy_temp_path {0}/proxy;
                fastcgi_temp_path {0}/fastcgi; uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;
                server {{ listen 127.0.0.1:{port} {protocol}; root {0}/www; }}
            }}",
            dir.display()
        );
        fs::write(dir.join("conf"), config).unwrap();
        let mut command = Command::new(&tool);
        command.arg("-e").arg(dir.join("log")).arg("-c").arg(dir.join("conf"));
        command
    }))
}

pub(crate) static MOSQUITTO: LazyLock<Option<Server>> = LazyLock::new(|| {
    let tool = tool("mosquitto")?;
    Some(start(new_dir(), |port, dir| {
        // As root it would change to a user that cannot read the file.
        let config = format!("user root\nallow_anonymous true\nlistener {port} 127.0.0.1\n");
        fs::write(dir.join("conf"), config).unwrap();
        let mut command = Command::new(&tool);
        command.arg("-c").arg(dir.join("conf"));
        command
    }))
});

/// Lets this user in by the key `client`; its own is `host`.
pub(crate) static SSHD: LazyLock<Option<Server>> = LazyLock::new(|| {
    let (sshd, keygen) = (tool("sshd")?, tool("ssh-keygen")?);
    let dir = new_dir();
    for name in ["host", "client"] {
        let mut command = Command::new(&keygen);
        command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(dir.join(name));
        assert!(command.status().unwrap().success());
    }
    if is_root(&dir) {
        // Where root's sshd wants to be, and what the service makes when the system starts.
        fs::create_dir_all("/run/sshd").unwrap();
    }
    Some(start(dir, |port, dir| {
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {0}/host\nAuthorizedKeysFile {0}/client.pub\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nMaxStartups 100\n",
            dir.display()
        );
        fs::write(dir.join("conf"), config).unwrap();
        let mut command = Command::new(&sshd);
        command.args(["-D", "-e", "-f"]).arg(dir.join("conf"));
        command
    }))
});

/// Has its own TLS too, with the certificate [`LOCALHOST`].
pub(crate) static POSTGRES: LazyLock<Option<Server>> = LazyLock::new(|| {
    let initdb = postgres_tool("initdb")?;
    let postgres = postgres_tool("postgres")?;
    let dir = new_dir();
    let data = dir.join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    give_away(&data);
    let mut command = unprivileged(&initdb, &data);
    command.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions", "-D"]).arg(&data);
    let output = command.output().unwrap();
    assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
    for (name, pem) in [("server.crt", &LOCALHOST.0), ("server.key", &LOCALHOST.1)] {
        fs::write(data.join(name), pem).unwrap();
        fs::set_permissions(data.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        give_away(&data.join(name));
    }
    let ready = |_| fs::read_to_string(data.join("postmaster.pid")).is_ok_and(|status| status.contains("ready"));
    Some(start_until(ready, dir, |port, _| {
        let mut command = unprivileged(&postgres, &data);
        command.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-k", "", "-F", "-p", &port.to_string()]);
        command.args(["-c", "ssl=on"]);
        command
    }))
});

fn postgres_tool(name: &str) -> Option<PathBuf> {
    // Debian keeps those of each version apart.
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin").join(name)).find(|path| path.is_file()).or_else(|| tool(name))
}

/// Returns a command that does not run as root, which PostgreSQL refuses.
fn unprivileged(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir);
    if is_root(Path::new("/proc/self")) {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn give_away(path: &Path) {
    if is_root(Path::new("/proc/self")) {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

const NOBODY: u32 = 65534;

/// Tells whether a file of this process is root's.
pub(crate) fn is_root(own: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(own).unwrap().uid() == 0
}

/// Starts a server at a free port, and waits until it listens there.
pub(crate) fn start(dir: PathBuf, command: impl Fn(u16, &Path) -> Command) -> Server {
    start_until(|address| TcpStream::connect(address).is_ok(), dir, command)
}

/// As [`start`], and waits until the server is `ready`.
fn start_until(ready: impl Fn(SocketAddr) -> bool, dir: PathBuf, command: impl Fn(u16, &Path) -> Command) -> Server {
    let log = dir.join("stderr");
    // Another program may take the port first.
    for _ in 0..5 {
        let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let mut command = command(address.port(), &dir);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let patience = Instant::now() + Duration::from_secs(30);
        while child.try_wait().unwrap().is_none() && Instant::now() < patience {
            if ready(address) {
                STARTED.lock().unwrap().0.push(child);
                return Server { address, dir };
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
    panic!("a server does not start: {}", fs::read_to_string(&log).unwrap_or_default());
}

/// Where a program is, or `None` after saying that the cells that need it are skipped.
///
/// # Panics
/// If it is missing and `MIMIC_REQUIRE_TOOLS` is set, as it is in CI.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = dirs.map(|dir| dir.join(name)).find(|path| path.is_file());
    if found.is_none() {
        let required = env::var_os("MIMIC_REQUIRE_TOOLS").is_some_and(|value| !value.is_empty());
        assert!(!required, "{name} not found, and MIMIC_REQUIRE_TOOLS is set");
        let _ = writeln!(io::stderr(), "SKIPPED: the cells that need {name}: not found");
    }
    found
}
