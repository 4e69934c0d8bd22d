//! The end of a child: awaited, hastened, reaped, by a thread of its own.
//!
//! ```text
//!            output has ended, or input is not read          flow dropped
//!  idle ───────────────────┬─────────────────────────────────────┬──────────────
//!    ▲                     ▼                                     ▼
//!    │   asks the system after 50 us, 100 us, … 20 ms    asks in the same way
//!    │                     │                                     │ 1 s has passed
//!    └── 1 s has passed ───┤ ended                               ▼
//!        tells the flow    ▼                                   kills, asks on
//!                    drains the error output, tells the flow
//! ```
//!
//! A thread that waits in the system could not be told that the flow was dropped, and no portable
//! call waits for both. Children mostly end in the moment in which their output does.

use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use std::{io, mem, thread};

use scopeguard::{ScopeGuard, guard};

use super::stderr::Stderr;

/// The time in which a child may end by itself: after its output has ended, and after the drop.
/// Also the time for the rest of its error output, on systems where others that hold it open hold
/// up its thread.
const GRACE: Duration = Duration::from_secs(1);

const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LAST_PAUSE: Duration = Duration::from_millis(20);

/// How a child ended. The text is the error of a system that does not tell.
pub(super) type End = Result<ExitStatus, String>;

/// The side of a flow that waits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Read,
    Write,
}

/// A child that is reaped, whatever happens.
#[derive(Debug)]
pub(super) struct Supervised {
    state: Mutex<State>,
    changed: Condvar,
    pub(super) stderr: Arc<Stderr>,
}

#[derive(Debug)]
struct State {
    child: Child,
    end: Option<End>,
    task: Task,
    /// The wakers of the two sides.
    wakers: [Option<Waker>; 2],
    /// Ends the thread of the error output when it is dropped.
    hang_up: Option<io::PipeWriter>,
}

/// What the thread has to do.
#[derive(Clone, Copy, Debug)]
enum Task {
    Idle,
    /// A side waits for the end of the child, since then.
    Await(Instant),
    /// The child has not ended in time. The flow is told so from now on.
    GaveUp,
    /// The flow was dropped. The child is killed at that instant.
    Finish {
        kill_at: Instant,
    },
    /// Everything that the child left behind is known.
    Settled,
}

impl Supervised {
    /// Takes a child whose error output has not been taken.
    ///
    /// # Errors
    /// That of the system. The child is dead then.
    pub(super) fn new(child: Child) -> io::Result<Arc<Self>> {
        let mut child = guard(child, |mut child| kill_and_reap(&mut child));
        let stderr = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (stderr, hang_up) = Stderr::drain(stderr)?;
        let (child, hang_up) = (ScopeGuard::into_inner(child), Some(hang_up));
        let state = State { child, end: None, task: Task::Idle, wakers: [None, None], hang_up };
        let supervised = Arc::new(Self { state: Mutex::new(state), changed: Condvar::new(), stderr });
        let supervising = supervised.clone();
        let started = thread::Builder::new().name("mimic-child".into()).spawn(move || supervising.run());
        if let Err(error) = started {
            kill_and_reap(&mut supervised.lock().child);
            return Err(error);
        }
        Ok(supervised)
    }

    /// Returns how the child ended, if it has.
    pub(super) fn end(&self) -> Option<End> {
        self.lock().try_end().cloned()
    }

    /// Waits until the child has ended and its error output is complete. Returns `None` if that
    /// takes too long.
    pub(super) fn poll_end(&self, cx: &mut Context<'_>, side: Side) -> Poll<Option<End>> {
        let mut state = self.lock();
        let task = state.task;
        match task {
            Task::GaveUp if state.try_end().is_none() => return Poll::Ready(None),
            Task::Settled => return Poll::Ready(state.end.clone()),
            Task::Idle | Task::GaveUp => state.task = Task::Await(Instant::now()),
            Task::Await(_) | Task::Finish { .. } => {}
        }
        if let Some(waker) = state.wakers.get_mut(side as usize) {
            *waker = Some(cx.waker().clone());
        }
        self.changed.notify_all();
        Poll::Pending
    }

    /// Has the thread end the child: with a second of grace, or at once.
    pub(super) fn finish(&self, at_once: bool) {
        let mut state = self.lock();
        state.wakers = [None, None];
        if !matches!(state.task, Task::Settled) {
            let grace = if at_once { Duration::ZERO } else { GRACE };
            state.task = Task::Finish { kill_at: Instant::now() + grace };
            self.changed.notify_all();
        }
    }

    fn run(&self) {
        let mut pause = FIRST_PAUSE;
        let mut is_killed = false;
        let mut state = self.lock();
        loop {
            let (now, task) = (Instant::now(), state.task);
            match task {
                Task::Idle | Task::GaveUp => {
                    pause = FIRST_PAUSE;
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                _ if state.try_end().is_some() => break,
                Task::Await(since) if now.duration_since(since) >= GRACE => {
                    state.task = Task::GaveUp;
                    wake(state);
                    state = self.lock();
                    continue;
                }
                Task::Finish { kill_at } if kill_at <= now && !is_killed => {
                    // It fails if the child has ended. Then it will be seen to have.
                    let _ = state.child.kill();
                    is_killed = true;
                    pause = FIRST_PAUSE;
                }
                Task::Await(_) | Task::Finish { .. } | Task::Settled => {}
            }
            (state, _) = self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner);
            pause = (pause * 2).min(LAST_PAUSE);
        }
        drop(state.hang_up.take());
        drop(state);
        self.stderr.wait(GRACE);
        let mut state = self.lock();
        state.task = Task::Settled;
        wake(state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns how the child ended. Reaps it if it just has.
    fn try_end(&mut self) -> Option<&End> {
        if self.end.is_none() {
            self.end = self.child.try_wait().map_err(|error| error.to_string()).transpose();
        }
        self.end.as_ref()
    }
}

/// Wakes both sides, without the lock: an executor may run a task, or drop it, within `wake`.
fn wake(mut state: MutexGuard<'_, State>) {
    let wakers = mem::take(&mut state.wakers);
    drop(state);
    wakers.into_iter().flatten().for_each(Waker::wake);
}

fn kill_and_reap(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
