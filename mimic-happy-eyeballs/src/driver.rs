//! The driver: one future that performs the machine's outputs by the roles of the context.
//!
//! ```text
//!   each turn of a poll                          machine
//!   1  poll look-ups, connects, handshakes  ──►  Answer, Progress, Succeeded, Failed
//!   2  find the sources of one part         ──►  Answer, More
//!   3  perform one output                   ◄──  Query, Start, Wake, Won, Failed
//!      none left: wait for the timer, or until something above wakes the task
//! ```

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::mem;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};

use mimic_core::needs::{handshake, opt, or_default, over};
use mimic_core::roles::{HostPort, Lookup, Sleep, Tcp, Transport};
use mimic_core::{
    Ctx, Dialer, Error, ErrorKind, Handshake, Install, Mode, Phase, Priority, Text, Timer, for_each_mode, key,
};

use crate::lists::{Found, SourceAddress, address_info, look_up, sources};
use crate::race::Race;
use crate::timeline::{Event, EventKind, Observer, Raced};
use crate::{AttemptId, Config, Query, RaceInput, RaceOutput, RaceTarget, Source};

key! {
    /// The configuration of races. Default: [`Config::new`]. The driver falls back to the origin
    /// unless [`Config::fall_back_to_origin`] is off.
    pub RaceConfig: Config;
}

/// Installs a candidate of [`Transport`], which looks up all addresses of a host and races them. It
/// goes over [`Lookup`], [`Tcp`], [`Sleep`] and [`SourceAddress`].
///
/// Also installs a candidate of [`SourceAddress`] with [`Priority::NONE`], which gives
/// [`Source::Unknown`].
///
/// - A handshake that is passed down with the target is part of every attempt.
/// - Dropping the connect drops every look-up and attempt at once.
/// - Every address of an answer is tried in the end. Addresses wait until the
///   [`Machine`](crate::Machine) has room for them.
/// - A flow has its [`Timeline`](crate::Timeline), an error its [`RaceError`](crate::RaceError). An
///   [`Observer`] is called during the race.
#[derive(Clone, Copy, Debug, Default)]
pub struct HappyEyeballs;

for_each_mode!(M => {
    impl Install<M> for HappyEyeballs {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            ctx.register(SourceAddress, "unknown", Priority::NONE, (), |_, ()| async { Ok(Source::Unknown) }).register(
                Transport,
                "happy-eyeballs",
                100,
                (
                    handshake(),
                    or_default(RaceConfig, Config::new()),
                    opt(Observer),
                    over(Lookup),
                    over(Tcp),
                    over(Sleep),
                    over(SourceAddress),
                ),
                |to, args| async move { Ok(Box::new(race(to, args).await?) as <M as Mode>::Flow) },
            )
        }
    }
});

type Args<M> = (
    Option<Handshake<M>>,
    Config,
    Option<fn(&Event)>,
    Dialer<Lookup, M>,
    Dialer<Tcp, M>,
    Dialer<Sleep, M>,
    Dialer<SourceAddress, M>,
);

/// The steps of one poll (attempts, answers, addresses), after which other tasks get their turn.
const TURNS: usize = 32;

