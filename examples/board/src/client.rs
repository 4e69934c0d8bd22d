//! The client: the hosted binaries' `ping`.

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use embassy_net::Stack;
use mimic_core::embedded_io_async::Error as _;
use mimic_core::roles::Sleep;
use mimic_core::{Endpoint, Error, Flow, FlowExt, LocalContext, timeout};
use mimic_embassy::{Buffers, context};
use mimic_example_app::{self as app, AppError};
use static_cell::ConstStaticCell;

use crate::console::{self, Transcript};
use crate::network::{POOL, settle};
use crate::random::Random;
use crate::trust;

/// Whom to talk to.
const URL: &str = match option_env!("MIMIC_URL") {
    Some(url) => url,
    None => "tcp://192.168.1.10:7007",
};

/// How long the conversation may take, once there is a connection.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the peer may take to close.
const LAST_WORDS: Duration = Duration::from_secs(1);

static BUFFERS: ConstStaticCell<Buffers<POOL, 4096, 4096>> = ConstStaticCell::new(Buffers::new());

/// Talks to the peer of `MIMIC_URL`, and reports by defmt. To be called once.
pub async fn run(stack: Stack<'static>, random: Random) {
    settle(stack).await;
    let ctx = context(stack, BUFFERS.take());
    let result = match (URL.parse::<Endpoint>(), trust::apply(ctx, stack, random)) {
        (Ok(endpoint), Ok(ctx)) => {
            // Not the URL, which may have a password.
            console::info(format_args!("connecting to {endpoint}"));
            let done = ping(ctx.with_endpoint(&endpoint), &mut Transcript::new()).await;
            done.map_err(|error| error.to_target(endpoint))
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    match result {
        Ok(()) => console::info("done"),
        Err(error) => console::error(format_args!("{error:#}")),
    }
}

async fn ping(ctx: LocalContext, transcript: &mut impl fmt::Write) -> Result<(), Error> {
    let mut timer = ctx.resolve(Sleep, ()).await?;
    let flow = ctx.connect().await?;
    let flow = timeout(&mut timer, PATIENCE, talk(flow, transcript)).await?;
    // All is said; a peer that has gone already, or does not go, has heard it too.
    let _ = timeout(&mut timer, LAST_WORDS, flow.close()).await;
    Ok(())
}

async fn talk(mut flow: Box<dyn Flow>, transcript: &mut impl fmt::Write) -> Result<Box<dyn Flow>, Error> {
    app::ping(&mut flow, transcript).await.map_err(|error| match error {
        AppError::Io(error) => error,
        error => Error::with_source(error.kind(), error),
    })?;
    Ok(flow)
}
