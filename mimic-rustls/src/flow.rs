//! The TLS flow: a machine between a flow below and whoever reads and writes.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::mem;
use core::task::{Context, Poll, ready};

use mimic_core::{
    AttributeRequest, DuplexWaker, Error, ErrorKind, Flow, Phase, Protected, Protection, RequestedName, ServerName,
    Text, TlsVersion, key,
};
use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, ProtocolVersion};
use scopeguard::{ScopeGuard, guard};

use crate::below::{RECEIVES, empty, poll_receive, poll_send};
use crate::error::{again, closed, explain, truncated};
use crate::machine::{Machine, Readable};
use crate::mark::{Mark, MarkOf};
use crate::side::Side;

key! {
    /// Attribute of a flow: the cipher suite, as on the wire; [`rustls::CipherSuite::from`] names
    /// it.
    pub CipherSuite: u16;
    /// Attribute of a flow: the protocol agreed on by ALPN, if one was.
    pub AlpnProtocol: Vec<u8>;
    /// Attribute of a flow: the certificates that the peer presented and that were verified, its
    /// own first.
    pub PeerCertificates: Arc<[CertificateDer<'static>]>;
    /// Attribute of a flow: whether the handshake resumed an earlier session, whose certificates it
    /// then tells.
    pub Resumed: bool;
}

/// TLS over any flow; the handshake is done before there is one.
///
/// - Reads and writes go on independently, in one task or two.
/// - End of stream is close_notify. A connection that ends without is an error of kind
///   [`ConnectionAborted`](ErrorKind::ConnectionAborted): what was read may be cut short.
/// - [`poll_shutdown`](Flow::poll_shutdown) sends close_notify, flushes, shuts down below, and
///   takes in what has arrived (see below); reading goes on. It fails if close_notify cannot be
///   sealed, and the peer reads no end of stream. After an error of TLS that was returned before,
///   its alert is the close.
/// - An error of TLS is final for both directions. Its alert is sent at once as far as there is
///   room, and the rest with the next read, flush or shutdown, which wait for that as for anything
///   else. Two errors have no alert: a message beyond [`HandshakeRoom`](crate::HandshakeRoom), and
///   no memory. There the peer reads an end without close_notify.
/// - I/O errors belong to a direction. Whichever half meets an error stores it for the half that it
///   belongs to. An error of writing is final, also where the flow below would go on: the peer
///   could not take what follows a lost record.
/// - Keys that are used up (TLS 1.2; TLS 1.3 renews them) end writing with an error and
///   close_notify; reading goes on.
/// - Taken bytes may wait, sealed, until a flush or the next read or write.
///
/// # What a drop may lose
/// Bytes that were flushed arrive, also at a peer that reads late. There are two exceptions: bytes
/// from the peer arrive after the drop, or more than 256 KiB lie unread (64 reads of 4 KiB; 32 KiB
/// without `std`). A system resets a connection whose socket is closed over unread bytes, and the
/// peer loses what it has not read. With TLS 1.3 a client that only writes has such bytes, for the
/// server sends session tickets after the handshake. So:
///
/// - A shutdown takes in tickets and other messages of TLS that have arrived, in at most 64 reads.
///   It stops at application data: those stay readable. It holds no more of them than one read from
///   below gave.
/// - A drop, with a shutdown before it or without, discards everything that has arrived, also in at
///   most 64 reads, and then drops the flow below. It polls the flow below for that, outside of any
///   task. While the thread panics it discards nothing.
/// - Neither waits for the peer. Bytes that arrive after the drop still cause a reset: tickets of a
///   server that is slow, or an answer. [`FlowExt::close`](mimic_core::FlowExt::close) waits until
///   the peer has closed and loses nothing.
/// - The peer cannot tell that its bytes were not read. [`abort`](Flow::abort) says so.
///
/// # Memory
/// - Reads and writes allocate nothing beside what rustls does: one vector per record. Messages
///   over 2 KiB borrow larger buffers, which are given back when a reader has to wait: with `std`,
///   to a few that each thread keeps.
/// - Input grows to the length that the headers of a record and of a handshake message tell. An
///   unfinished handshake message has the room of [`HandshakeRoom`](crate::HandshakeRoom), or its
///   default, and an eighth more for the headers and tags of its records; more is an error. A peer
///   cannot make a handshake hold more than twice that, and that only while a buffer grows
///   (`tests/heap.rs` counts: 38 KiB at most without `std`, 148 KiB with it).
/// - 16 KiB, the default without `std`, are enough for four certificates with RSA keys of 4,096
///   bits (7 KiB) and for ML-KEM key shares (1.2 KiB). An application record needs 18 KiB for
///   itself, whatever the room is.
/// - No memory for a buffer is an error of kind [`OutOfMemory`](ErrorKind::OutOfMemory). (rustls
///   itself allocates, too, and has no such error.)
/// - Memory that held plaintext is wiped before it is freed, given back or kept for another flow.
///   rustls's own vectors and the caller's buffers are not this flow's to wipe.
pub struct TlsFlow<F, S: Side> {
    /// Emptied when it is dropped.
    below: ScopeGuard<F, fn(F)>,
    machine: Machine<S>,
    wakers: DuplexWaker,
    /// The server that TLS authenticated, named as the client named it; none at the server's end.
    peer: Option<Text>,
    /// What the client asked for; none at its own end.
    requested: Option<Text>,
    mark: Option<Mark>,
    writing: Writing,
    input: Input,
    /// A writer waits for what is outgoing, or for a flush below.
    waiting: bool,
}

enum Writing {
    Open,
    /// close_notify is on its way.
    Closing,
    /// It was handed down, and the flow below shuts down: nobody but who waits for that touches its
    /// writing side.
    Shutting,
    Closed,
    /// The flow below failed. It may go on, but a record behind a lost one looks like an attack, so
    /// TLS does not. The error is here until a writer is told.
    Failed(ErrorKind, Option<Error>),
}

impl Writing {
    /// Whether what is outgoing may be sent.
    fn sends(&self) -> bool {
        matches!(self, Self::Open | Self::Closing)
    }

    fn fail(&mut self, error: Error) {
        *self = Self::Failed(error.kind(), Some(error));
    }

    /// What a writer hears of a failure: all there is to say for the first time, and the kind from
    /// then on.
    fn tell(&mut self) -> Option<Error> {
        match self {
            Self::Failed(kind, untold) => Some(untold.take().unwrap_or_else(|| again(*kind))),
            _ => None,
        }
    }
}

/// What became of the reading side below when it was last asked.
enum Input {
    Open,
    /// An end of stream that TLS did not announce.
    Truncated,
    /// An error that a writer met, for the reader.
    Failed(Error),
}

impl<F: Flow, S: Side> TlsFlow<F, S> {
    pub(crate) fn new(below: F, connection: S::Connection, peer: Option<Text>, room: usize) -> Self {
        Self {
            below: guard(below, empty),
            machine: Machine::new(connection, room),
            wakers: DuplexWaker::new(),
            peer,
            requested: None,
            mark: None,
            writing: Writing::Open,
            input: Input::Open,
            waiting: false,
        }
    }

    /// The flow below. What it carries from now on is still TLS.
    pub fn get_ref(&self) -> &F {
        &self.below
    }

    /// The flow below, out of the TLS flow: for after both sides have closed TLS and go on in clear
    /// text. What this side had received beyond that is lost.
    pub fn into_inner(self) -> F {
        ScopeGuard::into_inner(self.below)
    }

    pub(crate) fn marked(self, mark: Mark) -> Self {
        Self { mark: Some(mark), ..self }
    }

    pub(crate) fn set_requested(&mut self, name: Option<Text>) {
        self.requested = name;
    }

    pub(crate) async fn handshake(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_handshake(cx)).await
    }

    pub(crate) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let polled = self.poll_flights(cx);
        self.machine.settle();
        polled
    }

    fn poll_flights(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            if let Err(error) = self.machine.drive() {
                // The alert tells the peer why. It is not worth an error of its own.
                ready!(poll_out(&mut *self.below, &mut self.machine, &mut self.writing, cx));
                return Poll::Ready(Err(explain::<S>(error, Phase::Handshake, self.machine.state())));
            }
            let sent = poll_out(&mut *self.below, &mut self.machine, &mut self.writing, cx);
            let state = self.machine.state();
            if !state.is_handshaking() {
                return match state.protocol_version() {
                    // All that may be left are session tickets. Who waited for the peer to take
                    // them would wait for ever for one that writes first, and who failed with them
                    // would lose what a peer sent before it closed. Who writes hears of it.
                    Some(ProtocolVersion::TLSv1_3) if S::IS_SERVER => Poll::Ready(Ok(())),
                    _ => sent.map(|()| self.writing.tell().map_or(Ok(()), |error| Err(in_handshake(error)))),
                };
            }
            // Also while sending waits, for two sides that both wait to be read would wait for
            // ever; and after it failed, for the peer may have said why before it went.
            let received = poll_receive(&mut *self.below, &mut self.machine, cx);
            if let Poll::Ready(Ok(1..)) = received {
                continue;
            }
            if let Some(error) = self.writing.tell() {
                return Poll::Ready(Err(in_handshake(error)));
            }
            return match ready!(received) {
                Ok(_) => Poll::Ready(Err(truncated(Phase::Handshake))),
                Err(error) => Poll::Ready(Err(in_handshake(error))),
            };
        }
    }

    /// Sends what is outgoing, for a writer.
    fn poll_drain(&mut self) -> Poll<Result<(), Error>> {
        let mut both = Context::from_waker(self.wakers.both());
        let sent = poll_send(&mut *self.below, &mut self.machine, &mut both);
        self.hear(sent)
    }

    /// Sends what is outgoing before the flow below flushes or shuts down, and says whether it has
    /// yet to do that.
    fn poll_sent(&mut self) -> Poll<Result<bool, Error>> {
        match self.writing {
            Writing::Open | Writing::Closing => self.poll_drain().map_ok(|()| true),
            Writing::Shutting => Poll::Ready(Ok(true)),
            Writing::Closed => Poll::Ready(Ok(false)),
            Writing::Failed(..) => Poll::Ready(Err(self.refusal())),
        }
    }

    /// What became of an operation below that a writer asked for.
    fn hear(&mut self, polled: Poll<Result<(), Error>>) -> Poll<Result<(), Error>> {
        self.waiting = polled.is_pending();
        polled.map_err(|error| {
            self.writing.fail(error);
            self.refusal()
        })
    }

    /// What a writer is told where there is no writing any more.
    #[cold]
    fn refusal(&mut self) -> Error {
        if let (Writing::Failed(_, Some(_)), Input::Open) = (&self.writing, &self.input)
            && self.machine.is_drained()
        {
            // The peer may have said why before it went, and that is the better error.
            let mut both = Context::from_waker(self.wakers.both());
            if let Poll::Ready(received) = poll_receive(&mut *self.below, &mut self.machine, &mut both) {
                if let Err(error) = received {
                    self.input = Input::Failed(error);
                }
                // What a reader waits for was just taken from below.
                self.wakers.both().wake_by_ref();
            }
        }
        match self.writing.tell() {
            Some(error) => match self.machine.drive() {
                Err(why) => explain::<S>(why, Phase::Write, self.machine.state()),
                Ok(()) => error,
            },
            None => closed(),
        }
    }

    /// Returns the error of a shutdown that could not seal close_notify. An alert goes out in its
    /// place, unless the error has none: then writing has failed, and the peer reads no end of
    /// stream.
    #[cold]
    fn unclosed(&mut self, error: rustls::Error) -> Error {
        self.push();
        let error = explain::<S>(error, Phase::Shutdown, self.machine.state());
        if error.kind() == ErrorKind::OutOfMemory {
            self.writing = Writing::Failed(error.kind(), None);
        }
        error
    }

    /// What a reader is told where there is nothing more to read.
    #[cold]
    fn end(&mut self) -> Error {
        match mem::replace(&mut self.input, Input::Truncated) {
            Input::Failed(error) => {
                // It is asked again: whether that is final is its to say.
                self.input = Input::Open;
                error
            }
            _ => truncated(Phase::Read),
        }
    }

    /// Sends what is outgoing as far as it goes now. If that fails, whoever writes next hears of
    /// it.
    fn push(&mut self) {
        if !self.writing.sends() {
            return;
        }
        let was_outgoing = !self.machine.outgoing.is_empty();
        let mut both = Context::from_waker(self.wakers.both());
        let sent = poll_out(&mut *self.below, &mut self.machine, &mut self.writing, &mut both);
        // A flow may forget who waits for an operation once one is done: a writer that waited for
        // this goes on.
        if sent.is_ready() || (was_outgoing && self.machine.outgoing.is_empty()) {
            self.wake_writer();
        }
    }

    /// Takes in what has arrived and is for TLS alone, session tickets above all. A socket that is
    /// closed over unread bytes resets the connection, and the peer loses what it has not read.
    ///
    /// It stops at what an application can read: that stays, and what comes behind it stays below.
    fn take_in(&mut self) {
        let mut taken = false;
        for _ in 0..RECEIVES {
            if !matches!(self.input, Input::Open) || !self.machine.absorb() {
                break;
            }
            let mut both = Context::from_waker(self.wakers.both());
            match poll_receive(&mut *self.below, &mut self.machine, &mut both) {
                Poll::Ready(Ok(0)) => self.input = Input::Truncated,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => self.input = Input::Failed(error),
                Poll::Pending => break,
            }
            taken = true;
        }
        if taken {
            // What a reader waits for was just taken from below.
            self.wakers.both().wake_by_ref();
        }
        self.machine.rest();
    }

    /// Wakes a writer that waits, if one does.
    fn wake_writer(&mut self) {
        if mem::take(&mut self.waiting) {
            self.wakers.both().wake_by_ref();
        }
    }
}

