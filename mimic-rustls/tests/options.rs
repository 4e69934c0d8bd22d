//! Configurations from PEM text and pins: what they accept, and the error for each bad input.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]
#![cfg(feature = "std")]

mod common;

use std::sync::Arc;

use base64ct::{Base64, Encoding};
use common::tasks::both;
use common::{Authority, BOTH, NAME, handshake, server};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::{Memory, memory_pair};
use mimic_core::keys::AlpnProtocol;
use mimic_core::{Error, ErrorKind, FlowExt, Phase, Shared};
use mimic_rustls::rustls::crypto::ring;
use mimic_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::rustls::{self, AlertDescription, CertificateError, ClientConfig, NamedGroup, ServerConfig};
use mimic_rustls::{
    ClientOptions, Identity, KeyExchangeGroup, PeerCertificates, PinMismatch, ServerOptions, accept, connect, identity,
    pin, tls_error, trust,
};
use rcgen::{CertificateParams, KeyPair, PublicKeyData};

/// Runs a handshake and one byte from the server, which comes after all checks of both ends.
fn talk(client: Arc<ClientConfig>, server: &ServerConfig) -> (Result<(), Error>, Result<(), Error>) {
    let (near, far) = memory_pair::<Shared>(1 << 16);
    both(
        &"a conversation",
        async {
            let mut flow = connect(near, client, Vec::new(), NAME).await?;
            flow.read(&mut [0; 9]).await.map(|n| assert_eq!(n, 1))
        },
        async {
            let mut flow = accept(far, server).await?;
            flow.write_all(b"!").await?;
            flow.flush().await
        },
    )
}

#[track_caller]
fn assert_accepted(options: &ClientOptions, server: &ServerConfig) {
    let (client, server) = talk(options.config().unwrap(), server);
    client.unwrap();
    server.unwrap();
}

/// Returns the client's error.
#[track_caller]
fn refused(options: &ClientOptions, server: &ServerConfig) -> Error {
    let (client, server) = talk(options.config().unwrap(), server);
    assert!(server.is_err());
    let error = client.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::PermissionDenied, Some(Phase::Handshake)), "{error}");
    error
}

fn pem_of(certificate: &CertificateDer<'_>, key: &PrivateKeyDer<'_>) -> (String, String) {
    let section = |label: &str, der: &[u8]| {
        let base64 = Base64::encode_string(der);
        let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    };
    (section("CERTIFICATE", certificate), section("PRIVATE KEY", key.secret_der()))
}

/// A certificate for the names and its key, as PEM text.
fn issue(authority: &Authority, names: &[&str]) -> (String, String) {
    let (certificate, key) = authority.issue(names, |_| {});
    pem_of(&certificate, &key)
}

fn identity_of(authority: &Authority) -> Identity {
    let (chain, key) = issue(authority, &[NAME]);
    identity(chain, key).unwrap()
}

#[test]
fn a_client_trusts_the_given_authorities_and_no_other() {
    let [one, two, other] = [(); 3].map(|()| Authority::new());
    let servers = [&one, &two, &other].map(|authority| authority.server(&[NAME], &BOTH));
    let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    for options in [
        trust(format!("a comment\n{}\n{}", one.pem, two.pem)).unwrap(),
        trust(&one.pem).unwrap().trust(two.pem.as_bytes()).unwrap(),
    ] {
        assert_accepted(&options, &servers[0]);
        assert_accepted(&options, &servers[1]);
        assert_eq!(tls_error(&refused(&options, &servers[2])), Some(&unknown));
    }
}

#[test]
fn the_provider_can_be_chosen() {
    let authority = Authority::new();
    let ring = Arc::new(ring::default_provider());
    let client = trust(&authority.pem).unwrap().provider(ring.clone()).config().unwrap();
    let (near, far) = handshake(memory_pair::<Shared>(1 << 16), &client, &authority.server(&[NAME], &BOTH));
    assert_eq!(near.attribute(KeyExchangeGroup), Some(u16::from(NamedGroup::X25519)));
    drop(far);
    let server = ServerOptions::new(identity_of(&authority)).provider(ring).config().unwrap();
    let client = trust(&authority.pem).unwrap().config().unwrap();
    let (near, _far) = handshake(memory_pair::<Shared>(1 << 16), &client, &server);
    assert_eq!(near.attribute(KeyExchangeGroup), Some(u16::from(NamedGroup::X25519)));
}

#[track_caller]
fn assert_invalid<T: std::fmt::Debug>(result: Result<T, Error>, kind: ErrorKind, says: &[&str]) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    let text = format!("{error:#}");
    for word in says {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
}

