//! The TLS flow: what it promises, and what it tells about its connection.
//!
//! ```text
//!                 ┌─ TlsFlow ───────────────────────────────────────┐
//!                 │ ┌─ Driver ────────────────────────────────────┐ │
//!                 │ │ ┌─ Machine ──────────────────────┐          │ │
//!   write ───────►│ │ │ seal ──────────────► outgoing  │ ───────► │ │ ──► flow below
//!   read  ◄───────│ │ │ plaintext ◄── open ◄ incoming  │ ◄─────── │ │ ◄── flow below
//!                 │ │ └────────────────────────────────┘          │ │
//!                 │ │   wakers, states of both directions         │ │
//!                 │ └─────────────────────────────────────────────┘ │
//!   attribute ───►│   names, the id of the dial, what rustls knows  │ ──► flow below
//!                 └─────────────────────────────────────────────────┘
//! ```

use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};

use mimic_core::adapter::AttributeRequest;
use mimic_core::keys::{AlpnProtocol, Protected, Protection, RequestedName, ServerName, TlsVersion};
use mimic_core::{Error, Flow, Text, key};
use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, ProtocolVersion};

use crate::dial_id::{DialId, OnFlow, TlsDial};
use crate::driver::Driver;
use crate::side::Side;

key! {
    /// Attribute of a flow: the cipher suite, as on the wire; [`rustls::CipherSuite::from`] names
    /// it.
    pub CipherSuite: u16;
    /// Attribute of a flow: the group of the key exchange, as on the wire;
    /// [`rustls::NamedGroup::from`] names it. 0x11EC is X25519MLKEM768, which also resists quantum
    /// computers, and 0x001D is X25519. `None` for a resumed session of TLS 1.2, which exchanges no
    /// keys.
    pub KeyExchangeGroup: u16;
    /// Attribute of a flow: the certificates that the peer presented and that were verified, its
    /// own first.
    pub PeerCertificates: Arc<[CertificateDer<'static>]>;
    /// Attribute of a flow: whether the handshake resumed an earlier session. Then
    /// [`PeerCertificates`] are those of that session.
    pub Resumed: bool;
}

/// TLS over any flow. Its handshake is done.
///
/// - Reads and writes go on independently, in one task or two.
/// - End of stream is close_notify. A connection that ends without it is an error of kind
///   [`ConnectionAborted`](mimic_core::ErrorKind::ConnectionAborted): the bytes read so far may be
///   cut short.
/// - [`poll_shutdown`](Flow::poll_shutdown) sends close_notify, flushes, shuts down below, and
///   takes in what has arrived (see below). Reading goes on. It fails if close_notify cannot be
///   sealed, and the peer then reads no end of stream. After an error of TLS that was returned
///   before, the alert of that error is the close.
/// - An error of TLS is final for both directions. Its alert is sent at once as far as there is
///   room. The next read, flush or shutdown sends the rest and waits for that as for other records.
///   Two errors have no alert: a message beyond [`HandshakeRoom`](crate::HandshakeRoom), and no
///   memory. There the peer reads an end without close_notify.
/// - I/O errors belong to a direction. The half that meets an error stores it for the half that it
///   belongs to. An error of writing is final, even if the flow below would go on: the peer could
///   not take what follows a lost record.
/// - Keys that are used up (TLS 1.2; TLS 1.3 renews them) end writing with an error and
///   close_notify. Reading goes on.
/// - A write may seal bytes and leave them to a flush or to the next read or write.
///
/// # Bytes that a drop may lose
/// Bytes that were flushed arrive, also at a peer that reads late. There are two exceptions: bytes
/// from the peer arrive after the drop, or more than 256 KiB lie unread (64 reads of 4 KiB; 32 KiB
/// without `std`). A socket that is closed over unread bytes resets its connection, and the peer
/// then loses what it has not read. With TLS 1.3 a client that only writes has such bytes,
/// because the server sends session tickets after the handshake. So:
///
/// - A shutdown takes in tickets and other messages of TLS that have arrived, in at most 64 reads.
///   It stops at application data, which stays readable. It holds no more of it than one read from
///   below returned.
/// - A drop, with a shutdown before it or without, discards everything that has arrived, also in at
///   most 64 reads, and then drops the flow below. It polls the flow below for that, outside of any
///   task. While the thread panics it discards nothing.
/// - Neither waits for the peer. Bytes that arrive after the drop still cause a reset: tickets of a
///   slow server, or an answer. [`FlowExt::close`](mimic_core::FlowExt::close) waits until the peer
///   has closed and loses nothing.
/// - The peer cannot tell that its bytes were not read. [`abort`](Flow::abort) tells it.
///
/// # Memory
/// - Reads and writes allocate nothing beside what rustls does: one vector per record. Messages
///   over 2 KiB borrow larger buffers. A reader that has to wait gives them back: with `std`, to
///   the few that each thread keeps.
/// - Input grows to the length that the headers of a record and of a handshake message state. An
///   unfinished handshake message has the room of [`HandshakeRoom`](crate::HandshakeRoom), or its
///   default, and an eighth more for the headers and tags of its records. More is an error. A peer
///   cannot make a handshake hold more than twice that, and that only while a buffer grows
///   (`tests/heap.rs` counts: 38 KiB at most without `std`, 148 KiB with it).
/// - 16 KiB, the default without `std`, are enough for four certificates with RSA keys of 4,096
///   bits (7 KiB) and for ML-KEM key shares (1.2 KiB). An application record needs 18 KiB for
///   itself, whatever the room is.
/// - No memory for a buffer is an error of kind
///   [`OutOfMemory`](mimic_core::ErrorKind::OutOfMemory). rustls itself also allocates, and has no
///   such error.
/// - Memory that held plaintext is wiped before it is freed, given back or kept for another flow.
///   The vectors of rustls and the buffers of the caller are not wiped.
pub struct TlsFlow<F, S: Side> {
    driver: Driver<F, S>,
    /// The server that TLS authenticated, as the client named it; `None` at the server's end.
    peer: Option<Text>,
    /// The name that the client asked for; `None` at the client's end.
    requested: Option<Text>,
    dial_id: Option<OnFlow>,
}

impl<F: Flow, S: Side> TlsFlow<F, S> {
    pub(crate) fn new(below: F, connection: S::Connection, peer: Option<Text>, room: usize) -> Self {
        Self { driver: Driver::new(below, connection, room), peer, requested: None, dial_id: None }
    }

    /// Returns the flow below. It carries TLS.
    pub fn get_ref(&self) -> &F {
        self.driver.below()
    }

    /// Returns the flow below and drops the TLS: for an application that goes on in clear text,
    /// after both sides have closed TLS. Bytes that this side has received beyond that are lost.
    pub fn into_inner(self) -> F {
        self.driver.into_below()
    }

    pub(crate) fn with_dial_id(self, id: DialId) -> Self {
        Self { dial_id: Some(OnFlow::new(id)), ..self }
    }

    pub(crate) fn set_requested(&mut self, name: Option<Text>) {
        self.requested = name;
    }

    pub(crate) async fn handshake(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_handshake(cx)).await
    }

    pub(crate) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.driver.poll_handshake(cx)
    }
}

