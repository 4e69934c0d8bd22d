//! What the example needs of an async runtime.

use std::io;

use mimic_core::Context;

/// An async runtime and the adapter for it: all that the three binaries do not share.
pub trait Runtime: 'static {
    /// Its name.
    const NAME: &'static str;

    /// A context with everything that the adapter registers.
    fn context() -> Context;

    /// Runs `work` to its end on this thread.
    ///
    /// # Errors
    /// If the runtime cannot be started.
    fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T>;

    /// Runs `work` in the background. To be called within [`block_on`](Runtime::block_on).
    fn spawn(work: impl Future<Output = ()> + Send + 'static);
}
