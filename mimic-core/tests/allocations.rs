//! How often the allocator is called: never, once a flow is there.
//!
//! The counts are those of the calling thread (see `allocation-counter`), so neither the test
//! harness nor other tests disturb them; what is measured must not move work to another thread.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;
mod flow_kit;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::thread;

use embedded_io_async::{ErrorType, Read, Write};
use flow_kit::*;
use futures_lite::future::{poll_once, zip};
use mimic_core::io::{BufReader, CancelSafeDevice, DuplexWaker, Split, memory_pair, pump};
use mimic_core::needs::over;
use mimic_core::roles::{Connect, Tcp};
use mimic_core::{Context, Dialer, ErrorKind, Flow, FlowExt, Local, Shared};

/// How often `run` allocates. Growing in place counts too.
fn allocations(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).count_total
}

/// Runs `round` until whatever it sets up once is there, then asserts that it allocates nothing,
/// many times.
fn assert_steady(what: &str, mut round: impl FnMut()) {
    round();
    round();
    let count = allocations(|| (0..100).for_each(|_| round()));
    assert_eq!(count, 0, "{what}: {count} allocations in 100 rounds");
}

#[test]
fn the_counter_counts() {
    let (mut vec, mut string) = (Vec::new(), String::new());
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
    assert_eq!(allocations(|| vec = std::hint::black_box(vec![0; 4])), 1);
    assert!(allocations(|| (0..1000).for_each(|_| string.push('x'))) > 1, "growing");
    assert_eq!((vec.len(), string.len()), (4, 1000));
}

#[test]
fn the_counter_counts_this_thread_alone() {
    let (started, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let count = thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(SeqCst) {
                drop(std::hint::black_box(Box::new(1)));
                started.fetch_add(1, SeqCst);
            }
        });
        let count = allocations(|| {
            let before = started.load(SeqCst);
            while started.load(SeqCst) < before + 100 {
                thread::yield_now();
            }
        });
        stop.store(true, SeqCst);
        count
    });
    assert_eq!(count, 0);
}

/// Writes more than fits, so that both sides wait, are given up and go on; reads it all on the
/// other side.
async fn exchange(mut writer: impl Write, mut reader: impl Read) {
    const SENT: [u8; 300] = [7; 300];
    let mut received = [0; SENT.len()];
    assert!(poll_once(reader.read(&mut received)).await.is_none(), "nothing there yet");
    let (written, read) = zip(writer.write_all(&SENT), reader.read_exact(&mut received)).await;
    assert!(written.is_ok() && read.is_ok() && received == SENT);
    assert!(writer.flush().await.is_ok());
}

#[test]
fn reading_and_writing_through_a_boxed_flow() {
    let (here, there) = memory_pair::<Shared>(64);
    let (mut here, mut there): (Box<dyn Flow + Send>, Box<dyn Flow + Send>) = (Box::new(here), Box::new(there));
    assert_steady("Box<dyn Flow + Send>", || block_on(exchange(&mut here, &mut there)));
    assert_steady("vectored", || {
        assert_eq!(block_on(here.write_vectored(&[b"ab", b"cd"])).unwrap(), 4);
        assert_eq!(block_on(there.read(&mut [0; 8])).unwrap(), 4);
    });

    let (here, there) = memory_pair::<Local>(64);
    let (mut here, mut there): (Box<dyn Flow>, Box<dyn Flow>) = (Box::new(here), Box::new(there));
    assert_steady("Box<dyn Flow>", || block_on(exchange(&mut here, &mut there)));
}

#[test]
fn reading_and_writing_through_halves() {
    let (here, there) = memory_pair::<Shared>(64);
    let (mut here, mut there) = (Split::<_, Shared>::new(here), Split::<_, Shared>::new(there));
    assert_steady("borrowed halves, and making them", || {
        let ((reader, mut writer), (far_reader, mut far_writer)) = (here.halves(), there.halves());
        block_on(async {
            exchange(&mut writer, far_reader).await;
            exchange(&mut far_writer, reader).await;
        });
    });
    let count = allocations(|| drop((here.into_halves(), there.into_halves())));
    assert_eq!(count, 2, "owned halves are shared, which allocates once each");

    let (here, there) = memory_pair::<Local>(64);
    let boxed: Box<dyn Flow> = Box::new(here);
    let (mut reader, mut writer) = Split::<_, Local>::new(boxed).into_halves();
    let (mut far_reader, mut far_writer) = Split::<_, Local>::new(there).into_halves();
    assert_steady("owned halves", || {
        block_on(async {
            exchange(&mut writer, &mut far_reader).await;
            exchange(&mut far_writer, &mut reader).await;
        });
    });
}

