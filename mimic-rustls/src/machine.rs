//! TLS without I/O: rustls's unbuffered connection with its input, its output, and the plaintext
//! that is opened and not read.
//!
//! ```text
//!   received ──► incoming ──► rustls ──► plaintext ──► read
//!   sent     ◄── outgoing ◄── rustls ◄───────────────  write, close
//! ```
//!
//! # States
//! ```text
//!   state        read                    write                  ends when
//!   ─────────────────────────────────────────────────────────────────────────────────
//!   handshaking  finds nothing           is not called          the handshake is done
//!   open         opens records           seals records          one of the next begins
//!   exhausted    opens records           is an error            –
//!   peer closed  is the end of stream    seals records          –
//!   failed       is the error            is the error           –
//! ```
//!
//! - *Exhausted* is a state of writing (TLS 1.2: the keys are used up, and close_notify is sealed).
//!   *Peer closed* is one of reading. Both may hold at once.
//! - *Failed* ends all others, by an error of TLS or of memory. Its alert is sealed.
//! - Plaintext that was opened before is read first, in every state.
//!
//! The input has a state of its own:
//!
//! ```text
//!   Incoming    holds                             rustls gets it  ends when
//!   ─────────────────────────────────────────────────────────────────────────────────
//!   Unseen      bytes that rustls has not seen    always          they are processed
//!   ForReader   whole records of the application  for a read      all are opened
//!   Processed   a part of a record or message     not for a read  more is received
//! ```
//!
//! rustls may have a part of a handshake message in the input. So it gets all of it, unchanged, or
//! none of it.

use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{CommonState, Error};

use crate::buffer::Buffer;
use crate::error::{endless, no_memory};
use crate::input_length::{HEADER, needed_length};
use crate::seal::{close_notify, encode, seal};
use crate::side::{Connection, Side};

/// The most plaintext that one write seals.
const SEAL: usize = 64 * 1024;

/// The most that a sealed record takes: 2 KiB more than its plaintext, and its header.
const RECORD: usize = HEADER + 16 * 1024 + 2 * 1024;

/// The default room for a handshake message.
pub(crate) const ROOM: usize = if cfg!(feature = "std") { 64 * 1024 } else { 16 * 1024 };

pub(crate) struct Machine<S: Side> {
    connection: S::Connection,
    /// Received and not processed.
    incoming: Buffer,
    incoming_state: Incoming,
    /// Sealed and not sent, in order.
    pub(crate) outgoing: Buffer,
    /// Opened and not read.
    plaintext: Buffer,
    /// The length limit of an unfinished handshake message.
    room: usize,
    /// The peer sent close_notify, so the end of its stream is authentic.
    peer_closed: bool,
    failed: Option<Error>,
    /// The keys to write with are used up, and close_notify is sealed.
    exhausted: bool,
    /// Buffers were released once. That time they shrank, because only a handshake needs so much.
    shrunk: bool,
}

/// The state of the input; see the table above.
#[derive(Clone, Copy, PartialEq)]
enum Incoming {
    Unseen,
    ForReader,
    Processed,
}

