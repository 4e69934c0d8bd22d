//! `timeout`, `sleep` and instants, with a clock that is moved by hand.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod flow_kit;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use embedded_io_async::{Read, Write};
use flow_kit::*;
use futures_lite::future::{poll_once, zip};
use mimic_core::adapter::Instant;
use mimic_core::io::memory_pair;
use mimic_core::{Error, ErrorKind, Flow, Local, Timer, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Default)]
struct Clock(Rc<Hands>);

#[derive(Debug, Default)]
struct Hands {
    now: Cell<Duration>,
    polls: Cell<usize>,
    waiting: RefCell<Option<(Instant, Waker)>>,
}

impl Clock {
    fn advance(&self, by: Duration) {
        self.0.now.set(self.0.now.get() + by);
        if self.0.waiting.borrow().as_ref().is_some_and(|(at, _)| *at <= self.now())
            && let Some((_, waker)) = self.0.waiting.take()
        {
            waker.wake();
        }
    }

    fn polls(&self) -> usize {
        self.0.polls.get()
    }
}

impl Timer for Clock {
    fn now(&self) -> Instant {
        Instant::new(self.0.now.get())
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        self.0.polls.set(self.0.polls.get() + 1);
        if self.now() >= at {
            return Poll::Ready(());
        }
        *self.0.waiting.borrow_mut() = Some((at, cx.waker().clone()));
        Poll::Pending
    }
}

#[test]
fn instants_saturate() {
    let at = |secs| Instant::new(Duration::from_secs(secs));
    assert_eq!(at(1) + SECOND, at(2));
    assert_eq!(at(3) - at(1), 2 * SECOND);
    assert_eq!(at(1) - at(3), Duration::ZERO);
    assert_eq!(at(1) + Duration::MAX, Instant::new(Duration::MAX));
    assert_eq!((at(7) + Duration::MAX).since_epoch(), Duration::MAX);
    assert!(at(1) < at(2));
    assert_eq!(Instant::default(), at(0));
}

#[test]
fn sleep_waits_until_the_instant_and_no_longer() {
    let clock = Clock::default();
    clock.advance(SECOND);
    let (mut timer, task) = (clock.clone(), Task::new());
    let mut sleep = Box::pin(sleep(&mut timer, 2 * SECOND));
    assert!(sleep.as_mut().poll(&mut task.cx()).is_pending());
    clock.advance(SECOND);
    assert!(sleep.as_mut().poll(&mut task.cx()).is_pending());
    assert_eq!(task.wakes(), 0);
    clock.advance(SECOND);
    assert_eq!(task.wakes(), 1);
    assert!(sleep.as_mut().poll(&mut task.cx()).is_ready());
}

#[test]
fn sleep_is_ready_at_once_or_never() {
    let mut timer = Clock::default();
    block_on(sleep(&mut timer, Duration::ZERO));
    timer.advance(SECOND);
    assert!(block_on(poll_once(sleep(&mut timer, Duration::MAX))).is_none());
}

#[test]
fn work_that_is_done_wins_over_a_time_that_has_come() {
    let mut timer = Clock::default();
    assert_eq!(block_on(timeout(&mut timer, Duration::ZERO, ready(Ok(7)))).unwrap(), 7);
    assert_eq!(timer.polls(), 0, "the clock was not even asked");
}

#[test]
fn an_error_of_the_work_passes_through() {
    let failed = block_on(timeout(&mut Clock::default(), SECOND, ready(Err::<(), _>(error(ErrorKind::InvalidData)))));
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::InvalidData);
}

/// Sets its flag when dropped.
struct Flag<'a>(&'a Cell<bool>);

impl Drop for Flag<'_> {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn work_is_polled_until_the_time_has_come_and_is_then_dropped() {
    let clock = Clock::default();
    let (mut timer, task) = (clock.clone(), Task::new());
    let (dropped, polls) = (Cell::new(false), Cell::new(0));
    let flag = Flag(&dropped);
    let work = async {
        let _flag = flag;
        poll_fn(|_| {
            polls.set(polls.get() + 1);
            Poll::<Result<(), Error>>::Pending
        })
        .await
    };
    let mut limited = Box::pin(timeout(&mut timer, SECOND, work));
    assert!(limited.as_mut().poll(&mut task.cx()).is_pending());
    assert!(limited.as_mut().poll(&mut task.cx()).is_pending());
    assert_eq!(task.wakes(), 0);
    clock.advance(SECOND);
    assert_eq!((task.wakes(), dropped.get()), (1, false));
    let Poll::Ready(Err(error)) = limited.as_mut().poll(&mut task.cx()) else { panic!("the time has come") };
    assert!(dropped.get(), "before the answer");
    assert_eq!(polls.get(), 3, "work first, each time");
    assert!(error.is_timeout());
    assert!(error.to_string().contains("1s"), "{error}");
}

#[test]
fn the_longest_timeout_never_comes() {
    let mut timer = Clock::default();
    timer.advance(SECOND);
    assert!(block_on(poll_once(timeout(&mut timer, Duration::MAX, pending::<Result<(), _>>()))).is_none());
}

#[test]
fn a_boxed_timer_is_a_timer() {
    let clock = Clock::default();
    let mut timer: Box<dyn Timer> = Box::new(clock.clone());
    clock.advance(SECOND);
    assert_eq!(timer.now(), Instant::new(SECOND));
    assert!(block_on(timeout(&mut timer, Duration::ZERO, pending::<Result<(), _>>())).unwrap_err().is_timeout());
}

#[test]
fn a_read_that_timed_out_lost_nothing_and_can_be_done_again() {
    let (mut here, mut there) = memory_pair::<Local>(8);
    let (here, there): (&mut dyn Flow, &mut dyn Flow) = (&mut here, &mut there);
    let clock = Clock::default();
    let mut timer = clock.clone();
    block_on(async {
        let mut buf = [0; 8];
        let advance = async { clock.advance(SECOND) };
        let (read, ()) = zip(timeout(&mut timer, SECOND, here.read(&mut buf)), advance).await;
        assert!(read.unwrap_err().is_timeout());
        there.write_all(b"late").await.unwrap();
        assert_eq!(timeout(&mut timer, SECOND, here.read(&mut buf)).await.unwrap(), 4);
        assert_eq!(&buf[..4], b"late");
    });
}
