//! Which waker goes below.

use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use super::fault::Fault;

/// What those remember who are wrong about wakers; for the reader, and for the writer.
#[derive(Default)]
pub(super) struct Wakers {
    first: [Option<Waker>; 2],
    newest: [Option<Waker>; 2],
    seen: Vec<Waker>,
    one: Arc<One>,
}

/// One waker for readers and writers.
#[derive(Default)]
struct One(Mutex<Option<Waker>>);

impl Wake for One {
    fn wake(self: Arc<Self>) {
        let woken = self.0.lock().unwrap().take();
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Wakers {
    /// The waker that is handed on for this one.
    pub(super) fn below(&mut self, fault: Fault, waker: &Waker, writes: bool) -> Waker {
        let side = usize::from(writes);
        match fault {
            Fault::ReaderWaker if !writes => Waker::noop().clone(),
            Fault::WriterWaker if writes => Waker::noop().clone(),
            Fault::FirstWaker | Fault::HeldWaker => self.first[side].get_or_insert_with(|| waker.clone()).clone(),
            Fault::OneWaker => {
                *self.one.0.lock().unwrap() = Some(waker.clone());
                self.one.clone().into()
            }
            Fault::SeenWaker => {
                if !self.seen.iter().any(|seen| seen.will_wake(waker)) {
                    self.seen.push(waker.clone());
                    self.newest[side] = Some(waker.clone());
                }
                self.newest[side].clone().unwrap_or_else(|| waker.clone())
            }
            Fault::SameWaker => {
                self.newest[side] = Some(waker.clone());
                let known = self.newest[1 - side].as_ref().is_some_and(|other| other.will_wake(waker));
                if known { Waker::noop().clone() } else { waker.clone() }
            }
            _ => waker.clone(),
        }
    }

    /// Whether somebody else has begun to read, and not been answered.
    pub(super) fn is_owned(&self, waker: &Waker) -> bool {
        self.first[0].as_ref().is_some_and(|first| !first.will_wake(waker))
    }

    pub(super) fn own(&mut self, waker: &Waker) {
        self.first[0] = Some(waker.clone());
    }

    /// It was answered.
    pub(super) fn release(&mut self, writes: bool) {
        self.first[usize::from(writes)] = None;
    }
}
