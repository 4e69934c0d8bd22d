//! How a command ends when it does not succeed.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use mimic_core::embedded_io_async::Error as _;
use mimic_core::{Error, Phase};
use mimic_example_app::AppError;

use crate::stdio::Patient;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody reads standard output any more, so there is nobody to tell: the end, and not an
    /// error.
    OutputClosed,
    /// Anything else.
    Error(Error),
}

impl Failure {
    /// Standard output could not be written.
    pub(crate) fn output(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Error(Error::from(error).to_target("standard output")),
        }
    }

    /// Prints the error, with all that was tried, and tells the exit status.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::OutputClosed => ExitCode::SUCCESS,
            Self::Error(error) => {
                say(format_args!("error: {error:#}"));
                ExitCode::from(if is_malformed(error) { 2 } else { 1 })
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Whether the URL is at fault, rather than what it leads to. The system may call an address or a
/// path invalid as well; that is found out by connecting.
fn is_malformed(error: &Error) -> bool {
    error.kind() == mimic_core::ErrorKind::InvalidInput && matches!(error.phase(), Some(Phase::Endpoint | Phase::Plan))
}

/// What went wrong between the application and its peer.
pub(crate) fn app_error(error: AppError<Error>) -> Error {
    match error {
        AppError::Io(error) => error,
        error => Error::with_source(error.kind(), error),
    }
}

/// Writes a line to standard error. If that is closed there is no place left to complain.
pub(crate) fn say(line: impl std::fmt::Display) {
    // In one piece: others may write there too.
    let _ = Patient(io::stderr()).write_all(format!("{line}\n").as_bytes());
}
