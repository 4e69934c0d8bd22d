//! Two ends of a pipe under stacks of bridges, driven by a script of reads and writes, most of them
//! cut short or given up: what goes in comes out, once and in order, and nobody is forgotten.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Context, Poll};

use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::{BufReader, OwnedReadHalf, OwnedWriteHalf, Split, memory_pair, pump};
use mimic_core::{Error, ErrorKind, Flow, Local, Mode};
use mimic_smol::{FromFutures, ToFutures};
use mimic_tokio::{FromTokio, ToTokio};
use tokio::io::BufStream;

use super::script::Script;
use super::tasks::{Task, Tasks, nobody, once};

type Boxed = <Local as Mode>::Flow;

/// Two stacks of bridges, and what is done above them.
pub fn bridges(data: &[u8]) {
    let mut script = Script::new(data);
    let (a, b) = memory_pair::<Local>(1 + script.below(64));
    let mut ends = [End::new(0, Box::new(a), &mut script), End::new(1, Box::new(b), &mut script)];
    // At the end each is closed in order, unless the first is dropped.
    let dropped = script.below(8) == 0;
    while !script.is_over() {
        let at = script.below(2);
        let (this, peer) = match &mut ends {
            [a, b] if at == 0 => (a, b),
            [a, b] => (b, a),
        };
        this.act(peer, &mut script);
    }
    let [a, b] = ends;
    if dropped { b.survive(a) } else { finish(a, b) }
}

/// The flow of one end, in halves, and what went through it.
struct End {
    reader: Reader,
    writer: OwnedWriteHalf<Boxed, Local>,
    /// Tells the two directions apart.
    salt: u8,
    taken: usize,
    received: usize,
    /// Closing the writing side has begun, and is done.
    closing: bool,
    closed: bool,
    ended: bool,
    /// There is a pump in the stack: it drops its writing half when it is done, which tells the
    /// peer nothing.
    pumped: bool,
}

enum Reader {
    Plain(OwnedReadHalf<Boxed, Local>),
    Buffered(BufReader<OwnedReadHalf<Boxed, Local>>),
}

impl Reader {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        match self {
            Self::Plain(reader) => reader.read(buf).await,
            Self::Buffered(reader) => reader.read(buf).await,
        }
    }
}

impl End {
    fn new(salt: u8, mut flow: Boxed, script: &mut Script<'_>) -> Self {
        let mut pumped = false;
        for _ in 0..script.below(5) {
            let kind = script.below(7);
            pumped |= kind == 6;
            flow = wrap(kind, flow, script);
        }
        let (reader, writer) = Split::<_, Local>::new(flow).into_halves();
        let reader = match script.byte() {
            0..128 => Reader::Plain(reader),
            size => Reader::Buffered(BufReader::with_capacity(usize::from(size - 128), reader)),
        };
        Self { reader, writer, salt, taken: 0, received: 0, closing: false, closed: false, ended: false, pumped }
    }

