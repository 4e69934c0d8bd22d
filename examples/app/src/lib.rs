//! The example application: a line protocol over any byte stream.
//!
//! "ping" is answered "pong", "pong" is answered "ping", any other line is answered by itself:
//!
//! ```text
//!     ping()                        serve()
//!       │ ping\n ───────────────────▶ │
//!       │ ◀─────────────────── pong\n │
//!       │ pong\n ───────────────────▶ │
//!       │ ◀─────────────────── ping\n │
//!       │ mimic\n ──────────────────▶ │
//!       │ ◀────────────────── mimic\n │
//! ```
//!
//! It is written against [`embedded_io_async::Read`] and [`Write`] and nothing else: no runtime, no
//! allocator, and no mimic. That is the point of the example: *which* stream it gets is decided
//! elsewhere, at run time.
//!
//! # The protocol
//!
//! - A line is the bytes before a `\n`, at most [`LINE_MAX`] of them. They need not be UTF-8, and a
//!   `\r` is a byte like any other: `ping\r\n` is not "ping", and comes back as it was.
//! - Every answer ends with `\n`, also the one to a last line that had none.
//!
//! # Cancellation
//!
//! [`serve`] and [`ping`] keep what they have read in a buffer of their own. Dropping their future
//! drops that buffer, and a write may have been cut short: drop the stream too.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations)]

mod error;
mod lines;

use core::fmt;

use embedded_io_async::{Read, Write};

pub use error::AppError;
use lines::Lines;

/// The longest line that is accepted, in bytes, without its `\n`.
///
/// It bounds the memory of one [`serve`] or [`ping`]: a little more than this, inside its future.
pub const LINE_MAX: usize = 1024;

/// What [`ping`] says, and the answer it wants to each.
const DIALOGUE: [(&str, &str); 3] = [("ping\n", "pong\n"), ("pong\n", "ping\n"), ("mimic\n", "mimic\n")];

/// Answers lines until the peer ends its side.
///
/// Waits for the peer without limit; a caller who wants one bounds the whole call. The answers to
/// all lines that arrived together leave in one write, and then one flush: nothing is held back
/// while this waits for more. The stream is not closed: after `Ok`, the caller may shut it down.
///
/// # Errors
///
/// [`AppError::LineTooLong`] for a line of more than [`LINE_MAX`] bytes, once the lines before it
/// are answered; [`AppError::Io`] and [`AppError::WriteZero`] if the stream fails.
pub async fn serve<S>(stream: &mut S) -> Result<(), AppError<S::Error>>
where
    S: Read + Write + ?Sized,
{
    let mut lines = Lines::new();
    loop {
        let more = lines.fill(stream).await?;
        if !more {
            lines.end_last_line();
        }
        let batch = lines.take_complete();
        if !batch.is_empty() {
            answer(batch);
            send(stream, batch).await?;
        }
        if !more {
            return Ok(());
        }
    }
}

/// Says "ping", "pong" and "mimic", waits for the answer to each, and writes down what was said.
///
/// Each line is flushed before its answer is awaited, without limit; a caller who wants one bounds
/// the whole call. The transcript gets a line when it was sent (`> ping`) or has arrived
/// (`< pong`), each ended by `\n`: six lines if all goes well. Bytes that would not print as
/// themselves are escaped, so an entry is always one line.
///
/// Bytes that follow the third answer may be read and are then lost. The stream is not closed.
///
/// # Errors
///
/// - [`AppError::UnexpectedAnswer`] if an answer was wrong; the dialogue is finished first, and is
///   all in the transcript.
/// - [`AppError::Closed`] if the peer ended its side before the third answer was complete.
/// - [`AppError::LineTooLong`] for an answer of more than [`LINE_MAX`] bytes.
/// - [`AppError::Io`] and [`AppError::WriteZero`] if the stream fails, [`AppError::Transcript`] if
///   the transcript does.
pub async fn ping<S, W>(stream: &mut S, transcript: &mut W) -> Result<(), AppError<S::Error>>
where
    S: Read + Write + ?Sized,
    W: fmt::Write + ?Sized,
{
    let mut lines = Lines::new();
    let mut unexpected = None;
    for (line, wanted) in DIALOGUE {
        send(stream, line.as_bytes()).await?;
        record(transcript, '>', line.as_bytes())?;

        while !lines.has_line() {
            if !lines.fill(stream).await? {
                return Err(AppError::Closed);
            }
        }
        let received = lines.take_line();
        if received != wanted.as_bytes() && unexpected.is_none() {
            unexpected = Some(AppError::UnexpectedAnswer { line: line.trim_end(), wanted: wanted.trim_end() });
        }
        record(transcript, '<', received)?;
    }
    unexpected.map_or(Ok(()), Err)
}

/// Replaces each line of a batch by its answer, in place: every answer has the length of its line.
fn answer(batch: &mut [u8]) {
    for line in batch.split_mut(|&byte| byte == b'\n') {
        match &*line {
            b"ping" => line.copy_from_slice(b"pong"),
            b"pong" => line.copy_from_slice(b"ping"),
            _ => {}
        }
    }
}

/// Writes all of `bytes` and flushes.
///
/// Not `Write::write_all`: its provided form panics on a stream that answers `Ok(0)`.
async fn send<S>(stream: &mut S, mut bytes: &[u8]) -> Result<(), AppError<S::Error>>
where
    S: Write + ?Sized,
{
    while !bytes.is_empty() {
        let written = stream.write(bytes).await.map_err(AppError::Io)?;
        if written == 0 {
            return Err(AppError::WriteZero);
        }
        bytes = bytes.get(written..).unwrap_or_default();
    }
    stream.flush().await.map_err(AppError::Io)
}

/// Adds one entry to a transcript.
fn record<W, E>(transcript: &mut W, direction: char, line: &[u8]) -> Result<(), AppError<E>>
where
    W: fmt::Write + ?Sized,
{
    // A peer must not be able to forge an entry, or to send escape sequences to a terminal.
    let write = |transcript: &mut W| {
        write!(transcript, "{direction} ")?;
        for chunk in line.strip_suffix(b"\n").unwrap_or(line).utf8_chunks() {
            for letter in chunk.valid().chars() {
                if letter.is_control() {
                    write!(transcript, "{}", letter.escape_default())?;
                } else {
                    transcript.write_char(letter)?;
                }
            }
            write!(transcript, "{}", chunk.invalid().escape_ascii())?;
        }
        transcript.write_char('\n')
    };
    write(transcript).map_err(|fmt::Error| AppError::Transcript)
}
