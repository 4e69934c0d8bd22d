//! Half-close in both orders, and orderly close.

use std::time::Duration;

use futures_lite::future::poll_once;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::{Flow, FlowExt};

use super::Rig;
use super::clock::sleep;
use super::ends::{Check, Pair, Pattern, both, expect, expect_all, expect_end, finish, say, send, settle, transfer};
use super::failure::ensure;
use super::tasks::Task;

pub(super) async fn after_its_shutdown_a_flow_hears_the_answer(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    transfer(&mut near, &mut far, 1, 500).await?;
    near.shutdown().await?;
    if rig.kind().half_close {
        expect_end(&mut far).await?;
    }
    transfer(&mut far, &mut near, 2, 3000).await?;
    let _far = finish(rig, far).await?;
    expect_end(&mut near).await
}

pub(super) async fn after_its_peers_shutdown_a_flow_can_answer(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    transfer(&mut far, &mut near, 3, 500).await?;
    far.shutdown().await?;
    if rig.kind().half_close {
        expect_end(&mut near).await?;
    }
    transfer(&mut near, &mut far, 4, 3000).await?;
    let _near = finish(rig, near).await?;
    expect_end(&mut far).await
}

pub(super) async fn both_may_shut_down_at_once(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    both(async { Ok(near.shutdown().await?) }, async { Ok(far.shutdown().await?) }).await?;
    if rig.kind().half_close {
        return both(expect_end(&mut near), expect_end(&mut far)).await;
    }
    // The end comes with the drop.
    drop(near);
    expect_end(&mut far).await
}

pub(super) async fn half_a_connection_carries_much(rig: &Rig<'_>) -> Check {
    const COUNT: usize = 64 * 1024;
    let Pair { mut near, mut far } = rig.pair().await?;
    far.shutdown().await?;
    let (mut pattern, mut expected) = (Pattern::new(5), Pattern::new(5));
    let mut kept = None;
    both(expect_all(&mut far, &mut expected, COUNT), async {
        send(&mut near, &mut pattern, COUNT).await?;
        kept = finish(rig, near).await?;
        Ok(())
    })
    .await
}

/// The end is heard while the other direction is in full use, and changes nothing there.
pub(super) async fn a_half_close_in_mid_transfer_leaves_the_other_half(rig: &Rig<'_>) -> Check {
    const COUNT: usize = 40_000;
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(6), Pattern::new(6));
    both(expect(&mut far, &mut expected, 10), send(&mut near, &mut pattern, 10)).await?;
    near.shutdown().await?;
    transfer(&mut far, &mut near, 7, COUNT / 2).await?;
    if rig.kind().half_close {
        expect_end(&mut far).await?;
    }
    transfer(&mut far, &mut near, 8, COUNT / 2).await?;
    let _far = finish(rig, far).await?;
    expect_end(&mut near).await
}

pub(super) async fn a_waiting_reader_hears_the_end(rig: &Rig<'_>) -> Check {
    let Pair { mut near, far } = rig.pair().await?;
    let task = Task::new();
    let mut buf = [0; 10];
    ensure!(near.poll_read(&mut task.cx(), &mut buf).is_pending(), "a read is answered although nothing was sent");
    let _far = finish(rig, far).await?;
    task.woken(rig.patience(), "the peer shut down").await?;
    let read = task.drive(rig.patience(), "the peer shut down", |cx| near.poll_read(cx, &mut buf)).await?;
    ensure!(matches!(read, Ok(0)), "not the end of stream: {read:?}");
    Ok(())
}

pub(super) async fn a_shut_down_flow_that_is_dropped_ended_cleanly(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(9), Pattern::new(9));
    both(expect(&mut far, &mut expected, 2000), send(&mut near, &mut pattern, 2000)).await?;
    near.shutdown().await?;
    drop(near);
    expect_end(&mut far).await
}

pub(super) async fn close_drains_what_the_peer_still_sends(rig: &Rig<'_>) -> Check {
    const COUNT: usize = 64 * 1024;
    let Pair { near, mut far } = rig.pair().await?;
    let mut kept = None;
    both(async { Ok(near.close().await?) }, async {
        if rig.kind().half_close {
            expect_end(&mut far).await?;
        }
        send(&mut far, &mut Pattern::new(10), COUNT).await?;
        kept = finish(rig, far).await?;
        Ok(())
    })
    .await
}

pub(super) async fn close_flushes(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(11), Pattern::new(11));
    let own = async {
        near.write_all(&pattern.take(500)).await?;
        Ok(near.close().await?)
    };
    both(own, async {
        expect(&mut far, &mut expected, 500).await?;
        let _far = finish(rig, far).await?;
        Ok(())
    })
    .await
}

pub(super) async fn close_waits_for_the_peer(rig: &Rig<'_>) -> Check {
    let Pair { near, far } = rig.pair().await?;
    let mut close = std::pin::pin!(near.close());
    for _ in 0..3 {
        let closed = poll_once(close.as_mut()).await;
        ensure!(closed.is_none(), "close did not wait for the peer: {closed:?}");
        settle().await;
    }
    let mut kept = None;
    both(async { Ok(close.await?) }, async {
        kept = finish(rig, far).await?;
        Ok(())
    })
    .await
}

pub(super) async fn a_close_that_is_dropped_closes(rig: &Rig<'_>) -> Check {
    let Pair { near, mut far } = rig.pair().await?;
    {
        let mut close = std::pin::pin!(near.close());
        ensure!(poll_once(close.as_mut()).await.is_none(), "close did not wait for the peer");
        settle().await;
        let _ = poll_once(close.as_mut()).await;
    }
    // It had shut down, so this is an end and no error.
    expect_end(&mut far).await
}

pub(super) async fn the_end_reaches_who_reads_late(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(12), Pattern::new(12));
    let mut kept = None;
    let peer = async {
        far.write_all(&pattern.take(50)).await?;
        kept = finish(rig, far).await?;
        Ok(())
    };
    both(peer, async {
        settle().await;
        for at in 0..50 {
            let mut buf = [0];
            ensure!(near.read(&mut buf).await? == 1, "end of stream before byte {at}");
            expected.check(&buf, at)?;
        }
        expect_end(&mut near).await
    })
    .await
}

/// A client that uploads and never reads. Session tickets and a banner have come meanwhile; a
/// system resets the connection when a socket is closed over unread bytes, and then a peer that
/// reads late loses what was flushed long before.
pub(super) async fn a_slow_peer_reads_all_of_a_flow_that_only_wrote(rig: &Rig<'_>) -> Check {
    const COUNT: usize = 1 << 20;
    let Pair { mut near, mut far } = rig.fresh_pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(13), Pattern::new(13));
    say(&mut far).await?;
    let own = async {
        send(&mut near, &mut pattern, COUNT).await?;
        near.shutdown().await?;
        drop(near);
        Ok(())
    };
    both(own, async {
        sleep(Duration::from_millis(300)).await;
        expect_all(&mut far, &mut expected, COUNT).await
    })
    .await
}
