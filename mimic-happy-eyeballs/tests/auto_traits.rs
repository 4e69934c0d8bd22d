//! Auto traits of the public types.

use core::time::Duration;

use mimic_happy_eyeballs::{AddressInfo, Config, Failure, Machine, Prefix, RaceAttempt, RaceOutput, ServiceRecord};

fn all<T: Send + Sync + Unpin + core::fmt::Debug>() {}

#[test]
fn everything_is_send_sync_unpin_and_debug() {
    all::<Machine<Duration, &'static str>>();
    all::<RaceAttempt<u8>>();
    all::<AddressInfo>();
    all::<Config>();
    all::<RaceOutput<Duration>>();
    all::<Prefix>();
    all::<ServiceRecord<'static>>();
    all::<Box<dyn core::error::Error + Send + Sync>>();
    let failure: Box<dyn core::error::Error> = Box::new(Failure::AllFailed);
    assert_eq!(failure.to_string(), "every connection attempt failed");
}
