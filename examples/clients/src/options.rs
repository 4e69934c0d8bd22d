//! The options that all clients have.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use mimic_core::keys::Deadline;
use mimic_core::roles::Sleep;
use mimic_core::{Context, Error, timeout};
use mimic_rustls::{TlsConfig, trust};

use crate::Runtime;

// Clients that flatten it have doc comments of their own: otherwise their help shows this one.
/// The runtime, the trusted authorities and the time limit.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The runtime to run on
    #[arg(long, value_enum, default_value_t = Runtime::Tokio)]
    runtime: Runtime,
    #[command(flatten)]
    common: CommonOptions,
}

/// The options of a client that has one runtime only.
#[derive(Clone, Debug, clap::Args)]
pub struct CommonOptions {
    /// The authorities to trust for TLS, instead of those that the platform trusts
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
    /// The time limit of the whole run, the connect included
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
}

impl Options {
    /// Runs a client as [`CommonOptions::run_on`] does, on the runtime of the command line.
    pub fn run<F>(self, protocol: &'static str, client: impl FnOnce(Context, Runtime) -> F) -> ExitCode
    where
        F: Future<Output = Result<(), Error>>,
    {
        self.common.run_on(self.runtime, protocol, client)
    }
}

impl CommonOptions {
    /// Runs a client to its end: the `main` of every binary.
    ///
    /// The exit status is 0 if all went well. Otherwise it is 1, and the error is on standard error
    /// with all that was tried. If the time is up while the client is connected, the error names
    /// the `protocol`.
    pub fn run_on<F>(
        self,
        runtime: Runtime,
        protocol: &'static str,
        client: impl FnOnce(Context, Runtime) -> F,
    ) -> ExitCode
    where
        F: Future<Output = Result<(), Error>>,
    {
        let limit = Duration::from_secs(self.timeout);
        let done = runtime.block_on(async {
            let ctx = self.context(runtime)?.with(Deadline, limit);
            let mut timer = ctx.resolve(Sleep, ()).await?;
            // A moment later than the connect, whose error says more.
            let talk = timeout(&mut timer, limit + Duration::from_millis(100), client(ctx, runtime)).await;
            talk.map_err(|error| error.located_at(protocol))
        });
        match done.map_err(Error::from).flatten() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    fn context(&self, runtime: Runtime) -> Result<Context, Error> {
        let ctx = runtime.context();
        let Some(ca) = &self.ca else { return Ok(ctx) };
        let pem = fs::read(ca).map_err(|error| Error::from(error).to_target(ca.display()))?;
        let trusted = trust(pem).map_err(|error| error.to_target(ca.display()))?;
        Ok(ctx.with(TlsConfig, trusted.config()?))
    }
}
