//! The baseline: what `ping` does over TCP, written by hand on embassy-net. mimic's cost is
//! measured against it.

#![no_std]
#![no_main]

use core::fmt;

use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_net::tcp::Error as TcpError;
use embassy_time::with_timeout;
use mimic_example_app::{self as app, AppError};
use mimic_example_embassy_qemu::by_hand::{self, connect};
use mimic_example_embassy_qemu::semihosting::Output;
use mimic_example_embassy_qemu::{Options, finish, run};

enum Failure {
    Connect(by_hand::Failure),
    App(AppError<TcpError>),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(failure) => failure.fmt(f),
            Self::App(AppError::Io(error)) => write!(f, "the stream failed: {error:?}"),
            Self::App(error) => error.fmt(f),
        }
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    run(|spawner: Spawner, stack, options| {
        spawner.spawn(client(stack, options).unwrap_or_else(|_| unreachable!("it is spawned once")));
    })
}

#[embassy_executor::task]
async fn client(stack: Stack<'static>, options: Options<'static>) {
    let ping = ping(stack, options.url);
    finish(
        options,
        match options.timeout.and_then(|limit| limit.try_into().ok()) {
            Some(limit) => with_timeout(limit, ping).await.unwrap_or(Err(Failure::Connect(by_hand::Failure::Timeout))),
            None => ping.await,
        },
    );
}

async fn ping(stack: Stack<'static>, url: &str) -> Result<(), Failure> {
    let mut stdout = Output::stdout().map_err(|_| Failure::App(AppError::Transcript))?;
    let (mut socket, _) = connect(stack, "tcp", url).await.map_err(Failure::Connect)?;
    app::ping(&mut socket, &mut stdout).await.map_err(Failure::App)?;
    socket.close();
    let _ = socket.flush().await;
    Ok(())
}
