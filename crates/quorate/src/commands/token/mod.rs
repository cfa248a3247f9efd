//! `quorate token`: join tokens.

mod create;
mod list;
mod revoke;

use super::Session;
use crate::ui::Outcome;

/// Join tokens: how a host becomes a node
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum TokenCommand {
    Create(create::CreateArgs),
    List(list::ListArgs),
    Revoke(revoke::RevokeArgs),
}

pub(crate) async fn run(session: &Session, command: &TokenCommand) -> Outcome {
    match command {
        TokenCommand::Create(args) => create::run(session, args).await,
        TokenCommand::List(args) => list::run(session, args).await,
        TokenCommand::Revoke(args) => revoke::run(session, args).await,
    }
}
