//! What the cases do with both ends: patterns of bytes, sent and expected.

use std::future::poll_fn;
use std::sync::OnceLock;
use std::task::Poll;
use std::time::Duration;

use futures_lite::future::{poll_once, try_zip};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::{Flow, FlowExt};

use super::clock::{sleep, within};
use super::failure::{ensure, ensure_matches};
use super::tasks::Task;
use super::{BoxFlow, Failure, Rig};

pub(super) type Check = Result<(), Failure>;

/// The flow under test and its peer.
pub(super) struct Pair {
    pub(super) near: BoxFlow,
    pub(super) far: BoxFlow,
}

/// Bytes without end that differ enough to notice a lost, doubled or swapped one.
#[derive(Clone, Copy)]
pub(super) struct Pattern {
    at: usize,
}

/// A prime, so that it is out of step with every buffer.
const PERIOD: usize = 65_521;

impl Pattern {
    /// Two seeds, two patterns.
    pub(super) fn new(seed: usize) -> Self {
        Self { at: seed * 7_919 }
    }

    fn block() -> &'static [u8] {
        static BLOCK: OnceLock<Vec<u8>> = OnceLock::new();
        BLOCK.get_or_init(|| {
            let mut state = 0x2545_f491_u32;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state.to_le_bytes()[1]
            };
            (0..PERIOD).map(|_| next()).collect()
        })
    }

    /// What comes next, up to so many bytes.
    pub(super) fn peek(&self, limit: usize) -> &'static [u8] {
        let rest = &Self::block()[self.at % PERIOD..];
        &rest[..rest.len().min(limit)]
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.at += count;
    }

    /// The next bytes.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            let part = self.peek(count - bytes.len());
            bytes.extend_from_slice(part);
            self.skip(part.len());
        }
        bytes
    }

    /// Compares what came with what comes next.
    #[track_caller]
    pub(super) fn check(&mut self, mut came: &[u8], from: usize) -> Check {
        let mut done = 0;
        while !came.is_empty() {
            let part = self.peek(came.len());
            if came[..part.len()] != *part {
                let differs = part.iter().zip(came).take_while(|(a, b)| a == b).count();
                return Err(Failure::new(format!("byte {} is not what was sent", from + done + differs)));
            }
            came = &came[part.len()..];
            done += part.len();
            self.skip(part.len());
        }
        Ok(())
    }
}

/// Sends the next `count` bytes of a pattern and flushes.
pub(super) async fn send(flow: &mut BoxFlow, pattern: &mut Pattern, count: usize) -> Check {
    let mut left = count;
    while left > 0 {
        let part = pattern.peek(left.min(30_000));
        flow.write_all(part).await?;
        pattern.skip(part.len());
        left -= part.len();
    }
    flow.flush().await?;
    Ok(())
}

/// Sends a few bytes that may stay unread, as far as there is room for them, and waits until they
/// have arrived.
pub(super) async fn say(flow: &mut BoxFlow) -> Check {
    if let Some(written) = poll_once(flow.write(b"hello")).await {
        written?;
        poll_once(flow.flush()).await.transpose()?;
    }
    settle().await;
    Ok(())
}

/// Expects the next `count` bytes of a pattern.
pub(super) async fn expect(flow: &mut BoxFlow, pattern: &mut Pattern, count: usize) -> Check {
    let mut buf = vec![0; count.min(32 * 1024)];
    let mut came = 0;
    while came < count {
        let room = buf.len().min(count - came);
        let n = flow.read(&mut buf[..room]).await?;
        ensure!(n > 0, "end of stream after {came} bytes of {count}");
        ensure!(n <= room, "a read of {room} bytes says that it read {n}");
        pattern.check(&buf[..n], came)?;
        came += n;
    }
    Ok(())
}

/// Expects so many bytes of a pattern, and then the end of stream.
pub(super) async fn expect_all(flow: &mut BoxFlow, pattern: &mut Pattern, count: usize) -> Check {
    expect(flow, pattern, count).await?;
    expect_end(flow).await
}

/// Expects the end of stream, twice.
pub(super) async fn expect_end(flow: &mut BoxFlow) -> Check {
    for _ in 0..2 {
        ensure_matches!(flow.read(&mut [0; 8]).await, Ok(0), "not the end of stream");
    }
    Ok(())
}

/// Sends `count` bytes from one end to the other.
pub(super) async fn transfer(from: &mut BoxFlow, to: &mut BoxFlow, seed: usize, count: usize) -> Check {
    let (mut sent, mut expected) = (Pattern::new(seed), Pattern::new(seed));
    both(send(from, &mut sent, count), expect(to, &mut expected, count)).await
}

/// Sends these bytes from one end to the other, and says what came.
pub(super) async fn pass(from: &mut BoxFlow, to: &mut BoxFlow, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut came = vec![0; bytes.len()];
    both(
        async {
            from.write_all(bytes).await?;
            Ok(from.flush().await?)
        },
        async { Ok(to.read_exact(&mut came).await?) },
    )
    .await?;
    Ok(came)
}

