//! What can go wrong.

use core::fmt;

use embedded_io_async::{Error, ErrorKind};

/// Why [`serve`](crate::serve) or [`ping`](crate::ping) ended early. `E` is the error of the
/// stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppError<E> {
    /// The stream failed; the [source](core::error::Error::source) says how.
    Io(E),
    /// The stream accepted no more bytes without saying why, which `embedded_io_async` forbids it.
    WriteZero,
    /// The peer ended its side before its answer was complete.
    Closed,
    /// The peer sent a line of more than [`LINE_MAX`](crate::LINE_MAX) bytes.
    LineTooLong,
    /// The peer answered something else. The first such answer is reported.
    UnexpectedAnswer {
        /// The line that was sent.
        line: &'static str,
        /// The answer that the protocol wants.
        wanted: &'static str,
    },
    /// The transcript did not take an entry.
    Transcript,
}

impl<E> fmt::Display for AppError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What the stream says is the source, printed by whoever prints the chain.
            Self::Io(_) => f.write_str("the stream failed"),
            Self::WriteZero => f.write_str("the stream accepts no more bytes"),
            Self::Closed => f.write_str("the peer closed the stream before its answer was complete"),
            Self::LineTooLong => write!(f, "the peer sent a line of more than {} bytes", crate::LINE_MAX),
            Self::UnexpectedAnswer { line, wanted } => {
                write!(f, "the peer did not answer \"{line}\" with \"{wanted}\"")
            }
            Self::Transcript => f.write_str("the transcript could not be written"),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for AppError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl<E: Error + 'static> Error for AppError<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Io(error) => error.kind(),
            Self::WriteZero => ErrorKind::WriteZero,
            Self::Closed => ErrorKind::ConnectionAborted,
            Self::LineTooLong | Self::UnexpectedAnswer { .. } => ErrorKind::InvalidData,
            Self::Transcript => ErrorKind::Other,
        }
    }
}
