//! Copies between a flow and a pair of blocking streams, both ways at once.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::task::{Context, Poll, ready};

use mimic_core::{Error, ErrorKind, Flow};

use crate::failure::Failure;
use crate::stdio::{Chunk, Input, Output};

/// Copies `input` to `flow` and `flow` to `output` until the peer ends its side, and all of that is
/// written.
///
/// One future drives both directions, so the flow needs no lock. Neither direction waits for the
/// other.
///
/// - At the end of the input the flow is shut down: the peer reads the end of the stream, and may
///   go on sending.
/// - The end of what the peer sends is the end of all. Input that it has not taken by then is
///   dropped, as it would be if the peer had closed a moment before it was read.
/// - A flow that takes no more because the peer has gone is read to its end first: what the peer
///   had sent is written.
///
/// # Errors
/// That of the flow, named by `url`, or of one of the streams. What had been read by then is
/// written first.
pub(crate) async fn relay<F, R, W>(flow: &mut F, input: Input<R>, output: Output<W>, url: &str) -> Result<(), Failure>
where
    F: Flow + ?Sized,
    R: Read + Send + 'static,
    W: Write + Send + 'static,
{
    let mut relay = Relay {
        flow,
        input,
        output,
        upwards: Chunk::new(),
        up: Up::Input,
        unflushed: false,
        refused: None,
        downwards: Chunk::new(),
        down: Down::Flow,
        failed: None,
    };
    poll_fn(|cx| relay.poll(cx)).await?;
    relay.outcome().map_err(|error| error.to_target(url).into())
}

struct Relay<'a, F: ?Sized, R, W> {
    flow: &'a mut F,
    input: Input<R>,
    output: Output<W>,
    /// On its way from the input to the flow.
    upwards: Chunk,
    up: Up,
    /// The flow may hold bytes back.
    unflushed: bool,
    /// Why the flow takes no more, if that is for the reader to judge.
    refused: Option<Error>,
    /// On its way from the flow to the output.
    downwards: Chunk,
    down: Down,
    /// What ends it all.
    failed: Option<Error>,
}

/// What the way up waits for.
enum Up {
    /// More input.
    Input,
    /// The flow, to take the rest of the chunk, from here on.
    Flow(usize),
    /// The flow, to be shut down.
    Shutdown,
    /// Nothing more.
    Done,
}

/// What the way down waits for.
enum Down {
    /// More from the flow.
    Flow,
    /// The output, to take the chunk.
    Output,
    /// The output, to be done with all.
    Flush,
    /// Nothing more.
    Done,
}

impl<F, R, W> Relay<'_, F, R, W>
where
    F: Flow + ?Sized,
    R: Read + Send + 'static,
    W: Write + Send + 'static,
{
    /// Ready when the way down is done.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        // One step each in turn, so that no direction starves the other.
        loop {
            let down = self.step_down(cx)?;
            if matches!(self.down, Down::Done) {
                return Poll::Ready(Ok(()));
            }
            let up = self.step_up(cx);
            if down.is_pending() && up.is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn outcome(self) -> Result<(), Error> {
        match (self.failed, self.refused) {
            (Some(error), _) => Err(error),
            // A system reports a reset once. If the writer got it, the reader has seen an ordinary
            // end.
            (None, Some(error)) if !is_closed(error.kind()) => Err(error),
            (None, _) => Ok(()),
        }
    }

    fn step_down(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.down = match self.down {
            Down::Flow if self.failed.is_some() => Down::Flush,
            Down::Flow => {
                let read = |room: &mut [u8]| match self.flow.poll_read(cx, room) {
                    Poll::Ready(Ok(n)) => Ok(n),
                    Poll::Ready(Err(error)) => Err(Some(error)),
                    Poll::Pending => Err(None),
                };
                match self.downwards.fill(read) {
                    Ok(()) if self.downwards.bytes().is_empty() => Down::Flush,
                    Ok(()) => Down::Output,
                    Err(Some(error)) => {
                        self.failed = Some(error);
                        Down::Flush
                    }
                    Err(None) => {
                        // Nobody else asks how the last write went, and the next may be far away.
                        return match self.output.poll_flush(cx) {
                            Poll::Ready(Err(error)) => Poll::Ready(Err(Failure::output(error))),
                            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
                        };
                    }
                }
            }
            Down::Output => {
                ready!(self.output.poll_swap(cx, &mut self.downwards)).map_err(Failure::output)?;
                Down::Flow
            }
            Down::Flush => {
                ready!(self.output.poll_flush(cx)).map_err(Failure::output)?;
                Down::Done
            }
            Down::Done => Down::Done,
        };
        Poll::Ready(Ok(()))
    }

    fn step_up(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.failed.is_some() || matches!(self.down, Down::Flush | Down::Done) {
            return Poll::Pending;
        }
        match ready!(self.try_step_up(cx)) {
            Ok(next) => self.up = next,
            Err(error) => {
                self.up = Up::Done;
                if is_closed(error.kind()) || is_reset(error.kind()) {
                    self.refused = Some(error);
                } else {
                    self.failed = Some(error);
                }
            }
        }
        Poll::Ready(())
    }

    fn try_step_up(&mut self, cx: &mut Context<'_>) -> Poll<Result<Up, Error>> {
        Poll::Ready(Ok(match self.up {
            Up::Input => match self.input.poll_swap(cx, &mut self.upwards) {
                Poll::Ready(Ok(())) if self.upwards.bytes().is_empty() => Up::Shutdown,
                Poll::Ready(Ok(())) => Up::Flow(0),
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(Error::with_source(ErrorKind::Other, error).to_target("standard input")));
                }
                Poll::Pending => {
                    if self.unflushed {
                        ready!(self.flow.poll_flush(cx))?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            },
            Up::Flow(from) => {
                let taken = ready!(self.flow.poll_write(cx, &self.upwards.bytes()[from..]))?;
                self.unflushed = true;
                match from + taken {
                    _ if taken == 0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                    all if all >= self.upwards.bytes().len() => Up::Input,
                    some => Up::Flow(some),
                }
            }
            Up::Shutdown => {
                ready!(self.flow.poll_shutdown(cx))?;
                Up::Done
            }
            Up::Done => return Poll::Pending,
        }))
    }
}

/// The peer has closed, in order.
fn is_closed(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::BrokenPipe | ErrorKind::NotConnected)
}

