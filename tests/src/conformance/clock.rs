//! Time for every runtime: one thread that wakes whoever is due.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// Who is to be woken when. The number tells apart who is due at once.
type Due = BTreeMap<(Instant, u64), Waker>;

struct Clock {
    due: Mutex<(Due, u64)>,
    changed: Condvar,
}

impl Clock {
    fn lock(&self) -> MutexGuard<'_, (Due, u64)> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut due = self.lock();
        loop {
            let now = Instant::now();
            match due.0.first_key_value().map(|(&(at, _), _)| at) {
                Some(at) if at <= now => {
                    if let Some((_, waker)) = due.0.pop_first() {
                        drop(due);
                        waker.wake();
                        due = self.lock();
                    }
                }
                Some(at) => {
                    let waited = self.changed.wait_timeout(due, at - now);
                    due = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                None => due = self.changed.wait(due).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

fn clock() -> &'static Clock {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    static THREAD: OnceLock<()> = OnceLock::new();
    let clock = CLOCK.get_or_init(|| Clock { due: Mutex::default(), changed: Condvar::new() });
    THREAD.get_or_init(|| {
        thread::spawn(|| clock.run());
    });
    clock
}

/// An entry that goes with whoever waits.
struct Entry(Option<(Instant, u64)>);

impl Entry {
    fn set(&mut self, at: Instant, waker: &Waker) {
        let clock = clock();
        let mut due = clock.lock();
        let key = *self.0.get_or_insert_with(|| {
            due.1 += 1;
            (at, due.1)
        });
        let before = due.0.insert(key, waker.clone());
        // The thread sleeps until the first is due: it is woken only for a new first.
        let is_new_first = before.is_none() && due.0.first_key_value().is_some_and(|(&first, _)| first == key);
        drop(due);
        drop(before);
        if is_new_first {
            clock.changed.notify_one();
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(key) = self.0 {
            let removed = clock().lock().0.remove(&key);
            // Outside the lock: a waker may be the last of its task.
            drop(removed);
        }
    }
}

/// Waits so long.
pub(super) async fn sleep(duration: Duration) {
    let at = Instant::now() + duration;
    let mut entry = Entry(None);
    poll_fn(|cx| {
        if at <= Instant::now() {
            return Poll::Ready(());
        }
        entry.set(at, cx.waker());
        Poll::Pending
    })
    .await;
}

/// The output of `work`, or `None` if it takes longer.
pub(super) async fn within<T>(duration: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut late = pin!(sleep(duration));
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => late.as_mut().poll(cx).map(|()| None),
    })
    .await
}
