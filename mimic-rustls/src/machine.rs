//! TLS without I/O: rustls's unbuffered connection, its input, its output, and the plaintext nobody
//! has read yet.

use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic};
use rustls::{CommonState, Error};

use crate::buffer::Buffer;
use crate::error::{endless, no_memory};
use crate::side::{Connection, Side};

/// How much plaintext one write seals at most.
const SEAL: usize = 64 * 1024;

/// What the header of a record takes.
const HEADER: usize = 5;

/// What a record takes at most, sealed: 2 KiB more than what is in it, and its header.
const RECORD: usize = HEADER + 16 * 1024 + 2 * 1024;

/// The room for a handshake message, when none is given.
pub(crate) const ROOM: usize = if cfg!(feature = "std") { 64 * 1024 } else { 16 * 1024 };

pub(crate) struct Machine<S: Side> {
    connection: S::Connection,
    /// Received and not processed.
    incoming: Buffer,
    /// Sealed and not sent, in order.
    pub(crate) outgoing: Buffer,
    /// Opened and not read.
    plaintext: Buffer,
    /// How long an unfinished handshake message may be.
    room: usize,
    /// Whether the last stop left whole records in `incoming`, for the reader to take.
    ///
    /// Then nobody else may process them; otherwise `incoming` must be passed unchanged, for rustls
    /// may have a part of a handshake message in it.
    at_record: bool,
    /// Whether all of `incoming` was processed: then nothing comes of it before more is received.
    hungry: bool,
    /// The peer's close_notify came: the end of its stream is the true one.
    peer_closed: bool,
    failed: Option<Error>,
    /// The keys to write with are used up (TLS 1.2), and close_notify says so. Reading goes on.
    exhausted: bool,
    /// Whether it has shrunk. At the first time buffers shrink, for what the handshake took is not
    /// needed again.
    shrunk: bool,
}

