//! The application against scripted streams: what it says, in which pieces, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::error::Error as _;
use std::fmt;

use embedded_io_async::{Error as _, ErrorKind, ErrorType, Read, Write};
use futures_lite::future::{self, block_on};
use mimic_example_app::{AppError, LINE_MAX, ping, serve};

/// A stream whose reads are a script, and which keeps what is written, a chunk per flush.
#[derive(Debug)]
struct Script {
    reads: VecDeque<Result<Vec<u8>, ErrorKind>>,
    /// At most so many bytes are taken by one write.
    write_size: usize,
    fail_writes: Option<ErrorKind>,
    /// What was written since the last flush.
    unflushed: Vec<u8>,
    flushed: Vec<Vec<u8>>,
}

impl Script {
    fn new<T: AsRef<[u8]>>(reads: impl IntoIterator<Item = T>) -> Self {
        Self {
            reads: reads.into_iter().map(|read| Ok(read.as_ref().to_vec())).collect(),
            write_size: usize::MAX,
            fail_writes: None,
            unflushed: Vec::new(),
            flushed: Vec::new(),
        }
    }

    fn bytewise(bytes: &[u8]) -> Self {
        Self::new(bytes.chunks(1))
    }

    fn then(mut self, failure: ErrorKind) -> Self {
        self.reads.push_back(Err(failure));
        self
    }

    fn written(&self) -> Vec<u8> {
        assert_eq!(self.unflushed, b"", "left without a flush");
        self.flushed.concat()
    }
}

impl ErrorType for Script {
    type Error = ErrorKind;
}

impl Read for Script {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        assert!(self.unflushed.is_empty(), "waits for the peer before flushing what it needs");
        // A stream that is not ready at once.
        future::yield_now().await;
        let Some(next) = self.reads.pop_front() else {
            return Ok(0);
        };
        let mut bytes = next?;
        let n = bytes.len().min(buf.len());
        buf[..n].copy_from_slice(&bytes[..n]);
        let rest = bytes.split_off(n);
        if !rest.is_empty() {
            self.reads.push_front(Ok(rest));
        }
        Ok(n)
    }
}

impl Write for Script {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        if let Some(kind) = self.fail_writes {
            return Err(kind);
        }
        let n = buf.len().min(self.write_size);
        self.unflushed.extend_from_slice(&buf[..n]);
        Ok(n)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.flushed.push(std::mem::take(&mut self.unflushed));
        Ok(())
    }
}

/// What `serve` answers to `reads`, a chunk per flush.
#[track_caller]
fn served<T: AsRef<[u8]>>(reads: impl IntoIterator<Item = T>) -> Vec<Vec<u8>> {
    let mut stream = Script::new(reads);
    block_on(serve(&mut stream)).unwrap();
    stream.written();
    stream.flushed
}

const ANSWERS: &str = "pong\nping\nmimic\n";
const TRANSCRIPT: &str = "> ping\n< pong\n> pong\n< ping\n> mimic\n< mimic\n";

#[test]
fn serve_answers_the_three_kinds_of_line() {
    assert_eq!(served(["ping\n", "pong\n", "mimic\n"]), [b"pong\n", &b"ping\n"[..], b"mimic\n"]);
}

#[test]
fn serve_answers_nothing_to_nothing() {
    assert!(served([""; 0]).is_empty());
}

#[test]
fn serve_takes_lines_one_byte_at_a_time() {
    let mut stream = Script::bytewise(b"ping\npong\nmimic\n");
    block_on(serve(&mut stream)).unwrap();
    assert_eq!(stream.flushed.len(), 3, "each line is answered when it is complete");
    assert_eq!(stream.written(), ANSWERS.as_bytes());
}

#[test]
fn serve_answers_lines_that_arrive_together_with_one_flush() {
    assert_eq!(served(["ping\npong\nmi", "mic\n"]), [&b"pong\nping\n"[..], b"mimic\n"]);
}

#[test]
fn serve_writes_all_to_a_stream_that_takes_one_byte_at_a_time() {
    let mut stream = Script::new(["ping\npong\nmimic\n"]);
    stream.write_size = 1;
    block_on(serve(&mut stream)).unwrap();
    assert_eq!(stream.flushed, [ANSWERS.as_bytes()]);
}

#[test]
fn serve_answers_a_last_line_without_newline() {
    assert_eq!(served(["ping\npo", "ng"]), [b"pong\n", b"ping\n"]);
    assert_eq!(served(["x"]), [b"x\n"]);
}

#[test]
fn serve_takes_lines_as_opaque_bytes() {
    let lines: &[&[u8]] = &[b"\n", b"\n\n\n", b"ping\r\n", b" ping\n", b"PING\n", b"pingpong\n", b"\xff\xfe\0\n"];
    for &line in lines {
        assert_eq!(served([line]), [line]);
    }
}

#[test]
fn serve_accepts_the_longest_line_however_it_ends() {
    let longest = vec![b'x'; LINE_MAX];
    let answer = [&longest[..], b"\n"].concat();
    assert_eq!(served([&answer]), [&answer[..]]);
    assert_eq!(served([&longest]), [&answer[..]]);
    assert_eq!(served(answer.chunks(1)), [&answer[..]]);
}

#[test]
fn serve_refuses_a_longer_line_after_answering_those_before_it() {
    for end in ["", "\n", "\nping\n"] {
        let mut stream = Script::new([&b"ping\n"[..], &vec![b'x'; LINE_MAX + 1], end.as_bytes()]);
        assert_eq!(block_on(serve(&mut stream)), Err(AppError::LineTooLong));
        assert_eq!(stream.written(), b"pong\n");
    }
}

