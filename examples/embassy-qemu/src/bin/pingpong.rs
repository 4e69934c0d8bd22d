//! A measurement: 64 bytes there and back between two stacks in this memory, by hand or by mimic.
//!
//! Under QEMU's `-icount shift=0` an instruction takes a nanosecond, and the clock counts
//! instructions: `examples/embassy-qemu/pingpong` runs it so.

#![no_std]
#![no_main]

use core::fmt::Write as _;
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

use embassy_executor::Spawner;
use embassy_net::tcp::TcpSocket;
use embassy_net::{Config, ConfigV4, IpAddress, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::{Error, ErrorKind, ListenerExt};
use mimic_embassy::{Buffers, context};
use mimic_example_embassy_qemu::cable::{Cable, End};
use mimic_example_embassy_qemu::semihosting::Output;
use mimic_example_embassy_qemu::{Options, clock, finish, run};
use static_cell::{ConstStaticCell, StaticCell};

const ROUND_TRIPS: u32 = 10_000;
const MESSAGE: usize = 64;
const BUFFER: usize = 1024;
const PEER: IpAddress = IpAddress::v4(192, 0, 2, 2);

type Pool = ConstStaticCell<Buffers<1, BUFFER, BUFFER>>;

#[cortex_m_rt::entry]
fn main() -> ! {
    run(|spawner: Spawner, _, options| {
        static CABLE: StaticCell<Cable> = StaticCell::new();
        static RESOURCES: [StaticCell<StackResources<5>>; 2] = [const { StaticCell::new() }; 2];
        let [near, far] = CABLE.init(Cable::new()).ends();
        let mut stacks = [(near, 1), (far, 2)].into_iter().zip(&RESOURCES).map(|((end, host), resources)| {
            let mut config = Config::default();
            config.ipv4 = ConfigV4::Static(StaticConfigV4 {
                address: Ipv4Cidr::new([192, 0, 2, host].into(), 24),
                gateway: None,
                dns_servers: Default::default(),
            });
            let (stack, runner) = embassy_net::new(end, config, resources.init(StackResources::new()), u64::from(host));
            spawner.spawn(drive(runner).unwrap_or_else(|_| unreachable!("there are two")));
            stack
        });
        let (Some(near), Some(far)) = (stacks.next(), stacks.next()) else { unreachable!("there are two") };
        spawner.spawn(measure(near, far, options).unwrap_or_else(|_| unreachable!("it is spawned once")));
    })
}

#[embassy_executor::task(pool_size = 2)]
async fn drive(mut runner: Runner<'static, End>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn measure(near: Stack<'static>, far: Stack<'static>, options: Options<'static>) {
    finish(options, measured(near, far, options.url).await);
}

async fn measured(near: Stack<'static>, far: Stack<'static>, how: &str) -> Result<(), &'static str> {
    let instructions = match how {
        "by-hand" => by_hand(near, far).await.ok_or("a socket failed")?,
        "by-mimic" => by_mimic(near, far).await.map_err(|_| "a flow failed")?,
        _ => return Err("it is measured by-hand or by-mimic"),
    };
    let mut stdout = Output::stdout().map_err(|_| "there is no standard output")?;
    writeln!(stdout, "{instructions}").map_err(|_| "standard output is closed")
}

/// Instructions of a round trip.
async fn by_hand(near: Stack<'static>, far: Stack<'static>) -> Option<u32> {
    static BUFFERS: [ConstStaticCell<[[u8; BUFFER]; 2]>; 2] = [const { ConstStaticCell::new([[0; BUFFER]; 2]) }; 2];
    let [[rx, tx], [far_rx, far_tx]] = BUFFERS.each_ref().map(ConstStaticCell::take);
    let (mut near, mut far) = (TcpSocket::new(near, rx, tx), TcpSocket::new(far, far_rx, far_tx));
    near.set_nagle_enabled(false);
    far.set_nagle_enabled(false);
    let (accepted, connected) = both(far.accept(7), near.connect((PEER, 7))).await;
    accepted.ok()?;
    connected.ok()?;
    play(near, far).await
}

async fn by_mimic(near: Stack<'static>, far: Stack<'static>) -> Result<u32, Error> {
    static POOLS: [Pool; 2] = [const { Pool::new(Buffers::new()) }; 2];
    let [here, there] = POOLS.each_ref().map(ConstStaticCell::take);
    let mut listener = context(far, there).with_url("tcp://192.0.2.2:7")?.listen().await?;
    let ctx = context(near, here).with_url("tcp://192.0.2.2:7")?;
    let (accepted, connected) = both(listener.accept(), ctx.connect()).await;
    play(connected?, accepted?).await.ok_or_else(|| Error::new(ErrorKind::ConnectionAborted, "the peer is gone"))
}

/// The same code for both.
async fn play(mut near: impl Read + Write, mut far: impl Read + Write) -> Option<u32> {
    let mut answer = pin!(async {
        let mut buf = [0; MESSAGE];
        for _ in 0..=ROUND_TRIPS {
            pass(&mut far, &mut buf).await?;
            far.write_all(&buf).await.ok()?;
        }
        Some(())
    });
    let mut ask = pin!(async {
        let mut buf = [7; MESSAGE];
        let mut begun = 0;
        for round in 0..=ROUND_TRIPS {
            near.write_all(&buf).await.ok()?;
            pass(&mut near, &mut buf).await?;
            if round == 0 {
                begun = clock();
            }
        }
        u32::try_from((clock() - begun) / u64::from(ROUND_TRIPS)).ok()
    });
    both(answer.as_mut(), ask.as_mut()).await.1
}

async fn pass(from: &mut impl Read, buf: &mut [u8]) -> Option<()> {
    let mut read = 0;
    while read < buf.len() {
        match from.read(&mut buf[read..]).await {
            Ok(count @ 1..) => read += count,
            _ => return None,
        }
    }
    Some(())
}

async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut a, mut b) = (None, None);
    poll_fn(|cx| {
        if a.is_none()
            && let Poll::Ready(output) = one.as_mut().poll(cx)
        {
            a = Some(output);
        }
        if b.is_none()
            && let Poll::Ready(output) = other.as_mut().poll(cx)
        {
            b = Some(output);
        }
        match (a.take(), b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (left, right) => {
                (a, b) = (left, right);
                Poll::Pending
            }
        }
    })
    .await
}
