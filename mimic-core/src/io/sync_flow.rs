//! Flows for code that asks for `Sync`.
//!
//! ```text
//! &mut SyncFlow:  read, write, flush, shutdown, abort  get_mut: locks nothing
//! &SyncFlow:      attributes, is_write_vectored        locked for the call
//!                 inner                                None: a lock cannot lend
//! ```

use core::fmt;
use core::task::{Context, Poll};

use spin::mutex::SpinMutex;

use crate::flow::{forward_mut, provide_from};
use crate::{AttributeRequest, Error, Flow};

/// Makes a flow that is `Send` also `Sync`, for libraries that ask for both.
///
/// Reads and writes take `&mut self` and lock nothing. Attributes are the same as those of the
/// flow; two threads that ask for one at once wait for each other by spinning.
/// [`inner`](Flow::inner) is `None`. [`get_mut`](SyncFlow::get_mut) and
/// [`into_inner`](SyncFlow::into_inner) reach the flow.
///
/// ```
/// use mimic_core::{FlowExt, Shared};
/// use mimic_core::io::{SyncFlow, memory_pair};
///
/// fn needs_sync(_: impl embedded_io_async::Read + Send + Sync) {}
/// needs_sync(SyncFlow::new(memory_pair::<Shared>(64).0.boxed()));
/// ```
pub struct SyncFlow<F>(SpinMutex<F>);

impl<F: Flow> SyncFlow<F> {
    /// Makes a `SyncFlow` of a flow. Allocates nothing.
    pub fn new(flow: F) -> Self {
        Self(SpinMutex::new(flow))
    }

    /// Returns the flow, to change it. Locks nothing.
    pub fn get_mut(&mut self) -> &mut F {
        self.0.get_mut()
    }

    /// Returns the flow by value.
    pub fn into_inner(self) -> F {
        self.0.into_inner()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<F: Flow> Flow for SyncFlow<F> {
    forward_mut!(self => self.get_mut());

    fn is_write_vectored(&self) -> bool {
        self.0.lock().is_write_vectored()
    }

    fn inner(&self) -> Option<&dyn Flow> {
        None
    }

    /// Provides the attributes of all layers of the flow: `inner` leads to none of them.
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        provide_from(Some(&*self.0.lock()), request);
    }
}

crate::read_write!(for[F: Flow] SyncFlow<F>);

impl<F: fmt::Debug> fmt::Debug for SyncFlow<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.try_lock() {
            Some(flow) => f.debug_tuple("SyncFlow").field(&*flow).finish(),
            None => f.write_str("SyncFlow(in use)"),
        }
    }
}
