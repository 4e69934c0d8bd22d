//! Answers of time servers, good and bad.

use std::time::Duration;

use mimic_example_board::sntp::{Refusal, read_answer, request};

const COOKIE: [u8; 8] = *b"a cookie";
/// 2026-01-01 00:00:00 UTC.
const NEW_YEAR: u64 = 1_767_225_600;
const UNIX_EPOCH: u64 = 2_208_988_800;

/// Of stratum 2, at that time and a half second more.
fn answer(unix: u64) -> [u8; 48] {
    let mut answer = [0; 48];
    answer[0] = 4 << 3 | 4;
    answer[1] = 2;
    answer[24..32].copy_from_slice(&COOKIE);
    answer[40..44].copy_from_slice(&(unix + UNIX_EPOCH).to_be_bytes()[4..]);
    answer[44] = 0x80;
    answer
}

fn with(at: usize, byte: u8) -> [u8; 48] {
    let mut answer = answer(NEW_YEAR);
    answer[at] = byte;
    answer
}

#[test]
fn a_request_is_a_client_s_of_version_4_and_carries_the_cookie_alone() {
    let request = request(COOKIE);
    assert_eq!(request[0], 0b00_100_011);
    assert!(request[1..40].iter().all(|&byte| byte == 0));
    assert_eq!(request[40..], COOKIE);
}

#[test]
fn a_good_answer_gives_the_time() {
    let time = Duration::from_secs(NEW_YEAR) + Duration::from_millis(500);
    assert_eq!(read_answer(&answer(NEW_YEAR), COOKIE), Ok(time));
    // Of version 3; a leap second to come; with what follows the header.
    assert_eq!(read_answer(&with(0, 3 << 3 | 4), COOKIE), Ok(time));
    assert_eq!(read_answer(&with(0, 1 << 6 | 4 << 3 | 4), COOKIE), Ok(time));
    assert_eq!(read_answer(&[&answer(NEW_YEAR)[..], &[7; 20]].concat(), COOKIE), Ok(time));
}

#[test]
fn the_second_era_begins_in_2036() {
    // The last second of the first era, and the first whole one of the second.
    for unix in [2_085_978_495, 2_085_978_496, 2_085_978_497, 4_000_000_000] {
        let time = Duration::from_secs(unix) + Duration::from_millis(500);
        assert_eq!(read_answer(&answer(unix), COOKIE), Ok(time));
    }
}

#[test]
fn what_is_no_answer_of_a_server_is_refused() {
    for length in 0..48 {
        assert_eq!(read_answer(&answer(NEW_YEAR)[..length], COOKIE), Err(Refusal::Malformed), "{length} bytes");
    }
    // A client's; of version 2; of version 5.
    for flags in [4 << 3 | 3, 2 << 3 | 4, 5 << 3 | 4] {
        assert_eq!(read_answer(&with(0, flags), COOKIE), Err(Refusal::Malformed));
    }
}

#[test]
fn an_answer_to_another_request_is_refused() {
    assert_eq!(read_answer(&answer(NEW_YEAR), *b"another "), Err(Refusal::NotOurs));
    // Whatever else it says.
    let mut kiss = with(1, 0);
    kiss[31] ^= 1;
    assert_eq!(read_answer(&kiss, COOKIE), Err(Refusal::NotOurs));
}

#[test]
fn a_server_that_does_not_know_the_time_is_refused() {
    // Leap indicator 3; strata that are not synchronized, or reserved.
    assert_eq!(read_answer(&with(0, 3 << 6 | 4 << 3 | 4), COOKIE), Err(Refusal::NotSynchronized));
    for stratum in [16, 17, 255] {
        assert_eq!(read_answer(&with(1, stratum), COOKIE), Err(Refusal::NotSynchronized));
    }
    let mut timeless = answer(NEW_YEAR);
    timeless[40..].fill(0);
    assert_eq!(read_answer(&timeless, COOKIE), Err(Refusal::NotSynchronized));
}

#[test]
fn a_kiss_of_death_is_told_apart() {
    let mut kiss = with(1, 0);
    kiss[12..16].copy_from_slice(b"RATE");
    assert_eq!(read_answer(&kiss, COOKIE), Err(Refusal::KissOfDeath(*b"RATE")));
}
