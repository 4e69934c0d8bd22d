//! The flow of a child: its two pipes, and its end.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use mimic_core::adapter::AttributeRequest;
use mimic_core::{Error, ErrorKind, Flow, Phase, Role};

use super::child::{Side, Supervised};
use super::{Command, CommandFailed, Exit, Pipes, Process, SPAWN, StandardError};
use crate::{Ends, with_io_slices};

/// A flow over the standard input and output of a child, on the runtime of `A`. The module says
/// what it does at the end of the output, and when it is dropped.
pub struct ProcessFlow<A: Pipes> {
    /// None after a shutdown: the pipe is closed.
    input: Option<A::Input>,
    output: A::Output,
    ends: Ends,
    is_aborted: bool,
    child: Arc<Supervised>,
    command: Command,
}

impl<A: Pipes> ProcessFlow<A> {
    /// Starts a command. Blocks until the system has started the program.
    ///
    /// # Errors
    /// In [`Phase::Connect`]: [`NotFound`](ErrorKind::NotFound) if there is no such program, others
    /// of the system; or [`Unsupported`](ErrorKind::Unsupported), outside a runtime that is needed.
    pub fn spawn(command: Command) -> Result<Self, Error> {
        A::check()?;
        let mut child = command.to_std().spawn().map_err(|error| cannot_start(error, &command))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let failed = |error: io::Error| Error::from(error).in_phase(Phase::Connect);
        let child = Supervised::new(child).map_err(failed)?;
        let pipes = || {
            Ok((
                A::input(input.ok_or(io::ErrorKind::BrokenPipe)?)?,
                A::output(output.ok_or(io::ErrorKind::BrokenPipe)?)?,
            ))
        };
        match pipes() {
            Ok((input, output)) => {
                Ok(Self { input: Some(input), output, ends: Ends::default(), is_aborted: false, child, command })
            }
            Err(error) => {
                child.finish(true);
                Err(failed(error))
            }
        }
    }

    fn locate(&self, error: Error) -> Error {
        error.located_at(format!("{} \"{SPAWN}\"", Process::NAME)).to_target(&self.command)
    }
}

fn cannot_start(error: io::Error, command: &Command) -> Error {
    let is_dir_missing = command.dir.as_ref().is_some_and(|dir| !dir.is_dir());
    let advice = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if is_dir_missing => {
            "its directory does not exist: create it, or give another one"
        }
        io::ErrorKind::NotFound => "install the program, or give its path: a name without a slash is searched in PATH",
        io::ErrorKind::PermissionDenied => "make the program executable for this user",
        _ => "",
    };
    Error::from(error).in_phase(Phase::Connect).advise(advice)
}

/// Waits for the end of the child, and says what that means for a side that has nothing more.
fn poll_verdict(
    child: &Supervised,
    command: &Command,
    cx: &mut Context<'_>,
    side: Side,
) -> Poll<io::Result<Option<ExitStatus>>> {
    let error = match ready!(child.poll_end(cx, side)) {
        None => return Poll::Ready(Ok(None)),
        Some(Ok(status)) if command.is_success(status) => return Poll::Ready(Ok(Some(status))),
        Some(Ok(status)) => {
            let failed = CommandFailed { command: command.clone(), status, stderr: child.stderr.last() };
            Error::with_source(ErrorKind::Other, failed)
        }
        Some(Err(reason)) => Error::new(ErrorKind::Other, format!("how the command ended is not known: {reason}")),
    };
    Poll::Ready(Err(error.into()))
}

impl<A: Pipes> Flow for ProcessFlow<A> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        let Self { output, ends, child, command, .. } = self;
        let read = ends.read(buf, |buf| match ready!(A::poll_read(Pin::new(output), cx, buf)) {
            Ok(0) => poll_verdict(child, command, cx, Side::Read).map_ok(|_| 0),
            result => Poll::Ready(result),
        });
        read.map_err(|error| self.locate(error))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.poll_write_vectored(cx, &[buf])
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { input, ends, .. } = self;
        let flushed = ends.flush(|| match input {
            Some(input) => A::poll_flush(Pin::new(input), cx),
            None => Poll::Ready(Ok(())),
        });
        flushed.map_err(|error| self.locate(error))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { input, ends, .. } = self;
        let shut = ends.shutdown(|| {
            if let Some(input) = input {
                ready!(A::poll_flush(Pin::new(input), cx))?;
            }
            // Pipes have no other way to tell the child.
            *input = None;
            Poll::Ready(Ok(()))
        });
        shut.map_err(|error| self.locate(error))
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        let Self { input, ends, child, command, .. } = self;
        let written = ends.write(bufs, || {
            let Some(input) = input else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
            let written = with_io_slices(bufs, |slices| A::poll_write_vectored(Pin::new(input), cx, slices));
            match ready!(written) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    let status = ready!(poll_verdict(child, command, cx, Side::Write))?;
                    Poll::Ready(Err(no_reader(error, status)))
                }
                result => Poll::Ready(result),
            }
        });
        written.map_err(|error| self.locate(error))
    }

    fn is_write_vectored(&self) -> bool {
        cfg!(unix)
    }

    fn abort(&mut self) {
        self.is_aborted = true;
        self.ends.abort();
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request
            .provide_value(Exit, || self.child.end()?.ok())
            .provide_value(StandardError, || Some(self.child.stderr.last()));
    }
}

mimic_core::read_write!(for[A: Pipes] ProcessFlow<A>);

/// Returns the error of a write to a child that has not failed.
fn no_reader(error: io::Error, status: Option<ExitStatus>) -> io::Error {
    let Some(status) = status else { return error };
    Error::new(ErrorKind::BrokenPipe, format!("the command ended with {status} and reads no more")).into()
}

impl<A: Pipes> Drop for ProcessFlow<A> {
    fn drop(&mut self) {
        self.child.finish(self.is_aborted);
    }
}

impl<A: Pipes> fmt::Debug for ProcessFlow<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessFlow").field("command", &self.command).field("ends", &self.ends).finish_non_exhaustive()
    }
}
