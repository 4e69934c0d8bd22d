//! Reading: what comes, how much at once, and the end of stream.

use mimic_core::embedded_io_async::Read;
use mimic_core::{Flow, FlowExt};

use super::Rig;
use super::ends::{
    Check, Pair, Pattern, both, expect, expect_end, finish, is_pending, pass, read_now, send, settle, transfer,
};
use super::failure::{ensure, ensure_matches};
use super::tasks::Task;

pub(super) async fn a_read_waits_for_a_byte(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.fresh_pair().await?;
    ensure!(is_pending(near.read(&mut [0; 16])).await, "a read is answered although nothing was sent");
    let came = pass(&mut far, &mut near, b"a").await?;
    ensure!(came == b"a", "{came:?} came");
    ensure!(is_pending(near.read(&mut [0; 16])).await, "a read is answered although nothing more was sent");
    Ok(())
}

pub(super) async fn a_read_of_nothing_is_answered_at_once(rig: &Rig<'_>) -> Check {
    let Pair { mut near, far: _far } = rig.fresh_pair().await?;
    for _ in 0..3 {
        ensure_matches!(read_now(&mut near, &mut []).await, Some(Ok(0)), "a read of no bytes");
    }
    Ok(())
}

pub(super) async fn a_read_of_nothing_takes_nothing(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let mut pattern = Pattern::new(3);
    let mut expected = pattern;
    both(send(&mut far, &mut pattern, 20), async {
        for count in [1, 1, 7, 11] {
            expect(&mut near, &mut expected, count).await?;
            settle().await;
            let read = read_now(&mut near, &mut []).await;
            ensure_matches!(read, Some(Ok(0)), "a read of no bytes, though there are some");
        }
        Ok(())
    })
    .await
}

pub(super) async fn a_read_of_nothing_is_not_the_end(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    ensure_matches!(read_now(&mut near, &mut []).await, Some(Ok(0)), "a read of no bytes");
    transfer(&mut far, &mut near, 4, 50).await
}

pub(super) async fn a_read_is_never_longer_than_its_buffer(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(5), Pattern::new(5));
    both(send(&mut far, &mut pattern, 500), async {
        let (mut came, mut buf) = (0, [0xaa; 16]);
        while came < 500 {
            let n = near.read(&mut buf[..3]).await?;
            ensure!((1..=3).contains(&n), "a read of 3 bytes says that it read {n}");
            ensure!(buf[3..].iter().all(|&byte| byte == 0xaa), "a read of 3 bytes wrote more");
            expected.check(&buf[..n], came)?;
            came += n;
        }
        Ok(())
    })
    .await
}

pub(super) async fn a_read_does_not_wait_to_fill_its_buffer(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(6), Pattern::new(6));
    both(send(&mut far, &mut pattern, 10), async {
        let (mut came, mut buf) = (0, vec![0; 64 * 1024]);
        while came < 10 {
            let n = near.read(&mut buf).await?;
            ensure!(n > 0 && came + n <= 10, "{n} bytes came after {came}, of 10");
            expected.check(&buf[..n], came)?;
            came += n;
        }
        Ok(())
    })
    .await
}

pub(super) async fn bytes_one_at_a_time_come_in_order(rig: &Rig<'_>) -> Check {
    const COUNT: usize = 3000;
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(7), Pattern::new(7));
    both(send(&mut far, &mut pattern, COUNT), async {
        for at in 0..COUNT {
            let mut buf = [0];
            ensure_matches!(near.read(&mut buf).await, Ok(1), "byte {at}");
            expected.check(&buf, at)?;
        }
        Ok(())
    })
    .await
}

pub(super) async fn reads_of_all_sizes_keep_the_order(rig: &Rig<'_>) -> Check {
    const COUNT: usize = 20_000;
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(8), Pattern::new(8));
    both(send(&mut far, &mut pattern, COUNT), async {
        let (mut came, mut buf) = (0, [0; 300]);
        for round in 0.. {
            let room = (1 + round * 37 % 293).min(COUNT - came);
            let n = near.read(&mut buf[..room]).await?;
            ensure!((1..=room).contains(&n), "a read of {room} bytes says that it read {n}");
            expected.check(&buf[..n], came)?;
            came += n;
            if came == COUNT {
                break;
            }
        }
        Ok(())
    })
    .await
}

pub(super) async fn polls_while_nothing_comes_change_nothing(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let task = Task::new();
    for room in 1..50 {
        ensure!(near.poll_read(&mut task.cx(), &mut vec![0; room]).is_pending(), "a read is answered with nothing");
    }
    transfer(&mut far, &mut near, 9, 1000).await
}

pub(super) async fn reads_go_on_after_each_answer(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    for round in 0..20_u8 {
        let came = pass(&mut far, &mut near, &[round; 3]).await?;
        ensure!(came == [round; 3], "{came:?} came in round {round}");
        ensure!(is_pending(near.read(&mut [0; 3])).await, "a read is answered although nothing more was sent");
    }
    Ok(())
}

pub(super) async fn all_comes_before_the_end(rig: &Rig<'_>) -> Check {
    const COUNT: usize = 5000;
    let Pair { mut near, mut far } = rig.pair().await?;
    let (mut pattern, mut expected) = (Pattern::new(10), Pattern::new(10));
    let mut kept = None;
    both(
        async {
            send(&mut far, &mut pattern, COUNT).await?;
            kept = finish(rig, far).await?;
            Ok(())
        },
        async {
            expect(&mut near, &mut expected, COUNT).await?;
            expect_end(&mut near).await
        },
    )
    .await
}

pub(super) async fn the_end_stays(rig: &Rig<'_>) -> Check {
    let Pair { mut near, far } = rig.pair().await?;
    let _far = finish(rig, far).await?;
    expect_end(&mut near).await?;
    settle().await;
    for room in [1, 10, 1000] {
        let read = read_now(&mut near, &mut vec![0; room]).await;
        ensure_matches!(read, Some(Ok(0)), "a read after the end of stream");
    }
    Ok(())
}

pub(super) async fn a_read_of_nothing_at_the_end_is_zero(rig: &Rig<'_>) -> Check {
    let Pair { mut near, far } = rig.pair().await?;
    let _far = finish(rig, far).await?;
    ensure_matches!(read_now(&mut near, &mut []).await, Some(Ok(0)), "a read of no bytes before the end is read");
    expect_end(&mut near).await?;
    ensure_matches!(read_now(&mut near, &mut []).await, Some(Ok(0)), "a read of no bytes after the end");
    Ok(())
}

pub(super) async fn an_end_without_a_byte_is_an_end(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    if !rig.kind().half_close {
        // Then the end comes with the drop, and not before.
        far.shutdown().await?;
        settle().await;
        ensure!(is_pending(near.read(&mut [0])).await, "it half-closes, and its kind says that it does not");
    }
    let _far = finish(rig, far).await?;
    expect_end(&mut near).await
}

pub(super) async fn reads_go_on_after_own_shutdown(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    near.shutdown().await?;
    transfer(&mut far, &mut near, 11, 3000).await?;
    transfer(&mut far, &mut near, 12, 30).await
}
