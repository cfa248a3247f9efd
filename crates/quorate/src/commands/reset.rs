//! `quorate reset`.

use quorate_api::{
    exit,
    rest::{OperationView, PlanView, ResetBody},
};
use quorate_client::{Client, ClientError};
use quorate_keyring::one_time_password;
use quorate_model::{Refusal, codes};

use super::{
    Session,
    change::{self, WaitArgs},
    wait::Aim,
};
use crate::ui::{Failure, Outcome, ask, views};

/// How much of the hash is asked for.
const HASH_PREFIX: usize = quorate_plan::recovery::HASH_PREFIX;

/// Bring the whole cluster back to its first state
///
/// Users, tokens, settings, components, operations and the audit trail are gone for good; nodes,
/// their ids and the cluster's authority stay. Instances go on running, and nobody looks after
/// them any more. Every master begins anew with nothing older on its disk; one that is away does
/// so when it comes back. `--plan` tells what is lost and the hash that confirms it.
#[derive(Debug, clap::Args)]
pub(crate) struct ResetArgs {
    /// Print the plan and change nothing
    #[arg(long, conflicts_with_all = ["yes", "confirm", "wait", "detach"])]
    plan: bool,
    /// Do not show the plan and ask; the hash must be given with --confirm
    #[arg(long)]
    yes: bool,
    /// The plan's hash, or its first eight characters or more, instead of typing it when asked
    #[arg(long, value_name = "HASH")]
    confirm: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
}

pub(crate) async fn run(session: &Session, args: &ResetArgs) -> Outcome {
    let client = session.client()?;
    if args.plan {
        let plan = client.plan_reset().await?;
        session.ui.show(&plan, |paint| {
            format!("{}\nconfirm it with: {}\n", views::plan(&plan, paint), short_hash(&plan))
        })?;
        return Ok(exit::DONE);
    }
    let confirm = match &args.confirm {
        Some(typed) => typed.clone(),
        None if args.yes || !session.ui.interactive => return Err(unconfirmed().into()),
        None => {
            let plan = client.plan_reset().await?;
            typed(session, &plan)?
        }
    };
    let how = ResetBody { confirm, one_time_password: one_time_password() };
    let operation = submitted(session, &client, &how).await?;
    let id = operation.summary.id.clone();
    match change::follow(session, &client, &args.wait, operation, Aim::Success).await {
        // A login over the network ends with everything else.
        Err(failure) if failure.body.code == codes::UNAUTHENTICATED => {
            session.ui.note("your login has ended with all others: the state is reset");
            session
                .ui
                .note(&format!("it goes on: quorate login, then quorate operation watch {id}"));
            Ok(exit::STILL_RUNNING)
        }
        other => other,
    }
}

/// Asks for the reset, and tells the one-time password once it has been accepted. A refusal changed
/// nothing, and its password would be of no use; but an answer that is lost must not lock everybody
/// out.
async fn submitted(
    session: &Session,
    client: &Client,
    how: &ResetBody,
) -> Result<OperationView, Failure> {
    let password = &how.one_time_password;
    let may_have_begun = || {
        session.ui.stderr(&format!(
            "if the reset has begun all the same, log in as `admin` with the one-time password \
             {password}\n"
        ));
    };
    let asked = tokio::select! {
        asked = client.reset(how) => asked,
        _ = tokio::signal::ctrl_c() => {
            may_have_begun();
            let interrupted =
                Refusal::new(codes::OUTCOME_UNKNOWN, "interrupted while the reset was asked for")
                    .hint("look whether it has begun: quorate operation list");
            return Err(Failure::from(interrupted).exiting(exit::STILL_RUNNING));
        }
    };
    match asked {
        Ok(operation) => {
            session.ui.stderr(&format!(
                "after the reset log in as `admin` with the one-time password {password}\n"
            ));
            Ok(operation)
        }
        Err(error) => {
            let is_unknown = error.code() == codes::OUTCOME_UNKNOWN
                || matches!(error, ClientError::Foreign { .. });
            if is_unknown {
                may_have_begun();
            }
            Err(error.into())
        }
    }
}

/// Asks for the hash: a plain yes is typed too easily.
fn typed(session: &Session, plan: &PlanView) -> Result<String, Failure> {
    session.ui.stderr(&format!("{}\n", views::plan(plan, session.ui.paint_errors)));
    let short = short_hash(plan);
    let question = format!("Type {short} to lose all this for good: ");
    let typed = ask(&session.ui, &question, "add --confirm HASH, with the hash of the plan")?;
    // What was shown is what is agreed to: the masters compare with their plan once more.
    if typed.len() >= HASH_PREFIX
        && plan.confirm.as_deref().is_some_and(|hash| hash.starts_with(&typed))
    {
        return Ok(typed);
    }
    Err(Refusal::new(codes::RESET_NOT_CONFIRMED, "the reset is not confirmed; nothing was changed")
        .cause(format!("`{typed}` was typed"))
        .hint(format!("its plan is confirmed by {short}"))
        .into())
}

fn short_hash(plan: &PlanView) -> &str {
    plan.confirm.as_deref().and_then(|hash| hash.get(..HASH_PREFIX)).unwrap_or_default()
}

fn unconfirmed() -> Refusal {
    Refusal::new(codes::RESET_NOT_CONFIRMED, "the reset is not confirmed; nothing was changed")
        .cause("no hash was given, and there is nobody to ask for it")
        .hint("read the plan, then add --confirm HASH: quorate reset --plan")
}
