//! Every order in which tasks that share state can be polled: none of them loses a byte or sleeps
//! for ever.
//!
//! Whoever polls a flow in memory, a half, or a flow behind a `DuplexWaker` has it to itself for
//! the whole poll; so what tasks can do to each other is decided by the order of their polls, and
//! that is enumerated here, spurious polls included. loom cannot do it for us: it sees only its own
//! locks, and these are spin's and atomic-waker's. What two threads can do to each other within one
//! poll is theirs: `halves.rs` runs their code in threads, and `tests/miri` runs that under Miri,
//! with a scheduler and weak memory of many seeds.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker, ready};

use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::{DuplexWaker, Memory, Split, memory_pair};
use mimic_core::{Error, ErrorKind, Flow, FlowExt, Local, Mode, Shared};

type Task = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// One step: which task is polled.
struct Step {
    task: usize,
    /// Those that could have been.
    options: Vec<usize>,
}

/// Runs new tasks in one order: the steps as given, and then whoever is first. Each task may be
/// polled once without having been woken.
fn run(make: &dyn Fn() -> Vec<Task>, begin: &[usize]) -> Vec<Step> {
    let mut tasks: Vec<_> = make().into_iter().map(Some).collect();
    let flags: Vec<Arc<Flag>> = tasks.iter().map(|_| Arc::new(Flag(AtomicBool::new(true)))).collect();
    let mut spurious = vec![true; tasks.len()];
    let mut steps: Vec<Step> = Vec::new();
    while tasks.iter().any(Option::is_some) {
        let alive = || (0..tasks.len()).filter(|&task| tasks[task].is_some());
        let woken: Vec<_> = alive().filter(|&task| flags[task].0.load(SeqCst)).collect();
        let order = || steps.iter().map(|step| step.task).collect::<Vec<_>>();
        assert!(
            !woken.is_empty(),
            "tasks {:?} sleep for ever, polled in the order {:?}",
            alive().collect::<Vec<_>>(),
            order()
        );
        let unwoken = alive().filter(|task| !woken.contains(task) && spurious[*task]);
        let options: Vec<_> = woken.iter().copied().chain(unwoken).collect();
        let task = begin.get(steps.len()).copied().unwrap_or(options[0]);
        assert!(options.contains(&task), "not the same each time");
        spurious[task] &= flags[task].0.swap(false, SeqCst);
        steps.push(Step { task, options });
        let waker = Waker::from(flags[task].clone());
        if let Some(running) = &mut tasks[task]
            && running.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
        {
            tasks[task] = None;
        }
    }
    steps
}

/// Runs them in every order, and says how many there are.
fn every_order(make: &dyn Fn() -> Vec<Task>) -> usize {
    let mut begin = Vec::new();
    for count in 1.. {
        let mut steps = run(make, &begin);
        // The next order: the last step that could have been another is.
        loop {
            let Some(Step { task, options }) = steps.pop() else { return count };
            // Miri takes a thousand times as long, and looks for something else.
            if cfg!(miri) && count == 5 {
                return count;
            }
            let at = options.iter().position(|option| *option == task).unwrap();
            if let Some(next) = options.get(at + 1) {
                begin = steps.iter().map(|step| step.task).chain([*next]).collect();
                break;
            }
        }
    }
    0
}

async fn send(mut writer: impl Write<Error = Error>, bytes: &[u8]) {
    writer.write_all(bytes).await.unwrap();
    writer.flush().await.unwrap();
}

async fn receive(mut reader: impl Read<Error = Error>, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    reader.read_exact(&mut got).await.unwrap();
    assert_eq!(got, bytes);
}

