//! The flow below a TLS flow: sending what is sealed, receiving, and closing without a reset.

use core::task::{Context, Poll, Waker, ready};

use mimic_core::{Error, ErrorKind, Flow, Phase};

use crate::error::{endless, explain, no_memory};
use crate::machine::{Full, Machine};
use crate::side::Side;

/// How often one poll receives something that nobody can read, session tickets for one, before others have their turn: a
/// peer may send them without end, and would otherwise keep the task from its timeout.
pub(crate) const RECEIVES: u32 = 64;

/// How much is read at once of what nobody reads any more, on the stack.
const SCRATCH: usize = if cfg!(feature = "std") { 4 * 1024 } else { 512 };

/// Sends what is outgoing.
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

/// Receives into the machine's input, and says how many bytes.
pub(crate) fn poll_receive<F: Flow, S: Side>(
    below: &mut F,
    machine: &mut Machine<S>,
    cx: &mut Context<'_>,
) -> Poll<Result<usize, Error>> {
    let room = machine.room();
    let space = match machine.input() {
        Ok(space) => space,
        Err(Full::Endless) => return Poll::Ready(Err(endless(room))),
        Err(Full::NoMemory) => {
            return Poll::Ready(Err(explain(no_memory(), Phase::Read, machine.state())));
        }
    };
    let n = ready!(below.poll_read(cx, space))?;
    machine.received(n);
    Poll::Ready(Ok(n))
}

/// Discards what has arrived at the flow below, which nobody reads any more, and drops it. A system resets a connection
/// whose socket is closed over unread bytes.
pub(crate) fn empty<F: Flow>(mut below: F) {
    let mut scratch = [0; SCRATCH];
    let mut nobody = Context::from_waker(Waker::noop());
    for _ in 0..RECEIVES {
        if !matches!(below.poll_read(&mut nobody, &mut scratch), Poll::Ready(Ok(1..))) {
            break;
        }
    }
}
