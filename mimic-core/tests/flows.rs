//! Flows in memory, and what every flow can do: boxes, downcasts, attributes, closing.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod flow_kit;

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use embedded_io_async::{Read, ReadExactError, Write};
use flow_kit::*;
use futures_lite::future::{poll_once, zip};
use mimic_core::adapter::AttributeRequest;
use mimic_core::io::{Memory, SyncFlow, memory_pair};
use mimic_core::keys::{LocalAddr, PeerAddr, TlsVersion};
use mimic_core::{Error, ErrorKind, Flow, FlowExt, Key, Local, Mode, Phase, Shared};

both_modes! {
    fn bytes_arrive_in_order_around_the_end_of_the_buffer<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(5);
        let task = Task::new();
        assert_eq!(task.write(&mut here, b"abcd"), ok(4));
        let mut three = [0; 3];
        assert!(matches!(there.poll_read(&mut task.cx(), &mut three), Poll::Ready(Ok(3))));
        assert_eq!(&three, b"abc");
        assert_eq!(task.write(&mut here, b"efghi"), ok(4));
        assert_eq!(task.read(&mut there), got(b"defgh"));
        // And the other direction has a buffer of its own.
        assert_eq!(task.write(&mut there, b"back"), ok(4));
        assert_eq!(task.read(&mut here), got(b"back"));
    }

    fn a_writer_waits_for_room_and_a_reader_makes_it<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(3);
        let (writer, reader) = (Task::new(), Task::new());
        assert_eq!(writer.write(&mut here, b"abcd"), ok(3));
        assert_eq!(writer.write(&mut here, b"d"), Poll::Pending);
        assert_eq!(writer.wakes(), 0);
        assert_eq!(reader.read(&mut there), got(b"abc"));
        assert_eq!((writer.wakes(), reader.wakes()), (1, 0));
        assert_eq!(writer.write(&mut here, b"d"), ok(1));
    }

    fn a_reader_waits_for_bytes<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(3);
        let (writer, reader) = (Task::new(), Task::new());
        assert_eq!(reader.read(&mut there), Poll::Pending);
        assert_eq!(writer.write(&mut here, b"a"), ok(1));
        assert_eq!((writer.wakes(), reader.wakes()), (0, 1));
        // Woken once per wait, not once per write.
        assert_eq!(writer.write(&mut here, b"b"), ok(1));
        assert_eq!(reader.wakes(), 0);
    }

    fn a_reader_and_a_writer_of_one_end_wait_independently<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(1);
        let (reader, writer, peer) = (Task::new(), Task::new(), Task::new());
        assert_eq!(writer.write(&mut here, b"a"), ok(1));
        assert_eq!(writer.write(&mut here, b"b"), Poll::Pending);
        assert_eq!(reader.read(&mut here), Poll::Pending);
        assert_eq!(peer.read(&mut there), got(b"a"));
        assert_eq!((reader.wakes(), writer.wakes()), (0, 1));
        assert_eq!(peer.write(&mut there, b"c"), ok(1));
        assert_eq!((reader.wakes(), writer.wakes()), (1, 0));
    }

    fn only_the_latest_task_is_woken<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(1);
        let (first, second, peer) = (Task::new(), Task::new(), Task::new());
        assert_eq!(first.read(&mut here), Poll::Pending);
        assert_eq!(second.read(&mut here), Poll::Pending);
        assert_eq!(peer.write(&mut there, b"a"), ok(1));
        assert_eq!((first.wakes(), second.wakes()), (0, 1));

        assert_eq!(first.write(&mut here, b"a"), ok(1));
        assert_eq!(first.write(&mut here, b"b"), Poll::Pending);
        assert_eq!(second.write(&mut here, b"b"), Poll::Pending);
        assert_eq!(peer.read(&mut there), got(b"a"));
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
    }

    fn end_of_stream_comes_after_the_bytes_and_stays<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(8);
        let task = Task::new();
        assert_eq!(task.write(&mut here, b"last"), ok(4));
        assert_eq!(task.shutdown(&mut here), ok(()));
        assert_eq!(task.read(&mut there), got(b"last"));
        for _ in 0..3 {
            assert_eq!(task.read(&mut there), got(b""));
        }
    }

    fn a_half_closed_flow_still_reads<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(8);
        let (task, waiting) = (Task::new(), Task::new());
        assert_eq!(waiting.read(&mut there), Poll::Pending);
        assert_eq!(task.shutdown(&mut here), ok(()));
        assert_eq!(waiting.wakes(), 1);
        assert_eq!(task.write(&mut here, b"x"), fails(ErrorKind::BrokenPipe));
        assert_eq!(task.shutdown(&mut here), ok(()), "again is Ok");
        // The other direction is open, then closes too.
        assert_eq!(task.write(&mut there, b"answer"), ok(6));
        assert_eq!(task.shutdown(&mut there), ok(()));
        assert_eq!(task.read(&mut here), got(b"answer"));
        assert_eq!(task.read(&mut here), got(b""));
        assert_eq!(task.read(&mut there), got(b""));
    }

    fn dropping_an_end_is_an_orderly_close<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(4);
        let task = Task::new();
        assert_eq!(task.write(&mut there, b"left"), ok(4));
        drop(there);
        assert_eq!(task.read(&mut here), got(b"left"));
        assert_eq!(task.read(&mut here), got(b""));
        assert_eq!(task.write(&mut here, b"x"), fails(ErrorKind::BrokenPipe));
        assert_eq!(task.write(&mut here, b""), ok(0));
        assert_eq!(task.flush(&mut here), ok(()));
        assert_eq!(task.shutdown(&mut here), ok(()));
    }

    fn dropping_an_end_wakes_who_waits<M: Mode>() {
        let (mut here, there) = memory_pair::<M>(1);
        let (reader, writer) = (Task::new(), Task::new());
        assert_eq!(reader.read(&mut here), Poll::Pending);
        assert_eq!(writer.write(&mut here, b"a"), ok(1));
        assert_eq!(writer.write(&mut here, b"b"), Poll::Pending);
        drop(there);
        assert_eq!((reader.wakes(), writer.wakes()), (1, 1));
        assert_eq!(writer.write(&mut here, b"b"), fails(ErrorKind::BrokenPipe));
    }

    fn an_abort_is_a_reset_that_loses_what_is_left<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(8);
        let (task, reader) = (Task::new(), Task::new());
        assert_eq!(reader.read(&mut there), Poll::Pending);
        assert_eq!(task.write(&mut here, b"lost"), ok(4));
        reader.wakes();
        here.abort();
        for flow in [&mut here, &mut there] {
            assert_eq!(task.read(flow), fails(ErrorKind::ConnectionReset));
            assert_eq!(task.write(flow, b"x"), fails(ErrorKind::ConnectionReset));
        }
        drop(here);
        assert_eq!(task.read(&mut there), fails(ErrorKind::ConnectionReset), "not a clean end");
    }

    fn an_abort_wakes_who_waits<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(1);
        let [own_reader, reader, writer] = [Task::new(), Task::new(), Task::new()];
        assert_eq!(writer.write(&mut there, b"a"), ok(1));
        assert_eq!(writer.write(&mut there, b"b"), Poll::Pending);
        assert_eq!(own_reader.read(&mut here), got(b"a"));
        assert_eq!(own_reader.read(&mut here), Poll::Pending);
        assert_eq!(writer.write(&mut there, b"b"), ok(1));
        assert_eq!(writer.write(&mut there, b"c"), Poll::Pending);
        assert_eq!(reader.read(&mut there), Poll::Pending);
        assert_eq!((own_reader.wakes(), writer.wakes()), (1, 1), "a byte came, and room");
        here.abort();
        assert_eq!((reader.wakes(), writer.wakes()), (1, 1));
    }

    fn nothing_is_answered_at_once<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(1);
        let task = Task::new();
        let empty = |flow: &mut Memory<M>| {
            assert!(matches!(flow.poll_read(&mut task.cx(), &mut []), Poll::Ready(Ok(0))));
            assert_eq!(task.write(flow, b""), ok(0));
            assert!(matches!(flow.poll_write_vectored(&mut task.cx(), &[]), Poll::Ready(Ok(0))));
            assert!(matches!(flow.poll_write_vectored(&mut task.cx(), &[b"", b""]), Poll::Ready(Ok(0))));
        };
        empty(&mut here);
        assert_eq!(task.write(&mut here, b"a"), ok(1));
        empty(&mut here);
        empty(&mut there);
        assert_eq!(task.read(&mut there), got(b"a"));
    }

    fn a_vectored_write_counts_over_all_slices<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(5);
        let task = Task::new();
        assert!(here.is_write_vectored());
        let bufs: [&[u8]; 4] = [b"", b"abc", b"", b"defg"];
        assert!(matches!(here.poll_write_vectored(&mut task.cx(), &bufs), Poll::Ready(Ok(5))));
        assert!(here.poll_write_vectored(&mut task.cx(), &bufs).is_pending());
        assert_eq!(task.read(&mut there), got(b"abcde"));
        assert_eq!(block_on(here.write_vectored(&[b"x", b"y"])).unwrap(), 2);
        assert_eq!(task.read(&mut there), got(b"xy"));
    }

    fn no_capacity_is_a_capacity_of_one<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(0);
        let task = Task::new();
        assert_eq!(task.write(&mut here, b"ab"), ok(1));
        assert_eq!(task.read(&mut there), got(b"a"));
    }

    fn a_dropped_read_or_write_loses_no_byte<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(4);
        let (here, there): (&mut dyn Flow, &mut dyn Flow) = (&mut here, &mut there);
        let sent = pattern(64);
        let received = block_on(async {
            let (mut taken, mut received, mut buf) = (0, Vec::<u8>::new(), [0; 3]);
            while received.len() < sent.len() {
                // Every other operation is given up when it has to wait.
                let rest = &sent[taken..];
                taken += poll_once(here.write(rest)).await.transpose().unwrap().unwrap_or(0);
                if let Some(n) = poll_once(there.read(&mut buf)).await.transpose().unwrap() {
                    received.extend(&buf[..n]);
                }
            }
            received
        });
        assert_eq!(received, sent);
    }

    fn all_is_written_through_a_small_buffer<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(7);
        let sent = pattern(many(10_000));
        let mut received = vec![0; sent.len()];
        block_on(async {
            let (here, there): (&mut dyn Flow, &mut dyn Flow) = (&mut here, &mut there);
            let (written, read) = zip(here.write_all(&sent), there.read_exact(&mut received)).await;
            written.unwrap();
            read.unwrap();
        });
        assert_eq!(received, sent);
    }

    fn close_shuts_down_and_waits_for_the_peer<M: Mode>() {
        let (here, mut there) = memory_pair::<M>(8);
        let task = Task::new();
        assert_eq!(task.write(&mut there, b"ignored"), ok(7));
        let mut close = Box::pin(here.close());
        assert!(close.as_mut().poll(&mut task.cx()).is_pending());
        assert_eq!(task.read(&mut there), got(b""), "end of stream");
        assert_eq!(task.write(&mut there, b"more"), ok(4));
        assert!(close.as_mut().poll(&mut task.cx()).is_pending());
        assert_eq!(task.shutdown(&mut there), ok(()));
        assert!(matches!(close.as_mut().poll(&mut task.cx()), Poll::Ready(Ok(()))));
    }

    fn close_of_a_flow_whose_peer_has_gone_is_no_error<M: Mode>() {
        let (here, there) = memory_pair::<M>(8);
        drop(there);
        block_on(here.close()).unwrap();
        let (here, mut there) = memory_pair::<M>(8);
        there.abort();
        block_on(here.close()).unwrap();
    }
}