async fn race<M: Mode>(
    to: HostPort,
    (handshake, config, observer, lookup, link, sleep, source): Args<M>,
) -> Result<Raced<M::Flow>, Error> {
    let config = config.over_tcp(handshake.is_some(), to.port);
    let mut timer = sleep.dial(()).await?;
    let given = match to.as_addr() {
        Some(address) if address.ip().is_unspecified() || address.ip().is_multicast() => return Err(nowhere(&to)),
        // A single address without NAT64 needs no sorting, so its source is not looked up.
        Some(address) if config.prefix.is_none() => vec![address_info(address)],
        Some(address) => sources(&source, vec![address]).await,
        None => Vec::new(),
    };
    let target = if given.is_empty() { RaceTarget::Name } else { RaceTarget::Addresses(&given) };
    let mut race = Race::<M>::new(&to, config, observer, target, timer.now());
    let (mut queries, mut connects, mut handshakes) = (Vec::new(), Vec::new(), Vec::new());
    let mut sourced = None;
    // An attempt that fails at its first poll has sent nothing.
    let mut begun = None;
    let mut wake = None;

    poll_fn(|cx| {
        let mut turns = TURNS;
        loop {
            if turns == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            turns -= 1;
            // After an early timer the race is ahead of its clock.
            race.now = timer.now().max(race.now);
            for (query, found) in ready(&mut queries, cx) {
                race.looked_up(query, found);
            }
            for (attempt, result) in ready(&mut connects, cx) {
                match result {
                    Ok(flow) if handshake.is_some() => race.progressed(attempt, flow),
                    Ok(flow) => race.succeeded(attempt, flow),
                    Err(error) => race.failed(attempt, error, begun != Some(attempt)),
                }
            }
            begun = None;
            if let Some(handshake) = handshake.as_ref().filter(|_| race.machine.may_handshake()) {
                for (attempt, flow) in mem::take(&mut race.waiting) {
                    race.machine.input(RaceInput::Progress { attempt }, race.now);
                    handshakes.push(Box::pin(shake(handshake, attempt, flow)));
                }
            }
            for (attempt, result) in ready(&mut handshakes, cx) {
                match result {
                    Ok(flow) => race.succeeded(attempt, flow),
                    Err(error) => race.failed(attempt, error, true),
                }
            }
            if sourced.is_none() {
                match race.next_part() {
                    Some((part, of)) if of.is_empty() => {
                        race.take(part, &[]);
                        continue;
                    }
                    next => sourced = next.map(|(part, of)| (part, Box::pin(sources(&source, of)))),
                }
            }
            if let Some((part, mut infos)) = sourced.take() {
                match infos.as_mut().poll(cx) {
                    Poll::Ready(infos) => {
                        turns = turns.saturating_sub(infos.len());
                        race.take(part, &infos);
                        // The machine gets every input of this time before it is asked for output.
                        continue;
                    }
                    Poll::Pending => sourced = Some((part, infos)),
                }
            }
            // Polling takes time, and an attempt is timed by its start.
            race.now = timer.now().max(race.now);
            match race.machine.output(race.now) {
                Some(RaceOutput::Query(query)) => {
                    race.tell(EventKind::Ask(query.kind));
                    let name = race.question(query);
                    queries.push(Box::pin(ask(&lookup, query, name)));
                }
                Some(RaceOutput::Start { attempt, endpoint }) => {
                    if let Some(to) = race.start(attempt, &endpoint) {
                        begun = Some(attempt);
                        connects.push(Box::pin(connect(&link, attempt, to)));
                    }
                }
                // Comes only at the end, when everything is dropped.
                Some(RaceOutput::Cancel { attempt }) => {
                    race.tell_of(attempt, EventKind::Cancel);
                }
                Some(RaceOutput::Wake(at)) => wake = Some(at),
                Some(RaceOutput::Won { attempt }) => return Poll::Ready(race.won(attempt)),
                Some(RaceOutput::Failed(failure)) => return Poll::Ready(Err(race.lost(failure))),
                None => {
                    race.tell_left_out();
                    match wake {
                        Some(at) if timer.poll_until(cx, at).is_ready() => {
                            wake = None;
                            // A timer may expire slightly early by its own clock.
                            race.now = race.now.max(at);
                        }
                        _ => return Poll::Pending,
                    }
                }
            }
        }
    })
    .await
}

fn nowhere(to: &HostPort) -> Error {
    Error::new(ErrorKind::InvalidInput, "no host has that address: it is unspecified or multicast")
        .in_phase(Phase::Endpoint)
        .to_target(to)
        .advise("give the address that the server listens on; this machine's own is 127.0.0.1 or ::1")
}

/// Polls all futures, and removes those that are done.
fn ready<F: Future + ?Sized>(running: &mut Vec<Pin<Box<F>>>, cx: &mut Context<'_>) -> Vec<F::Output> {
    let mut done = Vec::new();
    running.retain_mut(|future| match future.as_mut().poll(cx) {
        Poll::Ready(output) => {
            done.push(output);
            false
        }
        Poll::Pending => true,
    });
    done
}

async fn ask<M: Mode>(lookup: &Dialer<Lookup, M>, query: Query, name: Text) -> (Query, Result<Found, Error>) {
    (query, look_up(lookup, query.kind, name).await)
}

async fn connect<M: Mode>(
    link: &Dialer<Tcp, M>,
    attempt: AttemptId,
    to: SocketAddr,
) -> (AttemptId, Result<M::Flow, Error>) {
    (attempt, link.dial(to).await)
}

async fn shake<M: Mode>(
    handshake: &Handshake<M>,
    attempt: AttemptId,
    flow: M::Flow,
) -> (AttemptId, Result<M::Flow, Error>) {
    (attempt, handshake.run(flow).await)
}
