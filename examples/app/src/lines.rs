//! The line buffer.

use embedded_io_async::Read;

use crate::{AppError, LINE_MAX};

/// What was read and not yet taken: complete lines, then at most one that is not complete.
pub(crate) struct Lines {
    /// One byte more than a line, for its `\n`.
    bytes: [u8; LINE_MAX + 1],
    start: usize,
    end: usize,
}

impl Lines {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; LINE_MAX + 1], start: 0, end: 0 }
    }

    /// Reads once, behind what is there; `false` at the end of the stream.
    ///
    /// To be called only when no complete line is left: a full buffer is then one line that is too
    /// long.
    pub(crate) async fn fill<S>(&mut self, stream: &mut S) -> Result<bool, AppError<S::Error>>
    where
        S: Read + ?Sized,
    {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;

        let room = &mut self.bytes[self.end..];
        if room.is_empty() {
            return Err(AppError::LineTooLong);
        }
        // `min`: a stream that claims to have read more than it was given room for must not make
        // this panic.
        let read = stream.read(room).await.map_err(AppError::Io)?.min(room.len());
        self.end += read;
        Ok(read > 0)
    }

    /// Gives a last line the `\n` that it lacks. To be called at the end of the stream only.
    pub(crate) fn end_last_line(&mut self) {
        // There is room: `fill` saw some, and then read nothing into it.
        if !self.pending().is_empty() && !self.pending().ends_with(b"\n") && self.end < self.bytes.len() {
            self.bytes[self.end] = b'\n';
            self.end += 1;
        }
    }

    /// Whether a complete line is there.
    pub(crate) fn has_line(&self) -> bool {
        self.pending().contains(&b'\n')
    }

    /// Takes the first complete line, with its `\n`; empty if there is none.
    pub(crate) fn take_line(&mut self) -> &[u8] {
        let length = self.pending().iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        self.take(length)
    }

    /// Takes all complete lines, each with its `\n`; empty if there is none.
    pub(crate) fn take_complete(&mut self) -> &mut [u8] {
        let length = self.pending().iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        self.take(length)
    }

    fn pending(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn take(&mut self, length: usize) -> &mut [u8] {
        let taken = self.start;
        self.start += length;
        &mut self.bytes[taken..self.start]
    }
}
