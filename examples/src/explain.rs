//! `explain URL`: what connecting would try, and why not the rest.

use mimic_core::explain::Verdict;
use mimic_core::roles::Connect;
use mimic_core::{Context, Endpoint, Error, ErrorKind, Phase};

use crate::cli::Format;
use crate::failure::Failure;
use crate::stdio::print;

/// Prints the explanation; an error if it is that the URL leads nowhere. No I/O but that.
pub(crate) fn run(ctx: &Context, url: &str, format: Format) -> Result<(), Failure> {
    let endpoint: Endpoint = url.parse()?;
    let explanation = ctx.clone().with_endpoint(&endpoint).explain(Connect);
    match format {
        Format::Text => print(format_args!("{explanation}\n"))?,
        Format::Dot => print(format_args!("{}\n", explanation.dot()))?,
    }
    match explanation.goals().first().map(|stream| &stream.verdict) {
        Some(Verdict::Skipped(reason) | Verdict::Errors(reason)) => {
            Err(Error::new(ErrorKind::InvalidInput, reason.clone()).in_phase(Phase::Plan).to_target(endpoint).into())
        }
        _ => Ok(()),
    }
}