/// The task of a waker is gone with the last waker, and with it what it holds: here, the other end.
#[test]
fn a_replaced_waker_may_hold_an_end() {
    struct Holds(#[expect(dead_code, reason = "dropped")] Mutex<Memory<Shared>>);
    impl Wake for Holds {
        fn wake(self: Arc<Self>) {}
    }

    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || {
        for write in [false, true] {
            let (mut here, there) = memory_pair::<Shared>(1);
            let task = Task::new();
            assert_eq!(task.write(&mut here, b"a"), ok(1));
            let waker = Waker::from(Arc::new(Holds(Mutex::new(there))));
            let mut poll = |cx: &mut Context<'_>| match write {
                true => here.poll_write(cx, b"b").is_pending(),
                false => here.poll_read(cx, &mut [0]).is_pending(),
            };
            assert!(poll(&mut Context::from_waker(&waker)));
            drop(waker);
            assert!(poll(&mut task.cx()));
            assert_eq!(task.wakes(), 1, "the other end was dropped");
            assert!(!poll(&mut task.cx()));
        }
        done.send(()).unwrap();
    });
    wait.recv_timeout(Duration::from_secs(10)).expect("the end that the waker holds is dropped without a deadlock");
}

/// Answers every method in a way of its own.
#[derive(Debug, Default)]
struct Probe {
    calls: Mutex<Vec<&'static str>>,
    /// What a write answers.
    taken: usize,
    /// What a shutdown answers, once.
    fails: Option<ErrorKind>,
    inner: Option<Box<Probe>>,
    attributes: (Option<u16>, Option<&'static str>),
}

impl Probe {
    fn call(&self, name: &'static str) {
        self.calls.lock().unwrap().push(name);
    }
}

impl Flow for Probe {
    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.call("read");
        buf.fill(b'r');
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<Result<usize, Error>> {
        self.call("write");
        Poll::Ready(Ok(self.taken))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.call("flush");
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.call("shutdown");
        Poll::Ready(self.fails.take().map_or(Ok(()), |kind| Err(error(kind))))
    }

