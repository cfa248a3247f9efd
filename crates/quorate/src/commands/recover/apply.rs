//! `quorate recover apply`.

use std::path::PathBuf;

use quorate_api::exit;
use quorate_model::{NodeId, Refusal, codes};
use quorate_plan::recovery::{HASH_PREFIX, RecoveryPlan};

use super::{Session, document};
use crate::{
    node::{
        FolderArgs, Folders,
        recovery::{Application, Applied},
    },
    ui::{Failure, Outcome, ask},
};

/// Carry out a plan on this surviving master, which is stopped
///
/// Needs the root key in QUORATE_ROOT_KEY. What the master held is kept beside, as
/// raft.before-epoch-N. Refused when a master that is written off answers, or when this node has
/// changed since it reported. Twice is once, and what was interrupted is repeated.
#[derive(Debug, clap::Args)]
pub(crate) struct ApplyArgs {
    /// The plan, as `recover plan --out FILE` wrote it
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// The plan's hash, or its first eight characters or more, instead of typing it when asked
    #[arg(long, value_name = "HASH")]
    confirm: Option<String>,
    /// This written-off master is off, although something accepts connections at its address and
    /// says nothing; you have made sure of it
    #[arg(long, value_name = "NODE_ID")]
    assume_dead: Vec<NodeId>,
    #[command(flatten)]
    folders: FolderArgs,
}

pub(crate) async fn run(session: &Session, args: &ApplyArgs) -> Outcome {
    let global = &session.global;
    let folders =
        Folders::resolve(&args.folders, global.root.as_deref(), global.run_dir.as_deref());
    let plan: RecoveryPlan = document::read(&args.plan, "plan", "recover plan")?;
    let application = Application::prepare(&folders, plan)?;
    if !application.is_done() {
        application.refuse_the_living(&args.assume_dead).await?;
        confirm(session, args, &application)?;
    }
    let applied = application.carry_out()?;
    session.ui.show(&applied, |_| words(&applied))?;
    Ok(exit::DONE)
}

/// A plan is named by whoever applies it: a plain yes is typed too easily at night.
fn confirm(session: &Session, args: &ApplyArgs, application: &Application) -> Result<(), Failure> {
    let plan = application.plan();
    let typed = match &args.confirm {
        Some(typed) => typed.clone(),
        None => {
            if session.ui.interactive {
                session.ui.stderr(&format!("{}\n", plan.render(&args.plan.display().to_string())));
            }
            let (node, keeper) = application.node();
            let what = if keeper { "goes on alone" } else { "comes back as a learner" };
            let question = format!(
                "{node} {what}. Type the first {HASH_PREFIX} characters of the plan's hash to apply it here: "
            );
            ask(&session.ui, &question, "add --confirm HASH, with the hash of the plan")?
        }
    };
    if typed.len() >= HASH_PREFIX && plan.hash.starts_with(&typed) {
        return Ok(());
    }
    Err(Refusal::new(codes::RECOVERY_PLAN_INVALID, "that is not the hash of this plan")
        .cause(format!("`{typed}` was given; nothing was changed"))
        .hint(format!("look at the plan: its hash begins with {}", plan.short_hash()))
        .into())
}

fn words(applied: &Applied) -> String {
    let Applied { node, epoch, keeper, was_applied, before } = applied;
    let done = if *was_applied { "was applied here before" } else { "is applied" };
    let then = if *keeper {
        format!("{node} goes on as the first voter: start it first")
    } else {
        format!("{node} comes back as a learner: start it when the first voter runs")
    };
    format!("the plan {done}; {then}\nepoch {epoch}; what it held before is in {before}\n")
}