/// The operation that input is processed for.
enum Goal<'a> {
    Process,
    Read(&'a mut [u8]),
    Write(&'a [u8]),
    Close,
}

/// The result of a read.
pub(crate) enum Readable {
    Bytes(usize),
    End,
    /// More input is needed.
    Nothing,
}

impl<S: Side> Machine<S> {
    pub(crate) fn new(connection: S::Connection, room: usize) -> Self {
        Self {
            connection,
            incoming: Buffer::default().for_flights(),
            incoming_state: Incoming::Unseen,
            outgoing: Buffer::default(),
            plaintext: Buffer::default(),
            room,
            peer_closed: false,
            failed: None,
            exhausted: false,
            shrunk: false,
        }
    }

    pub(crate) fn state(&self) -> &CommonState {
        self.connection.state()
    }

    /// Returns whether an error of TLS has ended the connection.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Processes input for the connection itself: the handshake and other messages of TLS. Records
    /// of the application become plaintext.
    pub(crate) fn process_input(&mut self) -> Result<(), Error> {
        self.run(Goal::Process).map(|_| ())
    }

    /// Opens records into `buf`, which is not empty. An error behind bytes is returned after those
    /// bytes.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> Result<Readable, Error> {
        if !self.plaintext.is_empty() {
            return Ok(Readable::Bytes(self.plaintext.copy_to(buf)));
        }
        let opened = match self.incoming_state {
            Incoming::Processed => 0,
            Incoming::Unseen | Incoming::ForReader => self.run(Goal::Read(buf))?,
        };
        match opened {
            0 if self.peer_closed => Ok(Readable::End),
            0 => Ok(Readable::Nothing),
            n => Ok(Readable::Bytes(n)),
        }
    }

    /// Seals up to 64 KiB of `buf`, which is not empty, behind what is outgoing. Returns how many
    /// bytes.
    pub(crate) fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
        match self.run(Goal::Write(&buf[..buf.len().min(SEAL)]))? {
            0 => Err(Error::EncryptError),
            n => Ok(n),
        }
    }

    /// Seals close_notify behind what is outgoing.
    pub(crate) fn close(&mut self) -> Result<(), Error> {
        self.run(Goal::Close).map(|_| ())
    }

    /// Returns whether a reader has nothing to take. Then more may be received without a reader.
    pub(crate) fn is_drained(&self) -> bool {
        self.plaintext.is_empty()
            && self.incoming_state != Incoming::ForReader
            && !self.peer_closed
            && self.failed.is_none()
    }

    /// Processes input up to the first that a reader can take. Returns whether there was none.
    pub(crate) fn process_to_plaintext(&mut self) -> bool {
        // The next read returns the error again.
        if self.is_drained() && self.incoming_state == Incoming::Unseen && self.process_input().is_err() {
            return false;
        }
        self.is_drained()
    }

    /// Returns space for input, within the limit. Call it when whole records of the application do
    /// not lie in the input.
    ///
    /// Then the input holds a part of a record, or the records of an unfinished handshake message,
    /// which rustls needs side by side. The headers tell how long they become. The input grows to
    /// that length and no further.
    ///
    /// # Errors
    /// Beyond the limit, and without memory. An error ends the connection. rustls has no alert for
    /// it.
    pub(crate) fn receive_space(&mut self) -> Result<&mut [u8], Error> {
        let handshaking = self.state().is_handshaking();
        // An eighth more than the message is for the headers and tags of its records. A peer that
        // needs more sends records of very few bytes.
        let message = self.room.saturating_add(self.room / 8).saturating_add(HEADER);
        let limit = if handshaking { message } else { message.max(RECORD) };
        let len = self.incoming.len();
        if len >= limit {
            let error = endless(self.room);
            self.fail(error.clone());
            return Err(error);
        }
        let missing = needed_length(self.incoming.filled()).clamp(len + 1, limit) - len;
        // Asking for half of the free space moves the bytes to the front once it is worth it.
        let room = missing.max(self.incoming.free() / 2);
        if self.incoming.space_within(room, len + room).is_err() {
            self.fail(no_memory());
            return Err(no_memory());
        }
        // Returns the space that the line above made.
        let space = self.incoming.space_within(0, len).unwrap_or_default();
        let most = if handshaking { space.len().min(limit - len) } else { space.len() };
        Ok(&mut space[..most])
    }

    pub(crate) fn received(&mut self, n: usize) {
        self.incoming.fill(n);
        self.incoming_state = Incoming::Unseen;
    }

    /// Gives back the memory that a handshake borrowed. Called when the handshake waits, which may
    /// take long, and when it is done.
    pub(crate) fn compact_buffers(&mut self) {
        let handshaking = self.state().is_handshaking();
        for buffer in [&mut self.incoming, &mut self.outgoing, &mut self.plaintext] {
            buffer.compact(handshaking);
        }
    }

    /// Gives back memory that an idle connection does not need. Keeps enough for messages of up to
    /// 2 KiB.
    pub(crate) fn release_buffers(&mut self) {
        for buffer in [&mut self.incoming, &mut self.outgoing, &mut self.plaintext] {
            if self.shrunk { buffer.release() } else { buffer.shrink() }
        }
        self.shrunk = true;
    }

    /// Processes input until rustls waits for more or the read has filled its buffer, then seals
    /// what the goal asks for. Returns the number of bytes read or sealed.
    fn run(&mut self, mut goal: Goal<'_>) -> Result<usize, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut done = 0;
        loop {
            let Self { connection, incoming, incoming_state, outgoing, plaintext, exhausted, .. } = self;
            let skip = *incoming_state == Incoming::ForReader && !matches!(goal, Goal::Read(_));
            let input = if skip { Default::default() } else { incoming.filled() };
            let UnbufferedStatus { discard, state } = connection.process(input);
            let (mut go, mut opened) = (true, false);
            let mut result = Ok(());
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    (*incoming_state, opened) = (Incoming::ForReader, true);
                    while let Some(record) = traffic.next_record() {
                        match record {
                            Ok(record) => {
                                // Copies into the reader's buffer first, and the rest into our own.
                                let direct = match &mut goal {
                                    Goal::Read(buf) if plaintext.is_empty() => {
                                        let n = record.payload.len().min(buf.len() - done);
                                        buf[done..done + n].copy_from_slice(&record.payload[..n]);
                                        done += n;
                                        n
                                    }
                                    _ => 0,
                                };
                                if direct < record.payload.len() && plaintext.append(&record.payload[direct..]).is_err()
                                {
                                    result = Err(no_memory());
                                }
                            }
                            Err(error) => result = Err(error),
                        }
                    }
                    go = match &goal {
                        Goal::Read(buf) => done < buf.len(),
                        _ => true,
                    };
                }
                Ok(ConnectionState::EncodeTlsData(data)) => result = encode(data, outgoing),
                // The outgoing buffer keeps the order, so rustls need not wait for the sending.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.peer_closed = true,
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    if !skip {
                        *incoming_state = Incoming::Processed;
                    }
                    go = false;
                    match goal {
                        // Nothing may follow close_notify, even if the keys allow a shorter record.
                        Goal::Write(_) if *exhausted => {}
                        Goal::Write(buf) => match seal(&mut traffic, buf, outgoing) {
                            Ok(true) => done = buf.len(),
                            Ok(false) => {
                                *exhausted = true;
                                result = close_notify(&mut traffic, outgoing);
                            }
                            Err(error) => result = Err(error),
                        },
                        Goal::Close => result = close_notify(&mut traffic, outgoing),
                        Goal::Process | Goal::Read(_) => {}
                    }
                }
                Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => {
                    if !skip {
                        *incoming_state = Incoming::Processed;
                    }
                    go = false;
                }
                // Early data is refused when the connection is made. rustls has no other state yet.
                Ok(_) => result = Err(Error::General("a state of rustls that mimic does not know".into())),
                Err(error) => result = Err(error),
            }
            self.incoming.take(discard);
            if let Err(error) = result {
                self.fail(error.clone());
                return if done > 0 { Ok(done) } else { Err(error) };
            }
            // Nothing comes after the last record, unless rustls has something to send. This spares
            // one more call of rustls per read.
            if opened && self.incoming.is_empty() && !self.connection.state().wants_write() {
                self.incoming_state = Incoming::Processed;
                go &= done == 0;
            }
            if !go {
                return Ok(done);
            }
        }
    }

    /// Stores the error, and seals its alert behind what is outgoing.
    fn fail(&mut self, error: Error) {
        self.failed = Some(error);
        // Lets every read reach the error.
        self.incoming_state = Incoming::Unseen;
        while self.connection.state().wants_write() {
            match self.connection.process(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(data)) => {
                    // An alert for which there is no memory is not sent.
                    let _ = encode(data, &mut self.outgoing);
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                _ => break,
            }
        }
    }
}
