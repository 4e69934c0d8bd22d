//! The time of day, asked for once: neither board keeps it without power.

use core::cell::Cell;
use core::time::Duration;

use critical_section::Mutex;
use embassy_net::Stack;
use embassy_time::Instant;
use mimic_core::{Error, ErrorKind, Phase};

use crate::random::Random;
use crate::{console, sntp};

/// Name or address of a time server.
const SERVER: &str = match option_env!("MIMIC_NTP") {
    Some(server) => server,
    None => "pool.ntp.org",
};

/// When the board was started, since the start of 1970.
static STARTED: Mutex<Cell<Option<Duration>>> = Mutex::new(Cell::new(None));

/// The time since the start of 1970; `None` until [`set`].
pub(crate) fn now() -> Option<Duration> {
    Some(critical_section::with(|cs| STARTED.borrow(cs).get())? + uptime())
}

/// Sets the clock, unless it is set.
pub(crate) async fn set(stack: Stack<'static>, random: &Random) -> Result<(), Error> {
    if now().is_some() {
        return Ok(());
    }
    let time = sntp::ask(stack, SERVER, random).await.map_err(|error| {
        Error::with_source(ErrorKind::NotConnected, error)
            .in_phase(Phase::Plan)
            .to_target(SERVER)
            .advise("TLS needs the time: let UDP port 123 pass, or build with MIMIC_NTP=another.server")
    })?;
    console::info(format_args!("{} s since 1970, says {SERVER}", time.as_secs()));
    critical_section::with(|cs| STARTED.borrow(cs).set(Some(time.saturating_sub(uptime()))));
    Ok(())
}

fn uptime() -> Duration {
    Duration::from_micros(Instant::now().as_micros())
}
