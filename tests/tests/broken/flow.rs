//! A flow in memory that breaks one promise.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, ready};
use std::thread::{self, ThreadId};

use mimic_core::adapter::AttributeRequest;
use mimic_core::io::Memory;
use mimic_core::keys::PeerAddr;
use mimic_core::{Error, ErrorKind, Flow, Shared};

use super::fault::Fault;
use super::wakers::Wakers;

/// How much the greeting is, each way.
const GREETING: usize = 100;

pub(crate) struct Broken {
    below: Option<Memory<Shared>>,
    pub(super) fault: Fault,
    pub(super) wakers: Wakers,
    /// How many bytes came, and how many went.
    pub(super) came: usize,
    pub(super) went: usize,
    /// Where the last read that had to wait wanted its bytes.
    pub(super) waiting: Option<(usize, usize)>,
    /// How many bytes are still to be lost.
    pub(super) lost: usize,
    /// Read, and not given.
    pub(super) ahead: Vec<u8>,
    pub(super) again: Option<u8>,
    /// What came, for those who tell.
    pub(super) last: Vec<u8>,
    /// Taken and not handed on, by those that hold something back.
    pub(super) held: VecDeque<u8>,
    /// The end was read.
    pub(super) ended: bool,
    pub(super) shut: bool,
    /// The last write had to wait.
    pub(super) full: bool,
    pub(super) unflushed: bool,
    pub(super) aborted: bool,
    /// It has done what it does once.
    pub(super) done: bool,
    asked: Cell<bool>,
    thread: ThreadId,
    place: Option<usize>,
    /// Whether one of all connections of a fixture was dropped.
    fallen: Arc<AtomicBool>,
}

impl Broken {
    pub(crate) fn new(below: Memory<Shared>, fault: Fault, fallen: Arc<AtomicBool>) -> Self {
        Self {
            below: Some(below),
            fault,
            wakers: Wakers::default(),
            came: 0,
            went: 0,
            waiting: None,
            lost: 0,
            ahead: Vec::new(),
            again: None,
            last: Vec::new(),
            held: VecDeque::new(),
            ended: false,
            shut: false,
            full: false,
            unflushed: false,
            aborted: false,
            done: false,
            asked: Cell::new(false),
            thread: thread::current().id(),
            place: None,
            fallen,
        }
    }

    pub(super) fn below(&mut self) -> &mut Memory<Shared> {
        self.below.as_mut().unwrap()
    }

    /// Takes the flow below out of this one.
    pub(crate) fn open(mut self) -> Option<Memory<Shared>> {
        match self.fault {
            Fault::OpensNothing => return None,
            Fault::OpensShut => {
                let _ = self.below().poll_shutdown(&mut Context::from_waker(std::task::Waker::noop()));
            }
            _ => {}
        }
        self.below.take()
    }

    /// Whether the kit's pair has greeted.
    pub(super) fn greeted(&self) -> bool {
        self.came >= GREETING && self.went >= GREETING
    }

    /// Whether anything came after the greeting.
    pub(super) fn has_come(&self) -> bool {
        self.came > GREETING
    }

    pub(super) fn is_fallen(&self) -> bool {
        self.fault == Fault::Siblings && self.fallen.load(SeqCst)
    }

    /// Where and by whom it is polled.
    fn check(&mut self) -> Result<(), Error> {
        let place = (&raw const *self).addr();
        let moved = *self.place.get_or_insert(place) != place;
        match self.fault {
            Fault::ThreadBound if thread::current().id() != self.thread => Err(odd("this is not its thread")),
            Fault::Rooted if moved => Err(odd("this is not its place")),
            _ => Ok(()),
        }
    }

    /// Hands on what was held back.
    pub(super) fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.held.is_empty() {
            let bytes = self.held.make_contiguous().to_vec();
            let n = ready!(self.below().poll_write(cx, &bytes))?;
            self.held.drain(..n);
        }
        Poll::Ready(Ok(()))
    }
}

/// An error that no user expects.
pub(super) fn odd(reason: &'static str) -> Error {
    Error::new(ErrorKind::Other, reason)
}

impl Flow for Broken {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.check()?;
        if self.fault == Fault::Owner {
            if self.wakers.is_owned(cx.waker()) {
                return Poll::Pending;
            }
            self.wakers.own(cx.waker());
        }
        let waker = self.wakers.below(self.fault, cx.waker(), false);
        let read = self.read(&mut Context::from_waker(&waker), buf);
        if read.is_ready() && matches!(self.fault, Fault::HeldWaker | Fault::Owner) {
            self.wakers.release(false);
        }
        read
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.check()?;
        let waker = self.wakers.below(self.fault, cx.waker(), true);
        let written = self.write(&mut Context::from_waker(&waker), buf);
        if written.is_ready() && self.fault == Fault::HeldWaker {
            self.wakers.release(true);
        }
        written
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let waker = self.wakers.below(self.fault, cx.waker(), true);
        self.flush(&mut Context::from_waker(&waker))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let waker = self.wakers.below(self.fault, cx.waker(), true);
        self.shut_down(&mut Context::from_waker(&waker))
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        self.write_slices(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self.fault, Fault::Nothing | Fault::NotVectored)
    }

    fn abort(&mut self) {
        self.aborted = true;
        if !matches!(self.fault, Fault::CleanAbort | Fault::AbortLoses) {
            self.below().abort();
        }
    }

    fn inner(&self) -> Option<&dyn Flow> {
        if self.fault == Fault::Ouroboros { Some(self) } else { None }
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        let somebody = || "192.0.2.1:1".parse().ok();
        match self.fault {
            Fault::Fickle if !self.shut => {
                request.provide_value(PeerAddr, somebody);
            }
            Fault::Forgetful => {
                request.provide_value(PeerAddr, || if self.asked.replace(true) { None } else { somebody() });
            }
            Fault::Unasked => panic!("an attribute that it does not know"),
            _ => {}
        }
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        self.fallen.store(true, SeqCst);
        match self.fault {
            Fault::Leak => mem::forget(self.below.take()),
            Fault::DropAborts => self.below.iter_mut().for_each(Flow::abort),
            _ => {}
        }
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broken")
            .field("fault", &self.fault)
            .field("last", &String::from_utf8_lossy(&self.last))
            .finish()
    }
}
