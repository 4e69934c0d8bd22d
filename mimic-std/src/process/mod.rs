//! Commands as transports: the standard input and output of a child process is a flow.
//!
//! ```text
//!  client ── write ──► child's input        shutdown closes it
//!         ◄── read ─── child's output       at its end the flow waits for the exit, for 1 s
//!                      child's error output ──► thread "mimic-stderr": keeps the last 8 KiB
//!
//!  flow dropped ──► thread "mimic-child": 1 s for the child to end by itself, kill, reap
//! ```
//!
//! [`Process`] is the role, [`Command`] its target. An adapter with [`Pipes`] fills it by
//! [`Processes`]. Nothing but the two pipes belongs to the runtime. Error output, exit and end of a
//! child are the business of two threads, so they need no runtime that still runs.
//!
//! # The end of the output
//! The child's output ends when the child, and all that have inherited its output, have closed it.
//! The flow then waits until the child itself has ended, for at most one second of real time:
//!
//! | the child | the read returns |
//! |---|---|
//! | ended with 0, or a code of [`Command::accept_exit`] | end of stream |
//! | ended with another code, or by a signal | an error of kind `Other`, in the phase `Read`, with a [`CommandFailed`] as its source |
//! | runs on, without its output | end of stream |
//!
//! A failing exit is an error however many bytes came before. A stream that was cut off must not
//! pass for one that has ended, and only the exit tells them apart. [`close`] returns it too.
//!
//! A write to a child that no longer reads waits in the same way. It returns the same error, in the
//! phase `Write`; or an error of kind `BrokenPipe` if the exit was a success or the child runs on.
//! So a client learns the reason, whichever side it waits on.
//!
//! # The exit status
//! [`Exit`] is an attribute of the flow: the status from the moment on at which the system reports
//! the end of the child, polled or not, and no value before. A read that returned the end of the
//! stream has waited for it. There is no value afterwards only if the child runs on.
//! [`StandardError`] is what has been read of the error output so far.
//!
//! # Drop
//! A drop closes the child's input and output and returns at once. The child has one second to end
//! by itself. After that it is killed, and in both cases reaped. A child that is killed at once
//! could not tell its own peer: an `ssh` that is the master of shared connections would cut them
//! all, and a remote command would run on. [`abort`] before the drop leaves out the second.
//!
//! - The thread that does so needs no runtime. If the whole program ends within that second, the
//!   child is left with closed pipes, and the system reaps it.
//! - Only the child is killed, and none of its own children.
//! - A child that ends while the flow is there stays a zombie until the end of the output is read,
//!   [`Exit`] is asked for, or the flow is dropped.
//!
//! # Error output
//! A thread reads it all the time, so a child that writes to it without end does not block, and
//! only the last 8 KiB are kept. On Unix the thread ends with the child, even if a grandchild has
//! inherited the error output and holds it open. Elsewhere it ends when the last holder closes, and
//! an error waits for it for at most a second.
//!
//! [`close`]: mimic_core::FlowExt::close
//! [`abort`]: mimic_core::Flow::abort

mod child;
mod command;
mod failed;
mod flow;
mod stderr;

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::process::{ChildStdin, ChildStdout, ExitStatus};
use std::task::{Context, Poll};

use mimic_core::{Ctx, Install, Mode, for_each_mode};

pub use self::command::Command;
pub use self::failed::CommandFailed;
pub use self::flow::ProcessFlow;
use crate::Adapter;

mimic_core::role! {
    /// From a command to a byte stream: the standard input and output of a child process.
    pub Process: Command;
}

mimic_core::key! {
    /// An attribute of the flow of a [`Process`]: how the child has ended, once it has.
    pub Exit: ExitStatus;
    /// An attribute of the flow of a [`Process`]: the last 8 KiB that the child has written to its
    /// standard error, so far.
    pub StandardError: Vec<u8>;
}

/// The pipes of a runtime, for [`Processes`]. `mimic-smol/src/pipes.rs` is a whole implementation.
#[allow(missing_docs, reason = "each poll method is that of the runtime's trait with this name")]
pub trait Pipes: Adapter {
    /// The writing end of the pipe to the child.
    type Input: Debug + Send + Unpin + 'static;

    /// The reading end of the pipe from the child.
    type Output: Debug + Send + Unpin + 'static;

    /// Makes a pipe of the runtime.
    ///
    /// # Errors
    /// That of the system.
    fn input(pipe: ChildStdin) -> io::Result<Self::Input>;

    /// Makes a pipe of the runtime.
    ///
    /// # Errors
    /// That of the system.
    fn output(pipe: ChildStdout) -> io::Result<Self::Output>;

    fn poll_read(pipe: Pin<&mut Self::Output>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    fn poll_write_vectored(
        pipe: Pin<&mut Self::Input>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    fn poll_flush(pipe: Pin<&mut Self::Input>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// The name of the candidate.
const SPAWN: &str = "spawn";

/// Fills [`Process`] by an adapter, at priority 100, with a candidate `spawn`.
#[derive(Clone, Copy, Debug)]
pub struct Processes<A>(pub A);

for_each_mode!(M => {
    impl<A: Pipes> Install<M> for Processes<A> {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            ctx.register(Process, SPAWN, 100, (), |command, ()| async move {
                Ok(Box::new(ProcessFlow::<A>::spawn(command)?) as <M as Mode>::Flow)
            })
        }
    }
});
