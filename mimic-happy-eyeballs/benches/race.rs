//! What a race over eight addresses costs in computing: two queries, their answers, eight attempts, and a win.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

use core::hint::black_box;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use mimic_happy_eyeballs::{Answer, Candidate, Config, End, Input, Kind, Machine, Name, Output, Query, Source, Target};

fn race(v6: &[Candidate], v4: &[Candidate]) -> Option<End> {
    let mut now = Duration::ZERO;
    let mut race: Machine<Duration, u8> = Machine::new(black_box(Config::new()), Target::Name, now);
    let mut starts = 0;
    loop {
        let mut wake = now;
        while let Some(output) = race.output(now) {
            match output {
                Output::Query(query) if query.kind == Kind::A => {
                    for (kind, list) in [(Kind::A, v4), (Kind::Aaaa, v6)] {
                        let query = Query { name: Name::ORIGINAL, kind };
                        race.input(Input::Answer { query, answer: Answer::Addresses(list) }, now);
                    }
                }
                Output::Start { attempt, .. } => {
                    starts += 1;
                    if starts == 8 {
                        race.input(Input::Succeeded { attempt }, now);
                    }
                }
                Output::Wake(at) => wake = at,
                _ => {}
            }
        }
        if wake == now {
            return race.end();
        }
        now = wake;
    }
}

fn bench(c: &mut Criterion) {
    let v6: [Candidate; 4] = core::array::from_fn(|n| {
        let address = Ipv6Addr::new(0x2001, 0xdb8, n as u16, 0, 0, 0, 0, 1);
        Candidate::new(address.into()).source(Source::Address("2001:db8:1::2".parse().unwrap()))
    });
    let v4: [Candidate; 4] = core::array::from_fn(|n| {
        let address = Ipv4Addr::new(192, 0, 2, n as u8);
        Candidate::new(address.into()).source(Source::Address(Ipv4Addr::new(192, 0, 2, 99).into()))
    });
    assert!(matches!(race(&v6, &v4), Some(End::Won(attempt)) if attempt.0 == 7));
    c.bench_function("race over 8 addresses", |b| b.iter(|| race(black_box(&v6), black_box(&v4))));
}

criterion_group!(benches, bench);
criterion_main!(benches);
