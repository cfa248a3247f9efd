//! `quorate recover`: recovery from a lost quorum of masters, offline, half-guided.

mod apply;
mod collect;
mod document;
mod plan;
mod verify;

use super::Session;
use crate::ui::Outcome;

/// Recover the masters from a lost quorum: a majority of them is gone for good
///
/// Collect a report on every surviving master, stopped; plan once from all reports; apply the plan
/// on every survivor; start them; verify. What may be lost is said before anything is changed.
/// docs/recover.md goes through it step by step.
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum RecoverCommand {
    Collect(collect::CollectArgs),
    Plan(plan::PlanArgs),
    Apply(apply::ApplyArgs),
    Verify(verify::VerifyArgs),
}

pub(crate) async fn run(session: &Session, command: &RecoverCommand) -> Outcome {
    match command {
        RecoverCommand::Collect(args) => collect::run(session, args),
        RecoverCommand::Plan(args) => plan::run(session, args),
        RecoverCommand::Apply(args) => apply::run(session, args).await,
        RecoverCommand::Verify(args) => verify::run(session, args).await,
    }
}
