//! Questions that are asked once at a time, on a few threads.
//!
//! ```text
//!  waiting tasks      question              threads
//!  A ─┐
//!  B ─┼── example.org Aaaa ── running ──── mimic-lookup 1
//!  C ─┘
//!  D ──── example.org A ───── queued
//!         silent.test A ───── running ──── mimic-lookup 2   abandoned: no task waits
//! ```
//!
//! A question that loses its last waiting task leaves the queue; one that runs cannot be stopped,
//! and a task that asks the same meanwhile joins it. While as many questions run as the `limit`
//! allows, and some of them are abandoned, a thread more begins a question every 200 ms, up to
//! twice the limit. So look-ups that were given up hold up the next one by no more than that, a
//! crowd that is given up at once starts hardly any further thread, and even crowds without end do
//! not come to use up the second half, if a look-up that is not answered ends after 10 s.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::system::{Answer, Ask, Failure};

/// The time after which an idle thread ends.
const IDLE: Duration = Duration::from_secs(10);

/// The time between two questions that are begun beyond the limit, and before the first of them.
const PATIENCE: Duration = Duration::from_millis(200);

/// The questions of a process, and the threads that ask them.
pub(crate) struct Questions {
    state: Mutex<State>,
    work: Condvar,
    ask: Box<dyn Fn(&Ask) -> Answer + Send + Sync>,
}

struct State {
    asked: HashMap<Ask, Question>,
    /// Those that are not begun, oldest first, by their numbers.
    queue: BTreeMap<u64, Queued>,
    /// The next number of a question or of a waiting task.
    next: u64,
    limit: usize,
    threads: usize,
    /// Threads that run nothing, also those that are being started.
    idle: usize,
    /// Threads that run abandoned questions.
    abandoned: usize,
    /// The time at which a question was last begun beyond the limit.
    beyond: Option<Instant>,
}

struct Queued {
    ask: Ask,
    since: Instant,
}

struct Question {
    number: u64,
    running: bool,
    waiting: BTreeMap<u64, Waker>,
    answer: Arc<OnceLock<Answer>>,
}

impl Questions {
    pub(crate) fn new(limit: NonZeroUsize, ask: impl Fn(&Ask) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        let state = State {
            asked: HashMap::new(),
            queue: BTreeMap::new(),
            next: 0,
            limit: limit.get(),
            threads: 0,
            idle: 0,
            abandoned: 0,
            beyond: None,
        };
        Arc::new(Self { state: Mutex::new(state), work: Condvar::new(), ask: Box::new(ask) })
    }

    /// Asks once the future is polled.
    pub(crate) fn ask(self: &Arc<Self>, ask: Ask) -> Waiting {
        Waiting { questions: self.clone(), ask, joined: None }
    }

    pub(crate) fn set_limit(self: &Arc<Self>, limit: NonZeroUsize) {
        self.state().limit = limit.get();
        // Idle threads that are too many now end, and one that was patient may begin.
        self.work.notify_all();
        self.start_threads();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts threads as long as questions wait for one and there may be more.
    fn start_threads(self: &Arc<Self>) {
        while self.state().reserve_thread() {
            let questions = self.clone();
            let started = thread::Builder::new().name("mimic-lookup".into()).spawn(move || questions.work());
            let Err(error) = started else { continue };
            let mut state = self.state();
            state.threads -= 1;
            state.idle -= 1;
            // Where there are other threads, they come to it.
            if state.threads == 0 {
                let failure = Failure::Threads(Arc::new(error));
                let queue = std::mem::take(&mut state.queue);
                let wakers: Vec<_> =
                    queue.values().flat_map(|queued| state.finish(&queued.ask, Err(failure.clone()))).collect();
                drop(state);
                wake(wakers);
            }
            return;
        }
    }

    /// Runs questions until the thread has been idle for [`IDLE`], or is one too many.
    fn work(self: &Arc<Self>) {
        let mut state = self.state();
        while state.threads <= state.most() {
            let ask = match state.begin() {
                Ok(ask) => ask,
                Err(patience) => {
                    let wait = self.work.wait_timeout(state, patience);
                    let (waited, timeout) = wait.unwrap_or_else(PoisonError::into_inner);
                    state = waited;
                    if timeout.timed_out() && state.queue.is_empty() {
                        break;
                    }
                    continue;
                }
            };
            drop(state);
            // Another for the next question, if that has to be patient.
            self.start_threads();
            let answer = catch_unwind(AssertUnwindSafe(|| (self.ask)(&ask))).unwrap_or(Err(Failure::Lost));
            let mut after = self.state();
            let wakers = after.finish(&ask, answer);
            after.idle += 1;
            drop(after);
            wake(wakers);
            state = self.state();
        }
        state.threads -= 1;
        state.idle -= 1;
        // It may have been woken for a question that it leaves to another.
        if !state.queue.is_empty() {
            self.work.notify_one();
        }
    }
}

impl State {
    /// Returns the number of threads that there may be now.
    fn most(&self) -> usize {
        self.limit.saturating_add(self.abandoned.min(self.limit))
    }