    fn poll_write_vectored(&mut self, _: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        self.call("write_vectored");
        Poll::Ready(Ok(bufs.len() * 100))
    }

    fn is_write_vectored(&self) -> bool {
        self.call("is_write_vectored");
        true
    }

    fn abort(&mut self) {
        self.call("abort");
    }

    fn inner(&self) -> Option<&dyn Flow> {
        self.call("inner");
        self.inner.as_deref().map(|inner| inner as _)
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.call("provide");
        let (version, peer) = self.attributes;
        request.provide_value(TlsVersion, || version).provide_value(PeerAddr, || Some(peer?.parse().unwrap()));
    }
}

/// What follows is true of both boxes.
macro_rules! both_boxes {
    ($($name:ident: |$flow:ident, $taken:ident| $body:block)+) => {$(
        mod $name {
            use super::*;

            fn $taken(taken: usize) -> Probe {
                Probe { taken, ..Probe::default() }
            }

            #[test]
            fn local() {
                type $flow = Box<dyn Flow>;
                $body
            }

            #[test]
            fn shared() {
                type $flow = Box<dyn Flow + Send>;
                $body
            }
        }
    )+};
}

both_boxes! {
    a_box_forwards_every_method: |Boxed, probe| {
        let mut flow: Boxed = Box::new(probe(42));
        let task = Task::new();
        let mut buf = [0; 3];
        assert!(matches!(Flow::poll_read(&mut flow, &mut task.cx(), &mut buf), Poll::Ready(Ok(3))));
        assert_eq!(&buf, b"rrr");
        assert!(matches!(Flow::poll_write(&mut flow, &mut task.cx(), b"x"), Poll::Ready(Ok(42))));
        assert!(matches!(Flow::poll_flush(&mut flow, &mut task.cx()), Poll::Ready(Ok(()))));
        assert!(matches!(Flow::poll_shutdown(&mut flow, &mut task.cx()), Poll::Ready(Ok(()))));
        assert!(matches!(Flow::poll_write_vectored(&mut flow, &mut task.cx(), &[b"x", b"y"]), Poll::Ready(Ok(200))));
        assert!(Flow::is_write_vectored(&flow));
        Flow::abort(&mut flow);
        assert!(Flow::inner(&flow).is_none());
        assert_eq!(flow.attribute(TlsVersion), None);
        let calls = [
            "read", "write", "flush", "shutdown", "write_vectored", "is_write_vectored", "abort", "inner", "provide",
            "inner",
        ];
        assert_eq!(*flow.downcast_ref::<Probe>().unwrap().calls.lock().unwrap(), calls);
    }

    a_box_reads_and_writes_as_embedded_io_does: |Boxed, probe| {
        let mut flow: Boxed = Box::new(probe(2));
        block_on(async {
            let mut buf = [0; 5];
            assert_eq!(flow.read(&mut buf).await.unwrap(), 5);
            flow.read_exact(&mut buf).await.unwrap();
            assert_eq!(flow.write(b"xyz").await.unwrap(), 2);
            flow.write_all(b"xyz").await.unwrap();
            flow.flush().await.unwrap();
            FlowExt::shutdown(&mut flow).await.unwrap();
        });
        let calls = ["read", "read", "write", "write", "write", "flush", "shutdown"];
        assert_eq!(*flow.downcast_ref::<Probe>().unwrap().calls.lock().unwrap(), calls);
    }

    a_flow_that_takes_nothing_is_an_error_and_no_panic: |Boxed, probe| {
        let mut flow: Boxed = Box::new(probe(0));
        assert_eq!(block_on(flow.write_all(b"x")).unwrap_err().kind(), ErrorKind::WriteZero);
        block_on(flow.write_all(b"")).unwrap();
        // And one that claims too much does not panic either.
        let mut flow: Boxed = Box::new(probe(9));
        block_on(flow.write_all(b"x")).unwrap();
    }

    a_box_can_be_opened_by_type: |Boxed, probe| {
        let mut flow: Boxed = Box::new(probe(1));
        assert_eq!(flow.downcast_ref::<Probe>().unwrap().taken, 1);
        flow.downcast_mut::<Probe>().unwrap().taken = 2;
        assert!(flow.downcast_ref::<Memory<Local>>().is_none());
        assert!(flow.downcast_mut::<Memory<Local>>().is_none());
        // The wrong type gives the box back unchanged.
        let flow = flow.downcast::<Memory<Local>>().unwrap_err();
        assert_eq!(flow.downcast::<Probe>().unwrap().taken, 2);
    }

    read_exact_says_that_the_stream_ended: |Boxed, probe| {
        let _ = probe(0);
        let (here, mut there) = memory_pair::<Shared>(8);
        assert_eq!(Task::new().write(&mut there, b"ab"), ok(2));
        drop(there);
        let mut flow: Boxed = Box::new(here);
        assert!(matches!(block_on(flow.read_exact(&mut [0; 3])), Err(ReadExactError::UnexpectedEof)));
    }
}

#[test]
fn a_vectored_write_writes_the_first_slice_unless_overridden() {
    #[derive(Debug)]
    struct Plain(Vec<u8>);
    impl Flow for Plain {
        fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<Result<usize, Error>> {
            Poll::Ready(Ok(0))
        }
        fn poll_write(&mut self, _: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
            self.0.extend(buf);
            Poll::Ready(Ok(buf.len()))
        }
        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Ready(Ok(()))
        }
    }
    let mut flow = Plain(Vec::new());
    assert!(!flow.is_write_vectored());
    assert_eq!(block_on(flow.write_vectored(&[b"", b"ab", b"cd"])).unwrap(), 2);
    assert_eq!(block_on(flow.write_vectored(&[b""])).unwrap(), 0);
    assert_eq!(flow.0, b"ab");
    flow.abort();
    assert!(flow.inner().is_none());
    assert_eq!(flow.attribute(PeerAddr), None);
}