#[test]
fn pem_text_that_is_malformed_or_has_no_certificate() {
    let authority = Authority::new();
    let good = authority.pem.as_str();
    let (first, rest) = good.split_once('\n').unwrap();
    let der = authority.roots().roots[0].subject.to_vec();
    let key = KeyPair::generate().unwrap().serialize_pem();
    let hollow = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let cut = good.trim_end().strip_suffix("-----END CERTIFICATE-----").unwrap();
    for (text, says) in [
        ("", "PEM of the certificate: it is empty"),
        ("hello", "there is no certificate in PEM format in it"),
        (&key, "there is no certificate in it, only: PRIVATE KEY"),
        (cut, "the CERTIFICATE of line 1 has no end"),
        (&format!("{first}\n*{rest}"), "line 2, in the CERTIFICATE of line 1, is not base64"),
        (&format!("{first}\nMIIBA\n{good}"), "the CERTIFICATE of line 1 has no end before line 3"),
        (hollow, "certificate 1 in it cannot be used: its encoding (DER) is broken"),
        (&format!("{good}{hollow}"), "certificate 2 in it cannot be used"),
    ] {
        assert_invalid(trust(text), ErrorKind::InvalidData, &[says]);
        // A client certificate and a server's. Their encoding is checked with the key.
        if text != hollow && !text.starts_with(good) {
            assert_invalid(identity(text, &key), ErrorKind::InvalidData, &[says]);
        }
        let server = ServerOptions::new(identity_of(&authority));
        assert_invalid(server.require_clients_of(text), ErrorKind::InvalidData, &[says]);
    }
    let der = [&[0x30, 0x82], &der[..]].concat();
    assert_invalid(trust(&der), ErrorKind::InvalidData, &["in PEM format in it, but DER", "openssl x509"]);
}

#[test]
fn a_private_key_that_is_malformed_or_missing_and_nothing_of_it_in_the_error() {
    let authority = Authority::new();
    let (chain, key) = issue(&authority, &[NAME]);
    let secret = key.lines().nth(1).unwrap();
    let broken = key.replace(secret, &format!("{secret}*"));
    let label = |label: &str| key.replace("PRIVATE KEY", label);
    for (text, says) in [
        ("", "PEM of the private key: it is empty"),
        (chain.as_str(), "there is no private key in it, only: CERTIFICATE"),
        (&broken, "line 2, in the PRIVATE KEY of line 1, is not base64"),
        (&label("ENCRYPTED PRIVATE KEY"), "the private key in it is encrypted"),
        (&label("OPENSSH PRIVATE KEY"), "in the format of OpenSSH"),
    ] {
        let result = identity(&chain, text);
        let said = format!("{result:?} {:#}", result.as_ref().unwrap_err());
        assert!(!said.contains(&secret[..16]), "{said}");
        assert_invalid(result, ErrorKind::InvalidData, &[says]);
    }
    // The base64 of text that is no key.
    let hollow = identity(&chain, "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n").unwrap();
    assert_invalid(ServerOptions::new(hollow).config(), ErrorKind::InvalidData, &["give an RSA key", "Ed25519"]);
    let shown = format!("{:?}", identity(&chain, &key).unwrap());
    assert!(!shown.contains(&secret[..16]) && shown.contains("key: Zeroizing { .. }"), "{shown}");
}

#[test]
fn a_key_that_is_not_the_certificates() {
    let authority = Authority::new();
    let ((chain, _), (other, key)) = (issue(&authority, &[NAME]), issue(&authority, &[NAME]));
    let says = ["the private key is not that of the first certificate", "before those of its authorities"];
    let wrong = identity(&chain, &key).unwrap();
    assert_invalid(ServerOptions::new(wrong.clone()).config(), ErrorKind::InvalidData, &says);
    assert_invalid(trust(&authority.pem).unwrap().identity(wrong).config(), ErrorKind::InvalidData, &says);
    // The own certificate comes last.
    let reversed = identity(format!("{}{other}", authority.pem), &key).unwrap();
    assert_invalid(ServerOptions::new(reversed).config(), ErrorKind::InvalidData, &says);
    // No certificate of X.509, which only shows here.
    let hollow = identity("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", &key).unwrap();
    assert_invalid(
        ServerOptions::new(hollow).config(),
        ErrorKind::InvalidData,
        &["certificate 1 in it cannot be used"],
    );
}

