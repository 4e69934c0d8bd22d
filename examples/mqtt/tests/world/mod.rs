//! A mosquitto of one test, on ports of its own, and the runtimes.

use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mimic_core::Context;
use mimic_rustls::TlsConfig;
use mimic_rustls::rustls::crypto::ring::default_provider;
use mimic_rustls::rustls::pki_types::CertificateDer;
use mimic_rustls::rustls::{ClientConfig, RootCertStore};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// How long anything may take that should take no time.
const LIMIT: Duration = Duration::from_secs(30);

/// An async runtime and its adapter.
#[derive(Clone, Copy)]
pub(crate) struct Runtime {
    context: fn() -> Context,
    is_tokio: bool,
}

pub(crate) const TOKIO: Runtime = Runtime { context: mimic_tokio::context, is_tokio: true };
pub(crate) const SMOL: Runtime = Runtime { context: mimic_smol::context, is_tokio: false };

impl Runtime {
    /// Runs `work`, for as long as nothing may take.
    pub(crate) fn run<T>(self, work: impl Future<Output = T>) -> T {
        let work = futures_lite::future::or(work, async {
            smol::Timer::after(LIMIT).await;
            panic!("the test hangs");
        });
        match self.is_tokio {
            true => tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work),
            false => smol::block_on(work),
        }
    }
}

/// Without TLS.
pub(crate) fn connect_to(runtime: Runtime, port: u16) -> Context {
    (runtime.context)().with_url(&format!("tcp://127.0.0.1:{port}")).unwrap()
}

pub(crate) struct Broker {
    pub(crate) tcp: u16,
    /// With a certificate for `localhost`.
    pub(crate) tls: u16,
    pub(crate) unix: PathBuf,
    authority: CertificateDer<'static>,
    _mosquitto: Running,
    _directory: TempDir,
}

impl Broker {
    /// Starts mosquitto: any user may publish to topics under `test`, and `sensor` has a password.
    /// Returns `None` after saying that the test is skipped, where there is no mosquitto.
    pub(crate) fn start(settings: &str) -> Option<Self> {
        let Some(program) = tool("mosquitto") else {
            skip("mosquitto");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);

        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // A name of its own: two of one name would differ in their keys only.
        params.distinguished_name.push(DnType::CommonName, directory.path().display().to_string());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &issuer).unwrap();
        std::fs::write(file("leaf.pem"), leaf.pem()).unwrap();
        std::fs::write(file("leaf.key"), key.serialize_pem()).unwrap();
        std::fs::write(file("acl"), "topic readwrite test/#\nuser sensor\ntopic readwrite test/#\n").unwrap();
        let passwords = Command::new(tool("mosquitto_passwd").unwrap())
            .args(["-c", "-b"])
            .arg(file("passwords"))
            .args(["sensor", "s@cret"])
            .status();
        assert!(passwords.unwrap().success());

        // It cannot choose a port by itself: another program may take one first.
        for _ in 0..5 {
            let (tcp, tls) = (free_port(), free_port());
            let unix = file("socket");
            let config = format!(
                // As root it would change to a user that cannot read the files.
                "user root\nallow_anonymous true\n{settings}password_file {passwords}\nacl_file {acl}\n\
                 listener {tcp} 127.0.0.1\nlistener 0 {unix}\n\
                 listener {tls} 127.0.0.1\ncertfile {leaf}\nkeyfile {key}\n",
                passwords = file("passwords").display(),
                acl = file("acl").display(),
                unix = unix.display(),
                leaf = file("leaf.pem").display(),
                key = file("leaf.key").display(),
            );
            std::fs::write(file("conf"), config).unwrap();
            let mut mosquitto = Running(
                Command::new(&program)
                    .arg("-c")
                    .arg(file("conf"))
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(std::fs::File::create(file("log")).unwrap())
                    .spawn()
                    .unwrap(),
            );
            // The last of its listeners.
            if mosquitto.is_at(tls) {
                return Some(Self { tcp, tls, unix, authority, _mosquitto: mosquitto, _directory: directory });
            }
        }
        panic!("mosquitto ended: {}", std::fs::read_to_string(file("log")).unwrap());
    }

    /// A context that trusts this broker's authority.
    pub(crate) fn context(&self, runtime: Runtime) -> Context {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        (runtime.context)().with(TlsConfig, Arc::new(config))
    }
}

/// It ends with its test.
struct Running(Child);

impl Running {
    /// Waits until it listens at a port; false if it ends instead.
    fn is_at(&mut self, port: u16) -> bool {
        let patience = Instant::now() + LIMIT;
        while self.0.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return true;
            }
            assert!(Instant::now() < patience, "mosquitto does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Where a program is. Servers are often installed where only root looks.
fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    places.map(|place| place.join(name)).find(|path| path.is_file())
}

/// Says that this test is skipped; a failure with `MIMIC_REQUIRE_TOOLS`, as in CI.
fn skip(missing: &str) {
    let required = std::env::var_os("MIMIC_REQUIRE_TOOLS").is_some_and(|value| !value.is_empty());
    assert!(!required, "{missing} not found, and MIMIC_REQUIRE_TOOLS is set");
    let test = thread::current().name().unwrap_or("?").to_owned();
    // Not `eprintln!`, whose output the harness keeps to itself when the test passes.
    let _ = writeln!(io::stderr(), "SKIPPED: {test}: {missing} not found");
}