#[test]
fn serve_answers_a_stream_of_many_lines_however_it_is_cut() {
    let lines: Vec<u8> =
        (0..3000).flat_map(|n| [b"ping\n".to_vec(), vec![b'x'; n % 50], b"\n".to_vec()].concat()).collect();
    let answers = String::from_utf8(lines.clone()).unwrap().replace("ping", "pong").into_bytes();
    for size in [1, 2, 7, 1023, 1024, 1025, 1026, 100_000] {
        assert_eq!(served(lines.chunks(size)).concat(), answers, "cut every {size} bytes");
    }
}

#[test]
fn serve_reports_what_the_stream_reports() {
    let mut stream = Script::new(["ping\n"]).then(ErrorKind::ConnectionReset);
    assert_eq!(block_on(serve(&mut stream)), Err(AppError::Io(ErrorKind::ConnectionReset)));
    assert_eq!(stream.written(), b"pong\n");

    let mut stream = Script::new(["ping\n"]);
    stream.fail_writes = Some(ErrorKind::BrokenPipe);
    assert_eq!(block_on(serve(&mut stream)), Err(AppError::Io(ErrorKind::BrokenPipe)));

    let mut stream = Script::new(["ping\n"]);
    stream.write_size = 0;
    assert_eq!(block_on(serve(&mut stream)), Err(AppError::WriteZero));
}

#[test]
fn ping_says_three_lines_each_flushed_before_its_answer() {
    let mut stream = Script::new(["pong\n", "ping\n", "mimic\n"]);
    let mut transcript = String::new();
    block_on(ping(&mut stream, &mut transcript)).unwrap();
    assert_eq!(stream.flushed, [b"ping\n", &b"pong\n"[..], b"mimic\n"]);
    assert_eq!(transcript, TRANSCRIPT);
}

#[test]
fn ping_takes_answers_however_they_are_cut() {
    for size in 1..ANSWERS.len() {
        let mut stream = Script::new(ANSWERS.as_bytes().chunks(size));
        stream.write_size = size;
        let mut transcript = String::new();
        block_on(ping(&mut stream, &mut transcript)).unwrap();
        assert_eq!(stream.written(), b"ping\npong\nmimic\n");
        assert_eq!(transcript, TRANSCRIPT);
    }
}

#[test]
fn ping_reports_a_peer_that_closes() {
    for (answers, transcript) in [
        (vec![], "> ping\n"),
        (vec!["pon"], "> ping\n"),
        (vec!["pong"], "> ping\n"),
        (vec!["pong\n"], "> ping\n< pong\n> pong\n"),
    ] {
        let mut written = String::new();
        assert_eq!(block_on(ping(&mut Script::new(answers), &mut written)), Err(AppError::Closed));
        assert_eq!(written, transcript);
    }
}

#[test]
fn ping_finishes_the_dialogue_before_it_reports_a_wrong_answer() {
    let mut transcript = String::new();
    let ended = block_on(ping(&mut Script::new(["ping\n", "pong\n", "mimic\n"]), &mut transcript));
    let error = AppError::UnexpectedAnswer { line: "ping", wanted: "pong" };
    assert_eq!(ended, Err(error));
    assert_eq!(error.to_string(), "the peer did not answer \"ping\" with \"pong\"");
    assert_eq!(transcript, "> ping\n< ping\n> pong\n< pong\n> mimic\n< mimic\n");
}

#[test]
fn ping_writes_any_answer_as_one_printable_entry() {
    let mut transcript = String::new();
    let answers: [&[u8]; 3] = [b"pong\r\n", b"\x1b[2J\xff\n", "\u{e9}\u{85}\n".as_bytes()];
    block_on(ping(&mut Script::new(answers), &mut transcript)).unwrap_err();
    assert_eq!(transcript, "> ping\n< pong\\r\n> pong\n< \\u{1b}[2J\\xff\n> mimic\n< \u{e9}\\u{85}\n");
}

#[test]
fn ping_refuses_an_endless_answer() {
    let mut stream = Script::new(std::iter::repeat_n([b'x'; 100], 100));
    assert_eq!(block_on(ping(&mut stream, &mut String::new())), Err(AppError::LineTooLong));
}

#[test]
fn ping_reports_what_the_stream_and_the_transcript_report() {
    let mut stream = Script::new(["pong\n"]).then(ErrorKind::ConnectionReset);
    let error = block_on(ping(&mut stream, &mut String::new())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(error.to_string(), "the stream failed");
    assert_eq!(error.source().unwrap().to_string(), "ConnectionReset");

    struct Full;
    impl fmt::Write for Full {
        fn write_str(&mut self, _: &str) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    assert_eq!(block_on(ping(&mut Script::new(["pong\n"]), &mut Full)), Err(AppError::Transcript));
}

#[test]
fn both_ends_work_over_a_stream_behind_a_reference() {
    let mut stream = Script::new(["ping\n"]);
    block_on(serve(&mut &mut stream)).unwrap();
    assert_eq!(stream.written(), b"pong\n");
}

#[test]
fn the_error_is_send_sync_and_an_error() {
    fn check<T: std::error::Error + embedded_io_async::Error + Send + Sync + Unpin + 'static>() {}
    check::<AppError<ErrorKind>>();
}

#[test]
fn the_futures_are_send_where_the_stream_is() {
    fn check<T: Send>(_: T) {}
    let mut stream = Script::new([""; 0]);
    check(serve(&mut stream));
    check(ping(&mut stream, &mut String::new()));
}