impl<F: Flow, S: Side> Flow for TlsFlow<F, S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.driver.poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.driver.poll_write(cx, buf)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.driver.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.driver.poll_shutdown(cx)
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        // Gathers slices that fit one record, because rustls seals one slice at a time.
        let mut gathered = [0; GATHER];
        let mut filled = 0;
        for buf in bufs.iter().filter(|buf| !buf.is_empty()) {
            if filled == 0 && buf.len() >= GATHER {
                return self.poll_write(cx, buf);
            }
            let n = buf.len().min(GATHER - filled);
            gathered[filled..filled + n].copy_from_slice(&buf[..n]);
            filled += n;
            if n < buf.len() {
                break;
            }
        }
        self.poll_write(cx, &gathered[..filled])
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn abort(&mut self) {
        self.driver.below_mut().abort();
    }

    fn inner(&self) -> Option<&dyn Flow> {
        Some(self.driver.below())
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        let state = self.driver.state();
        request
            .provide_value(TlsVersion, || state.protocol_version().map(u16::from))
            .provide_final(CipherSuite, || state.negotiated_cipher_suite().map(|suite| suite.suite().into()))
            .provide_final(KeyExchangeGroup, || state.negotiated_key_exchange_group().map(|group| group.name().into()))
            .provide_final(AlpnProtocol, || state.alpn_protocol().map(Into::into))
            .provide_final(PeerCertificates, || {
                let certificates = state.peer_certificates()?;
                Some(certificates.iter().map(|certificate| certificate.clone().into_owned()).collect())
            })
            .provide_final(Resumed, || state.handshake_kind().map(|kind| kind == HandshakeKind::Resumed))
            // The server's end answers `None`: otherwise the question would reach a TLS below,
            // which authenticated another peer.
            .provide_final(Protection, || Some(Protected::new(protocol(state.protocol_version()?), self.peer.clone()?)))
            .provide_final(ServerName, || self.peer.clone())
            .provide_final(RequestedName, || self.requested.clone())
            .provide_final(TlsDial, || self.dial_id.as_ref().map(OnFlow::id));
    }
}

fn protocol(version: ProtocolVersion) -> &'static str {
    if version == ProtocolVersion::TLSv1_2 { "TLS 1.2" } else { "TLS 1.3" }
}

/// The most bytes of a vectored write that are gathered into one record, on the stack.
const GATHER: usize = 4 * 1024;

mimic_core::read_write!(for[F: Flow, S: Side] TlsFlow<F, S>);

impl<F: fmt::Debug, S: Side> fmt::Debug for TlsFlow<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFlow").field("below", self.driver.below()).finish_non_exhaustive()
    }
}
