//! Tasks that are polled only when they are woken, and random numbers.

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Wake};

pub type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// Runs tasks to their ends, each with a waker of its own. Panics with `what` after a round that
/// wakes no task. Everything happens in memory, so then a wake-up was lost, or two sides wait for
/// each other.
pub fn run(what: &dyn fmt::Display, tasks: Vec<Task<'_>>) {
    let mut tasks: Vec<_> = tasks.into_iter().map(|task| (Some(task), Arc::new(Flag(AtomicBool::new(true))))).collect();
    loop {
        let mut woken = false;
        for (slot, flag) in &mut tasks {
            let Some(task) = slot else { continue };
            if flag.0.swap(false, SeqCst) {
                woken = true;
                if task.as_mut().poll(&mut Context::from_waker(&flag.clone().into())).is_ready() {
                    *slot = None;
                }
            }
        }
        if tasks.iter().all(|(slot, _)| slot.is_none()) {
            return;
        }
        let waiting: Vec<_> = tasks.iter().map(|(slot, _)| slot.is_some()).collect();
        assert!(woken, "no task is woken any more, and tasks wait {waiting:?}: {what}");
    }
}

/// Runs both. Returns their results.
pub fn both<A, B>(what: &dyn fmt::Display, a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (first, second) = (RefCell::new(None), RefCell::new(None));
    run(
        what,
        vec![
            Box::pin(async { drop(first.replace(Some(a.await))) }),
            Box::pin(async { drop(second.replace(Some(b.await))) }),
        ],
    );
    (first.into_inner().unwrap(), second.into_inner().unwrap())
}

/// Random numbers by xorshift64*.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Returns a number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % end
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}
