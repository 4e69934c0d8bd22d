//! Splitting a flow, and the waker that wakes both sides.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod flow_kit;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use embedded_io_async::{Read, Write};
use flow_kit::*;
use futures_lite::future::zip;
use mimic_core::io::{DuplexWaker, Split, memory_pair};
use mimic_core::{Error, ErrorKind, Flow, Mode, Shared};

async fn send(mut writer: impl Write<Error = Error>, bytes: &[u8]) {
    writer.write_all(bytes).await.unwrap();
    writer.flush().await.unwrap();
}

async fn receive(mut reader: impl Read<Error = Error>, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    reader.read_exact(&mut bytes).await.unwrap();
    bytes
}

async fn receive_all(mut reader: impl Read<Error = Error>) -> Vec<u8> {
    let (mut received, mut buf) = (Vec::new(), [0; 777]);
    loop {
        match reader.read(&mut buf).await.unwrap() {
            0 => return received,
            n => received.extend(&buf[..n]),
        }
    }
}

both_modes! {
    fn borrowed_halves_read_and_write_at_once<M: Mode>() {
        let (here, there) = memory_pair::<M>(100);
        let (mut here, mut there) = (Split::<_, M>::new(here), Split::<_, M>::new(there));
        let (out, back) = (pattern(many(50_000)), pattern(many(30_000)));
        let (reader, mut writer) = here.halves();
        let (far_reader, far_writer) = there.halves();
        let one_end = zip(receive(reader, back.len()), send(&mut writer, &out));
        let other_end = zip(receive(far_reader, out.len()), send(far_writer, &back));
        let ((came_back, ()), (came_out, ())) = block_on(zip(one_end, other_end));
        assert!(came_back == back && came_out == out);
        block_on(writer.shutdown()).unwrap();
        // And then it is one flow again.
        assert_eq!(Task::new().write(&mut here.into_inner(), b"x"), fails(ErrorKind::BrokenPipe));
        assert_eq!(Task::new().read(&mut there.into_inner()), got(b""));
    }

    fn owned_halves_live_as_long_as_the_second<M: Mode>() {
        let (here, mut there) = memory_pair::<M>(8);
        let (reader, mut writer) = Split::<_, M>::new(here).into_halves();
        let task = Task::new();
        drop(reader);
        assert!(matches!(writer.poll_write(&mut task.cx(), b"still"), Poll::Ready(Ok(5))));
        assert_eq!(task.read(&mut there), got(b"still"));
        assert_eq!(task.read(&mut there), Poll::Pending);
        drop(writer);
        assert_eq!(task.wakes(), 1);
        assert_eq!(task.read(&mut there), got(b""));
    }

    fn a_dropped_writer_shuts_nothing_down<M: Mode>() {
        let (here, mut there) = memory_pair::<M>(8);
        let (mut reader, writer) = Split::<_, M>::new(here).into_halves();
        let task = Task::new();
        drop(writer);
        assert_eq!(task.read(&mut there), Poll::Pending);
        assert_eq!(task.write(&mut there, b"on"), ok(2));
        let mut buf = [0; 8];
        assert_eq!(block_on(reader.read(&mut buf)).unwrap(), 2);
        drop(reader);
        assert_eq!(task.read(&mut there), got(b""));
    }

    fn a_half_shuts_the_writing_side_down<M: Mode>() {
        let (here, mut there) = memory_pair::<M>(8);
        let (mut reader, mut writer) = Split::<_, M>::new(here).into_halves();
        let task = Task::new();
        block_on(writer.shutdown()).unwrap();
        assert_eq!(block_on(writer.write(b"x")).unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(task.read(&mut there), got(b""));
        assert_eq!(task.write(&mut there, b"on"), ok(2));
        assert_eq!(block_on(reader.read(&mut [0; 8])).unwrap(), 2);
    }

    fn halves_of_one_flow_reunite<M: Mode>() {
        let (here, mut there) = memory_pair::<M>(8);
        let (reader, writer) = Split::<_, M>::new(here).into_halves();
        let mut here = reader.reunite(writer).unwrap();
        let task = Task::new();
        assert_eq!(task.write(&mut here, b"one"), ok(3));
        assert_eq!(task.read(&mut there), got(b"one"));
    }

    fn halves_of_two_flows_come_back_unchanged<M: Mode>() {
        let (here, there) = memory_pair::<M>(8);
        let (here_reader, here_writer) = Split::<_, M>::new(here).into_halves();
        let (there_reader, there_writer) = Split::<_, M>::new(there).into_halves();
        let (here_reader, there_writer) = here_reader.reunite(there_writer).unwrap_err();
        let mut here = here_reader.reunite(here_writer).unwrap();
        let mut there = there_reader.reunite(there_writer).unwrap();
        let task = Task::new();
        assert_eq!(task.write(&mut here, b"x"), ok(1));
        assert_eq!(task.read(&mut there), got(b"x"));
    }

    fn the_tasks_of_the_halves_wait_independently<M: Mode>() {
        let (here, mut there) = memory_pair::<M>(1);
        let (mut reader, mut writer) = Split::<_, M>::new(here).into_halves();
        let [reading, writing, peer] = [Task::new(), Task::new(), Task::new()];
        assert!(writer.poll_write(&mut writing.cx(), b"a").is_ready());
        assert!(writer.poll_write(&mut writing.cx(), b"b").is_pending());
        assert!(reader.poll_read(&mut reading.cx(), &mut [0]).is_pending());
        assert_eq!(peer.read(&mut there), got(b"a"));
        assert_eq!((reading.wakes(), writing.wakes()), (0, 1));
        assert_eq!(peer.write(&mut there, b"c"), ok(1));
        assert_eq!((reading.wakes(), writing.wakes()), (1, 0));
    }

    fn a_boxed_flow_splits_like_any_other<M: Mode>() {
        let (here, mut there) = memory_pair::<M>(8);
        let boxed: Box<dyn Flow> = Box::new(here);
        let (_reader, mut writer) = Split::<_, M>::new(boxed).into_halves();
        let task = Task::new();
        assert!(matches!(writer.poll_write_vectored(&mut task.cx(), &[b"ab", b"cd"]), Poll::Ready(Ok(4))));
        assert!(matches!(writer.poll_flush(&mut task.cx()), Poll::Ready(Ok(()))));
        assert!(matches!(writer.poll_shutdown(&mut task.cx()), Poll::Ready(Ok(()))));
        assert_eq!(task.read(&mut there), got(b"abcd"));
        assert_eq!(task.read(&mut there), got(b""));
    }
}

#[test]
fn halves_in_four_threads_lose_no_byte() {
    let (here, there) = memory_pair::<Shared>(1000);
    let (done, wait) = mpsc::channel();
    for (flow, out, expected) in [
        (here, pattern(many(2_000_000)), pattern(many(3_000_000))),
        (there, pattern(many(3_000_000)), pattern(many(2_000_000))),
    ] {
        let (reader, mut writer) = Split::<_, Shared>::new(flow).into_halves();
        let (wrote, read) = (done.clone(), done.clone());
        thread::spawn(move || {
            block_on(send(&mut writer, &out));
            block_on(writer.shutdown()).unwrap();
            wrote.send(true).unwrap();
        });
        thread::spawn(move || read.send(block_on(receive_all(reader)) == expected).unwrap());
    }
    for _ in 0..4 {
        assert!(wait.recv_timeout(Duration::from_secs(60)).expect("a lost wake-up"), "other bytes came");
    }
}

/// Says that it takes nothing; its reads last until told to end.
#[derive(Debug)]
struct Slow {
    reading: Arc<AtomicBool>,
    end: mpsc::Receiver<()>,
}

impl Flow for Slow {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.reading.store(true, SeqCst);
        self.end.recv_timeout(Duration::from_secs(10)).unwrap();
        Poll::Ready(Ok(0))
    }
    fn poll_write(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Ok(0))
    }
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_half_that_finds_the_flow_in_use_comes_back_by_itself() {
    let (go, end) = mpsc::channel();
    let reading = Arc::new(AtomicBool::new(false));
    let (mut reader, mut writer) = Split::<_, Shared>::new(Slow { reading: reading.clone(), end }).into_halves();
    let thread = thread::spawn(move || block_on(reader.read(&mut [0])).unwrap());
    while !reading.load(SeqCst) {
        thread::yield_now();
    }
    let task = Task::new();
    assert!(writer.poll_flush(&mut task.cx()).is_pending());
    assert_eq!(task.wakes(), 1, "it must not wait for somebody else to wake it");
    assert_eq!(format!("{writer:?}"), "WriteHalf(Split(in use))");
    go.send(()).unwrap();
    thread.join().unwrap();
    assert!(writer.poll_flush(&mut task.cx()).is_ready());
}

