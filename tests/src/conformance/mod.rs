//! The conformance kit: what [`Flow`](mimic_core::Flow) promises, as cases that any flow can be put
//! through.
//!
//! # In ten minutes
//! Say how a connected pair of your flow is made, and [`conformance!`](crate::conformance!) makes a
//! test of each case, for both ends:
//!
//! ```
//! use std::cell::RefCell;
//! use std::collections::VecDeque;
//! use std::fmt;
//! use std::rc::Rc;
//! use std::task::{Context, Poll, Waker};
//!
//! use mimic_core::{Error, ErrorKind, Flow};
//! use mimic_tests::conformance::{Ends, Fixture, Kind, Side, pairs};
//!
//! /// A flow of your own: two ends of a rope in one thread.
//! struct Rope {
//!     incoming: Rc<RefCell<Pipe>>,
//!     outgoing: Rc<RefCell<Pipe>>,
//! }
//!
//! #[derive(Default)]
//! struct Pipe {
//!     bytes: VecDeque<u8>,
//!     ended: bool,
//!     unread: bool,
//!     reader: Option<Waker>,
//!     writer: Option<Waker>,
//! }
//!
//! impl Flow for Rope {
//!     fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
//!         let mut pipe = self.incoming.borrow_mut();
//!         if buf.is_empty() || (pipe.bytes.is_empty() && pipe.ended) {
//!             return Poll::Ready(Ok(0));
//!         }
//!         if pipe.bytes.is_empty() {
//!             pipe.reader = Some(cx.waker().clone());
//!             return Poll::Pending;
//!         }
//!         let n = buf.len().min(pipe.bytes.len());
//!         buf.iter_mut().zip(pipe.bytes.drain(..n)).for_each(|(to, byte)| *to = byte);
//!         pipe.writer.take().into_iter().for_each(Waker::wake);
//!         Poll::Ready(Ok(n))
//!     }
//!
//!     fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
//!         let mut pipe = self.outgoing.borrow_mut();
//!         if pipe.ended || pipe.unread {
//!             return Poll::Ready(Err(Error::new(ErrorKind::BrokenPipe, "the rope is cut")));
//!         }
//!         let n = buf.len().min(1000 - pipe.bytes.len());
//!         if n == 0 && !buf.is_empty() {
//!             pipe.writer = Some(cx.waker().clone());
//!             return Poll::Pending;
//!         }
//!         pipe.bytes.extend(&buf[..n]);
//!         pipe.reader.take().into_iter().for_each(Waker::wake);
//!         Poll::Ready(Ok(n))
//!     }
//!
//!     fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
//!         Poll::Ready(Ok(()))
//!     }
//!
//!     fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
//!         let mut pipe = self.outgoing.borrow_mut();
//!         pipe.ended = true;
//!         pipe.reader.take().into_iter().for_each(Waker::wake);
//!         Poll::Ready(Ok(()))
//!     }
//! }
//!
//! impl Drop for Rope {
//!     fn drop(&mut self) {
//!         let _ = self.poll_shutdown(&mut Context::from_waker(Waker::noop()));
//!         let mut pipe = self.incoming.borrow_mut();
//!         pipe.unread = true;
//!         pipe.writer.take().into_iter().for_each(Waker::wake);
//!     }
//! }
//!
//! impl fmt::Debug for Rope {
//!     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
//!         f.write_str("Rope") // and nothing of what it carries, which may be secret
//!     }
//! }
//!
//! // 1. A fixture: how a pair is made, and what it cannot do.
//! fn rope() -> impl Fixture {
//!     pairs(Kind::default().without_reset().without_addresses(), || async {
//!         let (there, back) = (Rc::<RefCell<Pipe>>::default(), Rc::<RefCell<Pipe>>::default());
//!         let client = Rope { incoming: back.clone(), outgoing: there.clone() };
//!         let server = Rope { incoming: there, outgoing: back };
//!         Ok(Ends::local(client, server))
//!     })
//! }
//!
//! // 2. One line, in a file under `tests/`: a test of each case.
//! mimic_tests::conformance!(rope_conforms, super::rope);
//!
//! # fn main() {
//! // Or all cases from one test of your own; `cases()` lists them.
//! for case in mimic_tests::conformance::cases().iter().filter(|case| !case.is_big()) {
//!     for side in [Side::Client, Side::Server] {
//!         mimic_tests::conformance::run(rope, side, case.name()).unwrap();
//!     }
//! }
//! # }
//! ```
//!
//! A flow that needs a runtime is made by [`pairs_on`], and one that needs more, by a [`Fixture`]
//! of its own. A flow that may move between threads gives [`Ends::shared`], and the kit moves it.
//!
//! # What is asserted
//! Each case is one thing that the documentation of [`Flow`](mimic_core::Flow) promises, or that
//! everybody relies on, and its name says it. They are in themes, which are the files of this
//! module: `reads`, `writes`, `vectored`, `closing`, `gone` (drops and aborts), `wakers`,
//! `pressure`, `cancel`, `transfers`, `attributes`.
//!
//! - **No case is skipped.** What a flow cannot do its [`Kind`] declares, and the case then asserts
//!   what happens instead. A flow that can do it after all fails; but one that is told of a drop
//!   now and then does not.
//! - **Every case can fail.** `tests/tests/broken.rs` in mimic's repository has, for each, a broken
//!   flow that it notices.
//! - **Every case is bounded in time**: 20 seconds, and two minutes if its name begins with `big_`.
//!   A flow whose poll blocks or spins fails, too, although its thread cannot be ended.
//! - **Nothing depends on the transport's buffers.** A writer is taken to wait when it has done so
//!   for 15 milliseconds.
//! - A failure says which case failed, with which end as the flow under test, and the line of the
//!   kit that asserts it.
//!
//! `tests/repeat` in mimic's repository runs the kit again and again, to find what fails now and
//! then.

