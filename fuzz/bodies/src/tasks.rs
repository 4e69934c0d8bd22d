//! Tasks that are polled only when they are woken: whoever is forgotten stands still, and that
//! shows.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

pub(super) type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// More polls than any script is worth: who needs more goes round in circles.
const POLLS: usize = 200_000;

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// Some tasks, and who of them has been woken.
pub(super) struct Tasks<'a> {
    tasks: Vec<(Option<Task<'a>>, Arc<Flag>)>,
    polls: usize,
}

impl<'a> Tasks<'a> {
    pub(super) fn new(tasks: Vec<Task<'a>>) -> Self {
        let woken = |task| (Some(task), Arc::new(Flag(AtomicBool::new(true))));
        Self { tasks: tasks.into_iter().map(woken).collect(), polls: 0 }
    }

    /// Polls whoever is woken, until nobody is.
    pub(super) fn run(&mut self) {
        loop {
            let mut ran = false;
            for (slot, flag) in &mut self.tasks {
                let Some(task) = slot else { continue };
                if !flag.0.swap(false, SeqCst) {
                    continue;
                }
                ran = true;
                self.polls += 1;
                assert!(self.polls < POLLS, "tasks go round in circles");
                if task.as_mut().poll(&mut Context::from_waker(&flag.clone().into())).is_ready() {
                    *slot = None;
                }
            }
            if !ran {
                return;
            }
        }
    }

    pub(super) fn are_done(&self) -> bool {
        self.tasks.iter().all(|(task, _)| task.is_none())
    }
}

/// Polls once, by nobody's waker: who answers `Pending` is cancelled.
pub(super) fn once<T>(future: impl Future<Output = T>) -> Option<T> {
    match std::pin::pin!(future).poll(&mut nobody()) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// A context that wakes nobody.
pub(super) fn nobody() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
