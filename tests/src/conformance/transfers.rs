//! Much, both ways, in one piece and in two.

use std::sync::mpsc::{self, TryRecvError};
use std::task::Waker;
use std::thread;

use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::Split;
use mimic_core::{Error, Local, Shared};

use super::ends::{Check, Pair, Pattern, both, expect, expect_all, finish, greet, pass, send, transfer};
use super::failure::ensure;
use super::fixture::block_on;
use super::tasks::Task;
use super::{BoxFlow, Failure, Rig};

const SOME: usize = 64 * 1024;
const BIG: usize = 16 << 20;

async fn to_the_end(rig: &Rig<'_>, mut from: BoxFlow, mut to: BoxFlow, count: usize) -> Check {
    let (mut pattern, mut expected) = (Pattern::new(1), Pattern::new(1));
    let mut kept = None;
    both(expect_all(&mut to, &mut expected, count), async {
        send(&mut from, &mut pattern, count).await?;
        kept = finish(rig, from).await?;
        Ok(())
    })
    .await
}

pub(super) async fn much_goes_out(rig: &Rig<'_>) -> Check {
    let Pair { near, far } = rig.pair().await?;
    to_the_end(rig, near, far, SOME).await
}

pub(super) async fn much_comes_in(rig: &Rig<'_>) -> Check {
    let Pair { near, far } = rig.pair().await?;
    to_the_end(rig, far, near, SOME).await
}

pub(super) async fn much_goes_both_ways_at_once(rig: &Rig<'_>) -> Check {
    both_ways(rig, SOME).await
}

pub(super) async fn big_16_mib_go_out(rig: &Rig<'_>) -> Check {
    let Pair { near, far } = rig.pair().await?;
    to_the_end(rig, near, far, BIG).await
}

pub(super) async fn big_16_mib_come_in(rig: &Rig<'_>) -> Check {
    let Pair { near, far } = rig.pair().await?;
    to_the_end(rig, far, near, BIG).await
}

pub(super) async fn big_16_mib_go_both_ways_at_once(rig: &Rig<'_>) -> Check {
    both_ways(rig, BIG).await
}

/// Each end reads and writes at once, by borrowed halves.
async fn both_ways(rig: &Rig<'_>, count: usize) -> Check {
    let Pair { near, far } = rig.pair().await?;
    let (mut near, mut far) = (Split::<_, Local>::new(near), Split::<_, Local>::new(far));
    let ((near_reader, near_writer), (far_reader, far_writer)) = (near.halves(), far.halves());
    both(
        both(send_half(near_writer, 2, count), expect_half(near_reader, 3, count)),
        both(send_half(far_writer, 3, count), expect_half(far_reader, 2, count)),
    )
    .await
}

async fn send_half(mut writer: impl Write<Error = Error>, seed: usize, count: usize) -> Check {
    let (mut pattern, mut left) = (Pattern::new(seed), count);
    while left > 0 {
        let part = pattern.peek(left.min(20_000));
        writer.write_all(part).await?;
        pattern.skip(part.len());
        left -= part.len();
    }
    Ok(writer.flush().await?)
}

async fn expect_half(mut reader: impl Read<Error = Error>, seed: usize, count: usize) -> Check {
    let (mut pattern, mut came, mut buf) = (Pattern::new(seed), 0, vec![0; 20_000]);
    while came < count {
        let room = buf.len().min(count - came);
        let n = reader.read(&mut buf[..room]).await?;
        ensure!(n > 0, "end of stream after {came} bytes of {count}");
        pattern.check(&buf[..n], came)?;
        came += n;
    }
    Ok(())
}

pub(super) async fn questions_and_answers_take_turns(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    for round in 0..200_u8 {
        let question = [round, 1, 2];
        let came = pass(&mut near, &mut far, &question).await?;
        ensure!(came == question, "{came:?} came as question {round}");
        let came = pass(&mut far, &mut near, &[round]).await?;
        ensure!(came == [round], "{came:?} came as answer {round}");
    }
    Ok(())
}

