//! The flow below a TLS flow: sends records, receives, and closes without a reset.

use core::task::{Context, Poll, Waker, ready};

use mimic_core::{Error, ErrorKind, Flow, Phase};

use crate::error::explain;
use crate::machine::Machine;
use crate::side::Side;

/// The most receives of one poll that bring the reader nothing, such as session tickets. Then the
/// poll yields: a peer may send them without end, and the task must reach its timeout.
pub(crate) const RECEIVES: u32 = 64;

/// The most bytes that one read discards, on the stack.
const SCRATCH: usize = if cfg!(feature = "std") { 4 * 1024 } else { 512 };

/// Sends the outgoing records.
pub(crate) fn poll_send<F: Flow, S: Side>(
    below: &mut F,
    machine: &mut Machine<S>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Error>> {
    while !machine.outgoing.is_empty() {
        match ready!(below.poll_write(cx, machine.outgoing.filled()))? {
            0 => {
                return Poll::Ready(Err(
                    Error::new(ErrorKind::WriteZero, "the flow below took no byte").in_phase(Phase::Write)
                ));
            }
            n => machine.outgoing.take(n),
        }
    }
    Poll::Ready(Ok(()))
}

/// Receives into the machine's input. Returns how many bytes, 0 at the end of the stream. Without
/// room for more the machine fails.
pub(crate) fn poll_receive<F: Flow, S: Side>(
    below: &mut F,
    machine: &mut Machine<S>,
    cx: &mut Context<'_>,
) -> Poll<Result<usize, Error>> {
    let received = match machine.receive_space() {
        Ok(space) => ready!(below.poll_read(cx, space)),
        Err(error) => Err(explain::<S>(error, Phase::Read, machine.state())),
    };
    if let Ok(n) = received {
        machine.received(n);
    }
    Poll::Ready(received)
}

/// Discards the bytes that have arrived at the flow below, and drops it. A socket that is closed
/// over unread bytes resets its connection.
///
/// Reads nothing while the thread panics: the reset tells the peer that the end is not clean, and a
/// second panic, of the flow below, would abort the process.
pub(crate) fn empty<F: Flow>(mut below: F) {
    #[cfg(feature = "std")]
    if std::thread::panicking() {
        return;
    }
    let mut scratch = [0; SCRATCH];
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..RECEIVES {
        if !matches!(below.poll_read(&mut cx, &mut scratch), Poll::Ready(Ok(1..))) {
            break;
        }
    }
}