#[test]
fn a_half_that_takes_nothing_is_an_error_and_no_panic() {
    let slow = Slow { reading: Arc::default(), end: mpsc::channel().1 };
    let mut split = Split::<_, Shared>::new(slow);
    let (_, mut writer) = split.halves();
    assert_eq!(block_on(writer.write_all(b"x")).unwrap_err().kind(), ErrorKind::WriteZero);
}

#[test]
fn both_tasks_are_woken_and_then_forgotten() {
    let wakers = DuplexWaker::new();
    let [reader, writer, other] = [Task::new(), Task::new(), Task::new()];
    wakers.both().wake_by_ref();
    wakers.reader(&reader.cx());
    wakers.writer(&writer.cx());
    wakers.both().wake_by_ref();
    assert_eq!((reader.wakes(), writer.wakes()), (1, 1));

    wakers.both().wake_by_ref();
    assert_eq!((reader.wakes(), writer.wakes()), (0, 0), "nobody waits");

    wakers.reader(&reader.cx());
    wakers.reader(&other.cx());
    wakers.both().wake_by_ref();
    assert_eq!((reader.wakes(), writer.wakes(), other.wakes()), (0, 0, 1), "the latest reader waits");

    // A waker that a flow below still keeps is no danger.
    let kept: Waker = wakers.both().clone();
    wakers.writer(&writer.cx());
    drop(wakers);
    kept.wake();
    assert_eq!(writer.wakes(), 1);
}