mod attributes;
mod cancel;
mod clock;
mod closing;
mod ends;
mod failure;
mod fixture;
mod gone;
mod list;
mod pressure;
mod reads;
mod tasks;
mod transfers;
mod vectored;
mod wakers;
mod writes;

use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use ends::Pair;

pub use failure::Failure;
pub use fixture::{BoxFlow, End, Ends, Fixture, Kind, Work, block_on, pairs, pairs_on};

/// Which end is the flow under test; the other is its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who connected.
    Client,
    /// Who accepted.
    Server,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Client => "client",
            Side::Server => "server",
        })
    }
}

/// What a case works with.
pub(crate) struct Rig<'a> {
    fixture: &'a dyn Fixture,
    side: Side,
    patience: Duration,
}

impl Rig<'_> {
    fn kind(&self) -> Kind {
        self.fixture.kind()
    }

    /// How long to wait for what must come.
    fn patience(&self) -> Duration {
        self.patience
    }

    /// The end under test, and its peer.
    async fn ends(&self) -> Result<(End, End), Failure> {
        let made = self.fixture.connect().await;
        let Ends { client, server } = made.map_err(|error| Failure::new(format!("no pair: {error:#}")))?;
        Ok(match self.side {
            Side::Client => (client, server),
            Side::Server => (server, client),
        })
    }

    /// As it comes: something of the beginning, such as session tickets, may still be on its way.
    async fn fresh_pair(&self) -> Result<Pair, Failure> {
        let (near, far) = self.ends().await?;
        Ok(Pair { near: near.flow(), far: far.flow() })
    }

    /// A pair that has exchanged a few bytes.
    async fn pair(&self) -> Result<Pair, Failure> {
        let mut pair = self.fresh_pair().await?;
        ends::greet(&mut pair.near, &mut pair.far).await?;
        Ok(pair)
    }
}

type Run = for<'a> fn(&'a Rig<'a>) -> Work<'a, Result<(), Failure>>;

/// One case.
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    run: Run,
}

