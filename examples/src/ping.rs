//! `ping URL`: the application as a client.

use std::fmt;
use std::io::{Write as _, stdout};
use std::time::Duration;

use mimic_core::embedded_io_async as io;
use mimic_core::keys::Deadline;
use mimic_core::roles::Sleep;
use mimic_core::{Context, Ctx, Endpoint, Error, ErrorKind, Flow, FlowExt, Mode, Timer, timeout};
use mimic_example_app as app;

use crate::failure::{Failure, app_error};
use crate::stdio::Patient;

/// How long the peer may take to close.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Talks to the peer and prints the transcript while it comes.
pub(crate) async fn run(ctx: &Context, url: &str, limit: Option<Duration>) -> Result<(), Failure> {
    let endpoint: Endpoint = url.parse()?;
    let ctx = ctx.clone().with_endpoint(&endpoint);
    let mut transcript = Stdout { failed: None };
    let result = ping(&ctx, limit, &mut transcript).await;
    match transcript.failed {
        // Also when nobody reads it any more: a ping that was cut short has not shown that the peer
        // answers.
        Some(error) => Err(Error::from(error).to_target("standard output").into()),
        None => Ok(result.map_err(|error| error.to_target(endpoint))?),
    }
}

/// Talks to the peer at the endpoint of `ctx`. `limit` is for connecting and talking together;
/// without it, only the deadline of the context applies, and only to connecting.
pub(crate) async fn ping<M: Mode>(
    ctx: &Ctx<M>,
    limit: Option<Duration>,
    transcript: &mut impl fmt::Write,
) -> Result<(), Error> {
    let mut timer = ctx.resolve(Sleep, ()).await?;
    let Some(limit) = limit else {
        let flow = talk(ctx.connect().await?, transcript).await?;
        return part(flow, &mut timer).await;
    };
    let end = timer.now() + limit;
    let flow = ctx.clone().with(Deadline, limit).connect().await?;
    let mut heard = Heard { transcript, line: String::new() };
    let left = end - timer.now();
    // The outer error is that of the timer and no other: the inner one, which may be a timeout of
    // the system, is a value here.
    match timeout(&mut timer, left, async { Ok(talk(flow, &mut heard).await) }).await {
        Ok(talked) => part(talked?, &mut timer).await,
        Err(_) => {
            let reason = format!("the deadline of {limit:?} passed while {}", heard.awaited());
            Err(Error::new(ErrorKind::TimedOut, reason))
        }
    }
}

async fn talk<F>(mut flow: F, transcript: &mut impl fmt::Write) -> Result<F, Error>
where
    F: Flow + io::Read<Error = Error> + io::Write<Error = Error>,
{
    app::ping(&mut flow, transcript).await.map_err(app_error)?;
    Ok(flow)
}

/// All is said; a peer that has gone already has heard it too, and one that does not close is not
/// waited for.
async fn part(flow: impl Flow, timer: &mut impl Timer) -> Result<(), Error> {
    let _ = timeout(timer, LAST_WORDS, flow.close()).await;
    Ok(())
}

/// Passes a transcript on, and remembers its last line, to say what was waited for.
struct Heard<'a, W> {
    transcript: &'a mut W,
    line: String,
}

impl<W> Heard<'_, W> {
    fn awaited(&self) -> String {
        match self.line.trim_end().strip_prefix("> ") {
            Some(line) => format!("waiting for the answer to `{line}`"),
            None => "sending a line".into(),
        }
    }
}

impl<W: fmt::Write> fmt::Write for Heard<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.line.ends_with('\n') {
            self.line.clear();
        }
        self.line.push_str(text);
        self.transcript.write_str(text)
    }
}

/// Standard output, which writes every line at its end.
struct Stdout {
    failed: Option<std::io::Error>,
}

impl fmt::Write for Stdout {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        Patient(stdout()).write_all(text.as_bytes()).map_err(|error| {
            self.failed = Some(error);
            fmt::Error
        })
    }
}
