//! The flow that makes it hard: each call is pending once before it does anything, and the one that
//! the script names has a fault.

use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use mimic_core::roles::Tcp;
use mimic_core::{Ctx, Error, ErrorKind, Flow, Install, Mode, Phase, for_each_mode};

/// How much one call takes or gives, so that there are many.
const PART: usize = 500;

/// What happens to a flow, for good; or, once, to what is needed to make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Reset,
    BrokenPipe,
    /// The peer sends nothing more.
    End,
    /// Writes take no byte, which flows must not do.
    TakesNothing,
    /// A question gets no answer.
    NoAnswer,
    /// A link is refused.
    Refused,
    /// There is no timer.
    NoTimer,
    /// The time of the deadline has come.
    Late,
}

/// Those of a flow.
pub(crate) const FAULTS: [Fault; 4] = [Fault::Reset, Fault::BrokenPipe, Fault::End, Fault::TakesNothing];

impl Fault {
    /// Whether such a call can have it, and counts.
    fn is_of(self, call: Call) -> bool {
        match self {
            Self::NoAnswer => call == Call::Lookup,
            Self::Refused => call == Call::Tcp,
            Self::NoTimer => call == Call::Sleep,
            Self::Late => call == Call::Timer,
            Self::Reset | Self::BrokenPipe | Self::End | Self::TakesNothing => {
                matches!(call, Call::Read | Call::Write | Call::Flush | Call::Shutdown)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
    Flush,
    Shutdown,
    Lookup,
    Tcp,
    Sleep,
    Timer,
}

impl Call {
    fn phase(self) -> Phase {
        match self {
            Self::Read => Phase::Read,
            Self::Write | Self::Flush => Phase::Write,
            Self::Shutdown => Phase::Shutdown,
            Self::Lookup => Phase::Lookup,
            Self::Tcp | Self::Sleep | Self::Timer => Phase::Connect,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    #[default]
    Connecting,
    Exchanging,
    Closing,
}

/// Counts the calls of a run, and says which has a fault. Clones are the same script.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    calls: usize,
    plan: Option<(usize, Fault)>,
    hit: Option<Call>,
    stage: Stage,
    /// Where the run was when it had its fault.
    hit_in: Option<Stage>,
    /// By how much clocks are ahead.
    late: Duration,
}

impl Script {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Before a run: the fault of its n-th call, if there is to be one.
    pub(crate) fn plan(&self, plan: Option<(usize, Fault)>) {
        *self.state() = State { plan, ..State::default() };
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.state().stage = stage;
    }

    /// How many calls the run has made that the fault of the plan could be in.
    pub(crate) fn calls(&self) -> usize {
        self.state().calls
    }

    pub(crate) fn late(&self) -> Duration {
        self.state().late
    }

    /// The call that had the fault.
    pub(crate) fn hit(&self) -> Option<Call> {
        self.state().hit
    }

    /// Where the run is, or ended.
    pub(crate) fn entered(&self) -> Stage {
        self.state().stage
    }

    /// Where the run was when it had its fault; or where it is.
    pub(crate) fn stage(&self) -> Stage {
        let state = self.state();
        state.hit_in.unwrap_or(state.stage)
    }

    /// The error of this call, if it is the one that has a fault.
    pub(crate) fn fail(&self, call: Call) -> Result<(), Error> {
        let (kind, reason) = match self.call(call) {
            None => return Ok(()),
            Some(Fault::NoAnswer) => (ErrorKind::Other, "no answer, by the test"),
            Some(Fault::Refused) => (ErrorKind::ConnectionRefused, "refused by the test"),
            Some(_) => (ErrorKind::OutOfMemory, "no timer, by the test"),
        };
        Err(Error::new(kind, reason).in_phase(call.phase()))
    }

    /// The fault of this call, if it is the one.
    pub(crate) fn call(&self, call: Call) -> Option<Fault> {
        let mut state = self.state();
        let (at, fault) = state.plan?;
        if !fault.is_of(call) {
            return None;
        }
        state.calls += 1;
        if state.calls != at {
            return None;
        }
        (state.hit, state.hit_in) = (Some(call), Some(state.stage));
        if fault == Fault::Late {
            state.late = Duration::from_secs(3600);
        }
        Some(fault)
    }
}

/// Puts a [`Tortured`] over every link.
#[derive(Clone, Debug)]
pub(crate) struct Torture(pub(crate) Script);

for_each_mode!(M => {
    impl Install<M> for Torture {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            let Self(script) = self;
            ctx.layer(Tcp, "torture", (), move |to, below, ()| {
                let script = script.clone();
                async move { Ok(Box::new(Tortured::new(below.dial(to).await?, script)) as <M as Mode>::Flow) }
            })
        }
    }
});

#[derive(Debug)]
pub(crate) struct Tortured<F> {
    below: F,
    script: Script,
    /// Which calls have been pending, one bit each.
    paused: u8,
    /// Whether there is something to flush: to be pending for nothing, again and again, would keep
    /// two attempts of a race awake for ever.
    written: bool,
    broken: Option<Fault>,
}

impl<F: Flow> Tortured<F> {
    pub(crate) fn new(below: F, script: Script) -> Self {
        Self { below, script, paused: 0, written: false, broken: None }
    }

    /// Pending the first time; then the fault, if it is due; then what the flow below says.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        call: Call,
        below: impl FnOnce(&mut F, &mut Context<'_>) -> Poll<Result<T, Error>>,
        nothing: Option<T>,
    ) -> Poll<Result<T, Error>> {
        let bit = 1 << call as u8;
        let idle = call == Call::Flush && !self.written;
        if self.paused & bit == 0 && !idle {
            self.paused |= bit;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let phase = call.phase();
        let error = |kind, reason: &'static str| Poll::Ready(Err(Error::new(kind, reason).in_phase(phase)));
        let now = self.script.call(call);
        self.broken = self.broken.or(now);
        let poll = match (self.broken, nothing) {
            (Some(Fault::Reset), _) => error(ErrorKind::ConnectionReset, "reset by the test"),
            (Some(Fault::BrokenPipe), _) => error(ErrorKind::BrokenPipe, "broken by the test"),
            (Some(Fault::End), Some(nothing)) if call == Call::Read => Poll::Ready(Ok(nothing)),
            (Some(Fault::TakesNothing), Some(nothing)) if call == Call::Write => Poll::Ready(Ok(nothing)),
            _ => below(&mut self.below, cx),
        };
        if poll.is_ready() {
            self.paused &= !bit;
            self.written = call == Call::Write || self.written && call != Call::Flush;
        }
        poll
    }
}

impl<F: Flow> Flow for Tortured<F> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        let most = buf.len().min(PART);
        let part = &mut buf[..most];
        self.poll(cx, Call::Read, |below, cx| below.poll_read(cx, part), Some(0))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.poll(cx, Call::Write, |below, cx| below.poll_write(cx, &buf[..buf.len().min(PART)]), Some(0))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(cx, Call::Flush, Flow::poll_flush, None)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(cx, Call::Shutdown, Flow::poll_shutdown, None)
    }

    fn abort(&mut self) {
        self.below.abort();
    }

    fn inner(&self) -> Option<&dyn Flow> {
        Some(&self.below)
    }
}
