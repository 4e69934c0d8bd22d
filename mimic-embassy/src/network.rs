//! Waiting for the stack to have an address.

use core::time::Duration;

use embassy_net::Stack;
use embassy_time::{Instant, Timer};
use mimic_core::{Error, ErrorKind, Phase};

use crate::socket::duration;

/// The stack keeps one waker for this, which several tasks would take from each other.
const PERIOD: embassy_time::Duration = embassy_time::Duration::from_millis(20);

/// Waits until the stack has an address, until shortly before the deadline. So the error names
/// DHCP, and not only a deadline that has passed.
pub(crate) async fn wait(stack: Stack<'static>, deadline: Option<Duration>) -> Result<(), Error> {
    let patience = deadline.map_or(Instant::MAX, |deadline| Instant::now() + duration(deadline) / 10 * 9);
    while !stack.is_config_up() {
        if Instant::now() >= patience {
            let reason = match stack.is_link_up() {
                true => "the stack has no address: no DHCP server has answered, or none is configured",
                false => "the stack has no address: the link is down",
            };
            return Err(Error::new(ErrorKind::NotConnected, reason)
                .in_phase(Phase::Connect)
                .advise("check that the stack's runner runs, the cable, and the DHCP server"));
        }
        Timer::after(PERIOD).await;
    }
    Ok(())
}
