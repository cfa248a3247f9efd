//! How a command changes the cluster: show the plan, ask, submit, wait.

use std::time::Duration;

use quorate_api::{
    exit,
    rest::{OperationView, PlanView},
};
use quorate_client::{Client, ClientError};

use super::{
    Session,
    wait::{self, Aim},
};
use crate::ui::{Failure, Outcome, confirm, duration, views};

/// How to wait for an operation.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Waiting")]
pub(crate) struct WaitArgs {
    /// Wait until the operation has ended (the default)
    #[arg(long, conflicts_with = "detach")]
    pub(crate) wait: bool,
    /// Print the operation's id and exit with 5 while it goes on
    #[arg(long)]
    pub(crate) detach: bool,
    /// How long to wait before exiting with 5; the operation goes on
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
}

/// How to make a change.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ChangeArgs {
    /// Print the plan and change nothing
    #[arg(long, conflicts_with_all = ["yes", "wait", "detach"])]
    pub(crate) plan: bool,
    /// Do not ask before the change
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// Makes a change: `question` names what it is made to.
pub(super) async fn run(
    session: &Session,
    client: &Client,
    args: &ChangeArgs,
    question: &str,
    plan: impl AsyncFnOnce() -> Result<PlanView, ClientError>,
    submit: impl AsyncFnOnce() -> Result<OperationView, ClientError>,
) -> Outcome {
    if args.plan {
        let plan = plan().await?;
        session.ui.show(&plan, |paint| views::plan(&plan, paint))?;
        return Ok(exit::DONE);
    }
    if !args.yes {
        // What is refused is refused before anybody is asked, and nobody is asked to agree to
        // what was not shown. With `--yes` the masters plan before they submit.
        let plan = plan().await?;
        session.ui.stderr(&format!("{}\n", views::plan(&plan, session.ui.paint_errors)));
        if !session.ui.interactive {
            return Err(unasked(question));
        }
        if !confirm(&session.ui, question)? {
            session.ui.note("nothing was changed");
            return Ok(exit::FAILED);
        }
    }
    follow(session, client, &args.wait, submit().await?, Aim::Success).await
}

/// Asks before something that has no plan; without a terminal, `--yes` must be given.
pub(super) fn ask(session: &Session, yes: bool, question: &str) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    if !session.ui.interactive {
        return Err(unasked(question));
    }
    let go_on = confirm(&session.ui, question)?;
    if !go_on {
        session.ui.note("nothing was changed");
    }
    Ok(go_on)
}

fn unasked(question: &str) -> Failure {
    Failure::usage(
        format!("there is no terminal to ask: {question}"),
        "add --yes to do it, or --plan (where there is one) to see what would be done",
    )
}

/// Waits for an operation that was submitted, or leaves it.
pub(super) async fn follow(
    session: &Session,
    client: &Client,
    args: &WaitArgs,
    view: OperationView,
    aim: Aim,
) -> Outcome {
    if args.detach {
        let id = view.summary.id.clone();
        session.ui.show(&view.summary, |_| format!("{id}\n"))?;
        session.ui.note(&format!("it goes on: quorate operation watch {id}"));
        return Ok(exit::STILL_RUNNING);
    }
    wait::to_the_end(session, client, view, args.timeout, aim).await
}
