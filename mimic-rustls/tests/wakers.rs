//! A reader and a writer of one flow, each with a waker of its own. Neither delays the other or
//! takes its wake-up.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;
#[path = "../../mimic-core/tests/flow_kit/mod.rs"]
mod flow_kit;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Waker, ready};

use common::flows::{Plan, Trouble};
use common::tasks::both;
use common::{Authority, BOTH, NAME};
use flow_kit::{Task, fails, got, ok, pattern};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::{Memory, memory_pair};
use mimic_core::{Error, ErrorKind, Flow, Local, Mode, Shared};
use mimic_rustls::{Client, Server, TlsFlow, accept, connect};

type Pair<M> = (TlsFlow<Memory<M>, Client>, TlsFlow<Memory<M>, Server>);

/// Returns a pair after the handshake and after the tickets are read.
fn pair<M: Mode>(capacity: usize) -> Pair<M> {
    let authority = Authority::new();
    let (near, far) = memory_pair::<M>(capacity);
    let server = authority.server(&[NAME], &BOTH);
    both(
        &"handshake",
        async {
            let mut flow = connect(near, Arc::new(authority.client(&BOTH)), Vec::new(), NAME).await.unwrap();
            flow.read_exact(&mut [0]).await.unwrap();
            flow
        },
        async {
            let mut flow = accept(far, &server).await.unwrap();
            flow.write_all(b"!").await.unwrap();
            flow.flush().await.unwrap();
            flow
        },
    )
}

type Buffered<M> = (TlsFlow<Trouble<Memory<M>>, Client>, TlsFlow<Trouble<Memory<M>>, Server>);

/// Returns a pair over flows that keep written bytes until they are flushed.
fn buffered_pair<M: Mode>() -> Buffered<M> {
    let (near, far) = memory_pair::<M>(4096);
    let buffered = |below| Trouble::new(below, Plan { buffered: true, ..Plan::default() }, 1);
    common::pair((buffered(near), buffered(far)))
}

/// Writes until nothing more is taken. Returns how much was.
fn stuff(task: &Task, flow: &mut dyn Flow) -> usize {
    let mut taken = 0;
    loop {
        match task.write(flow, &[5; 100]) {
            Poll::Ready(n) => taken += n.unwrap(),
            Poll::Pending => return taken,
        }
    }
}

/// Reads all there is. Returns how much.
fn drain(task: &Task, flow: &mut dyn Flow) -> usize {
    let mut read = 0;
    while let Poll::Ready(bytes) = task.read(flow) {
        read += bytes.unwrap().len();
    }
    read
}

