//! `connect URL`: a flow on standard input and output.

use std::io;
use std::time::Duration;

use futures_lite::future;
use mimic_core::keys::Deadline;
use mimic_core::roles::Connect;
use mimic_core::{Context, Endpoint, FlowExt};

use crate::failure::{Failure, say};
use crate::relay::relay;
use crate::stdio::{Input, Output, Patient};

/// Connects within `limit`, and copies until the peer closes. Prints first what will be tried if
/// `explain` is set. The end of standard input shuts the flow down for writing, unless
/// `no_shutdown` is set.
pub(crate) async fn run(
    ctx: Context,
    url: &str,
    limit: Option<Duration>,
    explain: bool,
    no_shutdown: bool,
) -> Result<(), Failure> {
    let endpoint: Endpoint = url.parse()?;
    let mut ctx = ctx.with_endpoint(&endpoint);
    // Errors name it without what may be secret.
    let url = &*endpoint.to_string();
    if let Some(limit) = limit {
        ctx = ctx.with(Deadline, limit);
    }
    if explain {
        say(ctx.explain(Connect));
    }
    let mut flow = ctx.connect().await.map_err(|error| error.to_target(url))?;
    let input = Input::new(Patient(io::stdin()));
    let input = if no_shutdown { input.endless() } else { input };
    relay(&mut flow, input, Output::new(Patient(io::stdout())), url).await?;
    // The peer closed first, perhaps before the input ended: it is told that this was understood,
    // if it still listens.
    let _ = future::poll_once(flow.shutdown()).await;
    Ok(())
}
