//! `quorate operation abort`.

use quorate_api::exit;

use crate::{
    commands::{
        Session,
        change::{self, WaitArgs},
        wait::Aim,
    },
    ui::Outcome,
};

/// End an operation and undo it as far as it can be
///
/// Exits with 0 when it was undone.
#[derive(Debug, clap::Args)]
pub(crate) struct AbortArgs {
    /// Its id
    pub(crate) id: String,
    /// Do not ask before the change
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

pub(crate) async fn run(session: &Session, args: &AbortArgs) -> Outcome {
    let client = session.client()?;
    let view = client.operation(&args.id).await?;
    let question = format!("Abort and undo the operation {} ({})?", args.id, view.summary.title);
    // An operation that has succeeded cannot be aborted: the masters say so without a question.
    let can_be = view.summary.status != "succeeded";
    if can_be && !change::ask(session, args.yes, &question)? {
        return Ok(exit::FAILED);
    }
    let view = client.operation_abort(&args.id).await?;
    change::follow(session, &client, &args.wait, view, Aim::Undone).await
}
