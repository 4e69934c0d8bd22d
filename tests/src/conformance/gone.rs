//! Drops and aborts at any moment: the peer hears of it, and nothing hangs.

use std::time::Duration;

use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::{Error, Flow, FlowExt};

use super::clock::{sleep, within};
use super::ends::{Check, Pair, Pattern, both, expect, expect_end, fill, send, settle};
use super::failure::{ensure, ensure_matches, is_gone};
use super::tasks::Task;
use super::{BoxFlow, Failure, Rig};

/// How a stream ends.
async fn ends(flow: &mut BoxFlow) -> Result<(), Error> {
    let mut buf = [0; 4096];
    while flow.read(&mut buf).await? > 0 {}
    Ok(())
}

/// Expects what the peer of a dropped flow reads, and that it stays so.
async fn expect_drop(rig: &Rig<'_>, flow: &mut BoxFlow) -> Check {
    if rig.kind().end_on_drop {
        return expect_end(flow).await;
    }
    for _ in 0..2 {
        let end = ends(flow).await;
        ensure_matches!(&end, Err(error) if is_gone(error), "not the error of a connection that was cut");
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

/// Expects that writing comes to an error, or that it waits and hangs nothing.
async fn expect_writes_to_fail(rig: &Rig<'_>, flow: &mut BoxFlow) -> Check {
    let patience = if rig.kind().told_of_drop { rig.patience() } else { Duration::from_millis(100) };
    let Some(error) = within(patience, writes_fail(flow)).await else {
        ensure!(!rig.kind().told_of_drop, "writes to a peer that was dropped did not fail for {patience:?}");
        return Ok(());
    };
    ensure!(is_gone(&error), "an error of another kind: {error:#}");
    if !rig.kind().errors_stay {
        // Then writing comes to an error again.
        let again = within(patience, writes_fail(flow)).await;
        ensure!(again.is_some_and(|error| is_gone(&error)), "writes to a peer that was dropped go on");
        return Ok(());
    }
    for _ in 0..2 {
        ensure_matches!(flow.write(b"x").await, Err(_), "a write after one that failed");
    }
    Ok(())
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
    let end = ends(&mut far).await;
    ensure!(!rig.kind().end_on_drop || end.is_ok(), "not the end of stream: {end:?}");
    ensure!(rig.kind().end_on_drop || end.is_err(), "a stream that is cut looks as if it was complete");
    Ok(())
}

pub(super) async fn a_waiting_reader_hears_that_its_peer_was_dropped(rig: &Rig<'_>) -> Check {
    let Pair { mut near, far } = rig.pair().await?;
    let task = Task::new();
    let mut buf = [0; 8];
    ensure!(near.poll_read(&mut task.cx(), &mut buf).is_pending(), "a read is answered although nothing was sent");
    drop(far);
    let read = task.drive(rig.patience(), "the peer was dropped", |cx| near.poll_read(cx, &mut buf)).await?;
    ensure!(rig.kind().end_on_drop == read.is_ok(), "the drop of the peer is read as {read:?}");
    Ok(())
}

pub(super) async fn writes_to_a_peer_that_was_dropped_fail(rig: &Rig<'_>) -> Check {
    let Pair { mut near, far } = rig.pair().await?;
    drop(far);
    expect_writes_to_fail(rig, &mut near).await
}

pub(super) async fn a_waiting_writer_hears_that_its_peer_was_dropped(rig: &Rig<'_>) -> Check {
    let Pair { mut near, far } = rig.pair().await?;
    let task = Task::new();
    fill(&mut near, &task, &mut Pattern::new(2)).await?;
    drop(far);
    if !rig.kind().told_of_drop {
        // It may wait; what matters is that reading does not.
        let end = within(rig.patience(), ends(&mut near)).await;
        ensure!(end.is_some(), "the drop of the peer is not read");
        return Ok(());
    }
    let buf = [7; 1000];
    loop {
        let written = task.drive(rig.patience(), "the peer was dropped", |cx| near.poll_write(cx, &buf)).await?;
        match written {
            Ok(n) => ensure!(n > 0, "a write took nothing"),
            Err(error) => {
                ensure!(is_gone(&error), "an error of another kind: {error:#}");
                return Ok(());
            }
        }
    }
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
        let end = within(rig.patience(), ends(&mut far)).await;
        ensure!(end.is_some(), "the peer of a flow that was dropped waits for ever");
        expect_writes_to_fail(rig, &mut far).await?;
    }
    Ok(())
}

/// What was read of it before is right, and then it ends.
pub(super) async fn a_drop_with_a_full_pipe_cuts_at_the_end_only(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(5), Pattern::new(5));
    let taken = fill(&mut near, &task, &mut pattern).await?;
    drop(near);
    let (mut came, mut buf) = (0, vec![0; 32 * 1024]);
    while let Ok(n @ 1..) = far.read(&mut buf).await {
        ensure!(n <= buf.len(), "a read of {} bytes says that it read {n}", buf.len());
        expected.check(&buf[..n], came)?;
        came += n;
    }
    ensure!(came <= taken, "{came} bytes came of {taken}");
    Ok(())
}

