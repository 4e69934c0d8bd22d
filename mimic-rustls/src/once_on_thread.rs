//! A value that takes too long to make for a task: made once, on a thread of its own, whatever the
//! runtime.
//!
//! ```text
//!          get               the thread ends
//!   Idle ───────► Making ─────────────────────► Made(Ok)   every get returns the value
//!                   ▲ └───────────────────────► Made(Err)  a get that waited returns
//!                   └──────────────────────────────┘        the error; a new get makes
//!                                  get                      the value again
//! ```

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::mem;
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use rustls::Error;

pub(crate) struct OnceOnThread<T>(Mutex<State<T>>);

enum State<T> {
    Idle,
    /// Being made, with the wakers of the tasks that wait.
    Making(Vec<Waker>),
    Made(Result<T, Error>),
}

impl<T> Default for OnceOnThread<T> {
    fn default() -> Self {
        Self(Mutex::new(State::Idle))
    }
}

impl<T: Clone + Send + 'static> OnceOnThread<T> {
    /// Returns the value. Calls `make` if it is neither made nor being made.
    ///
    /// Every `get` that waited for a failure returns it. A later one makes the value again. If the
    /// future is dropped, the thread goes on, and the next `get` returns its result.
    ///
    /// Calls `make` on this thread if no thread can be started.
    pub(crate) async fn get(
        self: &Arc<Self>,
        make: impl FnOnce() -> Result<T, Error> + Clone + Send + 'static,
    ) -> Result<T, Error> {
        let mut waited = false;
        poll_fn(|cx| self.poll(cx, mem::replace(&mut waited, true), &make)).await
    }

    fn poll(
        self: &Arc<Self>,
        cx: &Context<'_>,
        waited: bool,
        make: &(impl FnOnce() -> Result<T, Error> + Clone + Send + 'static),
    ) -> Poll<Result<T, Error>> {
        let mut state = self.state();
        match &mut *state {
            State::Made(Ok(made)) => return Poll::Ready(Ok(made.clone())),
            State::Made(Err(error)) if waited => return Poll::Ready(Err(error.clone())),
            State::Making(wakers) => {
                if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                    wakers.push(cx.waker().clone());
                }
                return Poll::Pending;
            }
            State::Idle | State::Made(_) => *state = State::Making(vec![cx.waker().clone()]),
        }
        drop(state);
        let (this, make_there) = (self.clone(), make.clone());
        let thread = thread::Builder::new().name("mimic-trust-store".to_string()).spawn(move || {
            // The tasks that wait get the result from the state.
            let _ = this.make(make_there);
        });
        match thread {
            Ok(_) => Poll::Pending,
            Err(_) => Poll::Ready(self.make(make.clone())),
        }
    }

    fn make(&self, make: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let panicked = Error::General("reading the trust store panicked".to_string());
        let mut done = Done { once: self, result: Err(panicked) };
        done.result = make();
        done.result.clone()
    }
}

impl<T> OnceOnThread<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stores the result and wakes the waiting tasks when it is dropped, also if making it panics: a
/// task must not wait for ever.
struct Done<'a, T: Clone> {
    once: &'a OnceOnThread<T>,
    result: Result<T, Error>,
}

