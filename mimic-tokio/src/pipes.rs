//! The pipes of tokio, for the role `Process`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::process;
use std::task::{Context, Poll};

use mimic_std::process::Pipes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{ChildStdin, ChildStdout};

use crate::Tokio;

impl Pipes for Tokio {
    type Input = ChildStdin;
    type Output = ChildStdout;

    fn input(pipe: process::ChildStdin) -> io::Result<ChildStdin> {
        ChildStdin::from_std(pipe)
    }

    fn output(pipe: process::ChildStdout) -> io::Result<ChildStdout> {
        ChildStdout::from_std(pipe)
    }

    fn poll_read(pipe: Pin<&mut ChildStdout>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        pipe.poll_read(cx, &mut buf).map_ok(|()| buf.filled().len())
    }

    fn poll_write_vectored(
        pipe: Pin<&mut ChildStdin>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        pipe.poll_write_vectored(cx, slices)
    }

    fn poll_flush(pipe: Pin<&mut ChildStdin>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pipe.poll_flush(cx)
    }
}