both_modes! {
    fn a_pending_read_does_not_delay_a_write<M: Mode>() {
        let (mut near, mut far) = pair::<M>(4096);
        let (reader, writer, other) = (Task::new(), Task::new(), Task::new());
        assert_eq!(reader.read(&mut near), Poll::Pending);
        assert_eq!(writer.write(&mut near, b"hello"), ok(5));
        assert_eq!(writer.flush(&mut near), ok(()));
        assert_eq!(other.read(&mut far), got(b"hello"));
        assert_eq!(other.write(&mut far, b"answer"), ok(6));
        assert!(reader.wakes() > 0);
        assert_eq!(reader.read(&mut near), got(b"answer"));
    }

    fn bytes_that_come_wake_the_reader_alone_and_once<M: Mode>() {
        let (mut near, mut far) = pair::<M>(4096);
        let (reader, writer, other) = (Task::new(), Task::new(), Task::new());
        for _ in 0..3 {
            assert_eq!(writer.write(&mut near, b"question"), ok(8));
            assert_eq!(writer.flush(&mut near), ok(()));
            assert_eq!(reader.read(&mut near), Poll::Pending);
            assert_eq!(other.read(&mut far), got(b"question"));
            assert_eq!(other.write(&mut far, b"answer"), ok(6));
            // Otherwise a task that writes and then reads would be woken twice, the second time for
            // nothing.
            assert_eq!((reader.wakes(), writer.wakes()), (1, 0));
            assert_eq!(reader.read(&mut near), got(b"answer"));
        }
    }

    fn a_pending_write_does_not_delay_a_read<M: Mode>() {
        let (mut near, mut far) = pair::<M>(300);
        let (reader, writer, other) = (Task::new(), Task::new(), Task::new());
        let taken = stuff(&writer, &mut near);
        assert!(taken > 0);
        for _ in 0..3 {
            assert_eq!(reader.read(&mut near), Poll::Pending);
            assert_eq!(other.write(&mut far, b"data"), ok(4));
            assert!(reader.wakes() > 0, "the reader's waker was replaced by the writer's");
            assert_eq!(reader.read(&mut near), got(b"data"));
            assert_eq!(writer.write(&mut near, b"x"), Poll::Pending);
        }
        assert_eq!(reader.read(&mut near), Poll::Pending);
        writer.wakes();
        assert!(drain(&other, &mut far) > 0);
        assert!(writer.wakes() > 0, "the writer's waker was replaced by the reader's, who sends as well");
        assert_eq!(writer.write(&mut near, b"x"), ok(1));
    }

    fn the_task_that_sends_the_rest_wakes_the_writer<M: Mode>() {
        let (mut near, mut far) = pair::<M>(64);
        let (reader, writer, other) = (Task::new(), Task::new(), Task::new());
        let data = pattern(500);
        assert_eq!(writer.write(&mut near, &data), ok(500));
        // The message does not fit the pipe, so the writer waits in the flush.
        assert_eq!(writer.flush(&mut near), Poll::Pending);
        let mut read = Vec::new();
        for _ in 0..1000 {
            if let Poll::Ready(bytes) = other.read(&mut far) {
                read.extend(bytes.unwrap());
            }
            // Only the reader runs, if it was woken, and sends as much as there is room for.
            if reader.wakes() > 0 || read.is_empty() {
                assert_eq!(reader.read(&mut near), Poll::Pending);
            }
        }
        assert_eq!(read, data);
        assert!(writer.wakes() > 0);
        assert_eq!(writer.flush(&mut near), ok(()));
    }

    fn a_forgotten_flush_does_not_hang<M: Mode>() {
        let (mut near, mut far) = pair::<M>(8);
        let (task, other) = (Task::new(), Task::new());
        assert_eq!(task.write(&mut near, b"question"), ok(8));
        for _ in 0..100 {
            assert_eq!(task.read(&mut near), Poll::Pending);
            if let Poll::Ready(question) = other.read(&mut far) {
                assert_eq!(question.unwrap(), b"question");
                return;
            }
        }
        panic!("the question did not leave");
    }

    fn a_flush_goes_all_the_way_down<M: Mode>() {
        let (mut near, mut far) = buffered_pair::<M>();
        let (task, other) = (Task::new(), Task::new());
        assert_eq!(task.write(&mut near, b"hello"), ok(5));
        assert_eq!(other.read(&mut far), Poll::Pending, "the flow below keeps it");
        assert_eq!(task.flush(&mut near), ok(()));
        assert_eq!(other.read(&mut far), got(b"hello"));
    }

    // The same where the flow below keeps written bytes until they are flushed.
    fn a_forgotten_flush_does_not_hang_over_a_flow_that_buffers<M: Mode>() {
        let (mut near, mut far) = buffered_pair::<M>();
        both(
            &"nobody flushes",
            async move {
                for _ in 0..3 {
                    near.write_all(b"question").await.unwrap();
                    let mut answer = [0; 6];
                    near.read_exact(&mut answer).await.unwrap();
                    assert_eq!(&answer, b"answer");
                }
            },
            async {
                for _ in 0..3 {
                    let mut question = [0; 8];
                    far.read_exact(&mut question).await.unwrap();
                    far.write_all(b"answer").await.unwrap();
                }
                // Waits for a byte that does not come, as a server does.
                drop(far.read(&mut [0]).await);
            },
        );
    }

    fn an_alert_leaves_with_the_error_of_a_read<M: Mode>() {
        let (mut near, far) = pair::<M>(4096);
        let (task, other) = (Task::new(), Task::new());
        let mut below = far.into_inner();
        let forged = [&[0x17, 3, 3, 0, 20][..], &[7; 20]].concat();
        assert_eq!(other.write(&mut below, &forged), ok(25));
        assert_eq!(task.read(&mut near), fails(ErrorKind::InvalidData));
        // The alert was sent, without another call at this end.
        assert!(matches!(other.read(&mut below), Poll::Ready(Ok(alert)) if alert.len() > 5));
    }

    fn a_writer_that_waits_hears_of_the_error_of_a_read<M: Mode>() {
        let (mut near, far) = pair::<M>(300);
        let (reader, writer, other) = (Task::new(), Task::new(), Task::new());
        stuff(&writer, &mut near);
        writer.wakes();
        let mut below = far.into_inner();
        let forged = [&[0x17, 3, 3, 0, 20][..], &[7; 20]].concat();
        assert_eq!(other.write(&mut below, &forged), ok(25));
        assert_eq!(reader.read(&mut near), fails(ErrorKind::InvalidData));
        // The peer reads nothing more, so only this can wake the writer.
        assert!(writer.wakes() > 0);
        for _ in 0..2 {
            assert_eq!(writer.write(&mut near, b"x"), fails(ErrorKind::InvalidData));
        }
        // A flush waits for the alert.
        assert_eq!(writer.flush(&mut near), Poll::Pending);
        while writer.flush(&mut near).is_pending() {
            assert!(drain(&other, &mut below) > 0);
        }
    }

    fn bytes_in_front_of_an_error_are_read<M: Mode>() {
        let (mut near, mut far) = pair::<M>(4096);
        let (task, other) = (Task::new(), Task::new());
        assert_eq!(other.write(&mut far, b"last words"), ok(10));
        assert_eq!(other.flush(&mut far), ok(()));
        let forged = [&[0x17, 3, 3, 0, 20][..], &[7; 20]].concat();
        assert_eq!(other.write(&mut far.into_inner(), &forged), ok(25));
        assert_eq!(task.read(&mut near), got(b"last words"));
        assert_eq!(task.read(&mut near), fails(ErrorKind::InvalidData));
    }

    fn a_large_write_takes_bounded_memory<M: Mode>() {
        let (mut near, mut far) = pair::<M>(100);
        let (task, other) = (Task::new(), Task::new());
        let data = pattern(1 << 20);
        let Poll::Ready(Ok(taken)) = task.write(&mut near, &data) else { panic!("nothing is in its way") };
        assert!((1..=1 << 18).contains(&taken), "{taken} bytes are sealed at once");
        assert_eq!(task.write(&mut near, &data), Poll::Pending);
        let mut read = Vec::new();
        while read.len() < taken {
            if let Poll::Ready(bytes) = other.read(&mut far) {
                read.extend(bytes.unwrap());
            }
            let _ = task.flush(&mut near);
        }
        assert_eq!(read, data[..taken]);
    }

    fn pending_takes_nothing<M: Mode>() {
        let (mut near, mut far) = pair::<M>(64);
        let (writer, other) = (Task::new(), Task::new());
        let mut taken = stuff(&writer, &mut near);
        for _ in 0..50 {
            // The write is given up, and tried again with other bytes.
            assert_eq!(writer.write(&mut near, b"given up"), Poll::Pending);
        }
        let mut read = 0;
        for _ in 0..100 {
            read += drain(&other, &mut far);
            if writer.flush(&mut near).is_ready() {
                break;
            }
        }
        read += drain(&other, &mut far);
        assert_eq!(read, taken);
        taken = 0;
        assert_eq!(drain(&other, &mut far), taken);
    }

    fn a_writer_that_is_gone_leaves_the_rest_to_read<M: Mode>() {
        let (mut near, mut far) = pair::<M>(4096);
        let (task, other) = (Task::new(), Task::new());
        assert_eq!(other.write(&mut far, b"last words"), ok(10));
        assert_eq!(other.shutdown(&mut far), ok(()));
        drop(far);
        // Writing fails now. The reader still gets the bytes before the end, and the end is the
        // true one.
        let mut failed = false;
        for _ in 0..3 {
            failed |= task.write(&mut near, b"x") == fails(ErrorKind::BrokenPipe);
        }
        assert!(failed);
        assert_eq!(task.read(&mut near), got(b"last words"));
        assert_eq!(task.read(&mut near), got(b""));
        assert_eq!(task.read(&mut near), got(b""));
    }

    fn shutdown_waits_for_room_and_reading_goes_on<M: Mode>() {
        let (mut near, mut far) = pair::<M>(64);
        let (reader, writer, other) = (Task::new(), Task::new(), Task::new());
        let taken = stuff(&writer, &mut near);
        assert_eq!(writer.shutdown(&mut near), Poll::Pending);
        assert_eq!(writer.write(&mut near, b"x"), fails(ErrorKind::BrokenPipe));
        assert_eq!(other.write(&mut far, b"data"), ok(4));
        let mut read = 0;
        for _ in 0..1000 {
            if let Poll::Ready(Ok(bytes)) = other.read(&mut far) {
                read += bytes.len();
                if bytes.is_empty() {
                    break;
                }
            }
            if writer.wakes() > 0 {
                let _ = writer.shutdown(&mut near);
            }
        }
        assert_eq!(read, taken);
        assert_eq!(writer.shutdown(&mut near), ok(()));
        assert_eq!(writer.shutdown(&mut near), ok(()));
        let mut data = Vec::new();
        for _ in 0..100 {
            let _ = other.flush(&mut far);
            if let Poll::Ready(bytes) = reader.read(&mut near) {
                data.extend(bytes.unwrap());
            }
        }
        assert_eq!(data, b"data");
    }

    fn small_slices_go_together<M: Mode>() {
        let (mut near, mut far) = pair::<M>(1 << 16);
        let (task, other) = (Task::new(), Task::new());
        let slices: [&[u8]; 4] = [b"a", b"", b"bc", b"def"];
        assert!(matches!(near.poll_write_vectored(&mut task.cx(), &slices), Poll::Ready(Ok(6))));
        // One record, for one read.
        assert_eq!(other.read(&mut far), got(b"abcdef"));
        let data = pattern(6000);
        let slices = [&data[..3000], &data[3000..]];
        let Poll::Ready(Ok(taken)) = near.poll_write_vectored(&mut task.cx(), &slices) else { panic!("there is room") };
        let mut read = Vec::new();
        while let Poll::Ready(bytes) = other.read(&mut far) {
            read.extend(bytes.unwrap());
        }
        assert_eq!(read, data[..taken]);
    }

    fn abort_reaches_the_flow_below<M: Mode>() {
        let (mut near, mut far) = pair::<M>(4096);
        near.abort();
        drop(near);
        assert_eq!(Task::new().read(&mut far), fails(ErrorKind::ConnectionReset));
    }

    fn empty_buffers<M: Mode>() {
        let (mut near, _far) = pair::<M>(64);
        let task = Task::new();
        assert_eq!(task.write(&mut near, b""), ok(0));
        assert!(matches!(near.poll_read(&mut task.cx(), &mut []), Poll::Ready(Ok(0))));
        assert!(matches!(near.poll_write_vectored(&mut task.cx(), &[b"", b""]), Poll::Ready(Ok(0))));
        assert!(matches!(near.poll_write_vectored(&mut task.cx(), &[]), Poll::Ready(Ok(0))));
    }
}