macro_rules! in_both_modes {
    ($($(#[$meta:meta])* fn $name:ident<M: Mode>() $body:block)*) => {$(
        $(#[$meta])*
        #[test]
        fn $name() {
            fn test<M: Mode>() -> Vec<Task> $body
            let orders = (every_order(&test::<Shared>), every_order(&test::<Local>));
            println!("{}: {} orders", stringify!($name), orders.0);
            assert!(orders.0 == orders.1 && orders.0 >= if cfg!(miri) { 5 } else { 10 }, "{orders:?} orders");
        }
    )*};
}

in_both_modes! {
    fn a_writer_and_a_reader<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(1);
        vec![
            Box::pin(async move {
                send(&mut here, b"abc").await;
                here.shutdown().await.unwrap();
                assert_eq!(here.read(&mut [0]).await.unwrap(), 0);
            }),
            Box::pin(async move {
                receive(&mut there, b"abc").await;
                assert_eq!(there.read(&mut [0]).await.unwrap(), 0);
            }),
        ]
    }

    fn two_that_answer_and_close<M: Mode>() {
        let (mut here, mut there) = memory_pair::<M>(1);
        vec![
            Box::pin(async move {
                send(&mut here, b"ab").await;
                receive(&mut here, b"c").await;
                here.close().await.unwrap();
            }),
            Box::pin(async move {
                receive(&mut there, b"ab").await;
                send(&mut there, b"c").await;
                there.close().await.unwrap();
            }),
        ]
    }

    fn one_that_goes_while_the_other_writes<M: Mode>() {
        let (here, mut there) = memory_pair::<M>(1);
        let gone = Arc::new(AtomicBool::new(false));
        let told = gone.clone();
        vec![
            Box::pin(async move {
                drop(here);
                gone.store(true, SeqCst);
            }),
            Box::pin(async move {
                let error = there.write_all(b"abc").await.unwrap_err();
                assert!(told.load(SeqCst) && error.kind() == ErrorKind::BrokenPipe, "{error}");
                assert_eq!(there.read(&mut [0]).await.unwrap(), 0);
            }),
            Box::pin(futures_lite::future::yield_now()),
        ]
    }

    fn one_that_aborts_while_both_halves_of_the_other_wait<M: Mode>() {
        let (mut here, there) = memory_pair::<M>(1);
        let (mut reader, mut writer) = Split::<_, M>::new(there).into_halves();
        vec![
            Box::pin(async move { here.abort() }),
            Box::pin(async move {
                assert_eq!(reader.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
            }),
            Box::pin(async move {
                assert_eq!(writer.write_all(b"abc").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
            }),
        ]
    }

    fn two_halves_and_a_peer<M: Mode>() {
        let (here, mut there) = memory_pair::<M>(1);
        let (reader, mut writer) = Split::<_, M>::new(here).into_halves();
        vec![
            Box::pin(async move {
                writer.write_all(b"ab").await.unwrap();
                writer.shutdown().await.unwrap();
            }),
            Box::pin(receive(reader, b"ab")),
            Box::pin(async move {
                let mut byte = [0];
                while there.read(&mut byte).await.unwrap() > 0 {
                    there.write_all(&byte).await.unwrap();
                }
            }),
        ]
    }

    /// Each read of the layer must answer below with a byte of its own, as TLS must some of its
    /// own.
    fn a_layer_whose_reads_write<M: Mode>() {
        let (here, there) = memory_pair::<M>(1);
        let (reader, mut writer) = Split::<_, M>::new(Answering::new(here)).into_halves();
        let (mut peer_reads, mut peer_writes) = Split::<_, M>::new(there).into_halves();
        vec![
            Box::pin(receive(reader, b"ab")),
            Box::pin(async move { writer.write_all(b"c").await.unwrap() }),
            Box::pin(async move { peer_writes.write_all(b"ab").await.unwrap() }),
            Box::pin(async move {
                let (mut all, mut byte) = (Vec::new(), [0]);
                while all.len() < 3 {
                    peer_reads.read_exact(&mut byte).await.unwrap();
                    all.push(byte[0]);
                }
                all.sort_unstable();
                assert_eq!(all, b"!!c");
            }),
        ]
    }
}

/// For each byte read it owes the peer one, and hands nothing out before that is paid.
#[derive(Debug)]
struct Answering<M: Mode> {
    below: Memory<M>,
    wakers: DuplexWaker,
    read: Option<u8>,
    owed: bool,
}

impl<M: Mode> Answering<M> {
    fn new(below: Memory<M>) -> Self {
        Self { below, wakers: DuplexWaker::new(), read: None, owed: false }
    }

    fn pay(&mut self) -> Poll<Result<(), Error>> {
        if self.owed {
            ready!(self.below.poll_write(&mut Context::from_waker(self.wakers.both()), b"!"))?;
            self.owed = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl<M: Mode> Flow for Answering<M> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.wakers.reader(cx);
        if self.read.is_none() {
            let mut byte = [0];
            ready!(self.below.poll_read(&mut Context::from_waker(self.wakers.both()), &mut byte))?;
            (self.read, self.owed) = (Some(byte[0]), true);
        }
        ready!(self.pay())?;
        buf[0] = self.read.take().unwrap();
        Poll::Ready(Ok(1))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.wakers.writer(cx);
        ready!(self.pay())?;
        self.below.poll_write(&mut Context::from_waker(self.wakers.both()), buf)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.wakers.writer(cx);
        self.pay()
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_flush(cx))?;
        self.below.poll_shutdown(&mut Context::from_waker(self.wakers.both()))
    }
}

/// The enumeration itself: a wake-up that is lost in one order alone is found.
#[test]
fn a_lost_wake_up_is_found() {
    let make = || -> Vec<Task> {
        let set = Arc::new(AtomicBool::new(false));
        let (sets, waits) = (set.clone(), set);
        let mut begun = false;
        vec![
            // Sets it without telling.
            Box::pin(async move {
                futures_lite::future::yield_now().await;
                sets.store(true, SeqCst);
            }),
            Box::pin(poll_fn(move |cx| {
                if waits.load(SeqCst) {
                    return Poll::Ready(());
                }
                // Looks again at once, but only once.
                if !std::mem::replace(&mut begun, true) {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            })),
        ]
    };
    let panic = std::panic::catch_unwind(|| every_order(&make)).unwrap_err();
    let text = panic.downcast::<String>().unwrap();
    assert!(text.contains("sleep for ever"), "{text}");
}
