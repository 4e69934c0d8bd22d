//! The states of a TLS flow, one for each direction. Every poll method of the
//! [driver](crate::driver) follows its column.
//!
//! ```text
//!   Writing    poll_write        poll_flush        poll_shutdown        ends when
//!   ─────────────────────────────────────────────────────────────────────────────────
//!   Open       seals and sends   sends, flushes    seals close_notify   a shutdown
//!   Closing    is an error       sends, flushes    sends                all is sent
//!   Shutting   is an error       flushes           shuts down below     that is done
//!   Closed     is an error       does nothing      does nothing         –
//!   Failed     is an error       is an error       is an error          –
//!
//!   Input      poll_read, if the machine has nothing to read      ends when
//!   ─────────────────────────────────────────────────────────────────────────────────
//!   Open       receives                                           below ends or fails
//!   Truncated  is an error: the end came without close_notify     –
//!   Failed     returns the error that a writer met                it is: Open again
//! ```
//!
//! An I/O error of a write leads from every state to `Failed`. A read sends records, too, in `Open`
//! and `Closing`: alerts, and what a writer did not flush. From `Shutting` on, only the task that
//! shuts down touches the writing side below.
//!
//! An error of TLS is a state of the [machine](crate::machine) and ends both directions.

use mimic_core::{Error, ErrorKind};

use crate::error::failed_before;

/// The state of the writing side.
pub(crate) enum Writing {
    Open,
    /// close_notify is sealed, but may not be sent.
    Closing,
    /// close_notify is sent, and the flow below shuts down.
    Shutting,
    Closed,
    /// The flow below failed. It may go on, but TLS does not: a record behind a lost one looks like
    /// an attack. Holds the error until a writer takes it.
    Failed(ErrorKind, Option<Error>),
}

impl Writing {
    /// Returns whether outgoing records may be sent.
    pub(crate) fn sends(&self) -> bool {
        matches!(self, Self::Open | Self::Closing)
    }

    pub(crate) fn fail(&mut self, error: Error) {
        *self = Self::Failed(error.kind(), Some(error));
    }

    /// Returns the error of a failure: the first time the error itself, later one of its kind.
    pub(crate) fn report_error(&mut self) -> Option<Error> {
        match self {
            Self::Failed(kind, unreported) => Some(unreported.take().unwrap_or_else(|| failed_before(*kind))),
            _ => None,
        }
    }
}

/// The state of the reading side of the flow below.
pub(crate) enum Input {
    Open,
    /// The stream below ended, and TLS did not announce it.
    Truncated,
    /// A writer met this error. It belongs to the reader.
    Failed(Error),
}