/// One half of a flow as a device: its futures wait, and do not allocate.
struct Device<F>(F);

impl<F> ErrorType for Device<F> {
    type Error = ErrorKind;
}

impl<F: Read<Error = mimic_core::Error>> Read for Device<F> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        self.0.read(buf).await.map_err(|error| error.kind())
    }
}

impl<F: Write<Error = mimic_core::Error>> Write for Device<F> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        self.0.write(buf).await.map_err(|error| error.kind())
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.0.flush().await.map_err(|error| error.kind())
    }
}

#[test]
fn reading_and_writing_through_a_pump() {
    let (here, there) = memory_pair::<Shared>(50);
    let (reader, writer) = Split::<_, Shared>::new(here).into_halves();
    let mut pumped: Box<dyn Flow + Send> = Box::new(pump(Device(reader), Device(writer), 32));
    let mut there: Box<dyn Flow + Send> = Box::new(there);
    assert_steady("pump", || {
        block_on(async {
            exchange(&mut there, &mut pumped).await;
            // The device holds 50 bytes and the pump 32: the last of them go with the flush.
            let mut received = [0; 300];
            let written = async {
                pumped.write_all(&[7; 300]).await.unwrap();
                pumped.flush().await.unwrap();
            };
            let ((), read) = zip(written, there.read_exact(&mut received)).await;
            read.unwrap();
        });
    });
}

#[test]
fn making_a_pump_allocates_two_buffers_and_two_futures() {
    let (here, _there) = memory_pair::<Shared>(50);
    let (reader, writer) = Split::<_, Shared>::new(here).into_halves();
    let mut pumped = None;
    assert_eq!(allocations(|| pumped = Some(pump(Device(reader), Device(writer), 32))), 4);
}

#[derive(Debug)]
struct Socket(Box<dyn Flow>);

impl ErrorType for Socket {
    type Error = mimic_core::Error;
}

impl Read for Socket {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, mimic_core::Error> {
        self.0.read(buf).await
    }
}

impl Write for Socket {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, mimic_core::Error> {
        self.0.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), mimic_core::Error> {
        self.0.flush().await
    }
}

#[test]
fn reading_and_writing_through_repoll() {
    let (here, there) = memory_pair::<Local>(50);
    let mut here: Box<dyn Flow> = Box::new(CancelSafeDevice::new(Socket(Box::new(here))));
    let mut there: Box<dyn Flow> = Box::new(there);
    assert_steady("CancelSafeDevice", || {
        block_on(async {
            exchange(&mut here, &mut there).await;
            exchange(&mut there, &mut here).await;
        });
    });
}

#[test]
fn reading_lines() {
    let (here, there) = memory_pair::<Local>(50);
    let mut there: Box<dyn Flow> = Box::new(there);
    let mut reader = BufReader::with_capacity(16, here.boxed_local());
    let mut line = Vec::with_capacity(64);
    assert_steady("BufReader", || {
        line.clear();
        block_on(async {
            there.write_all(b"a line that is longer than the buffer\n").await.unwrap();
            assert_eq!(reader.read_until(b'\n', &mut line, 64).await.unwrap(), 38);
        });
    });
}

#[test]
fn waking_two() {
    let (wakers, task) = (DuplexWaker::new(), Task::new());
    let (mut here, mut there) = memory_pair::<Shared>(1);
    assert_steady("DuplexWaker", || {
        wakers.reader(&task.cx());
        wakers.writer(&task.cx());
        let mut cx = std::task::Context::from_waker(wakers.both());
        assert!(here.poll_read(&mut cx, &mut [0]).is_pending());
        assert_eq!(task.write(&mut there, b"x"), ok(1));
        assert_eq!(task.wakes(), 2);
        assert!(matches!(here.poll_read(&mut cx, &mut [0]), Poll::Ready(Ok(1))));
    });
}

