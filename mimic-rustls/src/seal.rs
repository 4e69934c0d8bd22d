//! Sealing into the outgoing buffer. rustls tells a size that is too small, and is asked again with
//! that room.

use rustls::Error;
use rustls::unbuffered::{EncodeError, EncodeTlsData, EncryptError, WriteTraffic};

use crate::buffer::Buffer;
use crate::error::no_memory;

/// Appends a record of the handshake, or an alert.
pub(crate) fn encode<D>(mut data: EncodeTlsData<'_, D>, outgoing: &mut Buffer) -> Result<(), Error> {
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

/// Seals `buf`. Returns false if the keys are used up: then nothing is sealed, and rustls takes
/// only close_notify.
pub(crate) fn seal<D>(traffic: &mut WriteTraffic<'_, D>, buf: &[u8], outgoing: &mut Buffer) -> Result<bool, Error> {
    // This leaves room for header, padding and tag of each record. If it does not do, rustls tells
    // the size.
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

/// Seals close_notify.
pub(crate) fn close_notify<D>(traffic: &mut WriteTraffic<'_, D>, outgoing: &mut Buffer) -> Result<(), Error> {
    let mut room = 0;
    loop {
        match traffic.queue_close_notify(outgoing.space(room).map_err(|_| no_memory())?) {
            Ok(n) => {
                outgoing.fill(n);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(size)) => room = size.required_size,
            // Not returned: rustls seals alerts beyond the limit of the keys.
            Err(EncryptError::EncryptExhausted) => return Ok(()),
        }
    }
}
