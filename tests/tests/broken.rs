//! The kit can fail: flows that break one promise each, and the case that says so.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

#[path = "broken/flow.rs"]
mod flow;

use std::time::Duration;

use flow::{Breaks, Broken};
use mimic_core::{Shared, memory_pair};
use mimic_tests::conformance;
use mimic_tests::conformance::{Ends, Failure, Fixture, Kind, Side, cases, pairs, run_with};

/// For a wake-up that never comes.
const PATIENCE: Duration = Duration::from_millis(200);
/// For one that comes.
const SOUND: Duration = Duration::from_secs(10);

/// Both ends break it, over a memory that is sound.
fn fixture(breaks: Breaks) -> impl Fixture {
    let kind = match breaks {
        // It has to claim what it does not keep.
        Breaks::Addresses => Kind::default(),
        _ => Kind::default().without_addresses(),
    };
    pairs(kind, move || async move {
        let (client, server) = memory_pair::<Shared>(4096);
        Ok(Ends::shared(Broken::new(client, breaks), Broken::new(server, breaks)))
    })
}

fn check(breaks: Breaks, case: &str) -> Result<(), Failure> {
    let patience = if breaks == Breaks::Nothing { SOUND } else { PATIENCE };
    run_with(move || fixture(breaks), Side::Client, case, patience)
}

/// What is said of the flow that breaks it.
macro_rules! broken {
    ($($name:ident: $breaks:ident fails $theme:ident::$case:ident: $text:literal;)*) => {
        $(
            #[test]
            fn $name() {
                let case = concat!(stringify!($theme), "::", stringify!($case));
                let failure = check(Breaks::$breaks, case).expect_err("the kit does not notice");
                assert!(failure.to_string().contains($text), "for another reason: {failure}");
                check(Breaks::Nothing, case).expect("the kit fails what is sound");
            }
        )*
    };
}

