//! Tasks whose wakers are watched.

use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_lite::future::yield_now;

use super::Failure;
use super::clock::within;

/// Somebody who polls, and knows whether he was woken.
pub(super) struct Task {
    woken: Arc<Woken>,
    waker: Waker,
}

#[derive(Default)]
struct Woken(Mutex<State>);

#[derive(Default)]
struct State {
    woken: bool,
    waits: Option<Waker>,
}

impl Woken {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        let mut state = self.lock();
        state.woken = true;
        let waits = state.waits.take();
        drop(state);
        waits.into_iter().for_each(Waker::wake);
    }
}

/// Tasks that are over, to be used again: timer queues of devices have room for few wakers, and
/// keep each until its time has come.
static OVER: Mutex<Vec<Arc<Woken>>> = Mutex::new(Vec::new());

impl Task {
    pub(super) fn new() -> Self {
        let woken = OVER.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        *woken.lock() = State::default();
        Self { waker: woken.clone().into(), woken }
    }

    pub(super) fn cx(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// Waits to be woken, unless that has happened since the last time. Whoever runs the case runs
    /// in between: tokio, for one, makes those wait and wakes them who poll without end.
    pub(super) async fn wake(&self) {
        yield_now().await;
        poll_fn(|cx| {
            let mut state = self.woken.lock();
            if mem::take(&mut state.woken) {
                return Poll::Ready(());
            }
            state.waits = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Polls with this task's waker, and again when it was woken. Fails if nobody wakes it.
    pub(super) async fn drive<T>(
        &self,
        patience: Duration,
        what: &str,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<T, Failure> {
        loop {
            if let Poll::Ready(output) = poll(&mut self.cx()) {
                return Ok(output);
            }
            self.woken(patience, what).await?;
        }
    }

    /// As [`wake`](Self::wake), and fails if nobody does.
    pub(super) async fn woken(&self, patience: Duration, what: &str) -> Result<(), Failure> {
        let woken = within(patience, self.wake()).await;
        woken.ok_or_else(|| Failure::new(format!("{what}: nobody woke the task for {patience:?}")))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        OVER.lock().unwrap_or_else(PoisonError::into_inner).push(self.woken.clone());
    }
}
