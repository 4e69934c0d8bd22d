//! Torture: one scenario (connect over TLS over TCP, exchange, close), run over and over. It is
//! cancelled at its n-th pending point for n = 1, 2, …, until a run ends first; and in each run the
//! n-th call of the flow that carries it fails, for every n and every fault; and likewise the n-th
//! step to such a flow.
//!
//! `cargo test -p mimic-tests --release --test 'torture_*'` with `MIMIC_TORTURE=n` goes n times
//! round.

#![allow(dead_code, reason = "each runtime uses a part")]

pub(crate) mod flow;
#[cfg(target_os = "linux")]
pub(crate) mod sockets;
pub(crate) mod steps;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use flow::{Fault, Script, Stage};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::{Ctx, Error, ErrorKind, FlowExt, Mode, Phase};
use mimic_rustls::rustls::client::Resumption;
use mimic_rustls::rustls::server::NoServerSessionStorage;
use mimic_rustls::rustls::{ClientConfig, ServerConfig};

/// Who is connected to.
pub(crate) const HOST: &str = "host.test";

/// How much goes each way: more than one small buffer of TLS.
pub(crate) const SIZE: usize = 7000;

/// A server, and a client that trusts it.
pub(crate) fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let (server, client) = crate::common::tls(HOST);
    let (mut server, mut client) = (Arc::unwrap_or_clone(server), Arc::unwrap_or_clone(client));
    // What they remember of a session would look like a leak.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    client.resumption = Resumption::disabled();
    (Arc::new(server), Arc::new(client))
}

/// How many times round.
pub(crate) fn rounds() -> usize {
    std::env::var("MIMIC_TORTURE").map_or(1, |rounds| rounds.parse().expect("MIMIC_TORTURE is a number"))
}

/// What is done over and over.
pub(crate) async fn scenario<M: Mode>(ctx: &Ctx<M>, script: &Script) -> Result<(), Error> {
    script.enter(Stage::Connecting);
    let mut flow = ctx.connect().await?;
    script.enter(Stage::Exchanging);
    flow.write_all(&[7; SIZE]).await?;
    flow.flush().await?;
    let (mut read, mut buf) = (0, [0; 700]);
    while read < SIZE {
        let n = flow.read(&mut buf).await?;
        if n == 0 {
            return Err(Error::new(ErrorKind::ConnectionAborted, "the answer ends early").in_phase(Phase::Read));
        }
        assert!(buf[..n].iter().all(|byte| *byte == 7), "not what was sent");
        read += n;
    }
    script.enter(Stage::Closing);
    flow.close().await
}

/// Polls `work` until it is pending for the `at`-th time, and then drops it and gives `None`.
/// Counts how often it was.
pub(crate) async fn cut<T>(work: impl Future<Output = T>, at: usize, pending: &Cell<usize>) -> Option<T> {
    let mut work = Some(Box::pin(work));
    pending.set(0);
    let output = poll_fn(|cx| {
        let Some(running) = &mut work else { return Poll::Ready(None) };
        if let Poll::Ready(output) = running.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        pending.set(pending.get() + 1);
        if pending.get() < at {
            return Poll::Pending;
        }
        work = None;
        Poll::Ready(None)
    });
    output.await
}

/// The result of a run in which the n-th call had a fault: an error that says where. Gives whether
/// there was one.
pub(crate) fn judge(n: usize, fault: Fault, script: &Script, result: Result<(), Error>) -> bool {
    let (stage, call) = (script.stage(), script.hit());
    let what = format!("{fault:?} at call {n} ({call:?}, {stage:?})");
    let error = match result {
        Err(error) => error,
        // Who closes does not mind that the peer has gone (`FlowExt::close`); and what does not
        // concern a call is no fault.
        Ok(()) if call.is_none() || stage == Stage::Closing => return false,
        Ok(()) => panic!("{what}: nobody noticed"),
    };
    assert!(call.is_some(), "{what}: {error:?}");
    let text = format!("{error}");
    if std::env::var_os("MIMIC_TORTURE_SHOW").is_some() {
        println!("{what}: {:?}: {text}", error.kind());
    }
    let phase = error.phase().unwrap_or_else(|| panic!("{what}: no phase: {error:?}"));
    // Where it was noticed: what is sent last in a handshake fails no sooner than with the first
    // read.
    match script.entered() {
        Stage::Connecting => {
            assert!(error.at().is_some_and(|layer| layer.contains("\"tls\"")), "{what}: no layer: {error:?}");
            assert!(error.target().is_some_and(|target| target.contains(HOST)), "{what}: no target: {error:?}");
            assert_eq!(phase, Phase::Handshake, "{what}: {text}");
            let tree = format!("{error:#}");
            assert!(tree.contains("plan:") && tree.contains("over Secure: yes"), "{what}: {tree}");
        }
        Stage::Exchanging | Stage::Closing => {
            assert!(matches!(phase, Phase::Read | Phase::Write | Phase::Shutdown), "{what}: {text}");
            // What the flow below says is passed on as it is; what TLS itself finds wrong is named.
            assert!(fault != Fault::End || error.at() == Some("tls"), "{what}: no layer: {error:?}");
        }
    }
    let reasons: &[_] = match fault {
        Fault::Reset => &[(ErrorKind::ConnectionReset, "reset by the test")],
        Fault::BrokenPipe => &[(ErrorKind::BrokenPipe, "broken by the test")],
        Fault::End => &[(ErrorKind::ConnectionAborted, "closed"), (ErrorKind::ConnectionAborted, "close_notify")],
        Fault::TakesNothing => &[(ErrorKind::WriteZero, "took no byte")],
        Fault::NoAnswer | Fault::Refused | Fault::NoTimer | Fault::Late => unreachable!("`judge_step` judges it"),
    };
    let fits = reasons.iter().any(|(kind, reason)| error.kind() == *kind && text.contains(reason));
    assert!(fits, "{what}: {:?}: {text}", error.kind());
    true
}
