//! What a case starts from: a connected pair, what its flows can do, and a runtime.

use core::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use mimic_core::{Error, Flow};

use super::Failure;

/// A boxed flow that may stay on its thread.
pub type BoxFlow = Box<dyn Flow>;

/// A future that the kit or a fixture made.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Connected pairs of the flow to be tested, and how to run a future that uses them.
///
/// Each test makes a fixture in a thread of its own and drops it there. A case may ask for several
/// pairs, at most four at once. Time needs no help: the kit has a clock of its own.
pub trait Fixture {
    /// Makes a connected pair. The kit runs every case twice: with the client as the flow under
    /// test and the server as its peer, and the other way round.
    fn connect(&self) -> Work<'_, Result<Ends, Error>>;

    /// What the flows can do. Unless overridden, all that TCP can.
    fn kind(&self) -> Kind {
        Kind::default()
    }

    /// Runs a case on the runtime that the flows need. Unless overridden, on a thread that sleeps
    /// until it is woken.
    ///
    /// # Errors
    /// Those of the case, as they are.
    fn run(&self, case: Work<'_, Result<(), Failure>>) -> Result<(), Failure> {
        block_on(case)
    }
}

/// A fixture without a runtime, of a function that makes pairs.
///
/// ```
/// use mimic_core::Shared;
/// use mimic_core::io::memory_pair;
/// use mimic_tests::conformance::{Ends, Fixture, Kind, pairs};
///
/// fn memory() -> impl Fixture {
///     pairs(Kind::default().without_addresses(), || async {
///         let (client, server) = memory_pair::<Shared>(4096);
///         Ok(Ends::shared(client, server))
///     })
/// }
/// # let _ = memory();
/// ```
pub fn pairs<W>(kind: Kind, make: impl Fn() -> W) -> impl Fixture
where
    W: Future<Output = Result<Ends, Error>> + 'static,
{
    pairs_on(kind, make, |case| block_on(case))
}

/// As [`pairs`], with a runtime.
///
/// ```
/// use mimic_core::Shared;
/// use mimic_core::io::memory_pair;
/// use mimic_tests::conformance::{Ends, Fixture, Kind, pairs_on};
///
/// fn on_tokio() -> impl Fixture {
///     let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
///     let connect = || async {
///         let (client, server) = memory_pair::<Shared>(4096);
///         Ok(Ends::shared(client, server))
///     };
///     pairs_on(Kind::default().without_addresses(), connect, move |case| runtime.block_on(case))
/// }
/// # let _ = on_tokio();
/// ```
pub fn pairs_on<W>(
    kind: Kind,
    make: impl Fn() -> W,
    run: impl Fn(Work<'_, Result<(), Failure>>) -> Result<(), Failure>,
) -> impl Fixture
where
    W: Future<Output = Result<Ends, Error>> + 'static,
{
    Pairs { kind, make, run }
}

struct Pairs<F, R> {
    kind: Kind,
    make: F,
    run: R,
}

impl<W, F, R> Fixture for Pairs<F, R>
where
    W: Future<Output = Result<Ends, Error>> + 'static,
    F: Fn() -> W,
    R: Fn(Work<'_, Result<(), Failure>>) -> Result<(), Failure>,
{
    fn connect(&self) -> Work<'_, Result<Ends, Error>> {
        Box::pin((self.make)())
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn run(&self, case: Work<'_, Result<(), Failure>>) -> Result<(), Failure> {
        (self.run)(case)
    }
}

/// Both ends of a connection.
#[derive(Debug)]
pub struct Ends {
    /// Who connected.
    pub client: End,
    /// Who accepted.
    pub server: End,
}

impl Ends {
    /// Ends of flows that may move to other threads.
    pub fn shared(client: impl Flow + Send + 'static, server: impl Flow + Send + 'static) -> Self {
        Self { client: End::shared(client), server: End::shared(server) }
    }

    /// Ends of flows that stay on their thread.
    pub fn local(client: impl Flow + 'static, server: impl Flow + 'static) -> Self {
        Self { client: End::local(client), server: End::local(server) }
    }
}

/// One end of a connection.
#[derive(Debug)]
pub struct End {
    flow: Boxed,
    is_concrete: fn(&(dyn Flow + 'static)) -> bool,
    moved: fn(BoxFlow) -> Option<BoxFlow>,
    inner: Option<fn(BoxFlow) -> Option<BoxFlow>>,
}

#[derive(Debug)]
enum Boxed {
    Shared(Box<dyn Flow + Send>),
    Local(BoxFlow),
}

impl End {
    /// An end that may move to another thread, which the kit will do.
    pub fn shared<F: Flow + Send + 'static>(flow: F) -> Self {
        Self { flow: Boxed::Shared(Box::new(flow)), is_concrete: is::<F>, moved: moved::<F>, inner: None }
    }

    /// An end that stays on its thread.
    pub fn local<F: Flow + 'static>(flow: F) -> Self {
        Self { flow: Boxed::Local(Box::new(flow)), is_concrete: is::<F>, moved: moved::<F>, inner: None }
    }

    /// Promises that `inner` takes the flow below out of this one and that, all being flushed and
    /// read, nothing is lost. It gives `None` if the flow is not of the type it knows. Tested if
    /// both ends promise it.
    #[must_use]
    pub fn opened_by(self, inner: fn(BoxFlow) -> Option<BoxFlow>) -> Self {
        Self { inner: Some(inner), ..self }
    }

    pub(super) fn inner(&self) -> Option<fn(BoxFlow) -> Option<BoxFlow>> {
        self.inner
    }

    pub(super) fn is_concrete(&self) -> fn(&(dyn Flow + 'static)) -> bool {
        self.is_concrete
    }

    /// What takes the concrete flow out of its box and puts it into another, at another place.
    pub(super) fn moved(&self) -> fn(BoxFlow) -> Option<BoxFlow> {
        self.moved
    }

    pub(super) fn flow(self) -> BoxFlow {
        match self.flow {
            Boxed::Shared(flow) => flow,
            Boxed::Local(flow) => flow,
        }
    }

    /// The flow to move to another thread, or to keep if it cannot.
    pub(super) fn try_send(self) -> Result<Box<dyn Flow + Send>, BoxFlow> {
        match self.flow {
            Boxed::Shared(flow) => Ok(flow),
            Boxed::Local(flow) => Err(flow),
        }
    }
}

fn is<F: Flow + 'static>(flow: &(dyn Flow + 'static)) -> bool {
    flow.downcast_ref::<F>().is_some()
}

fn moved<F: Flow + 'static>(flow: BoxFlow) -> Option<BoxFlow> {
    // Before the other goes, or it may be at the same place.
    let place = Box::<F>::new_uninit();
    let moved: Box<F> = Box::write(place, *flow.downcast::<F>().ok()?);
    Some(moved)
}

