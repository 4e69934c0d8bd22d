//! Devices with async halves as flows: the pump, `CancelSafeDevice` and `BufReader`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod flow_kit;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use embedded_io_async::{BufRead, ErrorType, Read, Write};
use flow_kit::*;
use futures_lite::future::{pending, poll_once};
use mimic_core::io::{BufReader, CancelSafeDevice, memory_pair, pump};
use mimic_core::{Error, ErrorKind, Flow, FlowExt, Phase, Shared};

#[derive(Debug)]
struct Fault(ErrorKind);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the device has a fault")
    }
}

impl std::error::Error for Fault {}

impl embedded_io_async::Error for Fault {
    fn kind(&self) -> ErrorKind {
        self.0
    }
}

/// What the next operation of a device does.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A read gives these bytes.
    Bytes(&'static [u8]),
    /// As `Bytes`, but once they are off the wire it waits: dropping the read loses them.
    LateBytes(&'static [u8]),
    /// A write takes so many bytes at most.
    Take(usize),
    /// As `Take`, but it waits first.
    LateTake(usize),
    Fail(ErrorKind),
    End,
    /// Claims to have read or written so many bytes.
    Claim(usize),
}

#[derive(Debug, Default)]
struct Half {
    steps: VecDeque<Step>,
    calls: usize,
    open: bool,
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
struct State {
    reading: Half,
    writing: Half,
    taken: Vec<u8>,
    flushes: usize,
    flushes_to_fail: usize,
}

/// A device by script, or one half of it.
#[derive(Clone, Debug)]
struct Wire(Rc<RefCell<State>>);

impl Wire {
    fn new(reads: &[Step], writes: &[Step]) -> Self {
        let half = |steps: &[Step]| Half { steps: steps.iter().copied().collect(), ..Half::default() };
        Self(Rc::new(RefCell::new(State { reading: half(reads), writing: half(writes), ..State::default() })))
    }

    fn pump(&self, capacity: usize) -> impl Flow + use<> {
        pump(self.clone(), self.clone(), capacity)
    }

    fn flushes(&self) -> usize {
        self.0.borrow().flushes
    }

    fn reads(&self) -> usize {
        self.0.borrow().reading.calls
    }

    fn taken(&self) -> Vec<u8> {
        self.0.borrow().taken.clone()
    }

    /// How many halves there are beside this.
    fn others(&self) -> usize {
        Rc::strong_count(&self.0) - 1
    }

    /// Lets the late read, or write, go on.
    fn open(&self, half: fn(&mut State) -> &mut Half) {
        let waker = {
            let mut state = self.0.borrow_mut();
            let half = half(&mut state);
            half.open = true;
            half.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    async fn opened(&self, half: fn(&mut State) -> &mut Half) {
        poll_fn(|cx| {
            let mut state = self.0.borrow_mut();
            let half = half(&mut state);
            if std::mem::take(&mut half.open) {
                return Poll::Ready(());
            }
            half.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

fn reading(state: &mut State) -> &mut Half {
    &mut state.reading
}

fn writing(state: &mut State) -> &mut Half {
    &mut state.writing
}

fn next(half: &mut Half) -> Option<Step> {
    half.calls += 1;
    half.steps.pop_front()
}

impl ErrorType for Wire {
    type Error = Fault;
}

impl Read for Wire {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        let step = next(&mut self.0.borrow_mut().reading);
        let bytes = match step {
            None => pending().await,
            Some(Step::Fail(kind)) => return Err(Fault(kind)),
            Some(Step::End) => return Ok(0),
            Some(Step::Claim(n)) => return Ok(n),
            Some(Step::LateBytes(bytes)) => {
                self.opened(reading).await;
                bytes
            }
            Some(Step::Bytes(bytes)) => bytes,
            Some(step) => panic!("{step:?} is not for reading"),
        };
        let (now, later) = bytes.split_at(buf.len().min(bytes.len()));
        if !later.is_empty() {
            self.0.borrow_mut().reading.steps.push_front(Step::Bytes(later));
        }
        buf[..now.len()].copy_from_slice(now);
        Ok(now.len())
    }
}

impl Write for Wire {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Fault> {
        let step = next(&mut self.0.borrow_mut().writing);
        let n = match step {
            None => buf.len(),
            Some(Step::Fail(kind)) => return Err(Fault(kind)),
            Some(Step::Claim(n)) => return Ok(n),
            Some(Step::LateTake(n)) => {
                self.opened(writing).await;
                n
            }
            Some(Step::Take(n)) => n,
            Some(step) => panic!("{step:?} is not for writing"),
        };
        let n = n.min(buf.len());
        self.0.borrow_mut().taken.extend(&buf[..n]);
        Ok(n)
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        state.flushes += 1;
        if state.flushes_to_fail > 0 {
            state.flushes_to_fail -= 1;
            return Err(Fault(ErrorKind::Other));
        }
        Ok(())
    }
}

#[test]
fn the_pump_writes_on_when_the_device_takes_a_part() {
    let wire = Wire::new(&[], &[Step::Take(3), Step::LateTake(1), Step::Take(2)]);
    let mut flow = wire.pump(64);
    let task = Task::new();
    assert_eq!(task.write(&mut flow, b"0123456789"), ok(10));
    assert_eq!(wire.taken(), b"012");
    assert_eq!(task.flush(&mut flow), Poll::Pending);
    wire.open(writing);
    assert_eq!(task.wakes(), 1);
    assert_eq!(task.flush(&mut flow), ok(()));
    assert_eq!((wire.taken(), wire.flushes()), (b"0123456789".to_vec(), 1));
    assert_eq!(task.flush(&mut flow), ok(()));
    assert_eq!(wire.flushes(), 1, "nothing was written since");
}

#[test]
fn the_pump_takes_as_much_as_its_buffer_holds_and_waits_for_the_last_write() {
    let wire = Wire::new(&[], &[Step::LateTake(4)]);
    let mut flow = wire.pump(4);
    let task = Task::new();
    assert_eq!(task.write(&mut flow, b"abcdef"), ok(4));
    assert_eq!(task.write(&mut flow, b"ef"), Poll::Pending);
    wire.open(writing);
    assert_eq!(task.write(&mut flow, b"ef"), ok(2));
    assert_eq!(wire.taken(), b"abcdef");
}

#[test]
fn the_pump_hands_out_what_was_read_before_it_reads_again() {
    let wire = Wire::new(&[Step::Bytes(b"abcdef"), Step::End], &[]);
    let mut flow = wire.pump(4);
    let task = Task::new();
    let mut two = [0; 2];
    for (expected, reads) in [(b"ab", 1), (b"cd", 1), (b"ef", 2)] {
        assert!(matches!(flow.poll_read(&mut task.cx(), &mut two), Poll::Ready(Ok(2))));
        assert_eq!((&two, wire.reads()), (expected, reads));
    }
}

#[test]
fn the_end_of_a_pump_stays_although_the_device_would_go_on() {
    let wire = Wire::new(&[Step::End, Step::Bytes(b"more")], &[]);
    let mut flow = wire.pump(4);
    for _ in 0..3 {
        assert_eq!(Task::new().read(&mut flow), got(b""));
    }
    assert_eq!(wire.reads(), 1);
}

#[test]
fn a_read_error_of_a_pump_is_reported_and_never_becomes_an_end() {
    let fail = Step::Fail(ErrorKind::InvalidData);
    let wire = Wire::new(&[Step::Bytes(b"a"), fail, fail, Step::Bytes(b"b")], &[]);
    let mut flow = wire.pump(4);
    let task = Task::new();
    assert_eq!(task.read(&mut flow), got(b"a"));
    assert_eq!(task.read(&mut flow), fails(ErrorKind::InvalidData));
    assert_eq!(task.read(&mut flow), fails(ErrorKind::InvalidData));
    assert_eq!(task.read(&mut flow), got(b"b"));
}

#[test]
fn a_write_error_of_a_pump_shows_once_at_the_next_write_or_flush() {
    let fail = Step::Fail(ErrorKind::NotConnected);
    for steps in [&[fail][..], &[Step::LateTake(1), fail]] {
        let wire = Wire::new(&[], steps);
        let mut flow = wire.pump(4);
        let task = Task::new();
        assert_eq!(task.write(&mut flow, b"abc"), ok(3), "taken, whatever comes of it");
        wire.open(writing);
        assert_eq!(task.write(&mut flow, b"def"), fails(ErrorKind::NotConnected));
        assert_eq!(task.write(&mut flow, b"def"), ok(3));
        assert_eq!(task.flush(&mut flow), ok(()));
        assert!(wire.taken().ends_with(b"def"));
    }
    let wire = Wire::new(&[], &[fail]);
    let mut flow = wire.pump(4);
    assert_eq!(Task::new().write(&mut flow, b"abc"), ok(3));
    let error = block_on(poll_fn(|cx| flow.poll_flush(cx))).unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::NotConnected, Some(Phase::Write)));
    assert!(error.to_string().contains("the device has a fault"), "{error}");
}

#[test]
fn a_flush_of_a_pump_that_failed_is_tried_again() {
    let wire = Wire::new(&[], &[]);
    wire.0.borrow_mut().flushes_to_fail = 2;
    let mut flow = wire.pump(4);
    let task = Task::new();
    assert_eq!(task.write(&mut flow, b"abc"), ok(3));
    assert_eq!(task.flush(&mut flow), fails(ErrorKind::Other));
    assert_eq!(task.shutdown(&mut flow), fails(ErrorKind::Other));
    assert_eq!(task.flush(&mut flow), ok(()));
    assert_eq!(wire.flushes(), 3);
}

#[test]
fn a_device_that_takes_nothing_is_an_error_and_no_panic() {
    let wire = Wire::new(&[], &[Step::Take(1), Step::Take(0)]);
    let mut flow = wire.pump(4);
    let task = Task::new();
    assert_eq!(task.write(&mut flow, b"abc"), ok(3));
    assert_eq!(task.flush(&mut flow), fails(ErrorKind::WriteZero));

    let mut flow = CancelSafeDevice::new(Wire::new(&[], &[Step::Take(0)]));
    assert_eq!(task.write(&mut flow, b"abc"), fails(ErrorKind::WriteZero));
}

#[test]
fn a_device_that_claims_too_much_is_no_panic() {
    let mut flow = Wire::new(&[Step::Claim(99)], &[Step::Claim(99)]).pump(4);
    let task = Task::new();
    assert_eq!(task.write(&mut flow, b"abc"), ok(3));
    assert_eq!(task.flush(&mut flow), ok(()));
    assert!(task.read(&mut flow).is_ready());
}

#[test]
fn both_directions_of_a_pump_move_while_the_other_waits() {
    let wire = Wire::new(&[Step::LateBytes(b"in")], &[Step::Take(9), Step::LateTake(9)]);
    let mut flow = wire.pump(9);
    let (reader, writer) = (Task::new(), Task::new());
    assert_eq!(reader.read(&mut flow), Poll::Pending);
    assert_eq!(writer.write(&mut flow, b"one"), ok(3));
    assert_eq!(writer.flush(&mut flow), ok(()));
    assert_eq!(wire.taken(), b"one");
    // And the reverse.
    assert_eq!(writer.write(&mut flow, b"two"), ok(3));
    assert_eq!(writer.flush(&mut flow), Poll::Pending);
    wire.open(reading);
    assert_eq!((reader.wakes(), writer.wakes()), (1, 0));
    assert_eq!(reader.read(&mut flow), got(b"in"));
    wire.open(writing);
    assert_eq!((reader.wakes(), writer.wakes()), (0, 1));
    assert_eq!(writer.flush(&mut flow), ok(()));
    assert_eq!(wire.taken(), b"onetwo");
}

#[test]
fn a_dropped_read_of_a_pump_loses_nothing_that_the_device_would_lose() {
    let read_twice = |flow: &mut dyn Flow, wire: &Wire| {
        let mut buf = [0; 8];
        assert!(block_on(poll_once(flow.read(&mut buf))).is_none());
        wire.open(reading);
        block_on(poll_once(flow.read(&mut buf))).map(|read| buf[..read.unwrap()].to_vec())
    };
    let wire = Wire::new(&[Step::LateBytes(b"kept")], &[]);
    assert_eq!(read_twice(&mut wire.pump(8), &wire).as_deref(), Some(&b"kept"[..]));
    // With `CancelSafeDevice` such a device does lose them, as its documentation says.
    let wire = Wire::new(&[Step::LateBytes(b"lost")], &[]);
    assert_eq!(read_twice(&mut CancelSafeDevice::new(wire.clone()), &wire), None);
}

#[test]
fn a_dropped_flush_of_a_pump_goes_on_later() {
    let wire = Wire::new(&[], &[Step::LateTake(9)]);
    let mut flow: Box<dyn Flow> = Box::new(wire.pump(9));
    block_on(async {
        flow.write_all(b"bytes").await.unwrap();
        assert!(poll_once(flow.flush()).await.is_none());
        wire.open(writing);
        flow.flush().await.unwrap();
    });
    assert_eq!((wire.taken(), wire.flushes()), (b"bytes".to_vec(), 1));
}

#[test]
fn shutting_a_pump_down_flushes_and_drops_the_writing_half() {
    let wire = Wire::new(&[Step::Bytes(b"in")], &[Step::LateTake(9)]);
    let mut flow = wire.pump(9);
    let task = Task::new();
    assert_eq!(task.write(&mut flow, b"out"), ok(3));
    assert_eq!(task.shutdown(&mut flow), Poll::Pending);
    assert_eq!(wire.others(), 2);
    wire.open(writing);
    assert_eq!(task.shutdown(&mut flow), ok(()));
    assert_eq!((wire.others(), wire.taken(), wire.flushes()), (1, b"out".to_vec(), 1));
    assert_eq!(task.write(&mut flow, b"x"), fails(ErrorKind::BrokenPipe));
    assert_eq!(task.shutdown(&mut flow), ok(()), "again is Ok");
    assert_eq!(task.write(&mut flow, b""), fails(ErrorKind::BrokenPipe), "not even nothing");
    assert_eq!(task.flush(&mut flow), ok(()));
    assert_eq!(task.read(&mut flow), got(b"in"), "reading goes on");
    drop(flow);
    assert_eq!(wire.others(), 0);
}

#[test]
fn dropping_a_pump_drops_both_halves_although_they_work() {
    let wire = Wire::new(&[], &[Step::LateTake(1)]);
    let mut flow = wire.pump(1);
    let task = Task::new();
    assert_eq!(task.write(&mut flow, b"x"), ok(1));
    assert_eq!(task.read(&mut flow), Poll::Pending);
    assert_eq!(wire.others(), 2);
    drop(flow);
    assert_eq!(wire.others(), 0);
}

#[test]
fn nothing_is_answered_at_once_although_the_device_waits() {
    let task = Task::new();
    let wire = Wire::new(&[], &[Step::LateTake(1)]);
    let mut pump = wire.pump(0);
    assert_eq!(task.write(&mut pump, b"xy"), ok(1), "no capacity is a capacity of one");
    for flow in [&mut pump as &mut dyn Flow, &mut CancelSafeDevice::new(Wire::new(&[], &[Step::LateTake(1)]))] {
        assert!(matches!(flow.poll_read(&mut task.cx(), &mut []), Poll::Ready(Ok(0))));
        assert_eq!(task.write(flow, b""), ok(0));
    }
}

#[test]
fn repoll_asks_the_device_each_time() {
    let fail = Step::Fail(ErrorKind::InvalidData);
    let wire = Wire::new(&[Step::Bytes(b"abc"), fail, Step::End], &[Step::Take(2), fail]);
    let mut flow = CancelSafeDevice::new(wire.clone());
    let task = Task::new();
    assert_eq!(task.read(&mut flow), got(b"abc"));
    assert_eq!(task.read(&mut flow), fails(ErrorKind::InvalidData));
    assert_eq!(task.read(&mut flow), got(b""));
    assert_eq!(task.read(&mut flow), Poll::Pending);
    assert_eq!(task.write(&mut flow, b"xyz"), ok(2));
    assert_eq!(task.write(&mut flow, b"z"), fails(ErrorKind::InvalidData));
    wire.0.borrow_mut().flushes_to_fail = 1;
    assert_eq!(task.shutdown(&mut flow), fails(ErrorKind::Other), "not shut yet");
    assert_eq!(task.write(&mut flow, b"z"), ok(1));
    assert_eq!(task.shutdown(&mut flow), ok(()));
    assert_eq!(task.write(&mut flow, b"z"), fails(ErrorKind::BrokenPipe));
    assert_eq!(task.shutdown(&mut flow), ok(()), "again is Ok");
    assert_eq!(flow.get_mut().taken(), b"xyz");
    assert_eq!(flow.into_inner().reads(), 4);
}

#[test]
fn repoll_wakes_through_the_device() {
    let wire = Wire::new(&[Step::LateBytes(b"late")], &[]);
    let mut flow = CancelSafeDevice::new(wire.clone());
    let task = Task::new();
    assert_eq!(task.read(&mut flow), Poll::Pending);
    wire.open(reading);
    assert_eq!(task.wakes(), 1);
}

fn lines(capacity: usize, reads: &[Step]) -> BufReader<Wire> {
    BufReader::with_capacity(capacity, Wire::new(reads, &[]))
}

fn line(reader: &mut BufReader<Wire>, limit: usize) -> String {
    let mut out = b">".to_vec();
    let n = block_on(reader.read_until(b'\n', &mut out, limit)).unwrap();
    assert_eq!(n, out.len() - 1, "appended");
    String::from_utf8(out).unwrap()
}

#[test]
fn lines_end_at_the_delimiter_the_limit_or_the_end() {
    for capacity in [0, 1, 2, 3, 64] {
        let mut reader = lines(capacity, &[Step::Bytes(b"one\n\nlong l"), Step::Bytes(b"ine\nfour\nrest"), Step::End]);
        let cut = [(9, ">one\n"), (1, ">\n"), (0, ">"), (4, ">long"), (99, "> line\n"), (5, ">four\n"), (99, ">rest")];
        for (limit, expected) in cut {
            assert_eq!(line(&mut reader, limit), expected, "capacity {capacity}, limit {limit}");
        }
        reader.get_mut().0.borrow_mut().reading.steps.push_back(Step::End);
        assert_eq!(line(&mut reader, 99), ">", "end of stream");
    }
}

#[test]
fn a_line_goes_on_after_its_read_was_dropped() {
    let wire = Wire::new(&[Step::Bytes(b"abcd"), Step::LateBytes(b"ef\ng")], &[]);
    let mut reader = BufReader::with_capacity(4, wire.pump(4).boxed_local());
    let mut out = Vec::new();
    assert!(block_on(poll_once(reader.read_until(b'\n', &mut out, 99))).is_none());
    assert_eq!(out, b"abcd");
    wire.open(reading);
    assert_eq!(block_on(reader.read_until(b'\n', &mut out, 99)).unwrap(), 3);
    assert_eq!((&out[..], reader.buffered()), (&b"abcdef\n"[..], &b"g"[..]));
}

#[test]
fn a_line_that_fails_keeps_what_came_before() {
    let mut reader = lines(4, &[Step::Bytes(b"abc"), Step::Fail(ErrorKind::InvalidData), Step::Bytes(b"d\n")]);
    let mut out = Vec::new();
    assert_eq!(block_on(reader.read_until(b'\n', &mut out, 99)).unwrap_err().0, ErrorKind::InvalidData);
    assert_eq!(out, b"abc");
    assert_eq!(line(&mut reader, 99), ">d\n");
}

#[test]
fn small_reads_are_served_from_the_buffer_and_large_ones_pass_through() {
    let mut reader = lines(4, &[Step::Bytes(b"abcdefgh"), Step::Bytes(b"ij")]);
    let wire = reader.get_mut().clone();
    let mut read = |len: usize| {
        let mut buf = vec![0; len];
        let n = block_on(reader.read(&mut buf)).unwrap();
        (String::from_utf8(buf[..n].to_vec()).unwrap(), reader.buffered().len(), wire.reads())
    };
    assert_eq!(read(1), ("a".into(), 3, 1));
    assert_eq!(read(9), ("bcd".into(), 0, 1), "what is buffered comes first, alone");
    assert_eq!(read(4), ("efgh".into(), 0, 2), "past the buffer");
    assert_eq!(read(3), ("ij".into(), 0, 3));
}

#[test]
fn a_read_of_nothing_does_not_wait() {
    let mut reader = lines(4, &[]);
    assert!(matches!(block_on(poll_once(reader.read(&mut []))), Some(Ok(0))));
    assert!(matches!(block_on(poll_once(reader.read_until(b'\n', &mut Vec::new(), 0))), Some(Ok(0))));
    assert_eq!(reader.get_mut().reads(), 0);
}

#[test]
fn what_is_buffered_can_be_looked_at_and_consumed() {
    let mut reader = lines(8, &[Step::Bytes(b"abcd"), Step::Bytes(b"efgh")]);
    assert_eq!(block_on(reader.fill_buf()).unwrap(), b"abcd");
    assert_eq!(block_on(reader.fill_buf()).unwrap(), b"abcd", "until it is consumed");
    reader.consume(1);
    assert_eq!(reader.buffered(), b"bcd");
    assert!(!format!("{reader:?}").contains("98, 99"), "what was read may be secret");
    reader.consume(usize::MAX);
    assert_eq!(reader.buffered(), b"");
    assert_eq!(block_on(reader.fill_buf()).unwrap(), b"efgh");
    assert_eq!(reader.into_inner().reads(), 2);
}

#[test]
fn a_stream_that_claims_too_much_is_no_panic() {
    let mut reader = lines(4, &[Step::Claim(99)]);
    assert_eq!(block_on(reader.fill_buf()).unwrap().len(), 4);
}

#[test]
fn writes_pass_through_the_reader() {
    let (here, mut there) = memory_pair::<Shared>(8);
    let mut stream = BufReader::with_capacity(8, here.boxed());
    block_on(async {
        assert_eq!(stream.write(b"a").await.unwrap(), 1);
        stream.write_all(b"bc").await.unwrap();
        stream.flush().await.unwrap();
    });
    assert_eq!(Task::new().read(&mut there), got(b"abc"));
}

#[test]
fn flushes_pass_through_the_reader() {
    let wire = Wire::new(&[], &[]);
    wire.0.borrow_mut().flushes_to_fail = 1;
    let mut stream = BufReader::with_capacity(8, wire.clone());
    assert!(block_on(stream.flush()).is_err());
    block_on(stream.flush()).unwrap();
    assert_eq!(wire.flushes(), 2);
}

/// The error of a stream over a flow is the flow's own.
#[test]
fn a_write_to_nobody_fails_through_the_reader() {
    let (here, _) = memory_pair::<Shared>(8);
    let mut stream = BufReader::with_capacity(8, here.boxed());
    let error: Error = block_on(stream.write_all(b"x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

#[test]
fn flows_of_devices_read_and_write_without_a_box() {
    async fn exchange(mut flow: impl Read<Error = Error> + Write<Error = Error>) -> Result<u8, Error> {
        flow.write_all(b"ab").await?;
        flow.flush().await?;
        let mut buf = [0; 1];
        flow.read_exact(&mut buf).await?;
        Ok(buf[0])
    }
    let device = || Wire::new(&[Step::Bytes(b"x")], &[Step::Take(2)]);
    assert_eq!(block_on(exchange(pump(device(), device(), 4))).unwrap(), b'x');
    assert_eq!(block_on(exchange(CancelSafeDevice::new(device()))).unwrap(), b'x');
}
