//! Connections that must not be made: each ends in an error that says why, and the peer gets an
//! alert.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;
#[path = "common/duel.rs"]
mod duel;

use std::sync::Arc;

use common::flows::{Log, Tap};
use common::tasks::both;
use common::{Authority, BOTH, NAME, provider, server};
use duel::{VERSIONS, assert_alert, assert_error, assert_no_clear_text, assert_refused, duel, talk};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::memory_pair;
use mimic_core::{Error, ErrorKind, Phase, Shared};
use mimic_rustls::rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use mimic_rustls::rustls::pki_types::UnixTime;
use mimic_rustls::rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use mimic_rustls::rustls::sign::CertifiedKey;
use mimic_rustls::rustls::time_provider::TimeProvider;
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::rustls::{self, AlertDescription, ClientConfig, ServerConfig, SignatureScheme};
use mimic_rustls::{accept, connect};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, PKCS_ED25519,
    date_time_ymd,
};

#[test]
fn nothing_wrong() {
    let authority = Authority::new();
    for versions in VERSIONS {
        let duel = duel(authority.client(&versions), &authority.server(&[NAME], &versions), NAME);
        duel.client.unwrap();
        duel.server.unwrap();
    }
}

#[test]
fn wrong_host() {
    let authority = Authority::new();
    for versions in VERSIONS {
        let duel = duel(authority.client(&versions), &authority.server(&["other.org"], &versions), NAME);
        let says = ["certificate not valid for name \"example.org\"", "other.org", "connect to a name that"];
        assert_refused(&duel, &says, AlertDescription::BadCertificate);
    }
}

#[test]
fn an_authority_of_the_same_name() {
    let (trusted, other) = (Authority::named("Trust Us"), Authority::named("Trust Us"));
    for versions in VERSIONS {
        let duel = duel(trusted.client(&versions), &other.server(&[NAME], &versions), NAME);
        let says = ["invalid peer certificate: BadSignature", "less than 2,048 bits", "with another key, issued it"];
        assert_refused(&duel, &says, AlertDescription::DecryptError);
    }
}

#[test]
fn unknown_authority() {
    let (trusted, other) = (Authority::new(), Authority::new());
    for versions in VERSIONS {
        let duel = duel(trusted.client(&versions), &other.server(&[NAME], &versions), NAME);
        let says = ["invalid peer certificate: UnknownIssuer", "trust the authority that issued it"];
        assert_refused(&duel, &says, AlertDescription::UnknownCA);
    }
}

#[test]
fn expired_and_not_yet_valid() {
    let authority = Authority::new();
    for versions in VERSIONS {
        let (leaf, key) = authority.issue(&[NAME], |params| {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        });
        let past = duel(authority.client(&versions), &server(vec![leaf], key, &versions), NAME);
        let says = ["invalid peer certificate: certificate expired", "2001", "must renew it", "check the clock"];
        assert_refused(&past, &says[..1], AlertDescription::CertificateExpired);
        assert_refused(&past, &says[2..], AlertDescription::CertificateExpired);
        let (leaf, key) = authority.issue(&[NAME], |params| params.not_before = date_time_ymd(4000, 1, 1));
        let future = duel(authority.client(&versions), &server(vec![leaf], key, &versions), NAME);
        let says = ["certificate not valid yet", "check the clock of this machine"];
        assert_refused(&future, &says, AlertDescription::CertificateExpired);
    }
}

#[test]
fn self_signed() {
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![NAME.to_string()]).unwrap().self_signed(&key).unwrap().der().clone();
    for versions in VERSIONS {
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let server = server(vec![leaf.clone()], key, &versions);
        let duel = duel(Authority::new().client(&versions), &server, NAME);
        assert_refused(&duel, &["UnknownIssuer", "trust the authority"], AlertDescription::UnknownCA);
    }
}

#[test]
fn leaf_signed_by_a_leaf() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["leaf.org".to_string()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "a leaf");
    let (first, _) = authority.sign(&params, &key);
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let second = CertificateParams::new(vec![NAME.to_string()]).unwrap().signed_by(&key, &issuer).unwrap();
    for versions in VERSIONS {
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let server = server(vec![second.der().clone(), first.clone()], key, &versions);
        let duel = duel(authority.client(&versions), &server, NAME);
        let says = ["invalid peer certificate: Other(OtherError(EndEntityUsedAsCa))", "not an authority's"];
        assert_refused(&duel, &says, AlertDescription::CertificateUnknown);
    }
}

