//! Modes: whether flows, futures and functions may move between threads.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::RefCell;
use core::fmt::{self, Debug};
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};

use embedded_io_async::{Read, Write};

use crate::sync::Arc;
use crate::{Error, Flow, Timer};

/// [`Shared`] or [`Local`]: the one parameter of [`Ctx`](crate::Ctx).
///
/// Code that only resolves is generic over it at no cost, needs no other bound, and can be spawned
/// when it is
/// [`Shared`]:
///
/// ```
/// use embedded_io_async::{Read, Write};
/// use mimic_core::{Ctx, Error, FlowExt, Mode};
///
/// async fn greet<M: Mode>(ctx: &Ctx<M>) -> Result<usize, Error> {
///     let mut flow = ctx.connect().await?;
///     flow.write_all(b"hello\n").await?;
///     flow.flush().await?;
///     let n = flow.read(&mut [0; 64]).await?;
///     flow.close().await?;
///     Ok(n)
/// }
/// ```
///
/// Code that registers is written once per mode, because closures differ in their bounds; see
/// [`for_each_mode!`](crate::for_each_mode). The trait is sealed.
pub trait Mode: sealed::Sealed + Copy + Debug + Default + Send + Sync + Sized + 'static {
    /// The boxed flow: `Box<dyn Flow + Send>` or `Box<dyn Flow>`.
    type Flow: Flow + Read<Error = Error> + Write<Error = Error>;

    /// The boxed listener.
    type Listener: Listener<Self> + From<Listeners<Self>>;

    /// The boxed timer.
    type Timer: Timer;

    /// Exclusive access without waiting: a `RefCell`, or a lock that is only ever tried.
    type Cell<T>: Cell<T>;

    #[doc(hidden)]
    type Future<T>: Future<Output = T> + Unpin;

    /// A boxed function: what was registered, and handshakes.
    #[doc(hidden)]
    type Function<In: Input, Out>: for<'a> Fn(In::At<'a>) -> Out;

    /// A function whose types are known to the code that calls it.
    #[doc(hidden)]
    type Erased: Clone;

    #[doc(hidden)]
    fn erase<In: Input, Out: 'static>(function: Self::Function<In, Out>) -> Self::Erased;

    #[doc(hidden)]
    fn restore<In: Input, Out: 'static>(erased: &Self::Erased) -> Option<&Self::Function<In, Out>>;
}

/// What a [`Mode::Function`] is called with. It may borrow for the length of the call.
#[doc(hidden)]
pub trait Input: 'static {
    #[doc(hidden)]
    type At<'a>;
}

/// See [`Mode::Cell`].
pub trait Cell<T> {
    /// Puts a value in.
    fn new(value: T) -> Self;

    /// Calls `f` with the value, or returns `None` at once while another call has it.
    fn try_with<O>(&self, f: impl FnOnce(&mut T) -> O) -> Option<O>;

    /// Takes the value out.
    fn into_inner(self) -> T;
}

/// Everything stays on one thread; nothing needs to be `Send`. For microcontrollers and
/// single-threaded executors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

impl sealed::Sealed for Local {}

impl Mode for Local {
    type Flow = Box<dyn Flow>;
    type Listener = Box<dyn Listener<Self>>;
    type Timer = Box<dyn Timer>;
    type Cell<T> = RefCell<T>;
    type Future<T> = Pin<Box<dyn Future<Output = T>>>;
    type Function<In: Input, Out> = Box<dyn for<'a> Fn(In::At<'a>) -> Out>;
    type Erased = Arc<dyn Any>;

    fn erase<In: Input, Out: 'static>(function: Self::Function<In, Out>) -> Self::Erased {
        Arc::new(function)
    }

    fn restore<In: Input, Out: 'static>(erased: &Self::Erased) -> Option<&Self::Function<In, Out>> {
        erased.downcast_ref()
    }
}

impl<T> Cell<T> for RefCell<T> {
    fn new(value: T) -> Self {
        RefCell::new(value)
    }

