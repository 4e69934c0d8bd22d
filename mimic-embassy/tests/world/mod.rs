//! Two stacks of embassy-net in one thread, joined by a wire in memory that is watched, and can be
//! cut.

#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod dns;

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use embassy_net::driver::{HardwareAddress, LinkState};
use embassy_net::{Config, Ipv4Cidr, Ipv6Cidr, Stack, StackResources, StaticConfigV4, StaticConfigV6};
use embassy_net_driver_channel::{RxRunner, State, StateRunner, TxRunner};
use futures_lite::future::{block_on, or, zip};
use mimic_core::{Error, Flow, LocalContext};
use mimic_embassy::Buffers;

pub(crate) const MTU: usize = 1514;

pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
pub(crate) const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
/// On the link, and nobody has it.
pub(crate) const DEAD_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 99);

/// What went over the wire.
#[derive(Default)]
pub(crate) struct Wire {
    pub(crate) frames: Cell<usize>,
    pub(crate) fins: Cell<usize>,
    pub(crate) resets: Cell<usize>,
    pub(crate) syns: Cell<usize>,
    /// Frames are lost while it is set.
    pub(crate) cut: Cell<bool>,
    /// When neighbours were asked for, and whether by IPv6.
    pub(crate) asked: RefCell<Vec<(Instant, bool)>>,
}

impl Wire {
    /// Notes what a frame is.
    fn watch(&self, frame: &[u8]) {
        let count = |cell: &Cell<usize>| cell.set(cell.get() + 1);
        count(&self.frames);
        let tcp = match (&frame[12..14], frame.get(23), frame.get(20)) {
            ([0x08, 0x06], ..) if frame[21] == 1 => return self.asked.borrow_mut().push((Instant::now(), false)),
            ([0x08, 0x00], Some(6), _) => 14 + 4 * usize::from(frame[14] & 15),
            ([0x86, 0xdd], _, Some(6)) => 54,
            ([0x86, 0xdd], _, Some(58)) if frame[54] == 135 => {
                return self.asked.borrow_mut().push((Instant::now(), true));
            }
            _ => return,
        };
        let flags = frame[tcp + 13];
        [(1, &self.fins), (2, &self.syns), (4, &self.resets)]
            .iter()
            .filter(|(bit, _)| flags & bit != 0)
            .for_each(|(_, cell)| count(cell));
    }
}

pub(crate) struct World {
    pub(crate) client: Stack<'static>,
    pub(crate) server: Stack<'static>,
    pub(crate) wire: Rc<Wire>,
    pub(crate) links: [StateRunner<'static>; 2],
    run: Run,
}

type Run = Pin<Box<dyn Future<Output = ()>>>;
type End = (Stack<'static>, StateRunner<'static>, RxRunner<'static, MTU>, TxRunner<'static, MTU>, Run);

fn end(config: Config, number: u8) -> End {
    let state = Box::leak(Box::new(State::<MTU, 16, 16>::new()));
    let (runner, device) = embassy_net_driver_channel::new(state, HardwareAddress::Ethernet([2, 0, 0, 0, 0, number]));
    let (link, rx, tx) = runner.split();
    link.set_link_state(LinkState::Up);
    let resources = Box::leak(Box::new(StackResources::<24>::new()));
    let (stack, mut stack_runner) = embassy_net::new(device, config, resources, 0x1234_5678 + u64::from(number));
    (stack, link, rx, tx, Box::pin(async move { stack_runner.run().await }))
}

async fn carry(wire: Rc<Wire>, mut from: TxRunner<'static, MTU>, mut to: RxRunner<'static, MTU>) {
    let mut copy = [0; MTU];
    loop {
        let frame = from.tx_buf().await;
        let len = frame.len();
        copy[..len].copy_from_slice(frame);
        from.tx_done();
        wire.watch(&copy[..len]);
        if !wire.cut.get() {
            to.rx_buf().await[..len].copy_from_slice(&copy[..len]);
            to.rx_done(len);
        }
    }
}

pub(crate) fn config(ipv4: Ipv4Addr, ipv6: Ipv6Addr, dns: &[Ipv4Addr]) -> Config {
    let mut config = Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(ipv4, 24),
        gateway: None,
        dns_servers: dns.iter().copied().collect(),
    });
    let address = Ipv6Cidr::new(ipv6, 64);
    config.ipv6 =
        embassy_net::ConfigV6::Static(StaticConfigV6 { address, gateway: None, dns_servers: Default::default() });
    config
}

