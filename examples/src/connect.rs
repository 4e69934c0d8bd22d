//! `connect URL`: a flow on standard input and output.

use std::io;
use std::time::Duration;

use futures_lite::future;
use mimic_core::{Context, Deadline, Endpoint, FlowExt, Stream};

use crate::failure::{Failure, say};
use crate::relay::relay;
use crate::stdio::{Input, Output};

/// Connects within `limit`, and copies until the peer closes. On request says first what will be tried.
pub(crate) async fn run(ctx: Context, url: &str, limit: Option<Duration>, explain: bool) -> Result<(), Failure> {
    let endpoint: Endpoint = url.parse()?;
    let mut ctx = ctx.with_endpoint(&endpoint);
    // Errors name it without what may be secret.
    let url = &*endpoint.to_string();
    if let Some(limit) = limit {
        ctx = ctx.with(Deadline, limit);
    }
    if explain {
        say(ctx.explain(Stream));
    }
    let mut flow = ctx.connect().await.map_err(|error| error.to_target(url))?;
    relay(&mut flow, Input::new(io::stdin()), Output::new(io::stdout()), url).await?;
    // The peer closed first, perhaps before the input ended: it is told that this was understood, if it still listens.
    let _ = future::poll_once(flow.shutdown()).await;
    Ok(())
}