    fn try_with<O>(&self, f: impl FnOnce(&mut T) -> O) -> Option<O> {
        self.try_borrow_mut().ok().map(|mut value| f(&mut value))
    }

    fn into_inner(self) -> T {
        RefCell::into_inner(self)
    }
}

/// Flows, futures and functions are `Send`, so that they can be spawned on an executor with several
/// threads.
#[cfg(target_has_atomic = "ptr")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Shared;

#[cfg(target_has_atomic = "ptr")]
impl sealed::Sealed for Shared {}

#[cfg(target_has_atomic = "ptr")]
impl Mode for Shared {
    type Flow = Box<dyn Flow + Send>;
    type Listener = Box<dyn Listener<Self> + Send>;
    type Timer = Box<dyn Timer + Send>;
    type Cell<T> = spin::mutex::SpinMutex<T>;
    type Future<T> = Pin<Box<dyn Future<Output = T> + Send>>;
    type Function<In: Input, Out> = Box<dyn for<'a> Fn(In::At<'a>) -> Out + Send + Sync>;
    type Erased = Arc<dyn Any + Send + Sync>;

    fn erase<In: Input, Out: 'static>(function: Self::Function<In, Out>) -> Self::Erased {
        Arc::new(function)
    }

    fn restore<In: Input, Out: 'static>(erased: &Self::Erased) -> Option<&Self::Function<In, Out>> {
        erased.downcast_ref()
    }
}

#[cfg(target_has_atomic = "ptr")]
impl<T> Cell<T> for spin::mutex::SpinMutex<T> {
    fn new(value: T) -> Self {
        Self::new(value)
    }

    fn try_with<O>(&self, f: impl FnOnce(&mut T) -> O) -> Option<O> {
        self.try_lock().map(|mut value| f(&mut value))
    }

    fn into_inner(self) -> T {
        self.into_inner()
    }
}

/// Accepts flows. Dropping it stops listening, and removes what it made (a Unix socket's file).
///
/// A server accepts with [`ListenerExt::accept_ok`](crate::ListenerExt::accept_ok), which has the
/// right loop inside:
///
/// ```
/// # use mimic_core::{Ctx, Error, ListenerExt, Mode};
/// # use mimic_core::roles::Sleep;
/// async fn serve<M: Mode>(ctx: &Ctx<M>, spawn: impl Fn(M::Flow)) -> Result<(), Error> {
///     let mut listener = ctx.listen().await?;
///     let mut timer = ctx.resolve(Sleep, ()).await?;
///     loop {
///         spawn(listener.accept_ok(&mut timer, |error| log(error)).await);
///     }
/// }
/// # fn log(_: &Error) {}
/// ```
pub trait Listener<M: Mode>: fmt::Debug {
    /// Waits for the next flow.
    ///
    /// The listener goes on after an error. Cancel-safe: a flow is handed out or still waits.
    ///
    /// # Errors
    /// - In [`Phase::Handshake`](crate::Phase::Handshake), or of kind
    ///   [`ConnectionAborted`](crate::ErrorKind::ConnectionAborted),
    ///   [`ConnectionReset`](crate::ErrorKind::ConnectionReset) or
    ///   [`Interrupted`](crate::ErrorKind::Interrupted): it concerns one peer. The next call may be
    ///   made at once.
    /// - Of any other kind: it concerns the listener, and the next call most likely fails too. So
    ///   the caller waits a moment before it. [`OutOfMemory`](crate::ErrorKind::OutOfMemory) is a
    ///   shortage of memory or descriptors, which passes once other flows are closed.
    ///
    /// [`ListenerExt::accept_ok`](crate::ListenerExt::accept_ok) does so.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<M::Flow, Error>>;

    /// Returns the first socket address that it listens on, with the real port when 0 was asked
    /// for; `None` if it has none (Unix sockets). A name may have several:
    /// [`ListenerExt::local_addrs`](crate::ListenerExt::local_addrs).
    fn local_addr(&self) -> Option<SocketAddr>;

