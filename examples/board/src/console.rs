//! The console: defmt over RTT, which probe-rs shows. On a host there is none.

use alloc::format;
use alloc::string::String;
use core::fmt::{self, Display};

/// Says what happens.
pub(crate) fn info(message: impl Display) {
    let message = format!("{message}");
    #[cfg(target_os = "none")]
    defmt::info!("{=str}", message);
    let _ = message;
}

/// Says what went wrong.
pub(crate) fn error(message: impl Display) {
    let message = format!("{message}");
    #[cfg(target_os = "none")]
    defmt::error!("{=str}", message);
    let _ = message;
}

/// The transcript of the application, shown line by line whatever the level of the log.
#[derive(Debug)]
pub(crate) struct Transcript {
    line: String,
}

impl Transcript {
    pub(crate) const fn new() -> Self {
        Self { line: String::new() }
    }
}

impl fmt::Write for Transcript {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive('\n') {
            match piece.strip_suffix('\n') {
                None => self.line.push_str(piece),
                Some(end) => {
                    self.line.push_str(end);
                    #[cfg(target_os = "none")]
                    defmt::println!("{=str}", self.line);
                    self.line.clear();
                }
            }
        }
        Ok(())
    }
}
