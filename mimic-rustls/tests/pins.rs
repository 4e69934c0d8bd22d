//! Pins, beside given authorities and beside the platform: the keys that are accepted, those that
//! are refused, and text that is no pin.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]
#![cfg(feature = "std")]

mod common;
#[path = "common/options.rs"]
mod options;

use common::tasks::both;
use common::{Authority, BOTH, server};
use mimic_core::io::{Memory, memory_pair};
use mimic_core::{ErrorKind, Phase, Shared};
use mimic_rustls::rustls::pki_types::CertificateDer;
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::rustls::{self, AlertDescription, CertificateError};
use mimic_rustls::{accept, connect, pin, tls_error, trust};
use options::{assert_accepted, assert_invalid, hash, mismatch, pinned, refused, talk};

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
    let (pem, _) = options::pem_of(&certificate, &key);
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

    use mimic_rustls::{ClientOptions, ServerOptions, identity};

    const TEST: &str = "the_platform_is_trusted_without_authorities_or_on_request";
    if std::env::var_os("MIMIC_TEST_CHILD").is_none() {
        let (platform, other) = (Authority::new(), Authority::new());
        let dir = std::env::temp_dir().join(format!("mimic-options-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let (certificate, key, pin) = pinned(&platform);
        let (chain, key) = options::pem_of(&certificate, &key);
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
    assert_accepted(&trust(&own.pem).unwrap().and_platform(), &own.server(&[common::NAME], &BOTH));
}
