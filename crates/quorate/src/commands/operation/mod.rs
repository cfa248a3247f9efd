//! `quorate operation`: the durable procedures.

mod abort;
mod list;
mod pause;
mod resume;
mod show;
mod transcript;
mod watch;

use super::Session;
use crate::ui::Outcome;

/// Operations: look at them, pause, resume, abort
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum OperationCommand {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Watch(watch::WatchArgs),
    Pause(pause::PauseArgs),
    Resume(resume::ResumeArgs),
    Retry(resume::RetryArgs),
    Abort(abort::AbortArgs),
    Transcript(transcript::TranscriptArgs),
}

pub(crate) async fn run(session: &Session, command: &OperationCommand) -> Outcome {
    match command {
        OperationCommand::List(args) => list::run(session, args).await,
        OperationCommand::Show(args) => show::run(session, args).await,
        OperationCommand::Watch(args) => watch::run(session, args).await,
        OperationCommand::Pause(args) => pause::run(session, args).await,
        OperationCommand::Resume(args) => resume::run(session, args).await,
        OperationCommand::Retry(args) => resume::run(session, &args.resume).await,
        OperationCommand::Abort(args) => abort::run(session, args).await,
        OperationCommand::Transcript(args) => transcript::run(session, args).await,
    }
}