fn in_handshake(error: Error) -> Error {
    Error::with_source(error.kind(), error).in_phase(Phase::Handshake)
}

/// Sends what is outgoing and flushes, while there is writing. An error is kept for who writes.
fn poll_out<F: Flow, S: Side>(
    below: &mut F,
    machine: &mut Machine<S>,
    writing: &mut Writing,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if !writing.sends() {
        return Poll::Ready(());
    }
    let sent = match poll_send(below, machine, cx) {
        Poll::Ready(Ok(())) => below.poll_flush(cx),
        unsent => unsent,
    };
    sent.map(|sent| sent.unwrap_or_else(|error| writing.fail(error)))
}

impl<F: Flow, S: Side> Flow for TlsFlow<F, S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut patience = RECEIVES;
        loop {
            match self.machine.read(buf) {
                Ok(Readable::Bytes(n)) => return Poll::Ready(Ok(n)),
                Ok(Readable::End) => return Poll::Ready(Ok(0)),
                Ok(Readable::Nothing) if !matches!(self.input, Input::Open) => return Poll::Ready(Err(self.end())),
                Ok(Readable::Nothing) => {}
                Err(error) => {
                    // The alert goes out as far as it can now; the rest with the next flush or
                    // shutdown.
                    self.push();
                    self.wake_writer();
                    return Poll::Ready(Err(explain::<S>(error, Phase::Read, self.machine.state())));
                }
            }
            // For input the reader alone waits: whoever else takes some (`refusal`) lets both be
            // woken. So bytes that come wake one task once, and not again as the writer it was
            // before.
            let received = match patience {
                0 => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                _ => match poll_receive(&mut *self.below, &mut self.machine, cx) {
                    // It ends here like any error of TLS.
                    Poll::Ready(Err(_)) if self.machine.has_failed() => continue,
                    received => received?,
                },
            };
            match received {
                Poll::Ready(0) => self.input = Input::Truncated,
                Poll::Ready(_) => patience -= 1,
                Poll::Pending => {
                    self.wakers.reader(cx);
                    // Whoever waits for an answer may have forgotten to flush the question; and
                    // alerts leave only here when nobody writes.
                    self.push();
                    self.machine.rest();
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        if !matches!(self.writing, Writing::Open) {
            return Poll::Ready(Err(self.refusal()));
        }
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        // Nothing is sealed before all that was sealed is sent: `Pending` takes nothing, and memory
        // is bounded. After an error of TLS nothing is sealed at all, and the peer may never read
        // again.
        if !self.machine.outgoing.is_empty() && !self.machine.has_failed() {
            self.wakers.writer(cx);
            ready!(self.poll_drain())?;
        }
        match self.machine.write(buf) {
            Ok(taken) => match self.poll_drain() {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                _ => {
                    // The rest leaves with what comes next: nobody waits for it.
                    self.waiting = false;
                    Poll::Ready(Ok(taken))
                }
            },
            Err(error) => {
                self.push();
                Poll::Ready(Err(explain::<S>(error, Phase::Write, self.machine.state())))
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.wakers.writer(cx);
        if !ready!(self.poll_sent())? {
            return Poll::Ready(Ok(()));
        }
        let flushed = self.below.poll_flush(&mut Context::from_waker(self.wakers.both()));
        self.hear(flushed)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.wakers.writer(cx);
        if let Writing::Open = self.writing {
            // After an error, its alert is the close.
            let failed = self.machine.has_failed();
            let closed = self.machine.close();
            self.writing = Writing::Closing;
            if let Err(error) = closed
                && !failed
            {
                return Poll::Ready(Err(self.unclosed(error)));
            }
        }
        if !ready!(self.poll_sent())? {
            return Poll::Ready(Ok(()));
        }
        self.writing = Writing::Shutting;
        let shut = self.below.poll_shutdown(&mut Context::from_waker(self.wakers.both()));
        ready!(self.hear(shut))?;
        self.writing = Writing::Closed;
        self.take_in();
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        // One record for what fits one: rustls seals one slice at a time.
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
        self.below.abort();
    }

    fn inner(&self) -> Option<&dyn Flow> {
        Some(&*self.below)
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        let state = self.machine.state();
        request
            .provide_value(TlsVersion, || state.protocol_version().map(u16::from))
            .provide_final(CipherSuite, || state.negotiated_cipher_suite().map(|suite| suite.suite().into()))
            .provide_final(AlpnProtocol, || state.alpn_protocol().map(Into::into))
            .provide_final(PeerCertificates, || {
                let certificates = state.peer_certificates()?;
                Some(certificates.iter().map(|certificate| certificate.clone().into_owned()).collect())
            })
            .provide_final(Resumed, || state.handshake_kind().map(|kind| kind == HandshakeKind::Resumed))
            // `None` is known at the server's end: the peer that a TLS below authenticated is
            // another.
            .provide_final(Protection, || Some(Protected::new(protocol(state.protocol_version()?), self.peer.clone()?)))
            .provide_final(ServerName, || self.peer.clone())
            .provide_final(RequestedName, || self.requested.clone())
            .provide_final(MarkOf, || self.mark.clone());
    }
}

fn protocol(version: ProtocolVersion) -> &'static str {
    if version == ProtocolVersion::TLSv1_2 { "TLS 1.2" } else { "TLS 1.3" }
}

/// How much of a vectored write is gathered into one record, on the stack.
const GATHER: usize = 4 * 1024;

mimic_core::read_write!(for[F: Flow, S: Side] TlsFlow<F, S>);

impl<F: fmt::Debug, S: Side> fmt::Debug for TlsFlow<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFlow").field("below", &*self.below).finish_non_exhaustive()
    }
}
