//! Writing: what is taken, flushing, and shutting down.

use std::future::poll_fn;
use std::task::Poll;

use mimic_core::embedded_io_async::Write;
use mimic_core::{Error, ErrorKind, Flow, FlowExt};

use super::ends::{
    Check, Pair, Pattern, Ready, both, expect, expect_all, expect_end, expect_no_more, finish, greet, sent_just,
    transfer,
};
use super::failure::{ensure, ensure_matches};
use super::{BoxFlow, Rig};

/// One poll of a write, for what has to be answered at once.
async fn write_now(flow: &mut BoxFlow, bytes: &[u8]) -> Option<Result<usize, Error>> {
    poll_fn(|cx| Poll::Ready(flow.poll_write(cx, bytes))).await.ready()
}

pub(super) async fn a_write_of_nothing_is_answered_at_once(rig: &Rig<'_>) -> Check {
    let Pair { mut near, far: _far } = rig.fresh_pair().await?;
    for _ in 0..3 {
        ensure_matches!(write_now(&mut near, b"").await, Some(Ok(0)), "a write of no bytes");
    }
    Ok(())
}

pub(super) async fn a_write_of_nothing_sends_nothing(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let mut expected = Pattern::new(1);
    let mut pattern = expected;
    both(expect(&mut far, &mut expected, 300), async {
        for _ in 0..3 {
            ensure_matches!(write_now(&mut near, b"").await, Some(Ok(0)), "a write of no bytes");
            near.flush().await?;
            super::ends::send(&mut near, &mut pattern, 100).await?;
        }
        Ok(())
    })
    .await
}

pub(super) async fn a_write_takes_a_byte_at_least_and_no_more_than_all(rig: &Rig<'_>) -> Check {
    const COUNT: usize = 10_000;
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(2), Pattern::new(2));
    both(expect(&mut far, &mut expected, COUNT), async {
        let mut left = COUNT;
        while left > 0 {
            let part = pattern.peek(left.min(700));
            let n = near.write(part).await?;
            ensure!((1..=part.len()).contains(&n), "a write of {} bytes says that it took {n}", part.len());
            pattern.skip(n);
            left -= n;
        }
        Ok(near.flush().await?)
    })
    .await
}

pub(super) async fn what_a_large_write_does_not_take_is_not_sent(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(3), Pattern::new(3));
    let large = pattern.take(400_000);
    let n = near.write(&large).await?;
    ensure!((1..=large.len()).contains(&n), "a write of {} bytes says that it took {n}", large.len());
    sent_just(rig, near, &mut far, &mut expected, n).await
}

pub(super) async fn single_bytes_arrive_in_order(rig: &Rig<'_>) -> Check {
    many_writes(rig, 2000, |_| 1).await
}

pub(super) async fn many_small_writes_arrive_in_order(rig: &Rig<'_>) -> Check {
    many_writes(rig, 2000, |round| 1 + round * 5 % 23).await
}

async fn many_writes(rig: &Rig<'_>, rounds: usize, size: impl Fn(usize) -> usize) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(4), Pattern::new(4));
    let count = (0..rounds).map(&size).sum();
    both(expect(&mut far, &mut expected, count), async {
        for round in 0..rounds {
            near.write_all(&pattern.take(size(round))).await?;
        }
        Ok(near.flush().await?)
    })
    .await?;
    expect_no_more(rig, near, &mut far).await
}

pub(super) async fn the_buffer_may_change_after_a_write(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(5), Pattern::new(5));
    both(expect(&mut far, &mut expected, 2000), async {
        for _ in 0..20 {
            let mut buf = pattern.take(100);
            near.write_all(&buf).await?;
            buf.fill(0);
        }
        Ok(near.flush().await?)
    })
    .await
}

/// Nobody polls the writer any more, and still all arrives.
pub(super) async fn a_flush_hands_everything_on(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    for (seed, count) in [(6, 1), (7, 900), (8, 20_000)] {
        let (mut pattern, mut expected) = (Pattern::new(seed), Pattern::new(seed));
        let sent = super::ends::send(&mut near, &mut pattern, count);
        both(sent, expect(&mut far, &mut expected, count)).await?;
    }
    Ok(())
}

pub(super) async fn a_flush_of_nothing_is_ok(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    near.flush().await?;
    greet(&mut near, &mut far).await?;
    near.flush().await?;
    near.flush().await?;
    greet(&mut near, &mut far).await
}

pub(super) async fn a_write_after_shutdown_is_a_broken_pipe(rig: &Rig<'_>) -> Check {
    let Pair { mut near, far: _far } = rig.pair().await?;
    near.shutdown().await?;
    for _ in 0..2 {
        let written = write_now(&mut near, b"late").await;
        ensure_matches!(&written, Some(Err(error)) if error.kind() == ErrorKind::BrokenPipe, "a write after shutdown");
    }
    Ok(())
}

pub(super) async fn a_vectored_write_after_shutdown_is_a_broken_pipe(rig: &Rig<'_>) -> Check {
    let Pair { mut near, far: _far } = rig.pair().await?;
    near.shutdown().await?;
    let written = near.write_vectored(&[b"", b"late"]).await;
    ensure_matches!(&written, Err(error) if error.kind() == ErrorKind::BrokenPipe, "a vectored write after shutdown");
    Ok(())
}

pub(super) async fn a_write_that_came_too_late_sends_nothing(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(9), Pattern::new(9));
    let mut kept = None;
    both(expect_all(&mut far, &mut expected, 100), async {
        super::ends::send(&mut near, &mut pattern, 100).await?;
        near.shutdown().await?;
        ensure_matches!(write_now(&mut near, b"late").await, Some(Err(_)), "a write after shutdown");
        kept = finish(rig, near).await?;
        Ok(())
    })
    .await
}

pub(super) async fn a_second_shutdown_is_ok(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    near.shutdown().await?;
    near.shutdown().await?;
    let mut near = near;
    transfer(&mut far, &mut near, 10, 100).await?;
    near.shutdown().await?;
    Ok(())
}

pub(super) async fn a_shutdown_flushes(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(11), Pattern::new(11));
    let mut kept = None;
    both(expect_all(&mut far, &mut expected, 3000), async {
        near.write_all(&pattern.take(3000)).await?;
        kept = finish(rig, near).await?;
        Ok(())
    })
    .await
}

pub(super) async fn a_flush_after_shutdown_is_ok(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    near.shutdown().await?;
    near.flush().await?;
    let _near = finish(rig, near).await?;
    expect_end(&mut far).await
}
