//! The runtimes that the clients run on.

use std::io;

use mimic_core::Context;
use tokio::runtime::Builder;

/// A runtime, and the adapter of mimic for it. As hyper's executor it runs what HTTP/2 needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Runtime {
    /// tokio
    Tokio,
    /// smol
    Smol,
}

impl Runtime {
    /// Returns the adapter's context.
    #[must_use]
    pub fn context(self) -> Context {
        match self {
            Self::Tokio => mimic_tokio::context(),
            Self::Smol => mimic_smol::context(),
        }
    }

    /// Runs `work` to its end on this thread.
    ///
    /// # Errors
    /// If the runtime cannot be started.
    pub fn block_on<T>(self, work: impl Future<Output = T>) -> io::Result<T> {
        match self {
            Self::Smol => Ok(smol::block_on(work)),
            Self::Tokio => {
                let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
                let output = runtime.block_on(work);
                // Dropping it would wait for the look-ups that a deadline has given up.
                runtime.shutdown_background();
                Ok(output)
            }
        }
    }

    /// Runs `work` in the background. To be called within [`block_on`](Runtime::block_on).
    pub fn spawn<T: Send + 'static>(self, work: impl Future<Output = T> + Send + 'static) {
        match self {
            Self::Tokio => drop(tokio::spawn(work)),
            Self::Smol => smol::spawn(work).detach(),
        }
    }
}

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for Runtime {
    fn execute(&self, work: F) {
        self.spawn(work);
    }
}
