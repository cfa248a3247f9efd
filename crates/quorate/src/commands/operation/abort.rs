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
/// Exits with 0 when it was undone, or left as it is where that was asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct AbortArgs {
    /// Its id
    pub(crate) id: String,
    /// It is stuck past its point of no return, waiting for what never comes: end it where it
    /// stands. What was done stays, the rest is not done, and it holds nothing any more
    #[arg(long)]
    pub(crate) leave_as_is: bool,
    /// Do not ask before the change
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

pub(crate) async fn run(session: &Session, args: &AbortArgs) -> Outcome {
    let client = session.client()?;
    let view = client.operation(&args.id).await?;
    let what = if args.leave_as_is { "Leave as it is" } else { "Abort and undo" };
    let question = format!("{what} the operation {} ({})?", args.id, view.summary.title);
    // An operation that has succeeded cannot be aborted: the masters say so without a question.
    let can_be = view.summary.status != "succeeded";
    if can_be && !change::ask(session, args.yes, &question)? {
        return Ok(exit::FAILED);
    }
    let view = if args.leave_as_is {
        client.operation_leave(&args.id).await?
    } else {
        client.operation_abort(&args.id).await?
    };
    change::follow(session, &client, &args.wait, view, Aim::Undone).await
}
