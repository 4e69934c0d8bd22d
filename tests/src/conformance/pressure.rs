//! Back-pressure: a writer waits when its peer does not read, and nothing is lost.

use std::time::Duration;

use mimic_core::Flow;
use mimic_core::embedded_io_async::Read;

use super::Rig;
use super::clock::sleep;
use super::ends::{Check, Pair, Pattern, both, drain, expect, expect_no_more, fill, send, transfer, write_once};
use super::failure::ensure;
use super::tasks::Task;

pub(super) async fn a_writer_waits_when_nobody_reads_and_goes_on(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(1), Pattern::new(1));
    for _ in 0..2 {
        let taken = fill(&mut near, &task, &mut pattern).await?;
        both(expect(&mut far, &mut expected, taken + 5000), send(&mut near, &mut pattern, 5000)).await?;
    }
    expect_no_more(rig, near, &mut far).await
}

/// What was offered while it waited is not what arrives.
pub(super) async fn a_write_that_waits_takes_nothing(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(2), Pattern::new(2));
    let mut taken = fill(&mut near, &task, &mut pattern).await?;
    for other in 0..20_u8 {
        // Had it room by now, what it takes would be right.
        let right = pattern.peek(10);
        let wrong = [other; 10];
        let offered = if other % 2 == 0 { &wrong[..] } else { right };
        match write_once(&mut near, offered).await? {
            None => {}
            Some(n) if offered == right => {
                pattern.skip(n);
                taken += n;
            }
            // There was room after all: then it cannot be told what arrives.
            Some(_) => return full_again(rig).await,
        }
    }
    both(expect(&mut far, &mut expected, taken + 100), send(&mut near, &mut pattern, 100)).await?;
    expect_no_more(rig, near, &mut far).await
}

/// As above for a transport that finds room by itself: the same bytes are offered again and again,
/// and arrive once.
async fn full_again(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(3), Pattern::new(3));
    let mut taken = fill(&mut near, &task, &mut pattern).await?;
    for _ in 0..20 {
        if let Some(n) = write_once(&mut near, pattern.peek(10)).await? {
            pattern.skip(n);
            taken += n;
        }
    }
    both(expect(&mut far, &mut expected, taken + 100), send(&mut near, &mut pattern, 100)).await?;
    expect_no_more(rig, near, &mut far).await
}

pub(super) async fn a_slow_reader_loses_nothing(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(4), Pattern::new(4));
    let taken = fill(&mut near, &task, &mut pattern).await?;
    both(send(&mut near, &mut pattern, 2000), async {
        let (mut came, mut buf) = (0, [0; 7]);
        while came < taken.min(500) {
            let n = far.read(&mut buf).await?;
            ensure!(n > 0 && n <= 7, "a read of 7 bytes says that it read {n}");
            expected.check(&buf[..n], came)?;
            came += n;
            if came % 50 < 7 {
                sleep(Duration::from_millis(1)).await;
            }
        }
        expect(&mut far, &mut expected, taken + 2000 - came).await
    })
    .await
}

pub(super) async fn a_full_direction_leaves_the_other_free(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(5), Pattern::new(5));
    let taken = fill(&mut near, &task, &mut pattern).await?;
    transfer(&mut far, &mut near, 6, 20_000).await?;
    drain(&mut near, &mut far, &mut expected, taken).await
}

pub(super) async fn both_directions_may_be_full_at_once(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let [near_task, far_task] = [Task::new(), Task::new()];
    let (mut out, mut back) = (Pattern::new(7), Pattern::new(8));
    let (mut expected_out, mut expected_back) = (out, back);
    let taken_out = fill(&mut near, &near_task, &mut out).await?;
    let taken_back = fill(&mut far, &far_task, &mut back).await?;
    drain(&mut near, &mut far, &mut expected_out, taken_out).await?;
    drain(&mut far, &mut near, &mut expected_back, taken_back).await?;
    transfer(&mut near, &mut far, 9, 1000).await?;
    transfer(&mut far, &mut near, 10, 1000).await
}

pub(super) async fn a_flow_that_is_full_can_be_read(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(11), Pattern::new(11));
    let taken = fill(&mut near, &task, &mut pattern).await?;
    ensure!(near.poll_read(&mut task.cx(), &mut [0; 8]).is_pending(), "a read is answered although nothing was sent");
    transfer(&mut far, &mut near, 12, 100).await?;
    both(expect(&mut far, &mut expected, taken + 10), send(&mut near, &mut pattern, 10)).await?;
    expect_no_more(rig, near, &mut far).await
}
