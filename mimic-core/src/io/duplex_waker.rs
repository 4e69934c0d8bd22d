//! One waker for two tasks that wait for one operation below.
//!
//! ```text
//! reader's task ── poll_read ──► wakers.reader(cx) ─┐
//!                                                   ├ both() ─► below.poll_flush(both)
//! writer's task ── poll_write ─► wakers.writer(cx) ─┘           one waker for writing
//!
//! below can write again: both() wakes reader and writer; each polls
//! ```

use alloc::sync::Arc;
use alloc::task::Wake;
use core::task::{Context, Waker};

use atomic_waker::AtomicWaker;

/// Wakes the reader's task and the writer's task of a layer whose read may write below, or whose
/// write may read below.
///
/// A flow keeps one waker for reading and one for writing. TLS is a layer whose reads sometimes
/// write (key updates, alerts). With the reader's own waker, such a write would replace the waker
/// of a writer that waits below, and the writer would sleep for ever. The rule: **such a layer
/// passes [`both`](DuplexWaker::both) to every operation below.**
///
/// A flow below may forget a waker once an operation is done. So a task that does the other task's
/// work, or takes what it waits for, wakes it. (Such a layer may pass the reader's own waker to its
/// reads below: one wake-up fewer.)
///
/// ```
/// use core::task::{Context, Poll};
/// use mimic_core::{Error, Flow};
/// use mimic_core::io::DuplexWaker;
///
/// type Read = Poll<Result<usize, Error>>;
///
/// fn poll_read(wakers: &DuplexWaker, below: &mut dyn Flow, cx: &mut Context<'_>) -> Read {
///     wakers.reader(cx);
///     let mut both = Context::from_waker(wakers.both());
///     let _ = below.poll_flush(&mut both)?;
///     below.poll_read(&mut both, &mut [0; 16])
/// }
/// # let _ = poll_read;
/// ```
#[derive(Debug)]
pub struct DuplexWaker {
    tasks: Arc<Tasks>,
    both: Waker,
}

#[derive(Debug, Default)]
struct Tasks {
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Wake for Tasks {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.reader.wake();
        self.writer.wake();
    }
}

impl DuplexWaker {
    /// Makes a waker without tasks. Allocates once; nothing allocates later.
    #[must_use]
    pub fn new() -> Self {
        let tasks = Arc::new(Tasks::default());
        Self { both: tasks.clone().into(), tasks }
    }

    /// Registers the reading task: call it first in `poll_read`.
    pub fn reader(&self, cx: &Context<'_>) {
        self.tasks.reader.register(cx.waker());
    }

    /// Registers the writing task: call it first in `poll_write`, `poll_flush` and `poll_shutdown`.
    pub fn writer(&self, cx: &Context<'_>) {
        self.tasks.writer.register(cx.waker());
    }

    /// Returns a waker that wakes both registered tasks, each once.
    #[must_use]
    pub fn both(&self) -> &Waker {
        &self.both
    }
}

impl Default for DuplexWaker {
    fn default() -> Self {
        Self::new()
    }
}