/// A flow that drops the writer's waker when a write is done or has failed, as the flows of
/// async-net do.
#[derive(Debug)]
struct Forgetful {
    inner: Memory<Shared>,
    full: Arc<AtomicBool>,
    failing: Arc<AtomicBool>,
    /// A shutdown waits, and no other operation does.
    lingering: Arc<AtomicBool>,
    writer: Option<Waker>,
}

impl Forgetful {
    fn new(inner: Memory<Shared>) -> Self {
        let (full, failing, lingering) = Default::default();
        Self { inner, full, failing, lingering, writer: None }
    }

    fn poll<T>(&mut self, cx: &mut Context<'_>, done: impl FnOnce(&mut Memory<Shared>) -> T) -> Poll<Result<T, Error>> {
        if self.full.load(SeqCst) {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.writer = None;
        if self.failing.load(SeqCst) {
            return Poll::Ready(Err(Error::new(ErrorKind::BrokenPipe, "it broke")));
        }
        Poll::Ready(Ok(done(&mut self.inner)))
    }
}

impl Flow for Forgetful {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.inner.poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        let written = ready!(self.poll(cx, |inner| Task::new().write(inner, buf)))?;
        Poll::Ready(Ok(match written {
            Poll::Ready(n) => n.unwrap(),
            Poll::Pending => panic!("the pipe has room"),
        }))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(cx, |_| ())
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.lingering.load(SeqCst) {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.inner.poll_shutdown(cx)
    }
}

fn forgetful_pair(
    near: Forgetful,
    far: Memory<Shared>,
) -> (TlsFlow<Forgetful, Client>, TlsFlow<Memory<Shared>, Server>) {
    let (mut near, far) = common::pair((near, far));
    drain(&Task::new(), &mut near);
    (near, far)
}

#[test]
fn a_reader_that_does_the_writer_s_work_wakes_it() {
    for breaks in [false, true] {
        let (near, far) = memory_pair::<Shared>(1 << 20);
        let near = Forgetful::new(near);
        let (full, failing) = (near.full.clone(), near.failing.clone());
        let (mut near, _far) = forgetful_pair(near, far);
        let (reader, writer) = (Task::new(), Task::new());

        // A write waits. Then there is room again, and the flow below wakes no task.
        full.store(true, SeqCst);
        stuff(&writer, &mut near);
        let woken = writer.wakes();
        full.store(false, SeqCst);
        failing.store(breaks, SeqCst);
        assert_eq!(reader.read(&mut near), Poll::Pending);
        assert_eq!(writer.wakes(), woken + 1, "it may go on, or hear why not");
        assert!(writer.write(&mut near, b"x").is_ready());

        // No writer waits now, so none is woken.
        let woken = writer.wakes();
        assert_eq!(reader.read(&mut near), Poll::Pending);
        assert_eq!(writer.wakes(), woken);
        if breaks {
            continue;
        }

        // A flush is woken in the same way.
        full.store(true, SeqCst);
        assert_eq!(writer.flush(&mut near), Poll::Pending);
        let woken = writer.wakes();
        full.store(false, SeqCst);
        assert_eq!(reader.read(&mut near), Poll::Pending);
        assert_eq!(writer.wakes(), woken + 1);
        assert_eq!(writer.flush(&mut near), ok(()));
    }
}

#[test]
fn a_reader_leaves_a_flow_that_shuts_down_to_the_task_that_waits_for_it() {
    let (near, far) = memory_pair::<Shared>(1 << 20);
    let near = Forgetful::new(near);
    let lingering = near.lingering.clone();
    let (mut near, mut far) = forgetful_pair(near, far);
    let (reader, writer, other) = (Task::new(), Task::new(), Task::new());
    lingering.store(true, SeqCst);
    for _ in 0..3 {
        assert_eq!(writer.shutdown(&mut near), Poll::Pending);
        assert_eq!(reader.read(&mut near), Poll::Pending);
        // If they woke each other, neither would ever sleep.
        assert_eq!((reader.wakes(), writer.wakes()), (0, 0));
    }
    assert_eq!(other.read(&mut far), got(b""), "close_notify has left");
    // A socket that is done wakes its waker.
    lingering.store(false, SeqCst);
    if let Some(waker) = &near.get_ref().writer {
        waker.wake_by_ref();
    }
    assert_eq!(writer.wakes(), 1, "the flow below was made to forget it");
    for _ in 0..2 {
        assert_eq!(writer.shutdown(&mut near), ok(()));
        assert_eq!(writer.flush(&mut near), ok(()));
    }
}

#[test]
fn flows_are_send_where_they_should_be() {
    fn auto<T: Send + Sync + Unpin>() {}
    auto::<TlsFlow<Memory<Shared>, Client>>();
    auto::<TlsFlow<Memory<Shared>, Server>>();
    let _ = pair::<Local>(100);
}
