//! Why a flow does not conform.

use std::fmt;
use std::panic::Location;

use mimic_core::embedded_io_async::ReadExactError;
use mimic_core::{Error, ErrorKind};

/// What a case found, and which line of the kit asserts it. `Debug` is the same text, for the
/// tests' output.
#[derive(Clone)]
pub struct Failure {
    text: String,
    at: &'static Location<'static>,
}

impl Failure {
    /// A failure of the line that calls this.
    #[track_caller]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), at: Location::caller() }
    }

    pub(super) fn of(self, case: &str, side: super::Side) -> Self {
        Self { text: format!("{case}, with the {side} as the flow under test: {}", self.text), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (asserted in {}:{})", self.text, self.at.file(), self.at.line())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    #[track_caller]
    fn from(error: Error) -> Self {
        Self::new(format!("unexpected error: {error:#}"))
    }
}

impl From<ReadExactError<Error>> for Failure {
    #[track_caller]
    fn from(error: ReadExactError<Error>) -> Self {
        match error {
            ReadExactError::UnexpectedEof => Self::new("end of stream before all had come"),
            ReadExactError::Other(error) => error.into(),
        }
    }
}

/// What errors say of a peer that is gone or was never told to go on.
pub(super) fn is_gone(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::NotConnected
    )
}

/// Fails the case unless it is so.
macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err($crate::conformance::Failure::new(format!($($text)+)));
        }
    };
}

/// Fails the case unless the value matches, and says what it is.
macro_rules! ensure_matches {
    ($value:expr, $pattern:pat $(if $guard:expr)?, $($text:tt)+) => {
        match $value {
            $pattern $(if $guard)? => {}
            other => {
                return Err($crate::conformance::Failure::new(format!("{}: {other:?}", format_args!($($text)+))));
            }
        }
    };
}

pub(super) use {ensure, ensure_matches};
