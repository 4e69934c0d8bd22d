//! Drives the machine over the flow below.
//!
//! One request and its answer, in one task:
//!
//! ```text
//!   poll_write("ping")   seals "ping", sends the record       below.poll_write
//!   poll_flush           sends what is left, flushes          below.poll_flush
//!   poll_read            has nothing to open, receives        below.poll_read: Pending
//!                        releases buffers, waits
//!        ⋮               the flow below wakes the task
//!   poll_read            receives a record, opens "pong"      below.poll_read
//! ```
//!
//! # Wake-ups
//! Everything below that a writer may wait for is polled with a waker for both tasks, so either
//! task may complete it. Input is polled with the reader's waker alone. A task that takes in
//! something for the other wakes it.

use core::mem;
use core::task::{Context, Poll, ready};

use mimic_core::io::DuplexWaker;
use mimic_core::{Error, ErrorKind, Flow, Phase};
use rustls::{CommonState, ProtocolVersion};
use scopeguard::{ScopeGuard, guard};

use crate::below::{RECEIVES, empty, poll_receive, poll_send};
use crate::error::{closed, explain, truncated};
use crate::machine::{Machine, Readable};
use crate::side::Side;
use crate::states::{Input, Writing};

pub(crate) struct Driver<F, S: Side> {
    /// Emptied when it is dropped.
    below: ScopeGuard<F, fn(F)>,
    machine: Machine<S>,
    wakers: DuplexWaker,
    writing: Writing,
    input: Input,
    /// A writer waits for records to be sent, or for a flush below.
    writer_waits: bool,
}

impl<F, S: Side> Driver<F, S> {
    pub(crate) fn below(&self) -> &F {
        &self.below
    }
}

impl<F: Flow, S: Side> Driver<F, S> {
    pub(crate) fn new(below: F, connection: S::Connection, room: usize) -> Self {
        Self {
            below: guard(below, empty),
            machine: Machine::new(connection, room),
            wakers: DuplexWaker::new(),
            writing: Writing::Open,
            input: Input::Open,
            writer_waits: false,
        }
    }

    pub(crate) fn below_mut(&mut self) -> &mut F {
        &mut self.below
    }

    /// Returns the flow below without emptying it.
    pub(crate) fn into_below(self) -> F {
        ScopeGuard::into_inner(self.below)
    }

    pub(crate) fn state(&self) -> &CommonState {
        self.machine.state()
    }

