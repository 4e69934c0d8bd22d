//! The error output of a child: drained all the time, its end kept.
//!
//! ```text
//! child ──► pipe ──► thread: poll(pipe, stop) ─► read ─► the last KEPT bytes
//!                                     ▲
//!           the child was reaped: `stop` is hung up. What the child wrote is in the pipe by then:
//!           the thread reads until nothing is left, and ends.
//! ```

use std::collections::VecDeque;
use std::io::{self, Read};
use std::process::ChildStderr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The bytes that are kept.
const KEPT: usize = 8 * 1024;

/// The bytes of one read.
const CHUNK: usize = 4 * 1024;

/// The reads after the end of the child. Others may hold its error output, and write without end.
#[cfg(unix)]
const LAST_READS: usize = 64;

/// The end of a child's error output.
#[derive(Debug, Default)]
pub(super) struct Stderr {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    last: VecDeque<u8>,
    is_done: bool,
}

impl Stderr {
    /// Starts the thread. It ends when the pipe does; on Unix also when the returned handle is
    /// dropped.
    ///
    /// # Errors
    /// That of the system.
    pub(super) fn drain(pipe: ChildStderr) -> io::Result<(Arc<Self>, io::PipeWriter)> {
        let stderr = Arc::<Self>::default();
        let (stop, hang_up) = io::pipe()?;
        let draining = stderr.clone();
        thread::Builder::new().name("mimic-stderr".into()).spawn(move || draining.run(pipe, &stop))?;
        Ok((stderr, hang_up))
    }

    /// Returns what is kept so far.
    pub(super) fn last(&self) -> Vec<u8> {
        self.lock().last.iter().copied().collect()
    }

    /// Waits until everything was read, for at most `patience`.
    pub(super) fn wait(&self, patience: Duration) {
        drop(self.changed.wait_timeout_while(self.lock(), patience, |state| !state.is_done));
    }

    fn run(&self, mut pipe: ChildStderr, stop: &io::PipeReader) {
        let mut chunk = [0; CHUNK];
        #[cfg(unix)]
        let mut left = LAST_READS;
        loop {
            #[cfg(unix)]
            if !is_readable(&pipe, stop, &mut left) {
                break;
            }
            match pipe.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(count @ 1..) => self.lock().keep(chunk.get(..count).unwrap_or_default()),
                Ok(0) | Err(_) => break,
            }
        }
        #[cfg(not(unix))]
        let _ = stop;
        self.lock().is_done = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep(&mut self, bytes: &[u8]) {
        self.last.extend(bytes);
        let surplus = self.last.len().saturating_sub(KEPT);
        self.last.drain(..surplus);
    }
}

/// Waits until the pipe can be read without blocking. Returns false if nothing is left, or too much
/// was, after the end of the child.
#[cfg(unix)]
fn is_readable(pipe: &ChildStderr, stop: &io::PipeReader, left: &mut usize) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};

    let mut both = [PollFd::new(pipe, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
    // An interrupted poll is no answer.
    while let Err(error) = poll(&mut both, None) {
        if error != rustix::io::Errno::INTR {
            return false;
        }
    }
    let [pipe, stop] = both.map(|polled| !polled.revents().is_empty());
    if stop {
        *left = left.saturating_sub(1);
    }
    pipe && *left > 0
}
