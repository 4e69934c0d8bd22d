//! Happy Eyeballs version 3 (`draft-ietf-happy-happyeyeballs-v3`): connects quickly to a name that
//! has several addresses, of which some may be dead.
//!
//! ```text
//!   queries (§4)            order (§5)              attempts (§6)
//!
//!   HTTPS? ─► ports, ALPN,  groups by protocol,       0 ms  v6 a ───────── ✗ cancelled
//!             aliases,      priority; RFC 6724;     250 ms     v4 a ── ✗ failed
//!             hints      ─► families in turn:    ─► 300 ms          v6 b ─ ✓ won
//!   AAAA?  ─► addresses     v6a v4a v6b v4b                         v4 b never started
//!   A?     ─► addresses        ▲
//!                              └─ later answers are sorted in; running attempts go on
//! ```
//!
//! # With mimic
//!
//! The adapters' contexts have it by default: [`HappyEyeballs`] fills `Transport`.
//!
//! - `ctx.with(RaceConfig, Config::new().attempt_delay(…))` configures races ([`RaceConfig`],
//!   [`Config`]). With `max_in_flight(1)` nothing races: addresses are tried one after the other.
//! - `ctx.with(Observer, |event| eprintln!("{event}"))` shows a race while it runs ([`Observer`]).
//! - The flow's attribute [`Timeline`] has the events of the race that made it. [`Raced`] gives
//!   back the flow below.
//! - The error of a failed race has the events and the error of each attempt ([`RaceError::of`]).
//!   After a deadline, only the observer knows them.
//! - A handshake above TCP, such as TLS, is part of every attempt: see
//!   [`mimic_core::needs::handshake`].
//!
//! # The machine
//!
//! [`Machine`] is the algorithm alone. It does no input or output, knows no runtime and no clock,
//! and allocates nothing. The caller tells it each event with its time ([`RaceInput`]), and it
//! answers with the next actions ([`RaceOutput`]).
//!
//! ```
//! use core::time::Duration;
//! use mimic_happy_eyeballs::{AddressInfo, Answer, Config, Kind, Machine, Name, Query};
//! use mimic_happy_eyeballs::{RaceInput, RaceOutput, RaceTarget};
//!
//! let (config, target) = (Config::new(), RaceTarget::Name);
//! let mut machine: Machine<Duration, &str> = Machine::new(config, target, Duration::ZERO);
//! let at = Duration::from_millis;
//! let aaaa = Query { name: Name::ORIGINAL, kind: Kind::Aaaa };
//! let a = Query { kind: Kind::A, ..aaaa };
//! assert_eq!(machine.output(at(0)), Some(RaceOutput::Query(aaaa)));
//! assert_eq!(machine.output(at(0)), Some(RaceOutput::Query(a)));
//! assert_eq!(machine.output(at(0)), None);
//!
//! let found = [AddressInfo::new("2001:db8::1".parse()?)];
//! machine.input(RaceInput::Answer { query: aaaa, answer: Answer::Addresses(&found) }, at(30));
//! let Some(RaceOutput::Start { attempt, endpoint }) = machine.output(at(30)) else { panic!() };
//! assert_eq!(endpoint.address, found[0].address);
//!
//! machine.input(RaceInput::Succeeded { attempt }, at(50));
//! assert_eq!(machine.output(at(50)), Some(RaceOutput::Won { attempt }));
//! # Ok::<(), core::net::AddrParseError>(())
//! ```
//!
//! # Where the draft is silent
//!
//! - The next attempt starts at once when the most recent one fails, or when none is left running.
//!   It keeps 10 ms from the last start that may have sent a packet. The failure of an older
//!   attempt changes nothing.
//! - An address that arrives while nothing runs, or after the delay has passed, starts at once.
//! - A start that [`Config::max_in_flight`] holds back happens as soon as an attempt ends.
//! - A race that is out of addresses does not fail while a query is open, or while a list that was
//!   given in part has more ([`List`]). A list gets as many places as are still free. An address
//!   that was tried gives up its place; its family has had its turn.
//! - Neither an attempt nor the race has a deadline: [`RaceInput::Cancel`] ends it.
//! - A family without connectivity ([`Config::connectivity`]) counts as unreachable where the
//!   source is unknown.
//! - Two endpoints are the same if address, zone, port and protocol are, in whatever spelling.
//!   [`Config::port`] is the port of records that give none.
//! - Service records that lead nowhere leave no way to connect, unless
//!   [`Config::fall_back_to_origin`] is on: then the origin's own endpoints are the last group.
//! - An answer without addresses removes the hints that it replaces; a failed query does not.
//!
//! # Where things are
//!
//! | to change | see |
//! |---|---|
//! | dials and look-ups | `driver.rs`, `race.rs` |
//! | what waits for room in the machine | `lists.rs`, `addresses.rs` |
//! | timelines and errors | `timeline.rs`, `race_error.rs` |
//! | the rules and the timer | `machine.rs`, `pacing.rs` |
//! | inputs and outputs | `event.rs`, `query.rs`, `address_info.rs`, `services.rs`, `clock.rs` |
//! | options and their defaults | `config.rs` |
//! | the order of attempts | `order.rs`, `select.rs` |
//! | the state of answers | `queries.rs`, `addresses.rs`, `services.rs`, `nat64.rs` |
//! | the state of attempts | `attempts.rs` |
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
pub use timeline::{Event, EventKind, Observer, Peer, Raced, Timeline};
