//! Happy Eyeballs version 3, as `draft-ietf-happy-happyeyeballs-v3` says: how to connect soon to a
//! name with several addresses, some of which may be dead.
//!
//! ```text
//!   queries (§4)              order (§5)                  attempts (§6)
//!
//!   HTTPS? ──►  ports, ALPN,   groups by protocol,        t = 0     v6 a ───────────────────── ✗ cancelled
//!               aliases,       priority; RFC 6724;          250 ms     v4 a ───── ✗ failed
//!               hints      ──► families in turn:      ──►   300 ms           v6 b ─────────── ✓ won
//!   AAAA?  ──►  addresses      v6a v4a v6b v4b                                  v4 b   never started
//!   A?     ──►  addresses         ▲
//!                                 └── later answers are sorted in; what has started goes on
//! ```
//!
//! # With mimic
//!
//! The adapters' contexts have it by default: [`HappyEyeballs`] fills `Transport`. What to know of
//! it:
//!
//! - `ctx.with(RaceConfig, Config::new().attempt_delay(…))` runs races differently ([`RaceConfig`],
//!   [`Config`]). With `max_in_flight(1)` nothing races: one address is tried after the other.
//! - `ctx.with(Observer, |event| eprintln!("{event}"))` shows what happens while it does
//!   ([`Observer`]).
//! - The flow's attribute [`Timeline`] tells how it came about, and [`Raced`] gives back the flow
//!   below. Why there is none tells the error, with [`RaceError::of`] the time of each attempt;
//!   where a deadline struck, the observer alone.
//! - What is above TCP and must succeed too, such as TLS, is part of every attempt: see
//!   `HostPort::until` of mimic-core.
//!
//! # The machine
//!
//! [`Machine`] is that algorithm and nothing else: it does no input or output, knows no runtime and
//! no clock, and allocates nothing. It is told what happens and the time ([`RaceInput`]), and says what
//! to do ([`RaceOutput`]).
//!
//! ```
//! use core::time::Duration;
//! use mimic_happy_eyeballs::{Answer, AddressInfo, Config, RaceInput, Kind, Machine, Name, RaceOutput, Query, RaceTarget};
//!
//! let mut machine: Machine<Duration, &str> = Machine::new(Config::new(), RaceTarget::Name, Duration::ZERO);
//! let at = Duration::from_millis;
//! let aaaa = Query { name: Name::ORIGINAL, kind: Kind::Aaaa };
//! assert_eq!(machine.output(at(0)), Some(RaceOutput::Query(aaaa)));
//! assert_eq!(machine.output(at(0)), Some(RaceOutput::Query(Query { kind: Kind::A, ..aaaa })));
//! assert_eq!(machine.output(at(0)), None);
//!
//! let found = [AddressInfo::new("2001:db8::1".parse()?)];
//! machine.input(RaceInput::Answer { query: aaaa, answer: Answer::Addresses(&found) }, at(30));
//! let Some(RaceOutput::Start { attempt, endpoint }) = machine.output(at(30)) else { panic!("an attempt") };
//! assert_eq!(endpoint.address, found[0].address);
//!
//! machine.input(RaceInput::Succeeded { attempt }, at(50));
//! assert_eq!(machine.output(at(50)), Some(RaceOutput::Won { attempt }));
//! # Ok::<(), core::net::AddrParseError>(())
//! ```
//!
//! # Where the draft is silent
//!
//! - When the most recently started attempt fails, or none is left running, the next starts at
//!   once, but not within 10 ms of the last start that may have sent a packet. The failure of an
//!   older attempt changes nothing.
//! - An address that comes while nothing runs, or after the delay has passed, starts at once.
//! - A start held back by [`Config::max_in_flight`] happens as soon as an attempt ends.
//! - While a query is open, running out of addresses is not a failure; nor is it while a list that
//!   was given in part has more ([`List`]). A list gets as many places as are still free. What was
//!   tried makes way, and had its family's turn.
//! - There is no deadline, neither for an attempt nor for the race: [`RaceInput::Cancel`] ends it.
//! - A family without connectivity ([`Config::connectivity`]) counts as unreachable where the
//!   source is unknown.
//! - Whether two endpoints are one is decided by address, zone, port and protocol, however they
//!   were spelt: [`Config::port`] is the port of records that give none.
//! - Where service records lead nowhere there is no way to connect, unless
//!   [`Config::fall_back_to_origin`] is on: then the origin's own endpoints are the last group.
//! - An answer without addresses takes back the hints that it stands for; a failed query does not.
//!
//! # Where things are
//!
//! | to change | see |
//! |---|---|
//! | what is dialled and looked up | `driver.rs`, `race.rs` |
//! | what waits until there is room | `lists.rs`, `addresses.rs` |
//! | how it is told | `timeline.rs`, `race_error.rs` |
//! | what happens when | `machine.rs`, `pacing.rs` |
//! | what is told | `event.rs`, `query.rs`, `address_info.rs`, `services.rs`, `clock.rs` |
//! | options and their defaults | `config.rs` |
//! | which is tried before which | `order.rs`, `select.rs` |
//! | what is kept of answers | `queries.rs`, `addresses.rs`, `services.rs`, `nat64.rs` |
//! | what is kept of attempts | `attempts.rs` |
//! | each requirement of the draft, and its test | [`draft`] |
//!
//! # Features
//!
//! `std` (default): that of `mimic-core`. No feature changes behaviour.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod address_info;
mod addresses;
mod attempts;
mod clock;
mod config;
#[doc = include_str!("draft.md")]
pub mod draft {}
mod driver;
mod event;
mod lists;
mod machine;
mod nat64;
mod order;
mod pacing;
mod queries;
mod query;
mod race;
mod race_error;
pub mod select;
mod services;
mod timeline;

pub use address_info::{AddressInfo, Family, Source};
pub use attempts::{AttemptState, RaceAttempt};
pub use clock::Timestamp;
pub use config::Config;
pub use driver::{HappyEyeballs, RaceConfig};
pub use event::{Answer, AttemptId, Dropped, End, Failure, List, RaceEndpoint, RaceInput, RaceOutput, RaceTarget};
pub use lists::SourceAddress;
pub use machine::Machine;
pub use nat64::Prefix;
pub use query::{Kind, Name, Query, ServiceId};
pub use race_error::RaceError;
pub use services::ServiceRecord;
pub use timeline::{Event, Observer, Peer, Raced, Timeline, What};
