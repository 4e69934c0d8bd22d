//! Wakers: none is lost, the newest counts, and readers and writers have their own.

use mimic_core::Flow;
use mimic_core::embedded_io_async::Write;

use super::ends::{Check, Pair, Pattern, both, expect, fill, send, settle};
use super::failure::ensure;
use super::tasks::Task;
use super::{BoxFlow, Failure, Rig};

/// The peer sends a byte, which wakes the reader who waits with `task`: he is not polled again
/// before.
async fn expect_byte(rig: &Rig<'_>, task: &Task, near: &mut BoxFlow, far: &mut BoxFlow, seed: usize) -> Check {
    let (mut pattern, mut expected) = (Pattern::new(seed), Pattern::new(seed));
    both(send(far, &mut pattern, 1), task.woken(rig.patience(), "a byte was sent")).await?;
    let mut buf = [0; 8];
    let n = task.drive(rig.patience(), "a byte was sent", |cx| near.poll_read(cx, &mut buf)).await??;
    ensure!(n == 1, "{n} bytes came of one");
    expected.check(&buf[..1], 0)
}

pub(super) async fn a_waiting_reader_is_woken_by_a_byte(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    for round in 21..25 {
        let task = Task::new();
        ensure!(near.poll_read(&mut task.cx(), &mut [0; 8]).is_pending(), "a read is answered with nothing");
        expect_byte(rig, &task, &mut near, &mut far, round).await?;
    }
    Ok(())
}

pub(super) async fn a_waiting_writer_is_woken_by_room(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(1), Pattern::new(1));
    let taken = fill(&mut near, &task, &mut pattern).await?;
    expect_room(rig, &task, &mut near, &mut far, (&mut pattern, &mut expected), taken).await
}

/// The peer reads what was taken, and then the writer, who waits with `task`, goes on.
async fn expect_room(
    rig: &Rig<'_>,
    task: &Task,
    near: &mut BoxFlow,
    far: &mut BoxFlow,
    (pattern, expected): (&mut Pattern, &mut Pattern),
    taken: usize,
) -> Check {
    // What has to be flushed to move is flushed by the writer's next poll, which is what the
    // wake-up is for.
    let writer = async {
        let part = pattern.peek(100);
        let n = task.drive(rig.patience(), "there is room", |cx| near.poll_write(cx, part)).await??;
        pattern.skip(n);
        near.flush().await?;
        Ok::<usize, Failure>(n)
    };
    let mut more = 0;
    both(expect(far, expected, taken), async {
        task.woken(rig.patience(), "there is room").await?;
        more = writer.await?;
        Ok(())
    })
    .await?;
    expect(far, expected, more).await
}

pub(super) async fn the_newest_waker_of_a_reader_is_woken(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let tasks: Vec<Task> = (0..4).map(|_| Task::new()).collect();
    for task in &tasks {
        ensure!(near.poll_read(&mut task.cx(), &mut [0; 8]).is_pending(), "a read is answered with nothing");
    }
    expect_byte(rig, &tasks[3], &mut near, &mut far, 2).await
}

pub(super) async fn the_newest_waker_of_a_writer_is_woken(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (first, mut pattern, mut expected) = (Task::new(), Pattern::new(3), Pattern::new(3));
    let mut taken = fill(&mut near, &first, &mut pattern).await?;
    // Not before: the next task would have the same waker.
    let newest = Task::new();
    drop(first);
    taken += fill(&mut near, &newest, &mut pattern).await?;
    expect_room(rig, &newest, &mut near, &mut far, (&mut pattern, &mut expected), taken).await
}

pub(super) async fn a_reader_that_comes_back_is_woken_again(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let [one, other] = [Task::new(), Task::new()];
    for task in [&one, &other, &one] {
        ensure!(near.poll_read(&mut task.cx(), &mut [0; 8]).is_pending(), "a read is answered with nothing");
    }
    expect_byte(rig, &one, &mut near, &mut far, 4).await
}

