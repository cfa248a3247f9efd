//! `quorate audit`: who changed what.

mod list;

use super::Session;
use crate::ui::Outcome;

/// The audit trail: who changed what, and what was refused
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum AuditCommand {
    List(list::ListArgs),
}

pub(crate) async fn run(session: &Session, command: &AuditCommand) -> Outcome {
    match command {
        AuditCommand::List(args) => list::run(session, args).await,
    }
}
