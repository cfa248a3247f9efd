//! `quorate setting`: the settings of the cluster.

mod delete;
mod get;
mod list;
mod set;

use quorate_client::{ClientError, Consistency};
use quorate_model::codes;

use super::Session;
use crate::ui::{Failure, Outcome};

/// Cluster settings: a small key-value space that all masters agree on
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum SettingCommand {
    Get(get::GetArgs),
    Set(set::SetArgs),
    Delete(delete::DeleteArgs),
    List(list::ListArgs),
}

pub(crate) async fn run(session: &Session, command: &SettingCommand) -> Outcome {
    match command {
        SettingCommand::Get(args) => get::run(session, args).await,
        SettingCommand::Set(args) => set::run(session, args).await,
        SettingCommand::Delete(args) => delete::run(session, args).await,
        SettingCommand::List(args) => list::run(session, args).await,
    }
}

/// How to read.
#[derive(Debug, clap::Args)]
pub(crate) struct ReadArgs {
    /// What the master at hand has, even without a quorum; it may be old
    #[arg(long)]
    pub(crate) stale: bool,
}

impl ReadArgs {
    fn consistency(&self) -> Consistency {
        if self.stale { Consistency::Stale } else { Consistency::Linearizable }
    }

    /// Why a read failed; without a leader, with the flag that reads all the same.
    fn failed(&self, error: ClientError) -> Failure {
        let is_linearizable = !self.stale && error.code() == codes::NO_LEADER;
        let mut failure = Failure::from(error);
        if is_linearizable {
            failure.body.hint = Some(
                "read what the master at hand has: --stale; or see on a master's host: quorate \
                 status"
                    .to_owned(),
            );
        }
        failure
    }
}
