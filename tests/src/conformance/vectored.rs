//! Vectored writes.

use std::future::poll_fn;
use std::task::Poll;

use mimic_core::embedded_io_async::Write;
use mimic_core::{Error, Flow, FlowExt};

use super::ends::{Check, Pair, Pattern, Ready, both, expect, expect_all, expect_no_more, fill, finish, sent_just};
use super::failure::{ensure, ensure_matches};
use super::tasks::Task;
use super::{BoxFlow, Failure, Rig};

async fn now(flow: &mut BoxFlow, bufs: &[&[u8]]) -> Option<Result<usize, Error>> {
    poll_fn(|cx| Poll::Ready(flow.poll_write_vectored(cx, bufs))).await.ready()
}

/// Writes all of the slices, shortening them as bytes are taken.
async fn write_all(flow: &mut BoxFlow, bufs: &[&[u8]]) -> Result<usize, Failure> {
    let total: usize = bufs.iter().map(|buf| buf.len()).sum();
    let mut taken = 0;
    while taken < total {
        let mut skip = taken;
        let rest: Vec<&[u8]> = bufs
            .iter()
            .map(|buf| {
                let n = skip.min(buf.len());
                skip -= n;
                &buf[n..]
            })
            .collect();
        let n = flow.write_vectored(&rest).await?;
        ensure!((1..=total - taken).contains(&n), "a vectored write of {} bytes says that it took {n}", total - taken);
        taken += n;
    }
    Ok(total)
}

/// Writes these slices, and expects the pattern that they are made of.
async fn arrives(rig: &Rig<'_>, seed: usize, sizes: &[usize]) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(seed), Pattern::new(seed));
    let parts: Vec<Vec<u8>> = sizes.iter().map(|&size| pattern.take(size)).collect();
    let bufs: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let mut kept = None;
    both(expect_all(&mut far, &mut expected, sizes.iter().sum()), async {
        write_all(&mut near, &bufs).await?;
        near.flush().await?;
        kept = finish(rig, near).await?;
        Ok(())
    })
    .await
}

pub(super) async fn slices_arrive_in_order(rig: &Rig<'_>) -> Check {
    arrives(rig, 1, &[3, 5, 1, 100]).await
}

pub(super) async fn empty_slices_among_others_are_skipped(rig: &Rig<'_>) -> Check {
    arrives(rig, 2, &[0, 0, 4, 0, 9, 0, 0, 2, 0]).await
}

pub(super) async fn a_hundred_slices_arrive(rig: &Rig<'_>) -> Check {
    let sizes: Vec<usize> = (0..100).map(|at| at * 7 % 31).collect();
    arrives(rig, 3, &sizes).await
}

pub(super) async fn slices_larger_than_any_buffer_are_partly_taken(rig: &Rig<'_>) -> Check {
    arrives(rig, 4, &[200_000, 1, 0, 150_000, 17]).await
}

pub(super) async fn no_slices_are_answered_at_once(rig: &Rig<'_>) -> Check {
    let Pair { mut near, far: _far } = rig.pair().await?;
    ensure_matches!(now(&mut near, &[]).await, Some(Ok(0)), "a vectored write of no slices");
    Ok(())
}

pub(super) async fn empty_slices_are_answered_at_once(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    ensure_matches!(now(&mut near, &[b""]).await, Some(Ok(0)), "a vectored write of an empty slice");
    ensure_matches!(now(&mut near, &[b"", b"", b""]).await, Some(Ok(0)), "a vectored write of empty slices");
    super::ends::transfer(&mut near, &mut far, 5, 100).await
}

/// Just the bytes that were counted: what the count leaves out was not sent.
pub(super) async fn the_count_is_what_was_sent(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(6), Pattern::new(6));
    let parts = [pattern.take(40), pattern.take(0), pattern.take(60), pattern.take(300_000)];
    let bufs = [&parts[0][..], &parts[1], &parts[2], &parts[3]];
    let n = near.write_vectored(&bufs).await?;
    ensure!((1..=300_100).contains(&n), "a vectored write of 300,100 bytes says that it took {n}");
    sent_just(rig, near, &mut far, &mut expected, n).await
}

pub(super) async fn vectored_and_plain_writes_keep_the_order(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(7), Pattern::new(7));
    both(expect(&mut far, &mut expected, 50 * 60), async {
        for _ in 0..50 {
            let parts = [pattern.take(10), pattern.take(20), pattern.take(30)];
            near.write_all(&parts[0]).await?;
            write_all(&mut near, &[&parts[1], b"", &parts[2]]).await?;
        }
        Ok(near.flush().await?)
    })
    .await?;
    expect_no_more(rig, near, &mut far).await
}

/// Who says that it writes slices at once takes both of two small ones.
pub(super) async fn who_is_vectored_takes_more_than_the_first(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(8), Pattern::new(8));
    let parts = [pattern.take(1), pattern.take(1)];
    let vectored = near.is_write_vectored();
    let n = near.write_vectored(&[&parts[0], b"", &parts[1]]).await?;
    ensure!((1..=2).contains(&n), "a vectored write of 2 bytes says that it took {n}");
    ensure!(n == 2 || !vectored, "it says that it is vectored, and took one of two slices of a byte");
    ensure!(vectored == near.is_write_vectored(), "is_write_vectored changed its mind");
    both(expect(&mut far, &mut expected, n), async { Ok(near.flush().await?) }).await
}

pub(super) async fn a_vectored_write_that_waits_takes_nothing(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(9), Pattern::new(9));
    let task = Task::new();
    let taken = fill(&mut near, &task, &mut pattern).await?;
    let mut extra = 0;
    // It may turn out to have room; then that is what the pattern says next.
    for _ in 0..3 {
        let part = pattern.peek(40);
        let (one, two) = part.split_at(part.len() / 2);
        if let Some(n) = now(&mut near, &[one, b"", two]).await {
            let n = n?;
            pattern.skip(n);
            extra += n;
        }
    }
    both(expect(&mut far, &mut expected, taken + extra + 100), super::ends::send(&mut near, &mut pattern, 100)).await?;
    expect_no_more(rig, near, &mut far).await
}
