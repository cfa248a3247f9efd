//! `quorate master`: the masters as a group.

mod autopilot;
mod transfer_leader;

use super::Session;
use crate::ui::Outcome;

/// The masters as a group: who leads, and how autopilot behaves
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum MasterCommand {
    TransferLeader(transfer_leader::TransferLeaderArgs),
    #[command(subcommand)]
    Autopilot(autopilot::AutopilotCommand),
}

pub(crate) async fn run(session: &Session, command: &MasterCommand) -> Outcome {
    match command {
        MasterCommand::TransferLeader(args) => transfer_leader::run(session, args).await,
        MasterCommand::Autopilot(command) => autopilot::run(session, command).await,
    }
}
