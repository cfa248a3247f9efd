//! `quorate component`: the managed services.

mod create;
mod list;
mod logs;
mod remove;
mod restart;
mod show;
mod specification;

use super::Session;
use crate::ui::Outcome;

/// Components: the services that Quorate manages
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum ComponentCommand {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Create(create::CreateArgs),
    Restart(restart::RestartArgs),
    Remove(remove::RemoveArgs),
    Logs(logs::LogsArgs),
}

pub(crate) async fn run(session: &Session, command: &ComponentCommand) -> Outcome {
    match command {
        ComponentCommand::List(args) => list::run(session, args).await,
        ComponentCommand::Show(args) => show::run(session, args).await,
        ComponentCommand::Create(args) => create::run(session, args).await,
        ComponentCommand::Restart(args) => restart::run(session, args).await,
        ComponentCommand::Remove(args) => remove::run(session, args).await,
        ComponentCommand::Logs(args) => logs::run(session, args).await,
    }
}
