//! `quorate node`: the nodes of the cluster.

mod list;
mod priority;
mod remove;
mod replace;
mod restart;
mod upgrade;
mod votes;

use super::Session;
use crate::ui::Outcome;

/// The nodes: masters and node managers
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum NodeCommand {
    List(list::ListArgs),
    Restart(restart::RestartArgs),
    Upgrade(upgrade::UpgradeArgs),
    Remove(remove::RemoveArgs),
    Replace(replace::ReplaceArgs),
    Promote(votes::PromoteArgs),
    Demote(votes::DemoteArgs),
    Priority(priority::PriorityArgs),
}

pub(crate) async fn run(session: &Session, command: &NodeCommand) -> Outcome {
    match command {
        NodeCommand::List(args) => list::run(session, args).await,
        NodeCommand::Restart(args) => restart::run(session, args).await,
        NodeCommand::Upgrade(args) => upgrade::run(session, args).await,
        NodeCommand::Remove(args) => remove::run(session, args).await,
        NodeCommand::Replace(args) => replace::run(session, args).await,
        NodeCommand::Promote(args) => votes::promote(session, args).await,
        NodeCommand::Demote(args) => votes::demote(session, args).await,
        NodeCommand::Priority(args) => priority::run(session, args).await,
    }
}

/// What a person is asked before something is done to all nodes, to the masters, or to some nodes.
fn question(verb: &str, all: bool, masters: bool, nodes: &[String]) -> String {
    match (all, masters) {
        (true, _) => format!("{verb} all nodes?"),
        (_, true) => format!("{verb} the masters?"),
        _ => format!("{verb} {}?", nodes.join(", ")),
    }
}
