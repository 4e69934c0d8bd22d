//! A small buffer for reading lines.
//!
//! ```text
//! stream: "GET / HTTP/1.1\r\nHost: a\r\n…"      capacity 24
//! read_until(b'\n', …):  one read of the stream  [GET / HTTP/1.1\r\n|Host: a\r]
//!                        the caller: 16 bytes               start ▲        ▲ end
//! read_until(b'\n', …):  the 8 that are left, then another read
//! ```

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use embedded_io_async::{BufRead, ErrorType, Read, Write};

/// Reads from a stream in larger pieces, for protocols that look for delimiters. Writes pass
/// through.
///
/// Buffered bytes are lost when the reader is dropped. Keep the reader as long as the stream, and
/// check [`buffered`](BufReader::buffered) before [`into_inner`](BufReader::into_inner), above all
/// before an upgrade to TLS.
pub struct BufReader<R> {
    stream: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<R: Read> BufReader<R> {
    /// Makes a reader with a buffer of `capacity` bytes (at least one).
    pub fn with_capacity(capacity: usize, stream: R) -> Self {
        Self { stream, buffer: vec![0; capacity.max(1)].into(), start: 0, end: 0 }
    }

    /// Appends to `out` up to and including `delimiter`, or up to `limit` bytes, or up to the end
    /// of stream, whichever comes first, and returns the number of bytes. In the first case alone
    /// `out` ends with the delimiter. 0 is end of stream (or a limit of 0).
    ///
    /// Cancel-safe if a read of the stream is, as that of every flow is: bytes that were read are
    /// in `out` or in the buffer.
    ///
    /// # Errors
    /// Those of the stream.
    pub async fn read_until(&mut self, delimiter: u8, out: &mut Vec<u8>, limit: usize) -> Result<usize, R::Error> {
        let mut read = 0;
        while read < limit {
            let chunk = self.fill_buf().await?;
            let chunk = &chunk[..chunk.len().min(limit - read)];
            let found = chunk.iter().position(|&byte| byte == delimiter);
            let n = found.map_or(chunk.len(), |at| at + 1);
            out.extend_from_slice(&chunk[..n]);
            self.consume(n);
            read += n;
            if found.is_some() || n == 0 {
                break;
            }
        }
        Ok(read)
    }

    /// Returns the bytes that were read from the stream and not yet taken.
    #[must_use]
    pub fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Returns the stream, to change it. Reads from it skip the [`buffered`](BufReader::buffered)
    /// bytes.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.stream
    }

    /// Returns the stream by value. The [`buffered`](BufReader::buffered) bytes are lost.
    pub fn into_inner(self) -> R {
        self.stream
    }
}

impl<R: ErrorType> ErrorType for BufReader<R> {
    type Error = R::Error;
}

impl<R: Read> Read for BufReader<R> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, R::Error> {
        if buf.is_empty() {
            return Ok(0);
        }
        if self.start == self.end && buf.len() >= self.buffer.len() {
            return self.stream.read(buf).await;
        }
        let chunk = self.fill_buf().await?;
        let n = chunk.len().min(buf.len());
        buf[..n].copy_from_slice(&chunk[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl<R: Read> BufRead for BufReader<R> {
    async fn fill_buf(&mut self) -> Result<&[u8], R::Error> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.end = self.stream.read(&mut self.buffer).await?.min(self.buffer.len());
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.start = self.start.saturating_add(amount).min(self.end);
    }
}

impl<R: Write> Write for BufReader<R> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, R::Error> {
        self.stream.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), R::Error> {
        self.stream.flush().await
    }

    async fn write_all(&mut self, buf: &[u8]) -> Result<(), R::Error> {
        self.stream.write_all(buf).await
    }
}

impl<R: fmt::Debug> fmt::Debug for BufReader<R> {
    /// Prints no buffered byte: they may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buffered = self.end - self.start;
        f.debug_struct("BufReader").field("stream", &self.stream).field("buffered", &buffered).finish_non_exhaustive()
    }
}