impl Case {
    /// Its theme and its name: `reads::the_end_stays`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it moves 16 MiB.
    #[must_use]
    pub fn is_big(&self) -> bool {
        self.name.contains("::big_")
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(if self.is_big() { 120 } else { 20 })
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

/// All cases, in the order of their themes.
#[must_use]
pub fn cases() -> &'static [Case] {
    CASES
}

/// Puts the flow of a fixture through a case, in a thread of its own.
///
/// # Errors
/// Why the flow does not conform; and that there is no case of that name.
pub fn run<F: Fixture>(make: impl FnOnce() -> F + Send + 'static, side: Side, case: &str) -> Result<(), Failure> {
    run_with(make, side, case, Duration::from_secs(10))
}

/// As [`run`], and waits so long for a wake-up that must come; [`run`] waits 10 seconds.
///
/// # Errors
/// As [`run`].
pub fn run_with<F: Fixture>(
    make: impl FnOnce() -> F + Send + 'static,
    side: Side,
    case: &str,
    patience: Duration,
) -> Result<(), Failure> {
    let Some(&case) = CASES.iter().find(|known| known.name == case) else {
        return Err(Failure::new(format!("there is no case {case:?}")));
    };
    let limit = case.limit().min(patience * 20);
    let (done, wait) = mpsc::channel();
    let thread = thread::spawn(move || {
        let fixture = make();
        let result = fixture.run(Box::pin(async {
            let rig = Rig { fixture: &fixture, side, patience };
            let over = clock::within(limit, (case.run)(&rig)).await;
            over.unwrap_or_else(|| Err(Failure::new(format!("it is not over after {limit:?}"))))
        }));
        drop(fixture);
        // Nobody listens if it took too long.
        let _ = done.send(result);
    });
    // Past its own limit, it has not come to look at the time; unless the machine is very busy.
    let grace = Duration::from_secs(8).min(limit).max(patience);
    match wait.recv_timeout(limit + grace) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => Err(Failure::new("a poll does not come back, or the fixture does not")),
        Err(RecvTimeoutError::Disconnected) => {
            let panicked = thread.join().err();
            let text = panicked.and_then(|panicked| match panicked.downcast::<String>() {
                Ok(text) => Some(*text),
                Err(panicked) => panicked.downcast_ref::<&str>().map(ToString::to_string),
            });
            Err(Failure::new(format!("it panicked: {}", text.as_deref().unwrap_or("no text"))))
        }
    }
    .map_err(|failure| failure.of(case.name, side))
}

/// Tests of a flow, one per case and end: `conformance!(name, path::to::fixture);`
///
/// `name` is the module that holds them, and the path is of a function without arguments that makes
/// a [`Fixture`], as seen from inside that module: `crate::…` or `super::…`. A test is
/// `name::client::reads::the_end_stays`.
///
/// [`Fixture`]: crate::conformance::Fixture
#[macro_export]
macro_rules! conformance {
    ($name:ident, $fixture:path) => {
        #[cfg(test)]
        mod $name {
            use $fixture as fixture;

            $crate::__conformance_cases!([$crate::__conformance_side] client Client);
            $crate::__conformance_cases!([$crate::__conformance_side] server Server);
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_side {
    (($module:ident $side:ident) $($theme:ident { $($case:ident)* })*) => {
        mod $module {
            $(mod $theme {
                $(#[test]
                fn $case() -> Result<(), $crate::conformance::Failure> {
                    $crate::conformance::run(
                        super::super::fixture,
                        $crate::conformance::Side::$side,
                        concat!(stringify!($theme), "::", stringify!($case)),
                    )
                })*
            })*
        }
    };
}

macro_rules! table {
    (() $($theme:ident { $($case:ident)* })*) => {
        const CASES: &[Case] = &[$($(Case {
            name: concat!(stringify!($theme), "::", stringify!($case)),
            run: |rig| Box::pin($theme::$case(rig)),
        }),*),*];
    };
}

crate::__conformance_cases!([table]);
