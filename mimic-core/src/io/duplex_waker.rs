//! Two tasks waiting for one operation below.

use alloc::sync::Arc;
use alloc::task::Wake;
use core::task::{Context, Waker};

use atomic_waker::AtomicWaker;

/// For a layer whose read may have to write below, or the reverse: wakes the reader's task and the
/// writer's.
///
/// A flow keeps one waker for reading and one for writing. TLS is a layer whose reads sometimes
/// write (key updates, alerts); with the reader's own waker that write would replace the waker of a
/// writer that waits below, which would then sleep forever. The rule: **such a layer passes
/// [`both`](DuplexWaker::both) to every operation below.**
///
/// A flow below may forget a waker once an operation is done: whoever does the other task's work,
/// or takes what it waits for, wakes it. (A layer that does so may give its reads below the
/// reader's own waker: one wake-up fewer.)
///
/// ```
/// use core::task::{Context, Poll};
/// use mimic_core::{Error, Flow, DuplexWaker};
///
/// fn poll_read(wakers: &DuplexWaker, below: &mut dyn Flow, cx: &mut Context<'_>) -> Poll<Result<usize, Error>> {
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
    /// Allocates once; afterwards nothing here allocates.
    #[must_use]
    pub fn new() -> Self {
        let tasks = Arc::new(Tasks::default());
        Self { both: tasks.clone().into(), tasks }
    }

    /// Remembers the reading task: call it first in `poll_read`.
    pub fn reader(&self, cx: &Context<'_>) {
        self.tasks.reader.register(cx.waker());
    }

    /// Remembers the writing task: call it first in `poll_write`, `poll_flush` and `poll_shutdown`.
    pub fn writer(&self, cx: &Context<'_>) {
        self.tasks.writer.register(cx.waker());
    }

    /// Wakes whoever was remembered. Each remembered task is woken once and polls again.
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