/// A layer whose reads write below, as TLS may.
#[derive(Debug)]
struct Layer<F> {
    below: F,
    wakers: Option<DuplexWaker>,
    to_send: usize,
}

impl<F: Flow> Flow for Layer<F> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        let both = self.wakers.as_ref().map(|wakers| {
            wakers.reader(cx);
            wakers.both().clone()
        });
        let cx = &mut Context::from_waker(both.as_ref().unwrap_or(cx.waker()));
        if self.to_send > 0 && self.below.poll_write(cx, b"!").is_ready() {
            self.to_send -= 1;
        }
        self.below.poll_read(cx, buf)
    }
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        let both = self.wakers.as_ref().map(|wakers| {
            wakers.writer(cx);
            wakers.both().clone()
        });
        self.below.poll_write(&mut Context::from_waker(both.as_ref().unwrap_or(cx.waker())), buf)
    }
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.below.poll_shutdown(cx)
    }
}

#[test]
fn a_read_that_writes_below_does_not_put_the_writer_to_sleep() {
    for (wakers, writer_woken) in [(Some(DuplexWaker::new()), 1), (None, 0)] {
        let (here, mut there) = memory_pair::<Shared>(1);
        let mut layer = Layer { below: here, wakers, to_send: 1 };
        let [reader, writer, peer] = [Task::new(), Task::new(), Task::new()];
        assert_eq!(writer.write(&mut layer, b"a"), ok(1));
        assert_eq!(writer.write(&mut layer, b"b"), Poll::Pending);
        assert_eq!(reader.read(&mut layer), Poll::Pending);
        assert_eq!(peer.read(&mut there), got(b"a"));
        // Without the helper, room wakes the reader alone: the mistake that the rule is there to
        // prevent.
        assert_eq!((reader.wakes(), writer.wakes()), (1, writer_woken));
    }
}