pub(super) async fn owned_halves_read_and_write_at_once(rig: &Rig<'_>) -> Check {
    let Pair { near, far } = rig.pair().await?;
    let (mut reader, mut writer) = Split::<_, Local>::new(near).into_halves();
    let mut far = Split::<_, Local>::new(far);
    {
        let (far_reader, far_writer) = far.halves();
        both(
            both(send_half(&mut writer, 4, SOME), expect_half(&mut reader, 5, SOME)),
            both(send_half(far_writer, 5, SOME), expect_half(far_reader, 4, SOME)),
        )
        .await?;
    }
    let mut far = far.into_inner();
    let Ok(mut near) = reader.reunite(writer) else {
        return Err(Failure::new("the halves of one flow do not reunite"));
    };
    greet(&mut near, &mut far).await
}

/// A flow that may move is read in one thread and written in another, while its peer stays.
pub(super) async fn halves_work_in_threads_of_their_own(rig: &Rig<'_>) -> Check {
    let (near, far) = rig.ends().await?;
    let mut far = Split::<_, Local>::new(far.flow());
    let (far_reader, far_writer) = far.halves();
    let peer = both(send_half(far_writer, 6, SOME), expect_half(far_reader, 7, SOME));
    match near.try_send() {
        Ok(near) => {
            let (reader, writer) = Split::<_, Shared>::new(near).into_halves();
            let reading = elsewhere(reader, |reader| block_on(expect_half(reader, 6, SOME)));
            let writing = elsewhere(writer, |writer| block_on(send_half(writer, 7, SOME)));
            both(peer, both(reading, writing)).await
        }
        // It stays, and its halves are two tasks of one thread.
        Err(near) => {
            let (reader, writer) = Split::<_, Local>::new(near).into_halves();
            both(peer, both(expect_half(reader, 6, SOME), send_half(writer, 7, SOME))).await
        }
    }
}

pub(super) async fn a_flow_works_in_another_thread(rig: &Rig<'_>) -> Check {
    let (near, far) = rig.ends().await?;
    let mut far = far.flow();
    let peer = async {
        send(&mut far, &mut Pattern::new(8), 3000).await?;
        expect(&mut far, &mut Pattern::new(9), 3000).await
    };
    match near.try_send() {
        Ok(near) => {
            let answer = elsewhere(near, |near| {
                block_on(expect_half(&mut *near, 8, 3000)).and_then(|()| block_on(send_half(near, 9, 3000)))
            });
            both(peer, answer).await
        }
        Err(mut near) => {
            let answer = async {
                expect(&mut near, &mut Pattern::new(8), 3000).await?;
                send(&mut near, &mut Pattern::new(9), 3000).await
            };
            both(peer, answer).await
        }
    }
}

/// What is made of a flow in a thread of its own. The flow comes back, or its drop would tell the
/// peer before this tells why.
async fn elsewhere<F: Send + 'static>(mut flow: F, work: impl FnOnce(&mut F) -> Check + Send + 'static) -> Check {
    struct WakeAtLast(Waker);
    impl Drop for WakeAtLast {
        fn drop(&mut self) {
            self.0.wake_by_ref();
        }
    }
    let task = Task::new();
    let over = WakeAtLast(task.cx().waker().clone());
    let (done, wait) = mpsc::channel();
    thread::spawn(move || {
        let _over = over;
        let (done, result) = (done, work(&mut flow));
        // Nobody listens if the peer has failed.
        let _ = done.send((flow, result));
    });
    // Somebody else may have woken it.
    loop {
        match wait.try_recv() {
            Ok((_flow, result)) => return result,
            Err(TryRecvError::Empty) => task.wake().await,
            Err(TryRecvError::Disconnected) => return Err(Failure::new("the thread panicked")),
        }
    }
}

pub(super) async fn many_connections_live_side_by_side(rig: &Rig<'_>) -> Check {
    let mut one = rig.pair().await?;
    let mut two = rig.pair().await?;
    both(transfer(&mut one.near, &mut one.far, 10, 9000), transfer(&mut two.near, &mut two.far, 11, 9000)).await?;
    drop(one);
    greet(&mut two.near, &mut two.far).await
}