    fn act(&mut self, peer: &mut Self, script: &mut Script<'_>) {
        match script.below(8) {
            0 | 1 => {
                let mut buf = vec![0; script.below(48)];
                if let Some(result) = once(self.reader.read(&mut buf)) {
                    self.took(peer, &buf, result.expect("nothing is broken"));
                }
            }
            2 => {
                let (delimiter, limit, mut out) = (script.byte(), script.below(64), Vec::new());
                let Reader::Buffered(reader) = &mut self.reader else { return };
                let result = once(reader.read_until(delimiter, &mut out, limit));
                let read = out.len();
                if let Some(result) = result {
                    assert_eq!(result.expect("nothing is broken"), read);
                    let at_end = out.last() != Some(&delimiter) && read < limit;
                    assert_eq!(
                        out.iter().filter(|byte| **byte == delimiter).count(),
                        usize::from(!at_end && out.last() == Some(&delimiter))
                    );
                    if at_end {
                        self.check(peer, &out);
                        self.took(peer, &[0], 0);
                        return;
                    }
                }
                self.check(peer, &out);
            }
            3 | 4 => {
                let bytes = self.next(script.below(96));
                self.wrote(bytes.len(), |writer, cx| writer.poll_write(cx, &bytes));
            }
            5 => {
                let lens: Vec<_> = (0..script.below(5)).map(|_| script.below(24)).collect();
                let bytes = self.next(lens.iter().sum());
                let mut rest = &bytes[..];
                let bufs: Vec<_> = lens.iter().map(|len| rest.split_off(..*len).unwrap_or_default()).collect();
                self.wrote(bytes.len(), |writer, cx| writer.poll_write_vectored(cx, &bufs));
            }
            6 => {
                if let Poll::Ready(result) = self.writer.poll_flush(&mut nobody()) {
                    result.expect("nothing is broken");
                }
            }
            _ => {
                if script.below(4) == 0 {
                    self.closing = true;
                    if let Poll::Ready(result) = self.writer.poll_shutdown(&mut nobody()) {
                        result.expect("nothing is broken");
                        self.closed = true;
                    }
                }
            }
        }
    }

    /// The next bytes to be written.
    fn next(&self, len: usize) -> Vec<u8> {
        (self.taken..self.taken + len).map(|at| byte(self.salt, at)).collect()
    }