    /// Calls `visit` with each socket address that it listens on, the first one first. As provided,
    /// with [`local_addr`](Listener::local_addr) alone. A listener over another listener passes it
    /// on.
    fn each_local_addr(&self, visit: &mut dyn FnMut(SocketAddr)) {
        if let Some(address) = self.local_addr() {
            visit(address);
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<M: Mode, L: Listener<M> + ?Sized> Listener<M> for Box<L> {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<M::Flow, Error>> {
        (**self).poll_accept(cx)
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        (**self).local_addr()
    }

    fn each_local_addr(&self, visit: &mut dyn FnMut(SocketAddr)) {
        (**self).each_local_addr(visit);
    }
}

/// Several listeners as one: those of the addresses of a name, or of a TCP port and a Unix socket.
///
/// ```
/// # use mimic_core::{Context, Error, Listener, ListenerExt, Shared};
/// # use mimic_core::adapter::Listeners;
/// # async fn example(ctx: Context) -> Result<(), Error> {
/// let mut both = Listeners::<Shared>::from_iter([
///     ctx.clone().with_url("tcp://localhost:7007")?.listen().await?,
///     ctx.with_url("unix:/run/app")?.listen().await?,
/// ]);
/// let flow = both.accept().await?;
/// # drop(flow);
/// # Ok(())
/// # }
/// ```
///
/// It is fair: the one that has answered is asked last. An error is that of one of them. Without
/// any, it waits for ever.
pub struct Listeners<M: Mode> {
    /// In the order of their addresses.
    all: Vec<M::Listener>,
    /// The one to ask first.
    next: usize,
}

impl<M: Mode> FromIterator<M::Listener> for Listeners<M> {
    fn from_iter<I: IntoIterator<Item = M::Listener>>(listeners: I) -> Self {
        Self { all: listeners.into_iter().collect(), next: 0 }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<M: Mode> Listener<M> for Listeners<M> {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<M::Flow, Error>> {
        let count = self.all.len();
        for at in self.next..self.next + count {
            if let Poll::Ready(result) = self.all[at % count].poll_accept(cx) {
                self.next = (at + 1) % count;
                return Poll::Ready(result);
            }
        }
        Poll::Pending
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.all.iter().find_map(Listener::local_addr)
    }

    fn each_local_addr(&self, visit: &mut dyn FnMut(SocketAddr)) {
        for listener in &self.all {
            listener.each_local_addr(visit);
        }
    }
}

impl<M: Mode> fmt::Debug for Listeners<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listeners").field(&self.all).finish()
    }
}

impl From<Listeners<Local>> for Box<dyn Listener<Local>> {
    fn from(listeners: Listeners<Local>) -> Self {
        Box::new(listeners)
    }
}

#[cfg(target_has_atomic = "ptr")]
impl From<Listeners<Shared>> for Box<dyn Listener<Shared> + Send> {
    fn from(listeners: Listeners<Shared>) -> Self {
        Box::new(listeners)
    }
}

mod sealed {
    pub trait Sealed {}
}

/// Repeats items for every mode that the target has: how a crate registers for both.
///
/// ```
/// use mimic_core::{Ctx, Install, Text, for_each_mode};
/// use mimic_core::keys::Scheme;
/// use mimic_core::needs::{has, when};
/// use mimic_core::roles::Connect;
///
/// struct Nowhere;
/// for_each_mode!(M => {
///     impl Install<M> for Nowhere {
///         fn install(self, ctx: Ctx<M>) -> Ctx<M> {
///             ctx.register(Connect, "nowhere", 0, when(has(Scheme)), |(), ()| async {
///                 Err(mimic_core::ErrorKind::Unsupported.into())
///             })
///         }
///     }
/// });
/// # let _: mimic_core::Context = mimic_core::Context::new().install(Nowhere);
/// ```
#[macro_export]
macro_rules! for_each_mode {
    ($mode:ident => { $($item:item)* }) => {
        const _: () = { type $mode = $crate::Local; $($item)* };
        #[cfg(target_has_atomic = "ptr")]
        const _: () = { type $mode = $crate::Shared; $($item)* };
    };
}
