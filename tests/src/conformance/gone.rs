//! Drops and aborts at any moment: the peer hears of it, and nothing hangs.

use std::task::Poll;
use std::time::Duration;

use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::{Error, Flow, FlowExt};

use super::clock::{sleep, within};
use super::ends::{Check, ENDLESS, Pair, Pattern, SETTLE, both, expect, fill, greet, say, send, settle};
use super::failure::{ensure, ensure_matches, is_gone};
use super::tasks::Task;
use super::{BoxFlow, Failure, Rig};

/// How a stream ends.
type Ending = Result<(), Error>;

/// How a stream ends in which nothing was sent.
async fn ends(flow: &mut BoxFlow) -> Result<Ending, Failure> {
    ends_after(flow, &mut Pattern::new(0), 0).await
}

/// How a stream ends that carries this pattern, of which `sent` bytes were sent: no other bytes
/// come, and no more.
async fn ends_after(flow: &mut BoxFlow, expected: &mut Pattern, sent: usize) -> Result<Ending, Failure> {
    let (mut came, mut buf) = (0, vec![0; 32 * 1024]);
    loop {
        match flow.read(&mut buf).await {
            Ok(0) => return Ok(Ok(())),
            Ok(n) => {
                ensure!(n <= buf.len(), "a read of {} bytes says that it read {n}", buf.len());
                ensure!(came + n <= sent, "{} bytes came of {sent}", came + n);
                expected.check(&buf[..n], came)?;
                came += n;
            }
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// What the peer of a dropped flow reads: the end, or the error of a connection that is cut, and
/// never the other.
fn dropped(rig: &Rig<'_>, end: &Ending) -> Check {
    match end {
        Ok(()) => ensure!(rig.kind().end_on_drop, "a stream that is cut looks as if it was complete"),
        Err(error) => {
            ensure!(is_gone(error), "an error of another kind: {error:#}");
            ensure!(!rig.kind().end_on_drop, "not the end of stream: {error:#}");
        }
    }
    Ok(())
}

/// What is read from a peer that was dropped with bytes unread: TCP and Unix sockets make a reset
/// of it, if they come to.
fn cut_short(end: &Ending) -> Check {
    match end {
        Err(error) if !is_gone(error) => Err(Failure::new(format!("an error of another kind: {error:#}"))),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What the peer of an aborted and dropped flow reads: an error, or what that of a dropped flow
/// reads, and never the other.
fn aborted(rig: &Rig<'_>, end: &Ending) -> Check {
    if !rig.kind().reset {
        return dropped(rig, end);
    }
    match end {
        Ok(()) => Err(Failure::new("an abort looks like the end of stream")),
        Err(error) if is_gone(error) => Ok(()),
        Err(error) => Err(Failure::new(format!("an error of another kind: {error:#}"))),
    }
}

/// Expects what the peer of a dropped flow reads, and that it stays so.
async fn expect_drop(rig: &Rig<'_>, flow: &mut BoxFlow) -> Check {
    for _ in 0..2 {
        dropped(rig, &ends(flow).await?)?;
    }
    Ok(())
}

/// Writes until that is an error.
async fn writes_fail(flow: &mut BoxFlow) -> Error {
    loop {
        let result = match flow.write(&[7; 1000]).await {
            Ok(_) => flow.flush().await,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            return error;
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// Expects that writing comes to an error, and does again.
async fn expect_writes_to_fail(rig: &Rig<'_>, told: bool, flow: &mut BoxFlow) -> Check {
    if !told {
        return expect_writes_to_wait(rig, flow).await;
    }
    let patience = rig.patience();
    let error = within(patience, writes_fail(flow)).await;
    let error = error
        .ok_or_else(|| Failure::new(format!("writes to a peer that was dropped did not fail for {patience:?}")))?;
    ensure!(is_gone(&error), "an error of another kind: {error:#}");
    for _ in 0..2 {
        let written = flow.write(b"x").await;
        if rig.kind().errors_stay {
            ensure_matches!(written, Err(_), "a write after one that failed");
            continue;
        }
        // It is taken, and what carries the bytes is asked again.
        ensure_matches!(written, Ok(1), "errors of writing stay, and its kind says that they do not");
        let flushed = flow.flush().await;
        ensure_matches!(&flushed, Err(error) if is_gone(error), "a flush to a peer that was dropped");
    }
    Ok(())
}

/// Expects that a writer who is not told of the drop soon has to wait, or is told all the same.
async fn expect_writes_to_wait(rig: &Rig<'_>, flow: &mut BoxFlow) -> Check {
    let (task, mut taken) = (Task::new(), 0);
    loop {
        match flow.poll_write(&mut task.cx(), &[7; 1000]) {
            Poll::Ready(Ok(n)) => {
                ensure!((1..=1000).contains(&n), "a write of 1000 bytes says that it took {n}");
                taken += n;
                ensure!(taken <= ENDLESS, "the writer never had to wait, though nobody reads");
            }
            Poll::Ready(Err(error)) => {
                ensure!(is_gone(&error), "an error of another kind: {error:#}");
                break;
            }
            // What carries the bytes may go on by itself for a while.
            Poll::Pending if within(SETTLE, task.wake()).await.is_none() => break,
            Poll::Pending => {}
        }
    }
    // Either way, it can still hear that the stream has ended.
    let end = within(rig.patience(), flow.read(&mut [0; 8])).await;
    match end {
        Some(Ok(0)) => Ok(()),
        Some(Err(error)) if is_gone(&error) => Ok(()),
        other => Err(Failure::new(format!("the drop of the peer is not read while the writer waits: {other:?}"))),
    }
}

/// Expects that a writer who waits with `task` is woken, and comes to an error.
async fn expect_writer_to_hear(rig: &Rig<'_>, told: bool, task: &Task, flow: &mut BoxFlow) -> Check {
    if !told {
        return expect_writes_to_wait(rig, flow).await;
    }
    task.woken(rig.patience(), "the peer is gone").await?;
    let (buf, mut taken) = ([7; 1000], 0);
    while taken <= ENDLESS {
        match task.drive(rig.patience(), "the peer is gone", |cx| flow.poll_write(cx, &buf)).await? {
            Ok(n) => {
                ensure!((1..=buf.len()).contains(&n), "a write of 1000 bytes says that it took {n}");
                taken += n;
            }
            Err(error) => {
                ensure!(is_gone(&error), "an error of another kind: {error:#}");
                return Ok(());
            }
        }
    }
    Err(Failure::new("writes to a peer that is gone are taken without end"))
}

pub(super) async fn what_was_flushed_before_a_drop_arrives(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(1), Pattern::new(1));
    both(expect(&mut far, &mut expected, 100), async {
        send(&mut near, &mut pattern, 100).await?;
        drop(near);
        Ok(())
    })
    .await?;
    expect_drop(rig, &mut far).await
}

/// As [`closing`](super::closing) has it with a shutdown.
pub(super) async fn a_slow_peer_reads_all_that_was_flushed_before_a_drop(rig: &Rig<'_>) -> Check {
    const COUNT: usize = 1 << 20;
    let Pair { mut near, mut far } = rig.fresh_pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(14), Pattern::new(14));
    say(&mut far).await?;
    let own = async {
        send(&mut near, &mut pattern, COUNT).await?;
        drop(near);
        Ok(())
    };
    both(own, async {
        sleep(Duration::from_millis(300)).await;
        expect(&mut far, &mut expected, COUNT).await
    })
    .await?;
    expect_drop(rig, &mut far).await
}

pub(super) async fn a_drop_ends_the_peers_stream(rig: &Rig<'_>) -> Check {
    let Pair { near, mut far } = rig.pair().await?;
    drop(near);
    expect_drop(rig, &mut far).await
}

pub(super) async fn a_drop_of_the_peer_ends_the_stream(rig: &Rig<'_>) -> Check {
    let Pair { mut near, far } = rig.pair().await?;
    drop(far);
    expect_drop(rig, &mut near).await
}

pub(super) async fn a_drop_at_once_ends_the_peers_stream(rig: &Rig<'_>) -> Check {
    let Pair { near, mut far } = rig.fresh_pair().await?;
    drop(near);
    dropped(rig, &ends(&mut far).await?)
}

pub(super) async fn a_waiting_reader_hears_that_its_peer_was_dropped(rig: &Rig<'_>) -> Check {
    let Pair { mut near, far } = rig.pair().await?;
    let task = Task::new();
    let mut buf = [0; 8];
    ensure!(near.poll_read(&mut task.cx(), &mut buf).is_pending(), "a read is answered although nothing was sent");
    drop(far);
    task.woken(rig.patience(), "the peer was dropped").await?;
    let read = task.drive(rig.patience(), "the peer was dropped", |cx| near.poll_read(cx, &mut buf)).await?;
    ensure_matches!(&read, Ok(0) | Err(_), "bytes come that nobody sent");
    dropped(rig, &read.map(drop))
}

pub(super) async fn writes_to_a_peer_that_was_dropped_fail(rig: &Rig<'_>) -> Check {
    let Pair { mut near, far } = rig.pair().await?;
    drop(far);
    expect_writes_to_fail(rig, rig.kind().told_of_drop, &mut near).await
}

pub(super) async fn a_waiting_writer_hears_that_its_peer_was_dropped(rig: &Rig<'_>) -> Check {
    let Pair { mut near, far } = rig.pair().await?;
    let task = Task::new();
    fill(&mut near, &task, &mut Pattern::new(2)).await?;
    drop(far);
    expect_writer_to_hear(rig, rig.kind().told_of_drop, &task, &mut near).await?;
    let end = within(rig.patience(), ends(&mut near)).await;
    let end = end.ok_or_else(|| Failure::new("the drop of the peer is not read"))??;
    cut_short(&end)
}

pub(super) async fn close_of_a_flow_whose_peer_was_dropped_comes_to_an_end(rig: &Rig<'_>) -> Check {
    let Pair { near, far } = rig.pair().await?;
    drop(far);
    settle().await;
    let closed = near.close().await;
    ensure!(closed.is_ok(), "a peer that has gone is no error: {closed:?}");
    Ok(())
}

/// Both directions are busy when one end goes.
pub(super) async fn a_drop_in_mid_transfer_hangs_nobody(rig: &Rig<'_>) -> Check {
    for after in [1, 20_000] {
        let Pair { mut near, mut far } = rig.pair().await?;
        let (mut out, mut back) = (Pattern::new(3), Pattern::new(4));
        let (mut expected_out, mut expected_back) = (out, back);
        {
            let one = async {
                expect(&mut far, &mut expected_out, after).await?;
                send(&mut far, &mut back, after).await
            };
            let other = async {
                send(&mut near, &mut out, after).await?;
                expect(&mut near, &mut expected_back, after).await
            };
            both(one, other).await?;
        }
        // More is on its way in both directions.
        let task = Task::new();
        let _ = near.poll_write(&mut task.cx(), out.peek(5000));
        let _ = near.poll_flush(&mut task.cx());
        let _ = far.poll_write(&mut task.cx(), back.peek(5000));
        let _ = far.poll_flush(&mut task.cx());
        drop(near);
        let end = within(rig.patience(), ends_after(&mut far, &mut expected_out, 5000)).await;
        cut_short(&end.ok_or_else(|| Failure::new("the peer of a flow that was dropped waits for ever"))??)?;
        expect_writes_to_fail(rig, rig.kind().told_of_drop, &mut far).await?;
    }
    Ok(())
}

/// What was read of it before is right, and then it ends.
pub(super) async fn a_drop_with_a_full_pipe_cuts_at_the_end_only(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(5), Pattern::new(5));
    let taken = fill(&mut near, &task, &mut pattern).await?;
    drop(near);
    dropped(rig, &ends_after(&mut far, &mut expected, taken).await?)
}

pub(super) async fn an_abort_is_no_clean_end(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    near.abort();
    drop(near);
    aborted(rig, &ends(&mut far).await?)
}

/// A reset tells who is not told of a drop.
fn told_of_abort(rig: &Rig<'_>) -> bool {
    rig.kind().reset || rig.kind().told_of_drop
}

pub(super) async fn an_abort_stays(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    near.abort();
    drop(near);
    for _ in 0..3 {
        aborted(rig, &ends(&mut far).await?)?;
    }
    expect_writes_to_fail(rig, told_of_abort(rig), &mut far).await
}

pub(super) async fn after_an_abort_a_flow_waits_for_nothing(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    near.abort();
    let write = near.write(b"late");
    let written = within(rig.patience(), write).await.ok_or_else(|| Failure::new("a write after an abort waits"))?;
    if let Ok(n) = written {
        // It aborts nothing, and goes on until it is dropped.
        ensure!(!rig.kind().reset, "a write after an abort is taken");
        near.flush().await?;
        let mut came = vec![0; n];
        far.read_exact(&mut came).await?;
        ensure!(came == b"late"[..n], "{came:?} came");
        greet(&mut near, &mut far).await?;
        drop(near);
        return expect_drop(rig, &mut far).await;
    }
    let mut buf = [0; 8];
    let read = within(rig.patience(), near.read(&mut buf)).await;
    ensure_matches!(read, Some(Ok(0) | Err(_)), "a read after an abort");
    drop(near);
    aborted(rig, &ends(&mut far).await?)
}

pub(super) async fn an_abort_wakes_the_peers_reader(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let task = Task::new();
    let mut buf = [0; 8];
    ensure!(far.poll_read(&mut task.cx(), &mut buf).is_pending(), "a read is answered although nothing was sent");
    near.abort();
    drop(near);
    task.woken(rig.patience(), "the peer was aborted").await?;
    let read = task.drive(rig.patience(), "the peer was aborted", |cx| far.poll_read(cx, &mut buf)).await?;
    ensure_matches!(&read, Ok(0) | Err(_), "bytes come that nobody sent");
    aborted(rig, &read.map(drop))
}

pub(super) async fn an_abort_wakes_the_peers_writer(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let task = Task::new();
    fill(&mut far, &task, &mut Pattern::new(6)).await?;
    near.abort();
    drop(near);
    expect_writer_to_hear(rig, told_of_abort(rig), &task, &mut far).await
}

/// What is not sent when a flow is aborted may be lost, and none of it is made up.
pub(super) async fn an_abort_with_a_full_pipe_hangs_nobody(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(7), Pattern::new(7));
    let taken = fill(&mut near, &task, &mut pattern).await?;
    near.abort();
    drop(near);
    aborted(rig, &ends_after(&mut far, &mut expected, taken).await?)
}
