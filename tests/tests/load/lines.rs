//! Lines of one length, and what carries them: flows of mimic, or a runtime's own streams
//! (`own.rs`).

use std::io;

use mimic_core::embedded_io_async::{Read, ReadExactError, Write};
use mimic_core::{Error, Flow, FlowExt};

/// The length of a line: short, so that it is the number of lines that counts.
pub(crate) const LEN: usize = 32;

pub(crate) type Line = [u8; LEN];

/// The line that a flow sends at a time: no two are alike.
pub(crate) fn line(flow: usize, turn: u64) -> Line {
    let mut line = [b' '; LEN];
    let text = format!("{flow:>8} {turn:>20}");
    line[..text.len()].copy_from_slice(text.as_bytes());
    line[LEN - 1] = b'\n';
    line
}

/// Whatever carries lines, and may move between threads.
pub(crate) trait Lines: Send + 'static {
    fn send(&mut self, line: &Line) -> impl Future<Output = io::Result<()>> + Send;

    /// The next line, or whether it ended between two.
    fn receive(&mut self, line: &mut Line) -> impl Future<Output = io::Result<bool>> + Send;

    /// Closes the writing side.
    fn finish(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}

/// A flow of mimic. Not for the box itself, whose lifetimes a spawned task would have to prove.
pub(crate) struct Mimic(pub(crate) Box<dyn Flow + Send>);

impl Lines for Mimic {
    async fn send(&mut self, line: &Line) -> io::Result<()> {
        self.0.write_all(line).await?;
        Ok(self.0.flush().await?)
    }

    async fn receive(&mut self, line: &mut Line) -> io::Result<bool> {
        // The end is in order only before the first byte of a line.
        let n = self.0.read(line).await?;
        match self.0.read_exact(&mut line[n..]).await {
            _ if n == 0 => Ok(false),
            Ok(()) => Ok(true),
            Err(ReadExactError::UnexpectedEof) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(ReadExactError::Other(error)) => Err(error.into()),
        }
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.0.shutdown().await.map_err(|error: Error| error.into())
    }
}