/// A few bytes each way: the connection works, and nothing of its beginning is on its way any more.
pub(super) async fn greet(near: &mut BoxFlow, far: &mut BoxFlow) -> Check {
    transfer(near, far, 1, 100).await?;
    transfer(far, near, 2, 100).await
}

/// Both, until one fails.
pub(super) async fn both(one: impl Future<Output = Check>, other: impl Future<Output = Check>) -> Check {
    try_zip(one, other).await.map(drop)
}

/// Whether it has to wait when it is first polled; then it is dropped.
pub(super) async fn is_pending<T>(work: impl Future<Output = T>) -> bool {
    poll_once(work).await.is_none()
}

/// How much a writer may be able to write though nobody reads.
pub(super) const ENDLESS: usize = 256 << 20;

/// Writes a pattern until the writer has to wait, with `task`'s waker, and goes on waiting. Says
/// how much was taken.
pub(super) async fn fill(flow: &mut BoxFlow, task: &Task, pattern: &mut Pattern) -> Result<usize, Failure> {
    let mut taken = 0;
    loop {
        let part = pattern.peek(30_000);
        match flow.poll_write(&mut task.cx(), part).map(|written| written.map(|n| (n, part.len()))) {
            Poll::Ready(written) => {
                let (n, offered) = written?;
                ensure!(n > 0 && n <= offered, "a write of {offered} bytes says that it took {n}");
                pattern.skip(n);
                taken += n;
                ensure!(taken <= ENDLESS, "the writer never had to wait, though nobody read {taken} bytes");
            }
            // What carries the bytes may go on by itself for a while.
            Poll::Pending => {
                if within(SETTLE, task.wake()).await.is_none() {
                    return Ok(taken);
                }
            }
        }
    }
}

/// Expects what was taken while nobody read; the writer flushes, for some of it may wait in its
/// buffer.
pub(super) async fn drain(from: &mut BoxFlow, to: &mut BoxFlow, pattern: &mut Pattern, count: usize) -> Check {
    both(expect(to, pattern, count), async { Ok(from.flush().await?) }).await
}

/// How long a transport is given to move what it can move by itself.
pub(super) const SETTLE: Duration = Duration::from_millis(15);

/// Ends the writing side. Where a shutdown alone does not reach the peer, it drops the flow, which
/// does.
pub(super) async fn finish(rig: &Rig<'_>, mut flow: BoxFlow) -> Result<Option<BoxFlow>, Failure> {
    flow.shutdown().await?;
    Ok(rig.kind().half_close.then_some(flow))
}

/// Ends the writing side of one end, and expects that nothing comes to the other but the end.
pub(super) async fn expect_no_more(rig: &Rig<'_>, from: BoxFlow, to: &mut BoxFlow) -> Check {
    let mut kept = None;
    both(expect_end(to), async {
        kept = finish(rig, from).await?;
        Ok(())
    })
    .await
}

/// Finishes what was written, and expects just so many bytes of it and then the end.
pub(super) async fn sent_just(
    rig: &Rig<'_>,
    mut near: BoxFlow,
    far: &mut BoxFlow,
    expected: &mut Pattern,
    count: usize,
) -> Check {
    // Until all came: a drop is another case.
    let mut kept = None;
    both(expect_all(far, expected, count), async {
        near.flush().await?;
        kept = finish(rig, near).await?;
        Ok(())
    })
    .await
}

/// Lets the other tasks and the transport run for a moment.
pub(super) async fn settle() {
    sleep(SETTLE).await;
}

/// As [`Read::read`], but dropped and begun again each time that it has to wait, each time with
/// another buffer.
pub(super) async fn read_dropping(flow: &mut BoxFlow, task: &Task, room: usize) -> Result<Vec<u8>, Failure> {
    // It is kept until there is another, which so is not at the same place.
    let mut before = Vec::new();
    loop {
        let mut buf = vec![0; room];
        drop(before);
        // The future is dropped here whether it is done or not.
        let read = {
            let mut read = std::pin::pin!(flow.read(&mut buf));
            read.as_mut().poll(&mut task.cx())
        };
        match read {
            Poll::Ready(n) => {
                let n = n?;
                ensure!(n <= room, "a read of {room} bytes says that it read {n}");
                buf.truncate(n);
                return Ok(buf);
            }
            Poll::Pending => task.wake().await,
        }
        before = buf;
    }
}

/// A write polled once, its future dropped. `None` if it has to wait.
pub(super) async fn write_once(flow: &mut BoxFlow, bytes: &[u8]) -> Result<Option<usize>, Failure> {
    Ok(poll_once(flow.write(bytes)).await.transpose()?)
}

/// One poll of a read, for what has to be answered at once.
pub(super) async fn read_now(flow: &mut BoxFlow, buf: &mut [u8]) -> Option<Result<usize, mimic_core::Error>> {
    poll_fn(|cx| Poll::Ready(flow.poll_read(cx, buf))).await.ready()
}

/// A poll as an option: `None` is pending.
pub(super) trait Ready<T> {
    fn ready(self) -> Option<T>;
}

impl<T> Ready<T> for Poll<T> {
    fn ready(self) -> Option<T> {
        match self {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}