/// What flows can do. What one cannot is declared, and then the kit asserts what happens instead;
/// it skips nothing.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Kind {
    /// Whether the peer of a flow that is shut down reads end of stream while the flow lives on. If
    /// not, it does when the flow is dropped after the shutdown.
    pub half_close: bool,
    /// Whether the peer of an aborted and dropped flow reads an error. If not, to abort and drop a
    /// flow is to drop it: the peer reads just what `end_on_drop` says. Until the drop, such a flow
    /// either goes on, and loses nothing, or its writes are errors and its reads are errors or end
    /// of stream.
    pub reset: bool,
    /// Whether the peer of a flow that is dropped without a shutdown reads end of stream. If not,
    /// it reads an error, because the protocol tells a close from a connection that is cut, as TLS
    /// does.
    pub end_on_drop: bool,
    /// Whether a writer hears soon that its peer was dropped. If not, it is told so by an error, or
    /// it has to wait, after a limited number of bytes; and while it waits its reader hears of the
    /// drop. Which of the two may depend on how long the other side keeps what was dropped. An
    /// abort is told by its reset all the same.
    pub told_of_drop: bool,
    /// Whether an error of writing stays. If not, the next write is taken, and its flush is an
    /// error again, for it asks what carries the bytes.
    pub errors_stay: bool,
    /// Whether `Debug` keeps to itself what is sent. If not, it shows it, being that of a foreign
    /// type.
    pub discreet: bool,
    /// Whether the flows know the attributes `PeerAddr` and `LocalAddr`. If not, both are `None`.
    pub addresses: bool,
}

impl Default for Kind {
    fn default() -> Self {
        Self {
            half_close: true,
            reset: true,
            end_on_drop: true,
            told_of_drop: true,
            errors_stay: true,
            discreet: true,
            addresses: true,
        }
    }
}

impl Kind {
    /// See [`half_close`](Self::half_close).
    #[must_use]
    pub fn without_half_close(self) -> Self {
        Self { half_close: false, ..self }
    }

    /// See [`reset`](Self::reset).
    #[must_use]
    pub fn without_reset(self) -> Self {
        Self { reset: false, ..self }
    }

    /// See [`end_on_drop`](Self::end_on_drop).
    #[must_use]
    pub fn with_error_on_drop(self) -> Self {
        Self { end_on_drop: false, ..self }
    }

    /// See [`told_of_drop`](Self::told_of_drop).
    #[must_use]
    pub fn not_told_of_drop(self) -> Self {
        Self { told_of_drop: false, ..self }
    }

    /// See [`errors_stay`](Self::errors_stay).
    #[must_use]
    pub fn with_passing_errors(self) -> Self {
        Self { errors_stay: false, ..self }
    }

    /// See [`discreet`](Self::discreet).
    #[must_use]
    pub fn with_telling_debug(self) -> Self {
        Self { discreet: false, ..self }
    }

    /// See [`addresses`](Self::addresses).
    #[must_use]
    pub fn without_addresses(self) -> Self {
        Self { addresses: false, ..self }
    }
}

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl fmt::Debug for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parked")
    }
}

/// Runs a future on this thread, which sleeps while it waits.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Parked(thread::current())));
    let mut work = pin!(work);
    loop {
        match work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
