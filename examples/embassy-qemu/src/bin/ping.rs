//! The firmware: the hosted binaries' `ping`, on a microcontroller.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use core::time::Duration;

use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_time::{Instant, TimeoutError, Timer, with_deadline, with_timeout};
use mimic_core::embedded_io_async::Error as _;
use mimic_core::keys::Deadline;
use mimic_core::{Endpoint, Error, ErrorKind, FlowExt, LocalContext};
use mimic_embassy::Buffers;
use mimic_example_app::{self as app, AppError};
use mimic_example_embassy_qemu::semihosting::Output;
#[cfg(feature = "rustls")]
use mimic_example_embassy_qemu::trust;
use mimic_example_embassy_qemu::{Options, finish, run};
use static_cell::ConstStaticCell;

/// One, or as many as may race.
const SOCKETS: usize = if cfg!(feature = "happy-eyeballs") { 4 } else { 1 };

/// How long the peer may take to close. The machine stops with the firmware, and with it the
/// network: other than on a host, nobody would send what is still to be sent.
const LAST_WORDS: embassy_time::Duration = embassy_time::Duration::from_secs(1);
/// For the same reason, what an error takes to reach the peer: an alert of TLS, the end of the
/// connection.
const FAREWELL: embassy_time::Duration = embassy_time::Duration::from_millis(20);

static BUFFERS: ConstStaticCell<Buffers<SOCKETS, 4096, 4096>> = ConstStaticCell::new(Buffers::new());

#[cortex_m_rt::entry]
fn main() -> ! {
    run(|spawner: Spawner, stack, options| {
        spawner.spawn(client(stack, options).unwrap_or_else(|_| unreachable!("it is spawned once")));
    })
}

#[embassy_executor::task]
async fn client(stack: Stack<'static>, options: Options<'static>) {
    let ctx = mimic_embassy::client(stack, BUFFERS.take());
    #[cfg(feature = "rustls")]
    let ctx = trust::apply(ctx, options);
    let result = ping(ctx, options).await;
    if result.is_err() {
        Timer::after(FAREWELL).await;
    }
    finish(options, result);
}

async fn ping(ctx: LocalContext, options: Options<'static>) -> Result<(), Error> {
    let endpoint: Endpoint = options.url.parse()?;
    let ctx = ctx.with_endpoint(&endpoint);
    let mut stdout = Output::stdout()
        .map_err(|_| Error::new(ErrorKind::Other, "the machine refused it").to_target("standard output"))?;
    talk(ctx, options.timeout, &mut stdout).await.map_err(|error| error.to_target(endpoint))
}

/// `limit` is for connecting and talking together; without it, only the deadline of the context
/// applies, and only to connecting.
async fn talk(ctx: LocalContext, limit: Option<Duration>, transcript: &mut Output) -> Result<(), Error> {
    let (ctx, ends) = match limit.map(|limit| (limit, limit.try_into())) {
        Some((limit, Ok(ticks))) => (ctx.with(Deadline, limit), Instant::now() + ticks),
        _ => (ctx, Instant::MAX),
    };
    let mut flow = ctx.connect().await?;
    match with_deadline(ends, app::ping(&mut *flow, transcript)).await {
        Ok(Ok(())) => {}
        Ok(Err(AppError::Io(error))) => return Err(error),
        Ok(Err(error)) => return Err(Error::new(error.kind(), format!("{error}"))),
        Err(TimeoutError) => {
            let (seconds, tenths) = limit.map_or((0, 0), |limit| (limit.as_secs(), limit.subsec_millis() / 100));
            return Err(Error::new(ErrorKind::TimedOut, format!("not done within {seconds}.{tenths}s")));
        }
    }
    // All is said; a peer that has gone already, or does not go, has heard it too.
    let _ = with_timeout(LAST_WORDS, flow.close()).await;
    Ok(())
}
