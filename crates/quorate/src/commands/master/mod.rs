//! `quorate master`: the masters' own leadership.

mod transfer_leader;

use super::Session;
use crate::ui::Outcome;

/// The masters: who leads
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum MasterCommand {
    TransferLeader(transfer_leader::TransferLeaderArgs),
}

pub(crate) async fn run(session: &Session, command: &MasterCommand) -> Outcome {
    match command {
        MasterCommand::TransferLeader(args) => transfer_leader::run(session, args).await,
    }
}
