//! Modes: whether flows, futures and functions may move between threads.

use alloc::boxed::Box;
use core::any::Any;
use core::cell::RefCell;
use core::fmt::Debug;
use core::pin::Pin;

use embedded_io_async::{Read, Write};

use crate::spec::Inputs;
use crate::sync::Arc;
use crate::until::Until;
use crate::values::Value;
use crate::{Error, Flow, Handshake, Listener, Listeners, Role, Timer};

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
    type Listener: Listener<Self>;

    /// The boxed timer.
    type Timer: Timer;

    /// Exclusive access without waiting: a `RefCell`, or a lock that is only ever tried.
    type Cell<T>: Cell<T>;

    #[doc(hidden)]
    type Future<T>: Future<Output = T> + Unpin;

    #[doc(hidden)]
    type Derive: Fn(&mut Inputs<'_, Self>) -> Planned<Self, Option<Value>>;

    #[doc(hidden)]
    type Connect<R: Role>: Fn(R::Target, &mut Inputs<'_, Self>) -> Planned<Self, R::Output<Self>>;

    /// A `Connect` for some role.
    #[doc(hidden)]
    type Erased: Clone;

    #[doc(hidden)]
    type Handshake: Clone;

    #[doc(hidden)]
    fn join(listeners: Listeners<Self>) -> Self::Listener;

    #[doc(hidden)]
    fn erase<R: Role>(connect: Self::Connect<R>) -> Self::Erased;

    #[doc(hidden)]
    fn restore<R: Role>(erased: &Self::Erased) -> Option<&Self::Connect<R>>;

    #[doc(hidden)]
    fn shake(handshake: &Self::Handshake, flow: Self::Flow) -> Self::Future<Result<Self::Flow, Error>>;

    #[doc(hidden)]
    fn until(handshake: Handshake<Self>) -> Option<Until>;

    #[doc(hidden)]
    fn handshake(until: Until) -> Option<Handshake<Self>>;
}

/// A future that was made of a plan's inputs, unless they do not fit.
type Planned<M, T> = Option<<M as Mode>::Future<Result<T, Error>>>;

/// See [`Mode::Cell`].
pub trait Cell<T> {
    /// Puts a value in.
    fn new(value: T) -> Self;

    /// Calls `f` with the value, or returns `None` at once if somebody else has it just now.
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
    type Derive = Box<dyn Fn(&mut Inputs<'_, Self>) -> Planned<Self, Option<Value>>>;
    type Connect<R: Role> = Box<dyn Fn(R::Target, &mut Inputs<'_, Self>) -> Planned<Self, R::Output<Self>>>;
    type Erased = Arc<dyn Any>;

    type Handshake = Arc<dyn Fn(Self::Flow) -> Self::Future<Result<Self::Flow, Error>> + Send + Sync>;

    fn join(listeners: Listeners<Self>) -> Self::Listener {
        Box::new(listeners)
    }

    fn erase<R: Role>(connect: Self::Connect<R>) -> Self::Erased {
        Arc::new(connect)
    }

    fn restore<R: Role>(erased: &Self::Erased) -> Option<&Self::Connect<R>> {
        erased.downcast_ref()
    }

    fn shake(handshake: &Self::Handshake, flow: Self::Flow) -> Self::Future<Result<Self::Flow, Error>> {
        handshake(flow)
    }

    #[cfg(target_has_atomic = "ptr")]
    fn until(handshake: Handshake<Self>) -> Option<Until> {
        Some(Until::Local(handshake))
    }

    #[cfg(target_has_atomic = "ptr")]
    fn handshake(until: Until) -> Option<Handshake<Self>> {
        match until {
            Until::Local(handshake) => Some(handshake),
            Until::Shared(_) => None,
        }
    }

    #[cfg(not(target_has_atomic = "ptr"))]
    fn until(_: Handshake<Self>) -> Option<Until> {
        None
    }

    #[cfg(not(target_has_atomic = "ptr"))]
    fn handshake(until: Until) -> Option<Handshake<Self>> {
        match until {}
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
    type Derive = Box<dyn Fn(&mut Inputs<'_, Self>) -> Planned<Self, Option<Value>> + Send + Sync>;
    type Connect<R: Role> =
        Box<dyn Fn(R::Target, &mut Inputs<'_, Self>) -> Planned<Self, R::Output<Self>> + Send + Sync>;
    type Erased = Arc<dyn Any + Send + Sync>;

    type Handshake = Arc<dyn Fn(Self::Flow) -> Self::Future<Result<Self::Flow, Error>> + Send + Sync>;

    fn join(listeners: Listeners<Self>) -> Self::Listener {
        Box::new(listeners)
    }

    fn erase<R: Role>(connect: Self::Connect<R>) -> Self::Erased {
        Arc::new(connect)
    }

    fn restore<R: Role>(erased: &Self::Erased) -> Option<&Self::Connect<R>> {
        erased.downcast_ref()
    }

    fn shake(handshake: &Self::Handshake, flow: Self::Flow) -> Self::Future<Result<Self::Flow, Error>> {
        handshake(flow)
    }

    fn until(handshake: Handshake<Self>) -> Option<Until> {
        Some(Until::Shared(handshake))
    }

    fn handshake(until: Until) -> Option<Handshake<Self>> {
        match until {
            Until::Shared(handshake) => Some(handshake),
            Until::Local(_) => None,
        }
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

mod sealed {
    pub trait Sealed {}
}

/// Repeats items for every mode that the target has: how a crate registers for both.
///
/// ```
/// use mimic_core::{Ctx, Install, Scheme, Stream, Text, for_each_mode, given};
///
/// struct Nowhere;
/// for_each_mode!(M => {
///     impl Install<M> for Nowhere {
///         fn install(self, ctx: Ctx<M>) -> Ctx<M> {
///             ctx.register(Stream, "nowhere", 0, given(Scheme), |(), ()| async {
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
