//! What the engine's tests share.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    reason = "each test file uses a part"
)]

use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll};
use std::time::Duration;

use mimic_core::adapter::Instant;
use mimic_core::explain::PlanError;
use mimic_core::roles::Sleep;
use mimic_core::{Context, Error, ErrorKind, Flow, Key, Timer, key};

pub use futures_lite::future::block_on;

key! {
    pub A: u32;
    pub B: u32;
    pub C: u32;
    pub D: u32;
    pub Name: mimic_core::Text;
}

/// A key of many.
#[derive(Clone, Copy, Debug)]
pub struct Nth(pub u32);

impl Key for Nth {
    type Value = u32;
    const NAME: &'static str = "Nth";
    fn instance(&self) -> u32 {
        self.0
    }
}

/// What was called, in order.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    pub fn add(&self, call: impl Into<String>) {
        self.0.lock().unwrap().push(call.into());
    }

    /// What was called since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Where a test keeps what a connect or a function was given, for later.
#[derive(Debug)]
pub struct Kept<T>(Arc<Mutex<Option<T>>>);

impl<T> Kept<T> {
    pub fn new() -> (Self, Self) {
        let kept = Arc::new(Mutex::new(None));
        (Self(kept.clone()), Self(kept))
    }

    pub fn put(&self, given: T) {
        *self.0.lock().unwrap() = Some(given);
    }

    pub fn take(&self) -> T {
        self.0.lock().unwrap().take().unwrap()
    }
}

/// A flow that is nothing but a name.
#[derive(Debug)]
pub struct Named(pub &'static str);

impl Flow for Named {
    fn poll_read(&mut self, _: &mut Task<'_>, _: &mut [u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Ok(0))
    }

    fn poll_write(&mut self, _: &mut Task<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}

pub type Boxed = Box<dyn Flow + Send>;

pub fn named(name: &'static str) -> Result<Boxed, Error> {
    Ok(Box::new(Named(name)))
}

/// The name of a flow made by [`named`].
pub fn name_of(flow: &Boxed) -> &'static str {
    flow.downcast_ref::<Named>().map_or("?", |named| named.0)
}

pub fn refused() -> Error {
    Error::new(ErrorKind::ConnectionRefused, "nobody listens")
}

pub fn plan_error(error: &Error) -> PlanError {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<PlanError>())
        .unwrap_or_else(|| panic!("not a plan error: {error}"))
        .clone()
}

/// A clock that stands still until somebody waits, and then jumps to the instant waited for.
#[derive(Clone, Default)]
pub struct JumpingClock(Arc<Mutex<Duration>>);

impl JumpingClock {
    pub fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }

    pub fn install(&self, ctx: Context) -> Context {
        let clock = self.clone();
        ctx.register(Sleep, "jumping", 0, (), move |(), ()| {
            let clock = clock.clone();
            async move { Ok(Box::new(clock.timer()) as _) }
        })
    }

    pub fn timer(self) -> impl Timer + Send {
        JumpingTimer { clock: self, waited: false }
    }
}

struct JumpingTimer {
    clock: JumpingClock,
    waited: bool,
}

impl fmt::Debug for JumpingTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JumpingTimer({:?})", self.clock.now())
    }
}

impl Timer for JumpingTimer {
    fn now(&self) -> Instant {
        Instant::new(self.clock.now())
    }

    /// Pending once, so that what is raced against it is polled; then the time has come.
    fn poll_until(&mut self, cx: &mut Task<'_>, at: Instant) -> Poll<()> {
        if self.now() >= at {
            return Poll::Ready(());
        }
        if self.waited {
            *self.clock.0.lock().unwrap() = at.since_epoch();
            return Poll::Ready(());
        }
        self.waited = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
