//! TLS without I/O: rustls's unbuffered connection, its input, its output, and the plaintext nobody has read yet.

use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic};
use rustls::{CommonState, Error};

use crate::buffer::Buffer;
use crate::side::{Connection, Side};

/// How much plaintext one write seals at most.
const SEAL: usize = 64 * 1024;
/// How far the input may grow. A record has 16 KiB; only a handshake message can need more.
pub(crate) const INPUT: usize = 256 * 1024;

pub(crate) struct Machine<S: Side> {
    connection: S::Connection,
    /// Received and not processed.
    incoming: Buffer,
    /// Sealed and not sent, in order.
    pub(crate) outgoing: Buffer,
    /// Opened and not read.
    plain: Buffer,
    /// Whether the last stop left whole records in `incoming`, for the reader to take.
    ///
    /// Then nobody else may process them; otherwise `incoming` must be passed unchanged, for rustls may have a part of
    /// a handshake message in it.
    at_record: bool,
    /// Whether all of `incoming` was processed: then nothing comes of it before more is received.
    hungry: bool,
    /// The peer's close_notify came: the end of its stream is the true one.
    peer_closed: bool,
    failed: Option<Error>,
    /// The keys to write with are used up (TLS 1.2), and close_notify says so. Reading goes on.
    exhausted: bool,
    /// Whether it has rested. At the first time buffers shrink, for what the handshake took is not needed again.
    rested: bool,
}

/// What to process for.
enum Goal<'a> {
    Drive,
    Read(&'a mut [u8]),
    Write(&'a [u8]),
    Close,
}

/// What there is to read.
pub(crate) enum Readable {
    Bytes(usize),
    End,
    /// More input is needed.
    Nothing,
}

impl<S: Side> Machine<S> {
    pub(crate) fn new(connection: S::Connection) -> Self {
        Self {
            connection,
            incoming: Buffer::default().for_flights(),
            outgoing: Buffer::default(),
            plain: Buffer::default(),
            at_record: false,
            hungry: false,
            peer_closed: false,
            failed: None,
            exhausted: false,
            rested: false,
        }
    }

    pub(crate) fn state(&self) -> &CommonState {
        self.connection.state()
    }

    /// Whether an error of TLS has ended it.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Goes on with the handshake as far as the input reaches.
    pub(crate) fn drive(&mut self) -> Result<(), Error> {
        self.run(Goal::Drive).map(|_| ())
    }

    /// Opens records into `buf`, which is not empty. An error behind bytes is reported after they are read.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> Result<Readable, Error> {
        if !self.plain.is_empty() {
            return Ok(Readable::Bytes(self.plain.copy_to(buf)));
        }
        match if self.hungry { 0 } else { self.run(Goal::Read(buf))? } {
            0 if self.peer_closed => Ok(Readable::End),
            0 => Ok(Readable::Nothing),
            n => Ok(Readable::Bytes(n)),
        }
    }

    /// Seals up to 64 KiB of `buf` behind what is outgoing, and says how much. `buf` is not empty.
    pub(crate) fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
        match self.run(Goal::Write(&buf[..buf.len().min(SEAL)]))? {
            0 => Err(Error::EncryptError),
            n => Ok(n),
        }
    }

    /// Puts close_notify behind what is outgoing.
    pub(crate) fn close(&mut self) -> Result<(), Error> {
        self.run(Goal::Close).map(|_| ())
    }

    /// Space for input, more each time that all there was got filled; `None` if a handshake message does not end.
    pub(crate) fn input(&mut self) -> Option<&mut [u8]> {
        if self.incoming.len() >= INPUT {
            return None;
        }
        // Moving what is there is worth it once half of the free space lies in front of it.
        let room = (self.incoming.free() / 2).max(1);
        Some(self.incoming.space(room))
    }

    pub(crate) fn received(&mut self, n: usize) {
        self.incoming.fill(n);
        self.hungry = false;
    }

    /// Gives back what a handshake borrowed, for it may wait long or has ended.
    pub(crate) fn settle(&mut self) {
        let handshaking = self.state().is_handshaking();
        for buffer in [&mut self.incoming, &mut self.outgoing, &mut self.plain] {
            buffer.settle(handshaking);
        }
    }

    /// Gives back memory that an idle connection does not need. What messages of up to 2 KiB take stays.
    pub(crate) fn rest(&mut self) {
        for buffer in [&mut self.incoming, &mut self.outgoing, &mut self.plain] {
            if self.rested { buffer.release() } else { buffer.shrink() }
        }
        self.rested = true;
    }

    fn run(&mut self, mut goal: Goal<'_>) -> Result<usize, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut done = 0;
        loop {
            let Self { connection, incoming, outgoing, plain, at_record, hungry, exhausted, .. } = self;
            let skip = *at_record && !matches!(goal, Goal::Read(_));
            let input = if skip { Default::default() } else { incoming.filled() };
            let UnbufferedStatus { discard, state } = connection.process(input);
            let (mut go, mut opened) = (true, false);
            let mut result = Ok(());
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    (*at_record, opened) = (true, true);
                    while let Some(record) = traffic.next_record() {
                        match record {
                            Ok(record) => {
                                let direct = match &mut goal {
                                    Goal::Read(buf) if plain.is_empty() => {
                                        let n = record.payload.len().min(buf.len() - done);
                                        buf[done..done + n].copy_from_slice(&record.payload[..n]);
                                        done += n;
                                        n
                                    }
                                    _ => 0,
                                };
                                if direct < record.payload.len() {
                                    plain.push(&record.payload[direct..]);
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
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, outgoing),
                // What is outgoing keeps its order, whoever sends it.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.peer_closed = true,
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    *at_record &= skip;
                    *hungry |= !skip;
                    go = false;
                    match goal {
                        // Nothing may follow close_notify, though the keys may do for something shorter.
                        Goal::Write(_) if *exhausted => {}
                        Goal::Write(buf) if seal(&mut traffic, buf, outgoing) => done = buf.len(),
                        Goal::Write(_) => {
                            *exhausted = true;
                            close_notify(&mut traffic, outgoing);
                        }
                        Goal::Close => close_notify(&mut traffic, outgoing),
                        Goal::Drive | Goal::Read(_) => {}
                    }
                }
                Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => {
                    *at_record &= skip;
                    *hungry |= !skip;
                    go = false;
                }
                // Early data is refused when the connection is made, and there are no other states yet.
                Ok(_) => result = Err(Error::General("a state of rustls that mimic does not know".into())),
                Err(error) => result = Err(error),
            }
            self.incoming.take(discard);
            if let Err(error) = result {
                self.fail(error.clone());
                return if done > 0 { Ok(done) } else { Err(error) };
            }
            // Behind the last record there is nothing to find, unless rustls has something to send.
            if opened && self.incoming.is_empty() && !self.connection.state().wants_write() {
                (self.at_record, self.hungry) = (false, true);
                go &= done == 0;
            }
            if !go {
                return Ok(done);
            }
        }
    }

    /// Keeps the error, and puts the alert that goes with it behind what is outgoing.
    fn fail(&mut self, error: Error) {
        self.failed = Some(error);
        self.hungry = false;
        while self.connection.state().wants_write() {
            match self.connection.process(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.outgoing),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                _ => break,
            }
        }
    }
}