impl World {
    /// Both ends with addresses of both families; the client asks the server for names.
    pub(crate) fn new() -> Self {
        Self::with(config(CLIENT, CLIENT_V6, &[SERVER]))
    }

    pub(crate) fn with(client: Config) -> Self {
        let (client, up, rx, tx, run) = end(client, 1);
        let (server, up2, rx2, tx2, run2) = end(config(SERVER, SERVER_V6, &[]), 2);
        let wire = Rc::new(Wire::default());
        let (there, back) = (carry(wire.clone(), tx, rx2), carry(wire.clone(), tx2, rx));
        let run = Box::pin(async {
            zip(zip(run, run2), zip(there, back)).await;
        });
        Self { client, server, wire, links: [up, up2], run }
    }

    /// Runs a test in it, for a minute at most.
    pub(crate) fn run<T>(&mut self, test: impl Future<Output = T>) -> T {
        let watchdog = async {
            embassy_time::Timer::after_secs(60).await;
            panic!("the test hangs");
        };
        block_on(or(self.around(test), watchdog))
    }

    /// A test and the stacks that it needs.
    pub(crate) fn around<T>(&mut self, test: impl Future<Output = T>) -> impl Future<Output = T> {
        or(test, async {
            self.run.as_mut().await;
            unreachable!("stacks run for ever")
        })
    }
}

pub(crate) fn buffers<const N: usize>() -> &'static mut Buffers<N, 4096, 4096> {
    Box::leak(Box::new(Buffers::new()))
}

pub(crate) async fn sleep(duration: Duration) {
    embassy_time::Timer::after_micros(u64::try_from(duration.as_micros()).unwrap()).await;
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn url(address: impl Into<IpAddr>, port: u16) -> String {
    format!("tcp://{}", std::net::SocketAddr::new(address.into(), port))
}

pub(crate) fn at(ctx: &LocalContext, url: &str) -> LocalContext {
    ctx.clone().with_url(url).unwrap()
}

/// Reads until the end.
pub(crate) async fn read_all(flow: &mut impl Flow) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    let mut buf = [0; 1000];
    loop {
        match poll_fn(|cx| flow.poll_read(cx, &mut buf)).await? {
            0 => return Ok(all),
            n => all.extend_from_slice(&buf[..n]),
        }
    }
}

/// Polls once, for what should not be ready.
pub(crate) async fn is_pending<T>(future: impl Future<Output = T>) -> bool {
    let mut future = pin!(future);
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

/// As in a task of its own: the future is polled when it was woken itself, and not when its
/// neighbours were.
pub(crate) async fn task<T>(future: impl Future<Output = T>) -> T {
    struct Task {
        woken: AtomicBool,
        outer: Mutex<Waker>,
    }
    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.woken.store(true, Ordering::SeqCst);
            self.outer.lock().unwrap().wake_by_ref();
        }
    }
    let task = Arc::new(Task { woken: AtomicBool::new(true), outer: Mutex::new(Waker::noop().clone()) });
    let waker = Waker::from(task.clone());
    let mut future = pin!(future);
    poll_fn(|cx| {
        task.outer.lock().unwrap().clone_from(cx.waker());
        match task.woken.swap(false, Ordering::SeqCst) {
            true => future.as_mut().poll(&mut Context::from_waker(&waker)),
            false => Poll::Pending,
        }
    })
    .await
}
