//! The machine allocates nothing.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use mimic_happy_eyeballs::{
    AddressInfo, Answer, Config, Kind, Machine, Name, Query, RaceInput, RaceOutput, RaceTarget, ServiceRecord,
};

#[test]
fn a_race_allocates_nothing() {
    let counted = allocation_counter::measure(|| {
        let at = Duration::from_millis;
        let mut race: Machine<Duration, u8> = Machine::new(Config::new().https(), RaceTarget::Name, at(0));
        while race.output(at(0)).is_some() {}
        let v6: [_; 4] =
            core::array::from_fn(|n| AddressInfo::new(Ipv6Addr::from((0x2001_0db8 << 96) | (n as u128 + 1)).into()));
        let v4: [_; 4] = core::array::from_fn(|n| AddressInfo::new(Ipv4Addr::from(0xc000_0201 + n as u32).into()));
        let service = ServiceRecord { priority: 1, ipv6_hints: &v6[..1], ..ServiceRecord::default() };
        let answers = [
            (Kind::Https, Answer::Services(core::slice::from_ref(&service))),
            (Kind::Aaaa, Answer::Addresses(&v6)),
            (Kind::A, Answer::Addresses(&v4)),
        ];
        for (kind, answer) in answers {
            race.input(RaceInput::Answer { query: Query { name: Name::ORIGINAL, kind }, answer }, at(1));
        }
        let mut starts = 0;
        for now in 1..3000 {
            while let Some(output) = race.output(at(now)) {
                if let RaceOutput::Start { attempt, .. } = output {
                    starts += 1;
                    if starts == 4 {
                        race.input(RaceInput::Failed { attempt, reason: 1, sent: true }, at(now));
                    }
                    if starts == 8 {
                        race.input(RaceInput::Succeeded { attempt }, at(now));
                    }
                }
            }
        }
        assert_eq!(starts, 8);
        assert!(race.end().is_some() && race.attempts().len() == 8);
    });
    assert_eq!(counted.count_total, 0);
}
