//! What adapters build on: ends that stay ended, files of sockets.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

use std::io;
use std::task::Poll;

use mimic_core::{Error, ErrorKind, Phase};
use mimic_std::Ends;

fn failed<T>(kind: io::ErrorKind) -> Poll<io::Result<T>> {
    Poll::Ready(Err(kind.into()))
}

/// The kind and the phase of what went wrong.
#[track_caller]
fn fault<T>(poll: Poll<Result<T, Error>>) -> (ErrorKind, Option<Phase>) {
    match poll {
        Poll::Ready(Err(error)) => (error.kind(), error.phase()),
        _ => panic!("not an error"),
    }
}

#[test]
fn the_end_of_stream_stays() {
    let mut ends = Ends::default();
    let mut buf = [0; 4];
    for _ in 0..2 {
        assert!(matches!(ends.read(&mut buf, |buf| Poll::Ready(Ok(buf.len()))), Poll::Ready(Ok(4))));
    }
    assert!(matches!(ends.read(&mut buf, |_| Poll::Ready(Ok(0))), Poll::Ready(Ok(0))));
    assert!(matches!(ends.read(&mut buf, |_| panic!("it is over")), Poll::Ready(Ok(0))));
    // The other direction goes on.
    assert!(matches!(ends.write(&[b"ab"], || Poll::Ready(Ok(2))), Poll::Ready(Ok(2))));
}

#[test]
fn errors_stay_but_interruptions() {
    let mut ends = Ends::default();
    let interrupted = fault(ends.write(&[b"a"], || failed(io::ErrorKind::Interrupted)));
    assert_eq!(interrupted, (ErrorKind::Interrupted, Some(Phase::Write)));
    assert!(matches!(ends.flush(|| Poll::Ready(Ok(()))), Poll::Ready(Ok(()))));
    let zero = fault(ends.write(&[b"a"], || Poll::Ready(Ok(0))));
    assert_eq!(zero, (ErrorKind::WriteZero, Some(Phase::Write)));
    for again in [fault(ends.write(&[b"a"], || panic!("it failed"))), fault(ends.flush(|| panic!("it failed")))] {
        assert_eq!(again, (ErrorKind::WriteZero, Some(Phase::Write)));
    }
    assert_eq!(fault(ends.shutdown(|| panic!("it failed"))), (ErrorKind::WriteZero, Some(Phase::Shutdown)));
}

#[test]
fn flush_and_shutdown_fail_in_their_phase() {
    let mut ends = Ends::default();
    assert_eq!(fault(ends.flush(|| failed(io::ErrorKind::BrokenPipe))), (ErrorKind::BrokenPipe, Some(Phase::Write)));
    let mut ends = Ends::default();
    let reset = fault(ends.shutdown(|| failed(io::ErrorKind::ConnectionReset)));
    assert_eq!(reset, (ErrorKind::ConnectionReset, Some(Phase::Shutdown)));
    let mut ends = Ends::default();
    assert!(matches!(ends.shutdown(|| Poll::Ready(Ok(()))), Poll::Ready(Ok(()))));
    assert!(matches!(ends.flush(|| panic!("closing has flushed")), Poll::Ready(Ok(()))));
}

#[test]
fn after_an_abort_both_directions_are_over() {
    let mut ends = Ends::default();
    ends.abort();
    assert!(matches!(ends.read(&mut [0; 4], |_| panic!("it is over")), Poll::Ready(Ok(0))));
    assert_eq!(fault(ends.write(&[b"a"], || panic!("it is over"))), (ErrorKind::BrokenPipe, Some(Phase::Write)));
}
