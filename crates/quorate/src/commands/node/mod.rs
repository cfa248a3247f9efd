//! `quorate node`: the nodes of the cluster.

mod list;
mod remove;
mod replace;
mod restart;

use super::Session;
use crate::ui::Outcome;

/// The nodes: masters and node managers
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum NodeCommand {
    List(list::ListArgs),
    Restart(restart::RestartArgs),
    Remove(remove::RemoveArgs),
    Replace(replace::ReplaceArgs),
}

pub(crate) async fn run(session: &Session, command: &NodeCommand) -> Outcome {
    match command {
        NodeCommand::List(args) => list::run(session, args).await,
        NodeCommand::Restart(args) => restart::run(session, args).await,
        NodeCommand::Remove(args) => remove::run(session, args).await,
        NodeCommand::Replace(args) => replace::run(session, args).await,
    }
}