#[test]
fn the_first_layer_that_knows_an_attribute_answers() {
    let bottom = Probe { attributes: (Some(1), Some("192.0.2.1:1")), ..Probe::default() };
    let middle = Probe { inner: Some(bottom.into()), ..Probe::default() };
    let top = Probe { attributes: (Some(2), None), inner: Some(middle.into()), ..Probe::default() };
    let flow: Box<dyn Flow + Send> = Box::new(top);
    assert_eq!(flow.attribute(TlsVersion), Some(2), "the top first");
    assert_eq!(flow.attribute(PeerAddr), Some("192.0.2.1:1".parse().unwrap()), "then below");
    assert_eq!(flow.attribute(LocalAddr), None);
    let middle = flow.inner().unwrap();
    assert_eq!(middle.attribute(TlsVersion), Some(1), "and from there down");
}

#[test]
fn attributes_of_one_type_are_told_apart_by_their_number() {
    struct Channel(u32);
    impl Key for Channel {
        type Value = &'static str;
        const NAME: &'static str = "Channel";
        fn instance(&self) -> u32 {
            self.0
        }
    }
    #[derive(Debug)]
    struct Radio(Probe);
    impl Flow for Radio {
        fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
            self.0.poll_read(cx, buf)
        }
        fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
            self.0.poll_write(cx, buf)
        }
        fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
            self.0.poll_flush(cx)
        }
        fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
            self.0.poll_shutdown(cx)
        }
        fn provide(&self, request: &mut AttributeRequest<'_>) {
            request
                .provide_value(Channel(1), || Some("one"))
                .provide_value(Channel(2), || None)
                .provide_value(Channel(2), || Some("two"))
                .provide_value(Channel(2), || panic!("computed although it was answered"));
        }
    }
    let radio = Radio(Probe::default());
    assert_eq!([1, 2, 3].map(|n| radio.attribute(Channel(n))), [Some("one"), Some("two"), None]);
}

