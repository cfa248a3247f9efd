//! `quorate node`: the nodes of the cluster.

mod list;

use super::Session;
use crate::ui::Outcome;

/// The nodes: masters and node managers
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum NodeCommand {
    List(list::ListArgs),
}

pub(crate) async fn run(session: &Session, command: &NodeCommand) -> Outcome {
    match command {
        NodeCommand::List(args) => list::run(session, args).await,
    }
}