broken! {
    it_loses_a_byte_of_a_dropped_read: DroppedRead
        fails cancel::reads_dropped_at_each_poll_lose_nothing: "is not what was sent";
    it_sends_what_a_waiting_write_was_offered: WaitingWrite
        fails pressure::a_write_that_waits_takes_nothing: "not the end of stream";
    it_forgets_the_waker_of_the_reader: ReaderWaker
        fails wakers::a_waiting_reader_is_woken_by_a_byte: "nobody woke the task";
    it_forgets_the_waker_of_the_writer: WriterWaker
        fails wakers::a_waiting_writer_is_woken_by_room: "nobody woke the task";
    it_keeps_the_first_waker: FirstWaker
        fails wakers::the_newest_waker_of_a_reader_is_woken: "nobody woke the task";
    it_keeps_the_first_waker_of_the_writer: FirstWaker
        fails wakers::the_newest_waker_of_a_writer_is_woken: "nobody woke the task";
    it_keeps_a_waker_until_it_can_read: HeldWaker
        fails wakers::the_newest_waker_of_a_reader_is_woken: "nobody woke the task";
    it_keeps_a_waker_until_it_can_write: HeldWaker
        fails wakers::the_newest_waker_of_a_writer_is_woken: "nobody woke the task";
    it_has_one_waker_for_both: OneWaker
        fails wakers::waking_the_writer_leaves_the_reader_its_waker: "nobody woke the task";
    it_has_one_waker_for_both_and_the_writer_sleeps: OneWaker
        fails wakers::waking_the_reader_leaves_the_writer_its_waker: "nobody woke the task";
    it_says_that_the_stream_ended_when_it_did_not: EarlyEnd
        fails reads::a_read_waits_for_a_byte: "although nothing was sent";
    it_goes_on_after_the_end: AfterEnd
        fails reads::the_end_stays: "not the end of stream";
    it_waits_to_fill_the_buffer: FillsBuffer
        fails reads::a_read_does_not_wait_to_fill_its_buffer: "it is not over";
    it_reads_more_than_there_is_room: LongRead
        fails reads::a_read_is_never_longer_than_its_buffer: "says that it read";
    it_waits_with_a_read_of_nothing: EmptyRead
        fails reads::a_read_of_nothing_is_answered_at_once: "a read of no bytes";
    it_sends_for_a_write_of_nothing: EmptyWrite
        fails writes::a_write_of_nothing_sends_nothing: "is not what was sent";
    it_forgets_to_flush: Flush
        fails writes::a_flush_hands_everything_on: "it is not over";
    it_forgets_to_flush_at_shutdown: ShutdownFlush
        fails writes::a_shutdown_flushes: "end of stream after";
    it_takes_writes_after_shutdown: LateWrite
        fails writes::a_write_after_shutdown_is_a_broken_pipe: "a write after shutdown";
    it_shuts_down_only_once: SecondShutdown
        fails writes::a_second_shutdown_is_ok: "unexpected error";
    it_shuts_both_directions_down: BothShut
        fails closing::after_its_shutdown_a_flow_hears_the_answer: "end of stream after";
    it_keeps_the_end_to_itself: NoShutdown
        fails closing::a_waiting_reader_hears_the_end: "nobody woke the task";
    it_swaps_small_writes: Swapped
        fails writes::many_small_writes_arrive_in_order: "is not what was sent";
    it_takes_more_than_it_says: ShortCount
        fails vectored::the_count_is_what_was_sent: "not the end of stream";
    it_says_more_than_it_takes: LongCount
        fails vectored::slices_larger_than_any_buffer_are_partly_taken: "is not what was sent";
    it_is_vectored_in_name_only: NotVectored
        fails vectored::who_is_vectored_takes_more_than_the_first: "took one of two slices";
    it_is_confused_by_empty_slices: EmptySlices
        fails vectored::empty_slices_among_others_are_skipped: "says that it took 0";
    it_aborts_like_a_close: CleanAbort
        fails gone::an_abort_is_no_clean_end: "looks like the end of stream";
    it_is_not_closed_when_it_is_dropped: Leak
        fails gone::a_drop_ends_the_peers_stream: "it is not over";
    it_takes_writes_for_a_peer_that_is_gone: DeafWriter
        fails gone::writes_to_a_peer_that_was_dropped_fail: "did not fail";
    it_blocks_its_reader_while_its_writer_waits: OneAtATime
        fails pressure::a_full_direction_leaves_the_other_free: "it is not over";
    it_has_room_without_end: Endless
        fails pressure::a_writer_waits_when_nobody_reads_and_goes_on: "never had to wait";
    it_spoils_a_byte_in_the_middle: OneByte
        fails transfers::much_goes_out: "byte 60000 is not what was sent";
    it_knows_no_addresses: Addresses
        fails attributes::addresses_are_those_of_the_peer: "its addresses are unknown";
    it_forgets_its_peer: Fickle
        fails attributes::attributes_stay_while_bytes_flow: "became";
    it_tells_what_it_carries: Tells
        fails attributes::debug_tells_nothing_of_what_is_sent: "shows what was sent";
    it_spins: Spins
        fails reads::all_comes_before_the_end: "does not come back";
    it_panics: Panics
        fails reads::all_comes_before_the_end: "it panicked: broken";
}

/// What breaks nothing passes every case: it is not the wrapping that the kit notices.
fn sound() -> impl Fixture {
    fixture(Breaks::Nothing)
}

conformance!(what_breaks_nothing, super::sound);

#[test]
fn a_case_that_there_is_not_is_a_failure() {
    let failure = check(Breaks::Nothing, "reads::nothing").unwrap_err();
    assert!(failure.to_string().contains("there is no case \"reads::nothing\""), "{failure}");
}

#[test]
fn a_pair_that_cannot_be_made_is_a_failure() {
    let fixture = || pairs(Kind::default(), || async { Err(mimic_core::ErrorKind::ConnectionRefused.into()) });
    let failure = run_with(fixture, Side::Client, "reads::the_end_stays", PATIENCE).unwrap_err();
    assert!(failure.to_string().contains("no pair: "), "{failure}");
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names: Vec<_> = cases().iter().map(|case| case.name()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 100, "{count} cases");
}
