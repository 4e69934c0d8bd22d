//! The error of a command that failed.

use std::error::Error;
use std::fmt;
use std::process::ExitStatus;

use super::Command;
use super::command::write_letter;

/// The bytes at the end of the error output that are printed.
const PRINTED: usize = 1024;

/// Says how a command failed: the [source](std::error::Error::source) of the
/// [`Error`](mimic_core::Error) that a read or write returns.
///
/// ```text
/// Process "spawn" to git upload-pack /x: read failed: the command ended with exit status: 128:
/// fatal: '/x' does not appear to be a git repository
/// ```
///
/// Prints one line (above it is broken): the last 1 KiB of the error output, its lines separated by
/// ` | `. Escapes control characters: a program or its peer must not give orders to a terminal.
#[derive(Clone, Debug)]
pub struct CommandFailed {
    pub(super) command: Command,
    pub(super) status: ExitStatus,
    pub(super) stderr: Vec<u8>,
}

impl CommandFailed {
    /// Returns the command.
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// Returns how it ended.
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        self.status
    }

    /// Returns the last 8 KiB that it wrote to its standard error.
    #[must_use]
    pub fn standard_error(&self) -> &[u8] {
        &self.stderr
    }
}

impl fmt::Display for CommandFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the command ended with {}", self.status)?;
        let start = self.stderr.len().saturating_sub(PRINTED);
        let text = String::from_utf8_lossy(self.stderr.get(start..).unwrap_or_default());
        let mut before = if start == 0 { ": " } else { ": … " };
        // A progress bar returns to the start of its line.
        for line in text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()) {
            f.write_str(before)?;
            line.chars().try_for_each(|letter| write_letter(f, letter))?;
            before = " | ";
        }
        Ok(())
    }
}

impl Error for CommandFailed {}