#[test]
fn close_reports_errors_that_say_more_than_that_the_peer_has_gone() {
    let close = |kind| {
        let here = Probe { fails: Some(kind), ..Probe::default() };
        block_on(here.close()).map_err(|error| error.kind())
    };
    for kind in
        [ErrorKind::ConnectionReset, ErrorKind::ConnectionAborted, ErrorKind::BrokenPipe, ErrorKind::NotConnected]
    {
        assert_eq!(close(kind), Ok(()), "{kind:?}");
    }
    for kind in [ErrorKind::TimedOut, ErrorKind::InvalidData, ErrorKind::Other] {
        assert_eq!(close(kind), Err(kind));
    }
}

/// Or a timeout around it would never be looked at.
#[test]
fn close_lets_others_run_although_the_peer_sends_without_end() {
    let mut close = Box::pin(Probe::default().close());
    let task = Task::new();
    for _ in 0..3 {
        assert!(close.as_mut().poll(&mut task.cx()).is_pending());
        assert_eq!(task.wakes(), 1);
    }
}

#[test]
fn boxes_are_those_of_the_modes() {
    let shared: <Shared as Mode>::Flow = memory_pair::<Shared>(1).0.boxed();
    let local: <Local as Mode>::Flow = memory_pair::<Local>(1).0.boxed_local();
    assert!(shared.downcast_ref::<Memory<Shared>>().is_some() && local.downcast_ref::<Memory<Local>>().is_some());
}