    fn wrote(
        &mut self,
        len: usize,
        write: impl FnOnce(&mut OwnedWriteHalf<Boxed, Local>, &mut Context<'_>) -> Poll<Result<usize, Error>>,
    ) {
        if self.closing && !self.closed {
            return;
        }
        match write(&mut self.writer, &mut nobody()) {
            Poll::Pending => assert!(len > 0, "an empty write waits for nothing"),
            Poll::Ready(Ok(n)) => {
                assert!(n <= len && (n > 0) == (len > 0), "{n} of {len}");
                assert!(len == 0 || !self.closed, "nothing is taken after the end");
                self.taken += n;
            }
            Poll::Ready(Err(error)) => {
                assert!(self.closed, "nothing is broken: {error}");
                assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            }
        }
    }

    fn took(&mut self, peer: &Self, buf: &[u8], n: usize) {
        assert!(n <= buf.len());
        if n == 0 && !buf.is_empty() {
            assert!(peer.closing, "an end that nobody made");
            assert_eq!(self.received, peer.taken, "the end comes after the last byte");
            self.ended = true;
        }
        self.check(peer, &buf[..n]);
    }

    fn check(&mut self, peer: &Self, bytes: &[u8]) {
        assert!(bytes.is_empty() || !self.ended, "the end stays");
        for &found in bytes {
            assert!(self.received < peer.taken, "a byte that nobody wrote");
            assert_eq!(found, byte(peer.salt, self.received), "byte {}", self.received);
            self.received += 1;
        }
    }

    /// The other end is dropped: what comes out is a beginning of what went in, and then the end,
    /// or an error.
    fn survive(mut self, other: Self) {
        let (taken, salt) = (other.taken, other.salt);
        drop(other);
        let received = RefCell::new(self.received);
        let mut tasks = Tasks::new(vec![Box::pin(async {
            let mut buf = [0; 17];
            while let Ok(n @ 1..) = self.reader.read(&mut buf).await {
                for &found in &buf[..n] {
                    assert!(*received.borrow() < taken, "a byte that nobody wrote");
                    assert_eq!(found, byte(salt, *received.borrow()));
                    *received.borrow_mut() += 1;
                }
            }
        })]);
        tasks.run();
        assert!(tasks.are_done(), "whoever waits hears of the drop");
    }
}

/// Closes both in order: every byte arrives, and the end after it.
fn finish(mut a: End, mut b: End) {
    let expected = [(b.salt, b.taken, b.pumped), (a.salt, a.taken, a.pumped)];
    let received = RefCell::new([(a.received, a.ended), (b.received, b.ended)]);
    let mut tasks = Vec::<Task<'_>>::new();
    for (at, (end, (salt, taken, _))) in [&mut a, &mut b].into_iter().zip(expected).enumerate() {
        let received = &received;
        let (reader, writer) = (&mut end.reader, &mut end.writer);
        tasks.push(Box::pin(async move {
            writer.flush().await.expect("nothing is broken");
            poll_fn(|cx| writer.poll_shutdown(cx)).await.expect("nothing is broken");
        }));
        tasks.push(Box::pin(async move {
            let mut buf = [0; 23];
            loop {
                let n = reader.read(&mut buf).await.expect("nothing is broken");
                let (count, ended) = &mut received.borrow_mut()[at];
                for &found in &buf[..n] {
                    assert!(!*ended && *count < taken, "a byte that nobody wrote");
                    assert_eq!(found, byte(salt, *count), "byte {count}");
                    *count += 1;
                }
                if n == 0 {
                    *ended = true;
                    return;
                }
            }
        }));
    }
    let mut tasks = Tasks::new(tasks);
    tasks.run();
    for ((count, ended), (_, taken, pumped)) in received.borrow().iter().zip(expected) {
        assert_eq!(*count, taken, "every byte arrives");
        assert!(*ended || pumped, "whoever waits for the end hears of it");
    }
}

/// What stands at a place of a direction.
fn byte(salt: u8, at: usize) -> u8 {
    ((at as u32).wrapping_mul(0x9E37_79B1) >> 24) as u8 ^ salt
}

fn wrap(kind: usize, flow: Boxed, script: &mut Script<'_>) -> Boxed {
    match kind {
        0 => Box::new(FromTokio::new(ToTokio::new(flow))),
        1 => Box::new(FromFutures::new(ToFutures::new(flow))),
        2 => {
            let (read, write) = (1 + script.below(32), 1 + script.below(32));
            Box::new(FromTokio::new(BufStream::with_capacity(read, write, ToTokio::new(flow))))
        }
        3 => {
            let (reader, writer) = tokio::io::split(ToTokio::new(flow));
            Box::new(FromTokio::new(tokio::io::join(reader, writer)))
        }
        4 | 5 => Box::new(Moody { below: flow, mood: u32::from(script.word()) | 1 << 16, most: script.below(16) }),
        _ => {
            let (reader, writer) = Split::<_, Local>::new(flow).into_halves();
            Box::new(pump(reader, writer, script.below(32)))
        }
    }
}

/// Takes and gives less than it could, and is `Pending` for nothing now and then.
#[derive(Debug)]
struct Moody {
    below: Boxed,
    mood: u32,
    /// At most so many bytes at once, if not 0.
    most: usize,
}

impl Moody {
    /// How many of `len`, or not just now.
    fn amount(&mut self, len: usize, cx: &Context<'_>) -> Option<usize> {
        self.mood ^= self.mood << 13;
        self.mood ^= self.mood >> 17;
        self.mood ^= self.mood << 5;
        if self.mood.is_multiple_of(5) {
            cx.waker().wake_by_ref();
            return None;
        }
        Some(if self.most == 0 { len } else { len.min(1 + self.mood as usize % self.most) })
    }
}

impl Flow for Moody {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        match self.amount(buf.len(), cx) {
            Some(n) => self.below.poll_read(cx, &mut buf[..n]),
            None if buf.is_empty() => Poll::Ready(Ok(0)),
            None => Poll::Pending,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        match self.amount(buf.len(), cx) {
            Some(n) => self.below.poll_write(cx, &buf[..n]),
            None if buf.is_empty() => Poll::Ready(Ok(0)),
            None => Poll::Pending,
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self.amount(0, cx) {
            Some(_) => self.below.poll_flush(cx),
            None => Poll::Pending,
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self.amount(0, cx) {
            Some(_) => self.below.poll_shutdown(cx),
            None => Poll::Pending,
        }
    }
}