#[test]
fn both_ends_authenticate_by_their_identities() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let (chain, key) = issue(&clients, &["a client"]);
    let known = identity(&chain, key).unwrap();
    let options = ServerOptions::new(identity_of(&servers)).require_clients_of(&clients.pem).unwrap();
    let server = options.config().unwrap();
    let client = trust(&servers.pem).unwrap();

    let config = client.clone().identity(known).config().unwrap();
    let (near, far) = handshake(memory_pair::<Shared>(1 << 16), &config, &server);
    assert_eq!(near.attribute(PeerCertificates).unwrap().len(), 1);
    let seen = far.attribute(PeerCertificates).unwrap();
    assert_eq!(pem_of(&seen[0], &PrivateKeyDer::Pkcs8(Vec::new().into())).0, chain);
    // A server that does not ask sees no certificate.
    let open = ServerOptions::new(identity_of(&servers)).config().unwrap();
    let (_near, far) = handshake(memory_pair::<Shared>(1 << 16), &config, &open);
    assert!(far.attribute(PeerCertificates).is_none());

    for (options, alert) in [
        (client.clone(), AlertDescription::CertificateRequired),
        (client.identity(identity_of(&servers)), AlertDescription::UnknownCA),
    ] {
        let (near, far) = talk(options.config().unwrap(), &server);
        let (near, far) = (near.unwrap_err(), far.unwrap_err());
        assert_eq!((near.kind(), far.kind()), (ErrorKind::PermissionDenied, ErrorKind::PermissionDenied));
        assert_eq!(tls_error(&near), Some(&rustls::Error::AlertReceived(alert)), "{near}");
    }
}

#[test]
fn a_server_offers_its_protocols() {
    let authority = Authority::new();
    let server = ServerOptions::new(identity_of(&authority)).alpn(vec![b"h2".into(), b"http/1.1".into()]);
    let mut client = ClientConfig::clone(&trust(&authority.pem).unwrap().config().unwrap());
    client.alpn_protocols = vec![b"http/1.1".into(), b"h2".into()];
    let (near, _far) = handshake(memory_pair::<Shared>(1 << 16), &client.into(), &server.config().unwrap());
    assert_eq!(near.attribute(AlpnProtocol), Some(b"h2".to_vec()));
}

/// A server with a key of its own, and the pin of the key, bare.
fn pinned(authority: &Authority) -> (CertificateDer<'static>, PrivateKeyDer<'static>, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![NAME.to_string()]).unwrap();
    let (certificate, secret) = authority.sign(&params, &key);
    (certificate, secret, hash(&key.subject_public_key_info()))
}

fn hash(spki: &[u8]) -> String {
    let rustls::SupportedCipherSuite::Tls13(suite) = ring::cipher_suite::TLS13_AES_128_GCM_SHA256 else { panic!() };
    Base64::encode_string(suite.common.hash_provider.hash(spki).as_ref())
}

fn mismatch(error: &Error) -> &PinMismatch {
    let Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) = tls_error(error) else {
        panic!("{error}")
    };
    other.0.downcast_ref().unwrap()
}

#[test]
fn a_server_with_a_pinned_key_is_accepted() {
    let authority = Authority::new();
    let (certificate, key, pin) = pinned(&authority);
    let other = hash(b"another key");
    for version in [&TLS13, &TLS12] {
        let server = server(vec![certificate.clone()], key.clone_key(), &[version]);
        let trusting = trust(&authority.pem).unwrap();
        for form in [pin.clone(), format!("sha256/{pin}"), format!("sha256//{pin}\n"), format!("pin-sha256=\"{pin}\"")]
        {
            assert_accepted(&trusting.clone().pin(&form).unwrap(), &server);
            // Several pins: any of them, in any order.
            assert_accepted(&trusting.clone().pin(&other).unwrap().pin(&form).unwrap(), &server);
            assert_accepted(&trusting.clone().pin(&form).unwrap().pin(&other).unwrap(), &server);
        }
    }
}

#[test]
fn a_server_with_another_key_is_refused_and_both_pins_are_told() {
    let authority = Authority::new();
    let (certificate, key, presented) = pinned(&authority);
    let expected = [hash(b"one"), hash(b"two")];
    for version in [&TLS13, &TLS12] {
        let server = server(vec![certificate.clone()], key.clone_key(), &[version]);
        let options = trust(&authority.pem).unwrap().pin(&expected[0]).unwrap().pin(&expected[1]).unwrap();
        let (near, far) = talk(options.config().unwrap(), &server);
        let error = near.unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::PermissionDenied, Some(Phase::Handshake)));
        let text = format!("{error:#}");
        for word in [
            format!("the server's key has the pin sha256/{presented}"),
            format!("expected was sha256/{} or sha256/{}", expected[0], expected[1]),
            "if the server has a new key on purpose, pin that, too".into(),
        ] {
            assert!(text.contains(&word), "no {word:?} in: {text}");
        }
        let mismatch = mismatch(&error);
        assert_eq!(mismatch.presented, format!("sha256/{presented}"));
        assert_eq!(mismatch.expected, expected.clone().map(|pin| format!("sha256/{pin}")));
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateUnknown);
        assert_eq!(tls_error(&far.unwrap_err()), Some(&alert));
    }
}

