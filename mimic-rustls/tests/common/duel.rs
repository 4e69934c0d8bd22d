//! Shared by the tests of connections that fail: one attempt, and the errors of both ends.

#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::Arc;

use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::memory_pair;
use mimic_core::{Error, ErrorKind, Flow, FlowExt, Phase, Shared};
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::rustls::{self, AlertDescription, ClientConfig, ServerConfig, SupportedProtocolVersion};
use mimic_rustls::{Side, TlsFlow, accept, connect, tls_error};

use crate::common::flows::{Log, Tap};
use crate::common::tasks::both;

/// The application data, which must not appear in clear text.
pub(crate) const MARKER: &[u8] = b"the plaintext of the application";

/// Sends the marker, reads that of the other side, closes.
pub(crate) async fn talk<F: Flow, S: Side>(flow: Result<TlsFlow<F, S>, Error>) -> Result<(), Error> {
    let mut flow = flow?;
    flow.write_all(MARKER).await?;
    flow.flush().await?;
    let mut heard = [0; MARKER.len()];
    flow.read_exact(&mut heard).await.map_err(|error| match error {
        mimic_core::embedded_io_async::ReadExactError::Other(error) => error,
        other => panic!("{other:?}"),
    })?;
    assert_eq!(heard, MARKER);
    flow.shutdown().await?;
    assert_eq!(flow.read(&mut heard).await?, 0);
    Ok(())
}

pub(crate) struct Duel {
    pub(crate) client: Result<(), Error>,
    pub(crate) server: Result<(), Error>,
}

pub(crate) fn assert_no_clear_text(log: &Log) -> usize {
    let log = log.lock().unwrap();
    assert!(!log.windows(8).any(|window| MARKER.windows(8).any(|part| part == window)), "clear text on the wire");
    log.len()
}

pub(crate) fn duel(client: ClientConfig, server: &ServerConfig, name: &str) -> Duel {
    let log = Log::default();
    let (near, far) = memory_pair::<Shared>(1 << 16);
    let (near, far) = (Tap { below: near, log: log.clone() }, Tap { below: far, log: log.clone() });
    let (client, server) =
        both(&name, async { talk(connect(near, Arc::new(client), Vec::new(), name).await).await }, async {
            talk(accept(far, server).await).await
        });
    assert_no_clear_text(&log);
    Duel { client, server }
}

#[track_caller]
pub(crate) fn assert_error(result: &Result<(), Error>, kind: ErrorKind, phase: Phase, says: &[&str]) {
    let error = result.as_ref().expect_err("refused");
    let text = error.to_string();
    assert_eq!((error.kind(), error.phase()), (kind, Some(phase)), "{text}");
    for word in says {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
    let first = text.chars().next().unwrap();
    assert!(!first.is_uppercase() && !text.ends_with('.') && !text.contains('\n'), "{text}");
}

#[track_caller]
pub(crate) fn assert_alert(result: &Result<(), Error>, alert: AlertDescription) {
    let error = result.as_ref().expect_err("told");
    assert_eq!(tls_error(error), Some(&rustls::Error::AlertReceived(alert)), "{error}");
}

/// The client refuses the server's certificate.
#[track_caller]
pub(crate) fn assert_refused(duel: &Duel, says: &[&str], alert: AlertDescription) {
    assert_error(&duel.client, ErrorKind::PermissionDenied, Phase::Handshake, says);
    assert!(matches!(tls_error(duel.client.as_ref().unwrap_err()), Some(rustls::Error::InvalidCertificate(_))));
    assert_alert(&duel.server, alert);
    assert_error(
        &duel.server,
        match alert {
            AlertDescription::DecryptError => ErrorKind::ConnectionAborted,
            _ => ErrorKind::PermissionDenied,
        },
        Phase::Handshake,
        &["received fatal alert"],
    );
}

pub(crate) const VERSIONS: [[&SupportedProtocolVersion; 1]; 2] = [[&TLS13], [&TLS12]];
