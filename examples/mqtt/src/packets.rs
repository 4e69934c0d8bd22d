//! A flow for rust-mqtt, which writes a packet field by field and keeps no error but its kind.

use alloc::vec::Vec;

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use mimic_core::Error;

/// Writes what was gathered when it is flushed: a packet is one segment, one record of TLS.
#[derive(Debug)]
pub(crate) struct Packets<F> {
    pub(crate) flow: F,
    /// How the flow failed.
    pub(crate) failed: Option<Error>,
    unsent: Vec<u8>,
}

impl<F> Packets<F> {
    pub(crate) fn new(flow: F) -> Self {
        Self { flow, failed: None, unsent: Vec::new() }
    }

    fn keep<T>(&mut self, result: Result<T, Error>) -> Result<T, ErrorKind> {
        result.map_err(|error| self.failed.insert(error).kind())
    }
}

impl<F> ErrorType for Packets<F> {
    type Error = ErrorKind;
}

impl<F: Read<Error = Error>> Read for Packets<F> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        let read = self.flow.read(buf).await;
        self.keep(read)
    }
}

impl<F: Write<Error = Error>> Write for Packets<F> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        self.unsent.extend_from_slice(buf);
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        let sent = self.flow.write_all(&self.unsent).await;
        self.unsent.clear();
        self.keep(sent)?;
        let flushed = self.flow.flush().await;
        self.keep(flushed)
    }
}