#[test]
fn a_read_to_an_early_end_becomes_one_error() {
    async fn read(flow: &mut Memory<Shared>) -> Result<[u8; 4], Error> {
        let mut buf = [0; 4];
        flow.read_exact(&mut buf).await?;
        Ok(buf)
    }
    let (mut here, mut there) = memory_pair::<Shared>(8);
    block_on(async {
        there.write_all(b"abcdef").await.unwrap();
        there.shutdown().await.unwrap();
        assert_eq!(&read(&mut here).await.unwrap(), b"abcd");
        let error = read(&mut here).await.unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Other, Some(Phase::Read)));
        assert!(error.to_string().contains("the stream ended early"), "{error}");
        there.abort();
        assert_eq!(read(&mut here).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_sync_flow_forwards_every_method_and_the_attributes_of_all_layers() {
    fn needs_sync(_: &(impl Read + Write + Flow + Send + Sync)) {}
    let bottom = Probe { attributes: (Some(1), Some("192.0.2.1:1")), ..Probe::default() };
    let top = Probe { taken: 42, attributes: (Some(2), None), inner: Some(bottom.into()), ..Probe::default() };
    let mut flow = SyncFlow::new(top.boxed());
    needs_sync(&flow);
    let (task, mut buf) = (Task::new(), [0; 3]);
    assert!(matches!(Flow::poll_read(&mut flow, &mut task.cx(), &mut buf), Poll::Ready(Ok(3))));
    assert!(matches!(Flow::poll_write(&mut flow, &mut task.cx(), b"x"), Poll::Ready(Ok(42))));
    assert!(matches!(Flow::poll_flush(&mut flow, &mut task.cx()), Poll::Ready(Ok(()))));
    assert!(matches!(Flow::poll_shutdown(&mut flow, &mut task.cx()), Poll::Ready(Ok(()))));
    assert!(matches!(Flow::poll_write_vectored(&mut flow, &mut task.cx(), &[b"x", b"y"]), Poll::Ready(Ok(200))));
    assert!(flow.is_write_vectored());
    flow.abort();
    assert_eq!(flow.attribute(TlsVersion), Some(2), "the topmost layer that knows");
    assert_eq!(flow.attribute(PeerAddr), Some("192.0.2.1:1".parse().unwrap()), "a layer below");
    assert!(flow.inner().is_none());
    assert!(format!("{flow:?}").starts_with("SyncFlow(Probe"), "{flow:?}");
    let calls = ["read", "write", "flush", "shutdown", "write_vectored", "is_write_vectored", "abort"];
    assert_eq!(flow.get_mut().downcast_ref::<Probe>().unwrap().calls.lock().unwrap()[..7], calls);
    assert!(flow.into_inner().downcast::<Probe>().is_ok());
}