/// A hop is kept for the error of the layer that dialled it, and no longer than the layer runs.
#[test]
fn a_connect_that_dials_through_a_layer_again_and_again_keeps_nothing_of_it() {
    let peak = |dials: usize| {
        let ctx = Context::new()
            .register(Tcp, "tcp", 0, (), |_, ()| async { Ok(memory_pair::<Shared>(1).0.boxed()) })
            .layer(Tcp, "layer", (), |to, below: Dialer<Tcp, Shared>, ()| async move { below.dial(to).await })
            .register(Connect, "again", 0, over(Tcp), move |(), tcp| async move {
                for _ in 1..dials {
                    tcp.dial(([192, 0, 2, 1], 7).into()).await?;
                }
                tcp.dial(([192, 0, 2, 1], 7).into()).await
            });
        allocation_counter::measure(|| drop(block_on(ctx.connect()).unwrap())).bytes_max
    };
    // The first one sets up what the thread has once.
    peak(10);
    assert_eq!(peak(1_000), peak(10));
}

mod graph {
    //! The benchmark graph of the original, as in `tests/speed`.

    use std::net::{IpAddr, Ipv4Addr};
    use std::pin::pin;
    use std::task::{Context as Task, Poll, Waker};

    use mimic_core::keys::{Host, Port, Scheme};
    use mimic_core::needs::{is, or_default, req, when};
    use mimic_core::roles::{Connect, HostPort, Transport};
    use mimic_core::{Context, key};

    use super::allocations;
    use super::common::{Nth, named};

    key! { Ip: IpAddr }

    fn context() -> Context {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Context::new()
            .derive(Ip, req(Host), move |host| async move { Ok((!host.is_empty()).then_some(localhost)) })
            .register(
                Connect,
                "tcp",
                20,
                when(is(Scheme, "http")).needs((req(Ip), or_default(Port, 80))),
                |(), (_ip, _port)| async { named("flow") },
            )
            .register(
                Connect,
                "tls",
                10,
                when(is(Scheme, "https")).needs((req(Host), req(Ip), or_default(Port, 443))),
                |(), (_host, _ip, _port)| async { named("flow") },
            )
            .register(Transport, "leaf", 0, (), |_: HostPort, ()| async { named("flow") })
            .with(Scheme, "http".into())
            .with(Host, "example.org".into())
            .with(Port, 8080)
    }

    /// Polls once: nothing in the graph ever waits.
    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Task::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it waits"),
        }
    }

    #[test]
    fn what_was_taken_away_is_not_kept() {
        let ctx = (0..20_000).fold(Context::new(), |ctx, n| ctx.with(Nth(n), 1).without(Nth(n)));
        let bytes =
            allocation_counter::measure(|| drop((0..9).fold(ctx.clone(), |ctx, n| ctx.with(Nth(n), 2)))).bytes_total;
        assert!(bytes < 10_000, "a clone that changes copies {bytes} bytes");
    }

    /// What is decided (2) and the stack; the inputs of the function, its future and its value; the
    /// inputs of the candidate, its plan and its future; the flow.
    #[test]
    fn resolving_the_benchmark_graph_allocates_ten_times() {
        let ctx = context();
        let count = allocations(|| drop(now(ctx.connect()).unwrap()));
        assert!((1..=10).contains(&count), "{count} allocations");
    }

    /// Beside those of the resolve: two texts, and the map of values, which is copied once (3).
    #[test]
    fn three_values_and_a_resolve_allocate_fifteen_times() {
        let ctx = context();
        let count = allocations(|| {
            let ctx = ctx.clone().with(Scheme, "http".into()).with(Host, "example.net".into()).with(Port, 81);
            drop(now(ctx.connect()).unwrap());
        });
        assert!((1..=15).contains(&count), "{count} allocations");
    }

    #[test]
    fn a_dial_through_a_kept_dialer_allocates_a_future_and_a_flow() {
        let dialer = now(context().dialer(Transport)).unwrap();
        let target = HostPort::new("example.org", 80);
        // The future of this one holds nothing, so its box costs nothing.
        let count = allocations(|| drop(now(dialer.dial(target.clone())).unwrap()));
        assert!((1..=2).contains(&count), "{count} allocations");
    }

    #[test]
    fn a_clone_of_a_prepared_context_allocates_nothing() {
        let ctx = context();
        assert_eq!(allocations(|| drop(ctx.clone())), 0);
    }
}
