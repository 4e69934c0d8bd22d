//! The pipes of async-io, for the role `Process`. Windows' pipes are read and written on threads.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::process::{ChildStdin, ChildStdout};
use std::task::{Context, Poll};

#[cfg(unix)]
use async_io::Async as Pipe;
#[cfg(not(unix))]
use blocking::Unblock as Pipe;
use futures_io::{AsyncRead, AsyncWrite};
use mimic_std::process::Pipes;

use crate::Smol;

impl Pipes for Smol {
    type Input = Pipe<ChildStdin>;
    type Output = Pipe<ChildStdout>;

    #[cfg(unix)]
    fn input(pipe: ChildStdin) -> io::Result<Self::Input> {
        Pipe::new(pipe)
    }

    #[cfg(not(unix))]
    fn input(pipe: ChildStdin) -> io::Result<Self::Input> {
        Ok(Pipe::new(pipe))
    }

    #[cfg(unix)]
    fn output(pipe: ChildStdout) -> io::Result<Self::Output> {
        Pipe::new(pipe)
    }

    #[cfg(not(unix))]
    fn output(pipe: ChildStdout) -> io::Result<Self::Output> {
        Ok(Pipe::new(pipe))
    }

    fn poll_read(pipe: Pin<&mut Self::Output>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        pipe.poll_read(cx, buf)
    }

    fn poll_write_vectored(
        pipe: Pin<&mut Self::Input>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        pipe.poll_write_vectored(cx, slices)
    }

    fn poll_flush(pipe: Pin<&mut Self::Input>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pipe.poll_flush(cx)
    }
}
