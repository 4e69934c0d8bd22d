//! What takes too long for a task: made once, on a thread of its own, whatever the runtime.

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

pub(crate) struct Aside<T>(Mutex<State<T>>);

enum State<T> {
    Idle,
    /// Under way; whoever waits for it.
    Making(Vec<Waker>),
    Made(Result<T, Error>),
}

impl<T> Default for Aside<T> {
    fn default() -> Self {
        Self(Mutex::new(State::Idle))
    }
}

impl<T: Clone + Send + 'static> Aside<T> {
    /// What `make` makes, unless it is made or being made already. A failure is told to all who
    /// waited for it, and not kept. Dropped, it lets the thread go on, and the next one gets the
    /// result.
    ///
    /// Where there is no thread to be had, `make` runs here.
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
            // Those who wait are told.
            let _ = this.make(make_there);
        });
        match thread {
            Ok(_) => Poll::Pending,
            Err(_) => Poll::Ready(self.make(make.clone())),
        }
    }

    fn make(&self, make: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let panicked = Error::General("reading the trust store panicked".to_string());
        let mut done = Done { aside: self, result: Err(panicked) };
        done.result = make();
        done.result.clone()
    }
}

impl<T> Aside<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dropped, it tells the result: also when making it panics, for nobody may wait for ever.
struct Done<'a, T: Clone> {
    aside: &'a Aside<T>,
    result: Result<T, Error>,
}

impl<T: Clone> Drop for Done<'_, T> {
    fn drop(&mut self) {
        let before = mem::replace(&mut *self.aside.state(), State::Made(self.result.clone()));
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

    /// Something to make that waits until it is told how it ends, and counts.
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
        let (aside, slow) = (Arc::new(Aside::default()), Slow::new());
        let (here, make) = (thread::current().id(), slow.make());
        let make = move || {
            assert_ne!(thread::current().id(), here);
            make()
        };
        let both = zip(aside.get(make.clone()), aside.get(make.clone()));
        // The end is told by another task of the same thread, which has its turn only while those
        // two wait.
        let (both, ()) = block_on(zip(both, async { slow.end.send(Ok(7)).unwrap() }));
        assert_eq!(both, (Ok(7), Ok(7)));
        assert_eq!(block_on(aside.get(make)), Ok(7));
        assert_eq!(slow.made.load(SeqCst), 1);
    }

    #[test]
    fn who_goes_midway_does_no_harm() {
        let (aside, slow) = (Arc::new(Aside::default()), Slow::new());
        assert_eq!(block_on(poll_once(aside.get(slow.make()))), None);
        assert_eq!(block_on(poll_once(aside.get(slow.make()))), None);
        slow.end.send(Ok(7)).unwrap();
        assert_eq!(block_on(aside.get(slow.make())), Ok(7));
        assert_eq!(slow.made.load(SeqCst), 1);
    }

    #[test]
    fn a_failure_is_told_to_who_waited_and_tried_again_by_the_next() {
        let (aside, slow) = (Arc::new(Aside::default()), Slow::new());
        let both = zip(aside.get(slow.make()), aside.get(slow.make()));
        let (both, ()) = block_on(zip(both, async { slow.end.send(Err(Error::DecryptError)).unwrap() }));
        assert_eq!(both, (Err(Error::DecryptError), Err(Error::DecryptError)));
        assert_eq!(slow.made.load(SeqCst), 1);
        slow.end.send(Ok(7)).unwrap();
        assert_eq!(block_on(aside.get(slow.make())), Ok(7));
        assert_eq!(slow.made.load(SeqCst), 2);
    }

    #[test]
    fn a_panic_is_an_error() {
        let aside = Arc::new(Aside::<u32>::default());
        let error = block_on(aside.get(|| panic!("as it should"))).unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
        assert_eq!(block_on(aside.get(|| Ok(7))), Ok(7));
    }

    /// In a process of its own, whose threads would need more memory than there is. On Unix, where
    /// libtest goes on without a thread of its own.
    #[cfg(unix)]
    #[test]
    #[cfg_attr(miri, ignore = "it starts a process")]
    fn without_a_thread_a_panic_keeps_nobody_waiting() {
        const TOO_MUCH: &str = "1152921504606846976";
        if std::env::var("RUST_MIN_STACK").as_deref() != Ok(TOO_MUCH) {
            let name = "aside::tests::without_a_thread_a_panic_keeps_nobody_waiting";
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
        let aside = Arc::new(Aside::<u32>::default());
        let panics = || block_on(aside.get(|| panic!("as it should")));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(block_on(poll_once(aside.get(|| Err(Error::DecryptError)))), Some(Err(Error::DecryptError)));
        assert_eq!(block_on(poll_once(aside.get(|| Ok(7)))), Some(Ok(7)));
    }
}