    /// Counts one more thread if one is wanted and allowed. Beyond the limit one at a time waits
    /// for a question.
    fn reserve_thread(&mut self) -> bool {
        let allowed = self.threads < self.limit || self.idle == 0 && self.threads < self.most();
        let more = allowed && self.queue.len() > self.idle;
        if more {
            self.threads += 1;
            self.idle += 1;
        }
        more
    }

    /// Takes the oldest question from the queue, for an idle thread, or tells how long to wait for
    /// one.
    fn begin(&mut self) -> Result<Ask, Duration> {
        let oldest = self.queue.first_entry().ok_or(IDLE)?;
        if self.threads - self.idle >= self.limit {
            let since = self.beyond.max(Some(oldest.get().since));
            let waited = since.map_or(PATIENCE, |since| since.elapsed());
            if waited < PATIENCE {
                return Err(PATIENCE - waited);
            }
            self.beyond = Some(Instant::now());
        }
        let Queued { ask, .. } = oldest.remove();
        if let Some(question) = self.asked.get_mut(&ask) {
            question.running = true;
        }
        self.idle -= 1;
        Ok(ask)
    }

    /// Keeps the answer for all that wait. Gives those to be woken, once the lock is let go.
    fn finish(&mut self, ask: &Ask, answer: Answer) -> Vec<Waker> {
        let Some(question) = self.asked.remove(ask) else { return Vec::new() };
        if question.running && question.waiting.is_empty() {
            self.abandoned -= 1;
        }
        _ = question.answer.set(answer);
        question.waiting.into_values().collect()
    }

    /// Joins the question, or begins to ask it.
    fn join(&mut self, ask: &Ask, waker: Waker) -> Joined {
        let number = self.next;
        self.next += 1;
        let question = self.asked.entry(ask.clone()).or_insert_with(|| {
            self.queue.insert(number, Queued { ask: ask.clone(), since: Instant::now() });
            Question { number, running: false, waiting: BTreeMap::new(), answer: Arc::default() }
        });
        if question.running && question.waiting.is_empty() {
            self.abandoned -= 1;
        }
        question.waiting.insert(number, waker);
        Joined { number, answer: question.answer.clone() }
    }

    /// Forgets a task that does not wait any more. Gives its waker, to be dropped once the lock is
    /// let go: with it may go the last of a task, and what that waits for.
    fn leave(&mut self, ask: &Ask, number: u64) -> Option<Waker> {
        // It may be gone, or asked anew by others.
        let question = self.asked.get_mut(ask)?;
        let waker = question.waiting.remove(&number)?;
        if question.waiting.is_empty() {
            if question.running {
                self.abandoned += 1;
            } else {
                self.queue.remove(&question.number);
                self.asked.remove(ask);
            }
        }
        Some(waker)
    }
}

/// Wakes them all, each by itself: one that panics leaves the thread and the others as they are.
fn wake(wakers: Vec<Waker>) {
    for waker in wakers {
        // The panic hook has reported it.
        _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}

/// Waits for an answer. Dropping it gives the question up.
pub(crate) struct Waiting {
    questions: Arc<Questions>,
    ask: Ask,
    joined: Option<Joined>,
}

struct Joined {
    number: u64,
    answer: Arc<OnceLock<Answer>>,
}

impl Future for Waiting {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let this = &mut *self;
        let mut waker = cx.waker().clone();
        if let Some(joined) = &this.joined {
            let mut state = this.questions.state();
            let question = state.asked.get_mut(&this.ask);
            // Not there, if it is answered. The old waker is dropped without the lock, as by
            // `leave`.
            if let Some(kept) = question.and_then(|question| question.waiting.get_mut(&joined.number)) {
                std::mem::swap(kept, &mut waker);
            }
        } else {
            this.joined = Some(this.questions.state().join(&this.ask, waker));
            this.questions.work.notify_one();
            this.questions.start_threads();
        }
        this.answer()
    }
}

impl Waiting {
    fn answer(&self) -> Poll<Answer> {
        let answer = self.joined.as_ref().and_then(|joined| joined.answer.get());
        answer.map_or(Poll::Pending, |answer| Poll::Ready(answer.clone()))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(joined) = self.joined.take()
            && joined.answer.get().is_none()
        {
            let waker = self.questions.state().leave(&self.ask, joined.number);
            self.questions.start_threads();
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests;