/// `openssl req -x509` makes such a certificate by default.
#[test]
fn an_authority_as_the_servers_own() {
    let authority = Authority::new();
    for versions in VERSIONS {
        let (own, key) = authority.issue(&[NAME], |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        let duel = duel(authority.client(&versions), &server(vec![own], key, &versions), NAME);
        let says = ["CaUsedAsEndEntity", "the certificate of an authority (CA:TRUE) as its own", "CA:FALSE"];
        assert_refused(&duel, &says, AlertDescription::CertificateUnknown);
    }
}

/// Resolves to a certificate that rustls would not take from a configuration.
#[derive(Debug)]
struct Unchecked(Arc<CertifiedKey>);

impl ResolvesServerCert for Unchecked {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

#[test]
fn a_certificate_of_version_1() {
    let authority = Authority::new();
    for versions in VERSIONS {
        let (own, key) = authority.issue(&[NAME], |_| {});
        let mut der = own.to_vec();
        // rustls refuses the version before it looks at the signature.
        let version = der.windows(5).position(|bytes| bytes == [0xa0, 3, 2, 1, 2]).unwrap();
        der[version + 4] = 0;
        let key = provider().key_provider.load_private_key(key).unwrap();
        let mut server = authority.server(&[NAME], &versions);
        server.cert_resolver = Arc::new(Unchecked(Arc::new(CertifiedKey::new(vec![der.into()], key))));
        let duel = duel(authority.client(&versions), &server, NAME);
        let says = ["UnsupportedCertVersion", "X.509 version 1", "version 3, with a subjectAltName"];
        assert_refused(&duel, &says, AlertDescription::CertificateUnknown);
    }
}

#[test]
fn a_certificate_for_something_else() {
    let authority = Authority::new();
    for versions in VERSIONS {
        let (own, key) = authority.issue(&[NAME], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        });
        let duel = duel(authority.client(&versions), &server(vec![own], key, &versions), NAME);
        assert_refused(&duel, &["a server needs serverAuth"], AlertDescription::UnsupportedCertificate);
    }
}

/// The client verifies ECDSA over P-256 alone, as a device may, and the server has another kind of
/// key.
#[test]
fn no_signature_scheme_in_common() {
    let authority = Authority::new();
    let all = provider().signature_verification_algorithms;
    let one = all.mapping.iter().find(|(scheme, _)| *scheme == SignatureScheme::ECDSA_NISTP256_SHA256).unwrap();
    let few = CryptoProvider {
        signature_verification_algorithms: WebPkiSupportedAlgorithms { all: one.1, mapping: std::slice::from_ref(one) },
        ..provider().as_ref().clone()
    };
    // rustls's server sends no alert in TLS 1.2.
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let (own, key) = authority.sign(&CertificateParams::new(vec![NAME.to_string()]).unwrap(), &key);
    let client = ClientConfig::builder_with_provider(Arc::new(few))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(authority.roots())
        .with_no_client_auth();
    let duel = duel(client, &server(vec![own], key, &[&TLS13]), NAME);
    let says = ["signature scheme (the kind of the server's key"];
    assert_error(&duel.client, ErrorKind::Unsupported, Phase::Handshake, &says);
    assert_alert(&duel.client, AlertDescription::HandshakeFailure);
    let says = ["SignatureSchemes", "cannot verify the kind of the server's key"];
    assert_error(&duel.server, ErrorKind::Unsupported, Phase::Handshake, &says);
}

#[test]
fn an_address_needs_its_own_name() {
    let authority = Authority::new();
    for versions in VERSIONS {
        for address in ["192.0.2.1", "2001:db8::1"] {
            let wrong = duel(authority.client(&versions), &authority.server(&[NAME], &versions), address);
            assert_refused(&wrong, &["certificate not valid for name", address], AlertDescription::BadCertificate);
            let right = duel(authority.client(&versions), &authority.server(&[address], &versions), address);
            right.client.unwrap();
            right.server.unwrap();
        }
    }
}

#[test]
fn alpn_without_overlap() {
    let authority = Authority::new();
    for versions in VERSIONS {
        let mut client = authority.client(&versions);
        client.alpn_protocols = vec![b"h2".to_vec()];
        let mut server = authority.server(&[NAME], &versions);
        server.alpn_protocols = vec![b"line".to_vec()];
        let duel = duel(client, &server, NAME);
        assert_error(&duel.client, ErrorKind::Unsupported, Phase::Handshake, &["ALPN", "that the peer knows"]);
        assert_alert(&duel.client, AlertDescription::NoApplicationProtocol);
        assert_error(&duel.server, ErrorKind::Unsupported, Phase::Handshake, &["ALPN", "both sides know"]);
    }
}

#[test]
fn no_version_in_common() {
    let authority = Authority::new();
    for (client, server) in [(&TLS12, &TLS13), (&TLS13, &TLS12)] {
        let duel = duel(authority.client(&[client]), &authority.server(&[NAME], &[server]), NAME);
        assert_alert(&duel.client, AlertDescription::ProtocolVersion);
        for side in [&duel.client, &duel.server] {
            assert_error(side, ErrorKind::Unsupported, Phase::Handshake, &["no version in common"]);
        }
    }
}

#[test]
fn client_certificates() {
    let (authority, other) = (Authority::new(), Authority::new());
    for versions in VERSIONS {
        let asking = |authority: &Authority| {
            let (leaf, key) = authority.issue(&[NAME], |_| {});
            let verifier = WebPkiClientVerifier::builder_with_provider(authority.roots(), provider()).build().unwrap();
            ServerConfig::builder_with_provider(provider())
                .with_protocol_versions(&versions)
                .unwrap()
                .with_client_cert_verifier(verifier)
                .with_single_cert(vec![leaf], key)
                .unwrap()
        };
        let presenting = |issuer: &Authority| {
            let (leaf, key) = issuer.issue(&["client"], |_| {});
            ClientConfig::builder_with_provider(provider())
                .with_protocol_versions(&versions)
                .unwrap()
                .with_root_certificates(authority.roots())
                .with_client_auth_cert(vec![leaf], key)
                .unwrap()
        };
        // In TLS 1.3 the client is done before the server has looked, so its read returns the
        // error.
        let phase = if versions[0] == &TLS13 { Phase::Read } else { Phase::Handshake };

        let right = duel(presenting(&authority), &asking(&authority), NAME);
        right.client.unwrap();
        right.server.unwrap();

        let missing = duel(authority.client(&versions), &asking(&authority), NAME);
        let says = ["peer sent no certificates", "the peer must present a certificate"];
        assert_error(&missing.server, ErrorKind::PermissionDenied, Phase::Handshake, &says);
        assert_alert(&missing.client, AlertDescription::CertificateRequired);
        assert_eq!(missing.client.unwrap_err().phase(), Some(phase));

        let wrong = duel(presenting(&other), &asking(&authority), NAME);
        let says = ["invalid peer certificate: UnknownIssuer", "trust the authority"];
        assert_error(&wrong.server, ErrorKind::PermissionDenied, Phase::Handshake, &says);
        assert_alert(&wrong.client, AlertDescription::UnknownCA);
        let says = ["does not accept the certificate that this side presented"];
        assert_error(&wrong.client, ErrorKind::PermissionDenied, phase, &says);
    }
}

/// Runs `ours` against a peer that sends `garbage` and then nothing. Returns the bytes that the
/// peer got.
fn against(
    garbage: &[u8],
    ours: impl AsyncFnOnce(Tap<mimic_core::io::Memory<Shared>>) -> Result<(), Error>,
) -> (Result<(), Error>, Vec<u8>) {
    let (near, mut far) = memory_pair::<Shared>(1 << 17);
    let log = Log::default();
    let (result, told) = both(&"garbage", ours(Tap { below: near, log: log.clone() }), async {
        far.write_all(garbage).await.unwrap();
        let mut told = Vec::new();
        let mut buf = [0; 1000];
        loop {
            match far.read(&mut buf).await.unwrap() {
                0 => return told,
                n => told.extend(&buf[..n]),
            }
        }
    });
    assert_no_clear_text(&log);
    (result, told)
}

/// Asserts that the last record in clear text is that alert, and fatal.
#[track_caller]
fn assert_told(told: &[u8], alert: AlertDescription) {
    let last = &told[told.len() - 7..];
    assert_eq!((last[0], &last[3..]), (0x15, &[0, 2, 2, u8::from(alert)][..]), "{told:?}");
}

#[test]
fn what_is_not_tls() {
    let authority = Authority::new();
    let client = Arc::new(authority.client(&BOTH));
    let server = authority.server(&[NAME], &BOTH);
    let mut oversized = vec![0x16, 3, 3, 0x48, 0x01];
    oversized.resize(0x4801 + 5, 0);
    for garbage in [
        &b"GET / HTTP/1.0\r\nHost: example.org\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"220 mail.example.org ESMTP\r\n",
        &[0; 64],
        &[0xff; 100_000],
        &oversized,
    ] {
        let (result, told) =
            against(garbage, async |flow| talk(connect(flow, client.clone(), Vec::new(), NAME).await).await);
        let says = ["does not seem to speak TLS", "check scheme and port"];
        assert_error(&result, ErrorKind::InvalidData, Phase::Handshake, &says);
        assert_told(&told, AlertDescription::DecodeError);
        let (result, told) = against(garbage, async |flow| talk(accept(flow, &server).await).await);
        assert_error(&result, ErrorKind::InvalidData, Phase::Handshake, &says);
        assert_told(&told, AlertDescription::DecodeError);
    }
}

#[test]
fn a_handshake_message_without_end() {
    let authority = Authority::new();
    let server = authority.server(&[NAME], &BOTH);
    // A ClientHello that claims 60,000 bytes, in records of one byte each. It is six times as long
    // on the wire.
    let mut endless = Vec::new();
    for byte in [1, 0, 0xea, 0x60].into_iter().chain(std::iter::repeat_n(0, 59_000)) {
        endless.extend([0x16, 3, 1, 0, 1, byte]);
    }
    let (near, mut far) = memory_pair::<Shared>(1 << 20);
    let (result, ()) = both(&"endless", async { talk(accept(near, &server).await).await }, async {
        far.write_all(&endless).await.unwrap();
        far.read(&mut [0; 100]).await.unwrap();
    });
    assert_error(&result, ErrorKind::InvalidData, Phase::Handshake, &["longer than 65536 bytes", "HandshakeRoom"]);
}

#[test]
fn configurations_that_cannot_be_are_refused_before_the_first_byte() {
    #[derive(Debug)]
    struct Timeless;
    impl TimeProvider for Timeless {
        fn current_time(&self) -> Option<UnixTime> {
            None
        }
    }

    let authority = Authority::new();
    let try_client = |config: ClientConfig, name: &str| {
        let (near, _far) = memory_pair::<Shared>(1 << 16);
        let log = Log::default();
        let near = Tap { below: near, log: log.clone() };
        let result = both(&"client", connect(near, Arc::new(config), Vec::new(), name), async {}).0;
        assert_eq!(log.lock().unwrap().len(), 0, "a byte was written");
        result.map(drop)
    };
    let try_server = |config: &ServerConfig| {
        let (near, _far) = memory_pair::<Shared>(1 << 16);
        let log = Log::default();
        let near = Tap { below: near, log: log.clone() };
        let result = both(&"server", accept(near, config), async {}).0;
        assert_eq!(log.lock().unwrap().len(), 0, "a byte was written");
        result.map(drop)
    };

    let mut client = authority.client(&BOTH);
    client.time_provider = Arc::new(Timeless);
    let says = ["failed to get current time", "give the configuration a clock"];
    assert_error(&try_client(client, NAME), ErrorKind::Unsupported, Phase::Handshake, &says);
    let mut server = authority.server(&[NAME], &BOTH);
    server.time_provider = Arc::new(Timeless);
    assert_error(&try_server(&server), ErrorKind::Unsupported, Phase::Handshake, &says);

    for name in ["", "not a name", "a..b", "[::1]", "example.org%eth0", "\u{e4}.org"] {
        let says = ["neither a host name nor an address"];
        assert_error(&try_client(authority.client(&BOTH), name), ErrorKind::InvalidInput, Phase::Handshake, &says);
    }

    let mut server = authority.server(&[NAME], &BOTH);
    server.max_early_data_size = 1;
    let says = ["early data is not supported", "max_early_data_size"];
    assert_error(&try_server(&server), ErrorKind::Unsupported, Phase::Handshake, &says);
}

/// A zone means something on one machine alone (RFC 6874, section 1), so no certificate has one.
#[test]
fn the_zone_of_an_address_takes_no_part_in_the_check() {
    let authority = Authority::new();
    let server = authority.server(&["fe80::1"], &BOTH);
    for name in ["fe80::1", "fe80::1%eth0", "fe80::1%2"] {
        duel(authority.client(&BOTH), &server, name).client.unwrap();
    }
    let other = duel(authority.client(&BOTH), &server, "fe80::2%eth0");
    assert_error(&other.client, ErrorKind::PermissionDenied, Phase::Handshake, &["fe80::2"]);
}

#[test]
fn a_server_without_a_clock_serves_without_tickets() {
    #[derive(Debug)]
    struct Timeless;
    impl TimeProvider for Timeless {
        fn current_time(&self) -> Option<UnixTime> {
            None
        }
    }

    let authority = Authority::new();
    let mut server = authority.server(&[NAME], &[&TLS13]);
    server.time_provider = Arc::new(Timeless);
    server.send_tls13_tickets = 0;
    let duel = duel(authority.client(&[&TLS13]), &server, NAME);
    duel.client.unwrap();
    duel.server.unwrap();
}