/// What to process for.
enum Goal<'a> {
    Process,
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
    pub(crate) fn new(connection: S::Connection, room: usize) -> Self {
        Self {
            connection,
            incoming: Buffer::default().for_flights(),
            outgoing: Buffer::default(),
            plaintext: Buffer::default(),
            room,
            at_record: false,
            hungry: false,
            peer_closed: false,
            failed: None,
            exhausted: false,
            shrunk: false,
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
    pub(crate) fn process_input(&mut self) -> Result<(), Error> {
        self.run(Goal::Process).map(|_| ())
    }

    /// Opens records into `buf`, which is not empty. An error behind bytes is reported after they
    /// are read.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> Result<Readable, Error> {
        if !self.plaintext.is_empty() {
            return Ok(Readable::Bytes(self.plaintext.copy_to(buf)));
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

    /// Whether nothing that came waits for a reader: then more may be received for its own sake.
    pub(crate) fn is_drained(&self) -> bool {
        self.plaintext.is_empty() && !self.at_record && !self.peer_closed && self.failed.is_none()
    }

    /// Processes what came up to what a reader can have, and says whether that was all.
    pub(crate) fn process_to_plaintext(&mut self) -> bool {
        // An error is for the reader, which meets it again.
        if self.is_drained() && !self.hungry && self.process_input().is_err() {
            return false;
        }
        self.is_drained()
    }

    /// Space for input, as far as the limit goes. Whole records that a reader can take must not lie
    /// in the input.
    ///
    /// What lies there is a part of a record, or the records of a handshake message whose end has
    /// not come: rustls needs them side by side. The headers tell how long they will be, and the
    /// input grows to that and no further.
    ///
    /// An error ends the connection. rustls has no alert for it.
    pub(crate) fn receive_space(&mut self) -> Result<&mut [u8], Error> {
        let handshaking = self.state().is_handshaking();
        // The records of a message take an eighth more than the message at most: an unkind peer
        // makes them of one byte.
        let message = self.room.saturating_add(self.room / 8).saturating_add(HEADER);
        let limit = if handshaking { message } else { message.max(RECORD) };
        let len = self.incoming.len();
        if len >= limit {
            let error = endless(self.room);
            self.fail(error.clone());
            return Err(error);
        }
        let needed_length = needed_length(self.incoming.filled()).clamp(len + 1, limit) - len;
        // Moving what is there is worth it once half of the free space lies in front of it.
        let room = needed_length.max(self.incoming.free() / 2);
        if self.incoming.space_within(room, len + room).is_err() {
            self.fail(no_memory());
            return Err(no_memory());
        }
        // The space that was just made.
        let space = self.incoming.space_within(0, len).unwrap_or_default();
        let most = if handshaking { space.len().min(limit - len) } else { space.len() };
        Ok(&mut space[..most])
    }

    pub(crate) fn received(&mut self, n: usize) {
        self.incoming.fill(n);
        self.hungry = false;
    }

    /// Gives back what a handshake borrowed, for it may wait long or has ended.
    pub(crate) fn compact_buffers(&mut self) {
        let handshaking = self.state().is_handshaking();
        for buffer in [&mut self.incoming, &mut self.outgoing, &mut self.plaintext] {
            buffer.compact(handshaking);
        }
    }

    /// Gives back memory that an idle connection does not need. What messages of up to 2 KiB take
    /// stays.
    pub(crate) fn release_buffers(&mut self) {
        for buffer in [&mut self.incoming, &mut self.outgoing, &mut self.plaintext] {
            if self.shrunk { buffer.release() } else { buffer.shrink() }
        }
        self.shrunk = true;
    }

    fn run(&mut self, mut goal: Goal<'_>) -> Result<usize, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut done = 0;
        loop {
            let Self { connection, incoming, outgoing, plaintext, at_record, hungry, exhausted, .. } = self;
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
                // What is outgoing keeps its order, whoever sends it.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.peer_closed = true,
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    *at_record &= skip;
                    *hungry |= !skip;
                    go = false;
                    match goal {
                        // Nothing may follow close_notify, though the keys may do for something
                        // shorter.
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
                    *at_record &= skip;
                    *hungry |= !skip;
                    go = false;
                }
                // Early data is refused when the connection is made, and there are no other states
                // yet.
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

/// How long the input has to become before there is anything new in it, as far as its headers tell.
/// It begins with one.
fn needed_length(input: &[u8]) -> usize {
    const HANDSHAKE: u8 = 22;
    let Some(&[kind, _, _, high, low]) = input.first_chunk() else { return HEADER };
    let record = HEADER + usize::from(u16::from_be_bytes([high, low]));
    if input.len() < record {
        return record;
    }
    // The record is whole and still here, so a message goes on in the next. In clear text its own
    // header tells how far; those of messages before it may be in front. In cipher text this is
    // noise, for which there is the limit.
    let mut at = HEADER;
    while kind == HANDSHAKE
        && let Some(&[_, high, middle, low]) = input.get(at..).and_then(|message| message.first_chunk())
    {
        let end = at + 4 + (usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low));
        if end > record {
            return if end + HEADER > input.len() { end + HEADER } else { input.len() * 2 };
        }
        at = end;
    }
    input.len() * 2
}

fn encode<D>(mut data: EncodeTlsData<'_, D>, outgoing: &mut Buffer) -> Result<(), Error> {
    let mut room = 0;
    loop {
        match data.encode(outgoing.space(room).map_err(|_| no_memory())?) {
            Err(EncodeError::InsufficientSize(size)) => room = size.required_size,
            Err(EncodeError::AlreadyEncoded) => return Ok(()),
            Ok(n) => {
                outgoing.fill(n);
                return Ok(());
            }
        }
    }
}

/// Says whether the keys may still do that. If not, nothing is sealed, and rustls takes no more
/// than close_notify.
fn seal<D>(traffic: &mut WriteTraffic<'_, D>, buf: &[u8], outgoing: &mut Buffer) -> Result<bool, Error> {
    // Header, padding and tag of each record fit; if not, rustls says how much it wants.
    let mut room = buf.len() + 64 * (buf.len() / 1024 / 16 + 1);
    loop {
        match traffic.encrypt(buf, outgoing.space(room).map_err(|_| no_memory())?) {
            Ok(n) => {
                outgoing.fill(n);
                return Ok(true);
            }
            Err(EncryptError::InsufficientSize(size)) => room = size.required_size,
            Err(EncryptError::EncryptExhausted) => return Ok(false),
        }
    }
}

fn close_notify<D>(traffic: &mut WriteTraffic<'_, D>, outgoing: &mut Buffer) -> Result<(), Error> {
    let mut room = 0;
    loop {
        match traffic.queue_close_notify(outgoing.space(room).map_err(|_| no_memory())?) {
            Ok(n) => {
                outgoing.fill(n);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(size)) => room = size.required_size,
            // Alerts are sealed whatever the limit.
            Err(EncryptError::EncryptExhausted) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::needed_length;

    #[test]
    fn headers_tell_how_long_the_input_has_to_become() {
        // A record of which nothing, a part of the header, the header, and a part have come.
        let record = [22, 3, 1, 1, 44, 0, 0, 0];
        for (len, expected) in [(0, 5), (4, 5), (5, 305), (8, 305)] {
            assert_eq!(needed_length(&record[..len]), expected, "{len} bytes");
        }
        // A message of 260 bytes and its header, of which one record of ten has come; then with a
        // message in front.
        assert_eq!(needed_length(&[22, 3, 1, 0, 10, 1, 0, 1, 4, 0, 0, 0, 0, 0, 0]), 5 + 4 + 260 + 5);
        assert_eq!(needed_length(&[22, 3, 1, 0, 10, 1, 0, 0, 1, 9, 2, 0, 1, 4, 9]), 5 + 5 + 4 + 260 + 5);
        // Records of one byte, as rustls has moved their bytes together: first with room to go,
        // then with more headers than the message's header tells of.
        let mut parts = vec![22, 3, 1, 0, 1, 1, 0, 1, 4, 0, 0, 0, 22, 3, 1, 0, 1, 0];
        assert_eq!(needed_length(&parts), 5 + 4 + 260 + 5);
        parts.resize(300, 0);
        assert_eq!(needed_length(&parts), 600);
        // Sealed.
        assert_eq!(needed_length(&[23, 3, 3, 0, 4, 1, 0, 1, 4, 23, 3]), 2 * 11);
    }
}