#[test]
fn a_pin_replaces_no_other_check() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (certificate, key, pin) = pinned(&authority);
    let server = server(vec![certificate], key, &BOTH);
    let options = trust(&other.pem).unwrap().pin(&pin).unwrap();
    let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    assert_eq!(tls_error(&refused(&options, &server)), Some(&unknown));
    // The name.
    let (near, far): (Memory<Shared>, _) = memory_pair(1 << 16);
    let config = trust(&authority.pem).unwrap().pin(&pin).unwrap().config().unwrap();
    let (client, _) = both(&"a name", connect(near, config, Vec::new(), "other.example"), accept(far, &server));
    let error = client.map(drop).unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

/// An attacker could add the certificate of the authority to a chain that it has no part in.
#[test]
fn a_pin_of_an_authority_does_not_count_and_is_told() {
    let authority = Authority::new();
    let (certificate, key, presented) = pinned(&authority);
    let ca =
        <CertificateDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_slice(authority.pem.as_bytes()).unwrap();
    let server = server(vec![certificate, ca], key, &BOTH);
    let error = refused(&trust(&authority.pem).unwrap().pin(&hash(&authority.spki())).unwrap(), &server);
    assert_eq!(mismatch(&error).presented, format!("sha256/{presented}"));
    let text = format!("{error:#}");
    assert!(text.contains("a pin is of an authority of the server: pin the server's own key"), "{text}");
}

#[test]
fn text_that_is_no_pin() {
    let good = hash(b"a key");
    for (text, says) in [
        (String::new(), "it has 0 bytes, and a SHA-256 hash has 32"),
        ("hello".into(), "it is not base64"),
        (good.replace('=', ""), "it is not base64"),
        (good[4..].into(), "it has 29 bytes"),
        (format!("sha1/{}", &good[..28]), "is not a pin"),
        (format!("pin-sha256=\"{good}"), "it is not base64"),
        (format!("sha256/{}", "0123456789abcdef".repeat(4)), "it has 48 bytes"),
        ("\u{1b}[2J".into(), r"\u{1b}[2J"),
    ] {
        let says = [says, "is not a pin", "give the SHA-256 hash of the server's public key in base64"];
        assert_invalid(pin(&text), ErrorKind::InvalidInput, &says);
    }
}

/// The command of the advice gives the pin.
#[cfg(unix)]
#[test]
fn openssl_computes_the_same_pin() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    let authority = Authority::new();
    let (certificate, key, pin) = pinned(&authority);
    let (pem, _) = pem_of(&certificate, &key);
    let pipe = "openssl x509 -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | \
                openssl base64";
    if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
        assert!(std::env::var_os("MIMIC_REQUIRE_TOOLS").is_none(), "no openssl");
        eprintln!("skipped: no openssl");
        return;
    }
    let mut child = Command::new("sh").args(["-c", pipe]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(pem.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), pin);
}

/// Runs in a process of its own, whose platform trusts one authority.
#[cfg(all(feature = "platform", target_os = "linux"))]
#[test]
fn the_platform_is_trusted_without_authorities_or_on_request() {
    use std::process::Command;

    const TEST: &str = "the_platform_is_trusted_without_authorities_or_on_request";
    if std::env::var_os("MIMIC_TEST_CHILD").is_none() {
        let (platform, other) = (Authority::new(), Authority::new());
        let dir = std::env::temp_dir().join(format!("mimic-options-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let (certificate, key, pin) = pinned(&platform);
        let (chain, key) = pem_of(&certificate, &key);
        let text = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
        text("platform.pem", &platform.pem);
        text("other.pem", &other.pem);
        text("chain.pem", &chain);
        text("key.pem", &key);
        text("pin", &pin);
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture", "--test-threads=1"])
            .env("MIMIC_TEST_CHILD", &dir)
            .env("SSL_CERT_FILE", dir.join("platform.pem"))
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
        return;
    }
    let dir = std::path::PathBuf::from(std::env::var_os("MIMIC_TEST_CHILD").unwrap());
    let text = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    let server = ServerOptions::new(identity(text("chain.pem"), text("key.pem")).unwrap()).config().unwrap();
    let other = trust(text("other.pem")).unwrap();
    assert_accepted(&ClientOptions::new(), &server);
    assert_accepted(&pin(&text("pin")).unwrap(), &server);
    assert_accepted(&other.clone().and_platform(), &server);
    let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    assert_eq!(tls_error(&refused(&other, &server)), Some(&unknown));
    mismatch(&refused(&pin(&hash(b"another key")).unwrap(), &server));
    // Beside the platform's, the given ones count.
    let own = Authority::new();
    assert_accepted(&trust(&own.pem).unwrap().and_platform(), &own.server(&[NAME], &BOTH));
}