/// Both wait; a byte wakes the reader, and room still wakes the writer.
pub(super) async fn waking_the_reader_leaves_the_writer_its_waker(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let [reader, writer] = [Task::new(), Task::new()];
    let (mut pattern, mut expected) = (Pattern::new(5), Pattern::new(5));
    let taken = fill(&mut near, &writer, &mut pattern).await?;
    ensure!(near.poll_read(&mut reader.cx(), &mut [0; 8]).is_pending(), "a read is answered with nothing");
    expect_byte(rig, &reader, &mut near, &mut far, 6).await?;
    settle().await;
    expect_room(rig, &writer, &mut near, &mut far, (&mut pattern, &mut expected), taken).await
}

/// Both wait; room wakes the writer, and a byte still wakes the reader.
pub(super) async fn waking_the_writer_leaves_the_reader_its_waker(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let [reader, writer] = [Task::new(), Task::new()];
    ensure!(near.poll_read(&mut reader.cx(), &mut [0; 8]).is_pending(), "a read is answered with nothing");
    let (mut pattern, mut expected) = (Pattern::new(7), Pattern::new(7));
    let taken = fill(&mut near, &writer, &mut pattern).await?;
    expect_room(rig, &writer, &mut near, &mut far, (&mut pattern, &mut expected), taken).await?;
    expect_byte(rig, &reader, &mut near, &mut far, 8).await
}

/// A reader waits, and is not polled again while its flow writes, flushes and fills up.
pub(super) async fn a_busy_writer_takes_no_waker_from_the_reader(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let reader = Task::new();
    ensure!(near.poll_read(&mut reader.cx(), &mut [0; 8]).is_pending(), "a read is answered with nothing");
    for seed in 9..12 {
        super::ends::transfer(&mut near, &mut far, seed, 2000).await?;
    }
    expect_byte(rig, &reader, &mut near, &mut far, 12).await
}

/// A writer waits, and is not polled again while its flow reads.
pub(super) async fn a_busy_reader_takes_no_waker_from_the_writer(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (writer, mut pattern, mut expected) = (Task::new(), Pattern::new(13), Pattern::new(13));
    let taken = fill(&mut near, &writer, &mut pattern).await?;
    for seed in 14..17 {
        super::ends::transfer(&mut far, &mut near, seed, 2000).await?;
    }
    expect_room(rig, &writer, &mut near, &mut far, (&mut pattern, &mut expected), taken).await
}

/// One task waits for both, as a `select` does.
pub(super) async fn one_task_may_wait_for_both(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(17), Pattern::new(17));
    let mut taken = fill(&mut near, &task, &mut pattern).await?;
    let mut buf = [0; 8];
    ensure!(near.poll_read(&mut task.cx(), &mut buf).is_pending(), "a read is answered with nothing");
    expect_byte(rig, &task, &mut near, &mut far, 18).await?;
    // As a `select` would, it polls both whenever it is woken: it may have been for room, too, that
    // there was by itself.
    ensure!(near.poll_read(&mut task.cx(), &mut buf).is_pending(), "a read is answered with nothing");
    taken += fill(&mut near, &task, &mut pattern).await?;
    expect_room(rig, &task, &mut near, &mut far, (&mut pattern, &mut expected), taken).await
}

pub(super) async fn a_waiting_flush_comes_to_its_end(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(19), Pattern::new(19));
    let taken = fill(&mut near, &task, &mut pattern).await?;
    let flusher = Task::new();
    both(expect(&mut far, &mut expected, taken), async {
        flusher.drive(rig.patience(), "all was read", |cx| near.poll_flush(cx)).await??;
        Ok(())
    })
    .await
}

pub(super) async fn a_waiting_shutdown_comes_to_its_end(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let (task, mut pattern, mut expected) = (Task::new(), Pattern::new(20), Pattern::new(20));
    let taken = fill(&mut near, &task, &mut pattern).await?;
    let closer = Task::new();
    both(expect(&mut far, &mut expected, taken), async {
        closer.drive(rig.patience(), "all was read", |cx| near.poll_shutdown(cx)).await??;
        Ok(())
    })
    .await?;
    let _near = super::ends::finish(rig, near).await?;
    super::ends::expect_end(&mut far).await
}
