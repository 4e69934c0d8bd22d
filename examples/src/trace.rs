//! The option `--trace`: what a connect does, while it does it.

use clap::Args;
use mimic_core::Context;
use mimic_happy_eyeballs::Observer;

use crate::failure::say;

/// Whether to tell.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Trace {
    /// Print to standard error which addresses are looked up and tried, when, and how it ends
    #[arg(long)]
    trace: bool,
}

impl Trace {
    /// A context that tells, if it is to.
    pub(crate) fn apply(self, ctx: Context) -> Context {
        if self.trace { ctx.with(Observer, |event| say(event)) } else { ctx }
    }
}