    pub(crate) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let polled = self.poll_flights(cx);
        self.machine.compact_buffers();
        polled
    }

    /// Sends and receives flights until the handshake is done.
    fn poll_flights(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            if let Err(error) = self.machine.process_input() {
                // The alert tells the peer why. If it cannot be sent, the error of TLS is still the
                // one to return.
                ready!(poll_send_and_flush(&mut *self.below, &mut self.machine, &mut self.writing, cx));
                return Poll::Ready(Err(explain::<S>(error, Phase::Handshake, self.machine.state())));
            }
            let sent = poll_send_and_flush(&mut *self.below, &mut self.machine, &mut self.writing, cx);
            let state = self.machine.state();
            if !state.is_handshaking() {
                return match state.protocol_version() {
                    // At most session tickets are left to send. The handshake does not wait for
                    // them: a peer that writes first may never read them. It does not fail with
                    // them either, because the peer may have sent bytes before it closed. A later
                    // write returns the error.
                    Some(ProtocolVersion::TLSv1_3) if S::IS_SERVER => Poll::Ready(Ok(())),
                    _ => sent.map(|()| self.writing.report_error().map_or(Ok(()), |error| Err(in_handshake(error)))),
                };
            }
            // Receives while sending waits: otherwise two sides that both wait to be read would
            // wait for ever. Receives after sending failed: the peer may have said why.
            let received = poll_receive(&mut *self.below, &mut self.machine, cx);
            if let Poll::Ready(Ok(1..)) = received {
                continue;
            }
            if let Some(error) = self.writing.report_error() {
                return Poll::Ready(Err(in_handshake(error)));
            }
            return match ready!(received) {
                Ok(_) => Poll::Ready(Err(truncated(Phase::Handshake))),
                Err(error) => Poll::Ready(Err(in_handshake(error))),
            };
        }
    }

    /// Reads into `buf`, which is not empty.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        let mut receives_left = RECEIVES;
        loop {
            match self.machine.read(buf) {
                Ok(Readable::Bytes(n)) => return Poll::Ready(Ok(n)),
                Ok(Readable::End) => return Poll::Ready(Ok(0)),
                Ok(Readable::Nothing) if matches!(self.input, Input::Open) => {}
                Ok(Readable::Nothing) => return Poll::Ready(Err(self.read_error())),
                Err(error) => {
                    // Sends the alert as far as it goes now. A later read, flush or shutdown sends
                    // the rest.
                    self.flush_records();
                    self.wake_writer();
                    return Poll::Ready(Err(explain::<S>(error, Phase::Read, self.machine.state())));
                }
            }
            // Uses the reader's waker alone, so that bytes wake one task once. `write_error` and
            // `receive_tickets` receive with the waker for both and wake the reader.
            let received = match receives_left {
                0 => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                _ => match poll_receive(&mut *self.below, &mut self.machine, cx) {
                    // The machine had no room. The next `read` returns that as an error of TLS.
                    Poll::Ready(Err(_)) if self.machine.has_failed() => continue,
                    received => received?,
                },
            };
            match received {
                Poll::Ready(0) => self.input = Input::Truncated,
                Poll::Ready(_) => receives_left -= 1,
                Poll::Pending => {
                    self.wakers.reader(cx);
                    // A caller that waits for an answer may not have flushed its question. Alerts
                    // leave only here if the application does not write.
                    self.flush_records();
                    self.machine.release_buffers();
                    return Poll::Pending;
                }
            }
        }
    }

    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        if !matches!(self.writing, Writing::Open) {
            return Poll::Ready(Err(self.write_error()));
        }
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        // Sends all earlier records before it seals: then `Pending` takes nothing, and memory is
        // bounded. After an error of TLS it seals nothing, so it need not wait for the peer.
        if !self.machine.outgoing.is_empty() && !self.machine.has_failed() {
            self.wakers.writer(cx);
            ready!(self.poll_send_records())?;
        }
        match self.machine.write(buf) {
            Ok(taken) => match self.poll_send_records() {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                _ => {
                    // The next operation sends the rest. This writer does not wait for it.
                    self.writer_waits = false;
                    Poll::Ready(Ok(taken))
                }
            },
            Err(error) => {
                self.flush_records();
                Poll::Ready(Err(explain::<S>(error, Phase::Write, self.machine.state())))
            }
        }
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.wakers.writer(cx);
        match self.writing {
            Writing::Open | Writing::Closing => ready!(self.poll_send_records())?,
            Writing::Shutting => {}
            Writing::Closed => return Poll::Ready(Ok(())),
            Writing::Failed(..) => return Poll::Ready(Err(self.write_error())),
        }
        let flushed = self.below.poll_flush(&mut Context::from_waker(self.wakers.both()));
        self.store_write_result(flushed)
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.wakers.writer(cx);
        loop {
            match self.writing {
                Writing::Open => {
                    let failed = self.machine.has_failed();
                    let closed = self.machine.close();
                    self.writing = Writing::Closing;
                    // After an error of TLS, its alert takes the place of close_notify.
                    if let Err(error) = closed
                        && !failed
                    {
                        return Poll::Ready(Err(self.close_error(error)));
                    }
                }
                Writing::Closing => {
                    ready!(self.poll_send_records())?;
                    self.writing = Writing::Shutting;
                }
                Writing::Shutting => {
                    let shut = self.below.poll_shutdown(&mut Context::from_waker(self.wakers.both()));
                    ready!(self.store_write_result(shut))?;
                    self.writing = Writing::Closed;
                    self.receive_tickets();
                }
                Writing::Closed => return Poll::Ready(Ok(())),
                Writing::Failed(..) => return Poll::Ready(Err(self.write_error())),
            }
        }
    }

    /// Sends outgoing records, for a writer.
    fn poll_send_records(&mut self) -> Poll<Result<(), Error>> {
        let mut both = Context::from_waker(self.wakers.both());
        let sent = poll_send(&mut *self.below, &mut self.machine, &mut both);
        self.store_write_result(sent)
    }

    /// Stores the result of an operation below that a writer asked for: whether the writer waits,
    /// and an error.
    fn store_write_result(&mut self, polled: Poll<Result<(), Error>>) -> Poll<Result<(), Error>> {
        self.writer_waits = polled.is_pending();
        polled.map_err(|error| {
            self.writing.fail(error);
            self.write_error()
        })
    }

    /// Returns the error for a read after which nothing more comes.
    #[cold]
    fn read_error(&mut self) -> Error {
        match mem::replace(&mut self.input, Input::Truncated) {
            Input::Failed(error) => {
                // The next read asks the flow below again, which decides whether that is final.
                self.input = Input::Open;
                error
            }
            _ => truncated(Phase::Read),
        }
    }

    /// Returns the error for a write in a state that has no writing.
    #[cold]
    fn write_error(&mut self) -> Error {
        if let (Writing::Failed(_, Some(_)), Input::Open) = (&self.writing, &self.input)
            && self.machine.is_drained()
        {
            // Receives once: an alert that the peer sent before it went is the better error.
            let mut both = Context::from_waker(self.wakers.both());
            if let Poll::Ready(received) = poll_receive(&mut *self.below, &mut self.machine, &mut both) {
                if let Err(error) = received {
                    self.input = Input::Failed(error);
                }
                // A reader may wait for this input.
                self.wakers.both().wake_by_ref();
            }
        }
        match self.writing.report_error() {
            Some(error) => match self.machine.process_input() {
                Err(why) => explain::<S>(why, Phase::Write, self.machine.state()),
                Ok(()) => error,
            },
            None => closed(),
        }
    }

    /// Returns the error of a shutdown that could not seal close_notify, and sends its alert. An
    /// error without an alert fails the writing side, so that the peer reads no end of stream.
    #[cold]
    fn close_error(&mut self, error: rustls::Error) -> Error {
        self.flush_records();
        let error = explain::<S>(error, Phase::Shutdown, self.machine.state());
        if error.kind() == ErrorKind::OutOfMemory {
            self.writing = Writing::Failed(error.kind(), None);
        }
        error
    }

    /// Sends and flushes outgoing records as far as they go now, outside of a write. The next write
    /// returns an error of it.
    fn flush_records(&mut self) {
        if !self.writing.sends() {
            return;
        }
        let was_outgoing = !self.machine.outgoing.is_empty();
        let mut both = Context::from_waker(self.wakers.both());
        let sent = poll_send_and_flush(&mut *self.below, &mut self.machine, &mut self.writing, &mut both);
        // A flow may drop its waker once an operation is done, so this wakes a writer that waited
        // for the same operation.
        if sent.is_ready() || (was_outgoing && self.machine.outgoing.is_empty()) {
            self.wake_writer();
        }
    }

    /// Receives and processes session tickets and other messages of TLS that have arrived. Unread
    /// bytes would make the system reset the connection when the socket is closed, and the peer
    /// would lose what it has not read.
    ///
    /// Stops at application data: that stays readable, and what follows it stays below.
    fn receive_tickets(&mut self) {
        let mut received = false;
        for _ in 0..RECEIVES {
            if !matches!(self.input, Input::Open) || !self.machine.process_to_plaintext() {
                break;
            }
            let mut both = Context::from_waker(self.wakers.both());
            match poll_receive(&mut *self.below, &mut self.machine, &mut both) {
                Poll::Ready(Ok(0)) => self.input = Input::Truncated,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => self.input = Input::Failed(error),
                Poll::Pending => break,
            }
            received = true;
        }
        if received {
            // A reader may wait for this input.
            self.wakers.both().wake_by_ref();
        }
        self.machine.release_buffers();
    }

    /// Wakes the writer if it waits.
    fn wake_writer(&mut self) {
        if mem::take(&mut self.writer_waits) {
            self.wakers.both().wake_by_ref();
        }
    }
}

fn in_handshake(error: Error) -> Error {
    Error::with_source(error.kind(), error).in_phase(Phase::Handshake)
}

/// Sends outgoing records and flushes, if records may be sent. Stores an error for the next write.
fn poll_send_and_flush<F: Flow, S: Side>(
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
