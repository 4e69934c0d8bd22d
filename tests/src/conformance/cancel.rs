//! Cancellation: a future may be dropped at any poll, and no byte is lost or sent twice.

use std::pin::pin;
use std::task::{Context, Poll};

use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::{Error, Flow, FlowExt};

use super::ends::{
    Check, Pair, Pattern, Ready, both, expect, expect_end, expect_no_more, fill, finish, is_pending, read_dropping,
    send, transfer, write_once,
};
use super::failure::ensure;
use super::tasks::Task;
use super::{BoxFlow, Rig};

const COUNT: usize = 64 * 1024;

pub(super) async fn a_dropped_read_loses_nothing(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    for seed in 1..20 {
        ensure!(is_pending(near.read(&mut [0; 9])).await, "a read is answered although nothing was sent");
        transfer(&mut far, &mut near, seed, 100).await?;
    }
    Ok(())
}

pub(super) async fn reads_dropped_at_each_poll_lose_nothing(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(21), Pattern::new(21));
    both(send(&mut far, &mut pattern, COUNT), async {
        let (task, mut came, mut round) = (Task::new(), 0, 0);
        while came < COUNT {
            round += 1;
            let room = (1 + round * 37 % 900).min(COUNT - came);
            let bytes = read_dropping(&mut near, &task, room).await?;
            ensure!(!bytes.is_empty(), "end of stream after {came} bytes of {COUNT}");
            expected.check(&bytes, came)?;
            came += bytes.len();
        }
        Ok(())
    })
    .await
}

pub(super) async fn a_dropped_read_leaves_its_bytes_to_the_next(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(22), Pattern::new(22));
    // Each read that waits has another length than the one that comes after it.
    for room in [1, 1000, 3, 64, 1] {
        ensure!(is_pending(near.read(&mut vec![0; room])).await, "a read is answered although nothing was sent");
        let mut sent = pattern;
        pattern.skip(50);
        both(send(&mut far, &mut sent, 50), expect(&mut near, &mut expected, 50)).await?;
    }
    Ok(())
}

pub(super) async fn writes_dropped_at_each_poll_send_what_they_say(rig: &Rig<'_>) -> Check {
    let mut round = 0;
    let size = move || {
        round += 1;
        1 + round * 37 % 2000
    };
    sends_what_it_says(rig, 23, COUNT, size, |near, part, cx| pin!(near.write(part)).poll(cx)).await
}

pub(super) async fn vectored_writes_may_be_dropped(rig: &Rig<'_>) -> Check {
    sends_what_it_says(
        rig,
        24,
        20_000,
        || 500,
        |near, part, cx| {
            let (one, two) = part.split_at(part.len() / 3);
            pin!(near.write_vectored(&[one, b"", two])).poll(cx)
        },
    )
    .await
}

/// Writes parts of these sizes, each by a future that is dropped after its first poll.
async fn sends_what_it_says(
    rig: &Rig<'_>,
    seed: usize,
    count: usize,
    mut size: impl FnMut() -> usize,
    write: impl Fn(&mut BoxFlow, &[u8], &mut Context<'_>) -> Poll<Result<usize, Error>>,
) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(seed), Pattern::new(seed));
    // It starts full, so that writes have to wait.
    let taken = fill(&mut near, &task, &mut pattern).await?;
    both(expect(&mut far, &mut expected, taken + count), async {
        let mut sent = 0;
        while sent < count {
            let part = pattern.peek(size().min(count - sent));
            match write(&mut near, part, &mut task.cx()).ready().transpose()? {
                Some(n) => {
                    ensure!((1..=part.len()).contains(&n), "a write of {} bytes says that it took {n}", part.len());
                    pattern.skip(n);
                    sent += n;
                }
                None => task.woken(rig.patience(), "there is room").await?,
            }
        }
        Ok(near.flush().await?)
    })
    .await?;
    expect_no_more(rig, near, &mut far).await
}

pub(super) async fn a_dropped_flush_can_be_begun_again(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(25), Pattern::new(25));
    let taken = fill(&mut near, &task, &mut pattern).await?;
    both(expect(&mut far, &mut expected, taken), async {
        loop {
            let flushed = {
                let mut flush = std::pin::pin!(near.flush());
                flush.as_mut().poll(&mut task.cx())
            };
            match flushed.ready() {
                Some(flushed) => return Ok(flushed?),
                None => task.woken(rig.patience(), "all was read").await?,
            }
        }
    })
    .await?;
    transfer(&mut near, &mut far, 26, 100).await
}

pub(super) async fn a_dropped_shutdown_can_be_begun_again(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(27), Pattern::new(27));
    let taken = fill(&mut near, &task, &mut pattern).await?;
    both(expect(&mut far, &mut expected, taken), async {
        loop {
            let shut = {
                let mut shutdown = std::pin::pin!(near.shutdown());
                shutdown.as_mut().poll(&mut task.cx())
            };
            match shut.ready() {
                Some(shut) => return Ok(shut?),
                None => task.woken(rig.patience(), "all was read").await?,
            }
        }
    })
    .await?;
    let _near = finish(rig, near).await?;
    expect_end(&mut far).await
}

pub(super) async fn reads_and_writes_may_be_dropped_in_turn(rig: &Rig<'_>) -> Check {
    const COUNT: usize = 20_000;
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut out, mut back) = (Pattern::new(28), Pattern::new(29));
    let (mut expected_out, mut expected_back) = (out, back);
    let peer = async {
        let (mut sent, mut came) = (0, 0);
        while came < COUNT || sent < COUNT {
            let n = 1000.min(COUNT - sent);
            send(&mut far, &mut back, n).await?;
            sent += n;
            let n = 1000.min(COUNT - came);
            expect(&mut far, &mut expected_out, n).await?;
            came += n;
        }
        Ok(())
    };
    let own = async {
        let (mut sent, mut came, mut buf) = (0, 0, [0; 333]);
        while came < COUNT || sent < COUNT {
            // Each is polled once and dropped, ready or not.
            if let Some(n) = futures_lite::future::poll_once(near.read(&mut buf)).await.transpose()? {
                ensure!(n > 0 || came == COUNT, "end of stream after {came} bytes of {COUNT}");
                expected_back.check(&buf[..n], came)?;
                came += n;
            }
            if sent < COUNT
                && let Some(n) = write_once(&mut near, out.peek(444.min(COUNT - sent))).await?
            {
                out.skip(n);
                sent += n;
            }
            let _ = futures_lite::future::poll_once(near.flush()).await.transpose()?;
            futures_lite::future::yield_now().await;
        }
        Ok(near.flush().await?)
    };
    both(own, peer).await
}

/// The task of a dropped future is gone, and its waker may be all that is left of it.
pub(super) async fn the_task_of_a_dropped_read_may_be_gone(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    for seed in 30..33 {
        let gone = Task::new();
        ensure!(near.poll_read(&mut gone.cx(), &mut [0; 5]).is_pending(), "a read is answered with nothing");
        drop(gone);
        transfer(&mut far, &mut near, seed, 50).await?;
    }
    Ok(())
}

pub(super) async fn a_read_dropped_before_the_end_leaves_the_end(rig: &Rig<'_>) -> Check {
    let Pair { mut near, far } = rig.pair().await?;
    ensure!(is_pending(near.read(&mut [0; 5])).await, "a read is answered although nothing was sent");
    let _far = finish(rig, far).await?;
    expect_end(&mut near).await
}
