//! A race over eight addresses, in the machine alone: two queries, their answers, eight attempts,
//! and a win.

use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use std::hint::black_box;

use mimic_happy_eyeballs::{
    AddressInfo, Answer, Config, End, Kind, Machine, Name, Query, RaceInput, RaceOutput, RaceTarget, Source,
};

/// What the look-ups answer.
#[derive(Debug)]
pub struct Race {
    v6: [AddressInfo; 4],
    v4: [AddressInfo; 4],
}

impl Race {
    /// Four addresses of each family.
    #[must_use]
    pub fn new() -> Self {
        let mut n = 0;
        let v6 = [(); 4].map(|()| {
            n += 1;
            let address = Ipv6Addr::new(0x2001, 0xdb8, n, 0, 0, 0, 0, 1);
            AddressInfo::new(address.into())
                .source(Source::Address(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2).into()))
        });
        let mut n = 0;
        let v4 = [(); 4].map(|()| {
            n += 1;
            let address = Ipv4Addr::new(192, 0, 2, n);
            AddressInfo::new(address.into()).source(Source::Address(Ipv4Addr::new(192, 0, 2, 99).into()))
        });
        Self { v6, v4 }
    }

    /// The eighth address wins.
    #[must_use]
    pub fn run(&self) -> Option<End> {
        let mut now = Duration::ZERO;
        let mut race: Machine<Duration, u8> = Machine::new(black_box(Config::new()), RaceTarget::Name, now);
        let mut starts = 0;
        loop {
            let mut wake = now;
            while let Some(output) = race.output(now) {
                match output {
                    RaceOutput::Query(query) if query.kind == Kind::A => {
                        for (kind, list) in [(Kind::A, &self.v4), (Kind::Aaaa, &self.v6)] {
                            let query = Query { name: Name::ORIGINAL, kind };
                            race.input(RaceInput::Answer { query, answer: Answer::Addresses(black_box(list)) }, now);
                        }
                    }
                    RaceOutput::Start { attempt, .. } => {
                        starts += 1;
                        if starts == 8 {
                            race.input(RaceInput::Succeeded { attempt }, now);
                        }
                    }
                    RaceOutput::Wake(at) => wake = at,
                    _ => {}
                }
            }
            if wake == now {
                return race.end();
            }
            now = wake;
        }
    }
}

impl Default for Race {
    fn default() -> Self {
        Self::new()
    }
}