fn reset(rig: &Rig<'_>, end: &Result<(), Error>) -> Check {
    match end {
        Ok(()) => ensure!(!rig.kind().reset, "an abort looks like the end of stream"),
        Err(error) => ensure!(is_gone(error), "an error of another kind: {error:#}"),
    }
    Ok(())
}

pub(super) async fn an_abort_is_no_clean_end(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    near.abort();
    drop(near);
    let end = ends(&mut far).await;
    reset(rig, &end)
}

pub(super) async fn an_abort_stays(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    near.abort();
    drop(near);
    for _ in 0..3 {
        let end = ends(&mut far).await;
        reset(rig, &end)?;
    }
    expect_writes_to_fail(rig, &mut far).await
}

pub(super) async fn after_an_abort_a_flow_waits_for_nothing(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    near.abort();
    if !rig.kind().reset {
        // It may abort nothing, and then goes on; or it waits for nothing all the same.
        return match near.write(b"late").await {
            Ok(n) => {
                near.flush().await?;
                let mut came = vec![0; n];
                far.read_exact(&mut came).await?;
                ensure!(came == b"late"[..n], "{came:?} came");
                Ok(())
            }
            Err(_) => {
                ensure_matches!(near.read(&mut [0; 8]).await, Ok(0) | Err(_), "a read after an abort");
                Ok(())
            }
        };
    }
    ensure_matches!(near.read(&mut [0; 8]).await, Ok(0) | Err(_), "a read after an abort");
    ensure_matches!(near.write(b"late").await, Err(_), "a write after an abort");
    Ok(())
}

pub(super) async fn an_abort_wakes_the_peers_reader(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let task = Task::new();
    let mut buf = [0; 8];
    ensure!(far.poll_read(&mut task.cx(), &mut buf).is_pending(), "a read is answered although nothing was sent");
    near.abort();
    drop(near);
    let read = task.drive(rig.patience(), "the peer was aborted", |cx| far.poll_read(cx, &mut buf)).await?;
    reset(rig, &read.map(drop))
}

pub(super) async fn an_abort_wakes_the_peers_writer(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let task = Task::new();
    fill(&mut far, &task, &mut Pattern::new(6)).await?;
    near.abort();
    drop(near);
    if !rig.kind().reset && !rig.kind().told_of_drop {
        return Ok(());
    }
    let buf = [7; 1000];
    loop {
        let written = task.drive(rig.patience(), "the peer was aborted", |cx| far.poll_write(cx, &buf)).await?;
        match written {
            Ok(n) => ensure!(n > 0, "a write took nothing"),
            Err(error) => {
                ensure!(is_gone(&error), "an error of another kind: {error:#}");
                return Ok(());
            }
        }
    }
}

/// What is not sent when a flow is aborted may be lost, and none of it is made up.
pub(super) async fn an_abort_with_a_full_pipe_hangs_nobody(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(7), Pattern::new(7));
    let taken = fill(&mut near, &task, &mut pattern).await?;
    near.abort();
    drop(near);
    let (mut came, mut buf) = (0, vec![0; 32 * 1024]);
    loop {
        match far.read(&mut buf).await {
            Ok(n @ 1..) => {
                ensure!(n <= buf.len(), "a read of {} bytes says that it read {n}", buf.len());
                expected.check(&buf[..n], came)?;
                came += n;
            }
            end => {
                ensure!(came <= taken, "{came} bytes came of {taken}");
                return reset(rig, &end.map(drop)).map_err(|failure| Failure::new(format!("full: {failure}")));
            }
        }
    }
}