impl<T: Clone> Drop for Done<'_, T> {
    fn drop(&mut self) {
        let before = mem::replace(&mut *self.once.state(), State::Made(self.result.clone()));
        if let State::Making(wakers) = before {
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    #[cfg(unix)]
    use std::panic::{AssertUnwindSafe, catch_unwind};
    #[cfg(unix)]
    use std::process::Command;
    use std::sync::mpsc;
    use std::time::Duration;

    use futures_lite::future::{block_on, poll_once, zip};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    /// Makes a value once the test sends it, and counts the calls.
    struct Slow {
        made: Arc<AtomicUsize>,
        end: mpsc::SyncSender<Result<u32, Error>>,
        told: Arc<Mutex<mpsc::Receiver<Result<u32, Error>>>>,
    }

    impl Slow {
        fn new() -> Self {
            let (end, told) = mpsc::sync_channel(9);
            Self { made: Arc::default(), end, told: Arc::new(Mutex::new(told)) }
        }

        fn make(&self) -> impl FnOnce() -> Result<u32, Error> + Clone + Send + 'static {
            let (made, told) = (self.made.clone(), self.told.clone());
            move || {
                made.fetch_add(1, SeqCst);
                told.lock().unwrap().recv_timeout(LIMIT).unwrap()
            }
        }
    }

    #[test]
    fn others_go_on_while_it_is_made_and_it_is_made_once() {
        let (once, slow) = (Arc::new(OnceOnThread::default()), Slow::new());
        let (here, make) = (thread::current().id(), slow.make());
        let make = move || {
            assert_ne!(thread::current().id(), here);
            make()
        };
        let both = zip(once.get(make.clone()), once.get(make.clone()));
        // Another task of the same thread sends the value. It is polled only while those two wait.
        let (both, ()) = block_on(zip(both, async { slow.end.send(Ok(7)).unwrap() }));
        assert_eq!(both, (Ok(7), Ok(7)));
        assert_eq!(block_on(once.get(make)), Ok(7));
        assert_eq!(slow.made.load(SeqCst), 1);
    }

    #[test]
    fn a_get_that_is_dropped_midway_does_no_harm() {
        let (once, slow) = (Arc::new(OnceOnThread::default()), Slow::new());
        assert_eq!(block_on(poll_once(once.get(slow.make()))), None);
        assert_eq!(block_on(poll_once(once.get(slow.make()))), None);
        slow.end.send(Ok(7)).unwrap();
        assert_eq!(block_on(once.get(slow.make())), Ok(7));
        assert_eq!(slow.made.load(SeqCst), 1);
    }

    #[test]
    fn every_get_that_waited_returns_the_failure_and_the_next_tries_again() {
        let (once, slow) = (Arc::new(OnceOnThread::default()), Slow::new());
        let both = zip(once.get(slow.make()), once.get(slow.make()));
        let (both, ()) = block_on(zip(both, async { slow.end.send(Err(Error::DecryptError)).unwrap() }));
        assert_eq!(both, (Err(Error::DecryptError), Err(Error::DecryptError)));
        assert_eq!(slow.made.load(SeqCst), 1);
        slow.end.send(Ok(7)).unwrap();
        assert_eq!(block_on(once.get(slow.make())), Ok(7));
        assert_eq!(slow.made.load(SeqCst), 2);
    }

    #[test]
    fn a_panic_is_an_error() {
        let once = Arc::new(OnceOnThread::<u32>::default());
        let error = block_on(once.get(|| panic!("as it should"))).unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
        assert_eq!(block_on(once.get(|| Ok(7))), Ok(7));
    }

    /// Runs in a process of its own, where a thread needs more memory than there is. Only on Unix
    /// does libtest go on without threads.
    #[cfg(unix)]
    #[test]
    #[cfg_attr(miri, ignore = "it starts a process")]
    fn without_a_thread_a_panic_keeps_no_task_waiting() {
        const TOO_MUCH: &str = "1152921504606846976";
        if std::env::var("RUST_MIN_STACK").as_deref() != Ok(TOO_MUCH) {
            let name = "once_on_thread::tests::without_a_thread_a_panic_keeps_no_task_waiting";
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", name, "--test-threads=1"])
                .env("RUST_MIN_STACK", TOO_MUCH)
                .output()
                .unwrap();
            let said = std::string::String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        assert!(thread::Builder::new().spawn(|| ()).is_err());
        let once = Arc::new(OnceOnThread::<u32>::default());
        let panics = || block_on(once.get(|| panic!("as it should")));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(block_on(poll_once(once.get(|| Err(Error::DecryptError)))), Some(Err(Error::DecryptError)));
        assert_eq!(block_on(poll_once(once.get(|| Ok(7)))), Some(Ok(7)));
    }
}