fn encode<D>(mut data: EncodeTlsData<'_, D>, outgoing: &mut Buffer) {
    let mut room = 0;
    loop {
        match data.encode(outgoing.space(room)) {
            Err(EncodeError::InsufficientSize(size)) => room = size.required_size,
            Err(EncodeError::AlreadyEncoded) => return,
            Ok(n) => return outgoing.fill(n),
        }
    }
}

/// Says whether the keys may still do that. If not, nothing is sealed, and rustls takes no more than close_notify.
fn seal<D>(traffic: &mut WriteTraffic<'_, D>, buf: &[u8], outgoing: &mut Buffer) -> bool {
    // Header, padding and tag of each record fit; if not, rustls says how much it wants.
    let mut room = buf.len() + 64 * (buf.len() / 1024 / 16 + 1);
    loop {
        match traffic.encrypt(buf, outgoing.space(room)) {
            Ok(n) => {
                outgoing.fill(n);
                return true;
            }
            Err(EncryptError::InsufficientSize(size)) => room = size.required_size,
            Err(EncryptError::EncryptExhausted) => return false,
        }
    }
}

fn close_notify<D>(traffic: &mut WriteTraffic<'_, D>, outgoing: &mut Buffer) {
    let mut room = 0;
    loop {
        match traffic.queue_close_notify(outgoing.space(room)) {
            Ok(n) => return outgoing.fill(n),
            Err(EncryptError::InsufficientSize(size)) => room = size.required_size,
            // Alerts are sealed whatever the limit.
            Err(EncryptError::EncryptExhausted) => return,
        }
    }
}