/// The peer has gone, and what it was sent may be lost.
fn is_reset(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::{self, Cursor, pipe};
    use std::sync::mpsc;

    use futures_lite::future::{block_on, zip};
    use mimic_core::embedded_io_async::{Read as _, Write as _};
    use mimic_core::io::memory_pair;
    use mimic_core::{FlowExt, Shared};

    use super::*;

    /// More than all buffers on the way hold together.
    const MUCH: usize = 2_000_000;

    /// A writer into a channel.
    struct Sent(mpsc::Sender<Vec<u8>>);

    impl Write for Sent {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.0.send(buf.into()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(buf.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn sent() -> (Sent, mpsc::Receiver<Vec<u8>>) {
        let (sender, receiver) = mpsc::channel();
        (Sent(sender), receiver)
    }

    /// A flow that reads by a script, then waits for ever, and fails to write.
    #[derive(Debug)]
    struct Script {
        reads: VecDeque<Result<Vec<u8>, ErrorKind>>,
        write: ErrorKind,
        written: bool,
    }

    impl Flow for Script {
        fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
            if !self.written {
                // The write comes first.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.reads.pop_front() {
                Some(Ok(bytes)) => {
                    buf[..bytes.len()].copy_from_slice(&bytes);
                    Poll::Ready(Ok(bytes.len()))
                }
                Some(Err(kind)) => Poll::Ready(Err(kind.into())),
                None => Poll::Pending,
            }
        }

        fn poll_write(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<Result<usize, Error>> {
            self.written = true;
            Poll::Ready(Err(self.write.into()))
        }

        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Ready(Ok(()))
        }
    }

    /// The outcome if a write fails with `write` and the reads go on with `reads`, and what was
    /// written out.
    fn after_refusal(write: ErrorKind, reads: &[Result<&str, ErrorKind>]) -> (Result<(), ErrorKind>, Vec<u8>) {
        let reads = reads.iter().map(|read| read.map(Vec::from)).collect();
        let mut flow = Script { reads, write, written: false };
        let (output, received) = sent();
        let result = block_on(relay(&mut flow, Input::new(&b"input"[..]), Output::new(output), "test"));
        let result = result.map_err(|failure| match failure {
            Failure::Error(error) => error.kind(),
            Failure::OutputClosed => panic!("nothing closed the output"),
        });
        (result, received.iter().flatten().collect())
    }

    #[test]
    fn a_refused_write_is_judged_by_what_is_read() {
        use ErrorKind::{BrokenPipe, ConnectionReset, Other, TimedOut};
        // The peer closed: as if its end had been read a moment earlier.
        assert_eq!(after_refusal(BrokenPipe, &[Ok("all "), Ok("of it"), Ok("")]), (Ok(()), b"all of it".into()));
        // It was reset, and the system says so once.
        assert_eq!(after_refusal(ConnectionReset, &[Ok("some"), Ok("")]), (Err(ConnectionReset), b"some".into()));
        assert_eq!(after_refusal(BrokenPipe, &[Ok("some"), Err(TimedOut)]), (Err(TimedOut), b"some".into()));
        // Anything else need not end the reads, and ends all.
        assert_eq!(after_refusal(Other, &[]), (Err(Other), b"".into()));
    }

    #[test]
    fn the_end_of_the_peer_is_the_end_even_if_input_stays_open() {
        let (mut flow, mut peer) = memory_pair::<Shared>(100);
        let (input, _open) = pipe().unwrap();
        let (output, received) = sent();
        block_on(async {
            peer.write_all(b"bye").await.unwrap();
            peer.shutdown().await.unwrap();
            relay(&mut flow, Input::new(input), Output::new(output), "test").await.unwrap();
        });
        assert_eq!(received.iter().flatten().collect::<Vec<_>>(), b"bye");
    }

    #[test]
    fn the_end_of_the_input_is_passed_on_and_the_answer_awaited() {
        let (mut flow, mut peer) = memory_pair::<Shared>(100);
        let (output, received) = sent();
        let input = Input::new(Cursor::new(vec![b'x'; MUCH]));
        let answer = async {
            let (mut size, mut buf) = (0, [0; 1000]);
            loop {
                match peer.read(&mut buf).await.unwrap() {
                    0 => break,
                    n => size += n,
                }
            }
            peer.write_all(format!("{size} bytes").as_bytes()).await.unwrap();
            drop(peer);
        };
        let (result, ()) = block_on(zip(relay(&mut flow, input, Output::new(output), "test"), answer));
        result.unwrap();
        assert_eq!(received.iter().flatten().collect::<Vec<_>>(), b"2000000 bytes");
    }

    /// Writes nothing before it is told to.
    struct Stalled<W>(Option<mpsc::Receiver<()>>, W);

    impl<W: Write> Write for Stalled<W> {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            if let Some(go) = self.0.take() {
                go.recv().unwrap();
            }
            self.1.write(buf)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.1.flush()
        }
    }

    #[test]
    fn an_output_that_stalls_holds_up_the_peer_and_not_the_input() {
        let (mut flow, mut peer) = memory_pair::<Shared>(100);
        let input = Input::new(Cursor::new(vec![b'x'; MUCH]));
        let (go, stalled) = mpsc::channel();
        let (output, received) = sent();
        let mut sent = 0;
        let peer = async {
            let mut taken = 0;
            let mut buf = [0; 1000];
            // The peer writes whenever it can, and is done when it has read all.
            poll_fn(|cx| {
                while let Poll::Ready(written) = peer.poll_write(cx, &[b'y'; 1000]) {
                    sent += written.unwrap();
                    assert!(sent < MUCH, "nothing holds up the peer");
                }
                while taken < MUCH {
                    taken += ready!(peer.poll_read(cx, &mut buf)).unwrap();
                }
                Poll::Ready(())
            })
            .await;
            go.send(()).unwrap();
            drop(peer);
        };
        let output = Output::new(Stalled(Some(stalled), output));
        let (result, ()) = block_on(zip(relay(&mut flow, input, output, "test"), peer));
        result.unwrap();
        assert_eq!(received.iter().flatten().count(), sent);
    }

    #[test]
    fn a_peer_that_stalls_holds_up_the_input_and_not_the_output() {
        let (mut flow, mut peer) = memory_pair::<Shared>(100);
        let (output, received) = sent();
        let peer = async {
            // It never reads.
            peer.write_all(&vec![b'y'; MUCH]).await.unwrap();
            drop(peer);
        };
        let input = Input::new(io::repeat(b'x'));
        let (result, ()) = block_on(zip(relay(&mut flow, input, Output::new(output), "test"), peer));
        result.unwrap();
        assert_eq!(received.iter().flatten().count(), MUCH);
    }

    #[test]
    fn a_stream_that_fails_ends_it() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("no input"))
            }
        }
        impl Write for Fails {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (mut flow, mut peer) = memory_pair::<Shared>(100);
        block_on(peer.write_all(b"some")).unwrap();

        let (input, _open) = pipe().unwrap();
        let result = block_on(relay(&mut flow, Input::new(input), Output::new(Fails), "test"));
        let Err(Failure::Error(error)) = result else { panic!("{result:?}") };
        assert_eq!(error.target(), Some("standard output"));

        block_on(peer.write_all(b"more")).unwrap();
        let (output, received) = sent();
        let result = block_on(relay(&mut flow, Input::new(Fails), Output::new(output), "test"));
        let Err(Failure::Error(error)) = result else { panic!("{result:?}") };
        assert_eq!(error.target(), Some("standard input"));
        assert_eq!(received.iter().flatten().collect::<Vec<_>>(), b"more");
    }
}
