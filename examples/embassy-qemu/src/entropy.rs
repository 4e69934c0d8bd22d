//! Entropy: the machine's, by semihosting. A board has a generator of its own.

use crate::semihosting::{File, Refused};

/// Fills `buffer` with bytes that nobody can foretell.
///
/// # Errors
/// If the machine has none to give.
pub(crate) fn fill(buffer: &mut [u8]) -> Result<(), Refused> {
    match File::open("/dev/urandom")?.read(buffer)? {
        read if read == buffer.len() => Ok(()),
        _ => Err(Refused),
    }
}

// What the crypto provider draws from.
getrandom::register_custom_getrandom!(for_getrandom);

fn for_getrandom(buffer: &mut [u8]) -> Result<(), getrandom::Error> {
    fill(buffer).map_err(|Refused| getrandom::Error::UNEXPECTED)
}
