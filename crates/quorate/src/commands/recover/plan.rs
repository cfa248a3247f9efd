//! `quorate recover plan`.

use std::path::PathBuf;

use quorate_api::{ErrorBody, exit};
use quorate_model::{Refusal, codes};
use quorate_plan::recovery::{RecoveryReport, decide};

use super::{Session, document};
use crate::ui::{Failure, Outcome};

/// Decide from the survivors' reports how the masters go on, and say what may be lost
///
/// Needs no node and no root key. The most advanced log goes on; masters that have not reported are
/// written off for ever. Refused when a majority of the voters has reported: start them instead.
#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// The report of every surviving master
    #[arg(required = true, value_name = "REPORT")]
    reports: Vec<PathBuf>,
    /// Where the plan is written, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(session: &Session, args: &PlanArgs) -> Outcome {
    let reports: Vec<RecoveryReport> = args
        .reports
        .iter()
        .map(|path| document::read(path, "report", "recover collect"))
        .collect::<Result<_, _>>()?;
    let plan = decide(&reports).map_err(failure)?;
    let file = args.out.as_ref().map_or_else(|| "PLAN".to_owned(), |it| it.display().to_string());
    document::give(&session.ui, &plan, args.out.as_deref(), || plan.render(&file))?;
    Ok(exit::DONE)
}

/// All reasons at once: each costs a walk to a host.
fn failure(refusals: Vec<Refusal>) -> Failure {
    let mut refusals = refusals.into_iter();
    let first = refusals.next().unwrap_or_else(|| {
        Refusal::new(codes::INTERNAL, "there is no plan, and nobody said why not")
    });
    let mut body = ErrorBody::new(first, "");
    body.others = refusals.collect();
    body.into()
}
