//! `quorate node promote` and `quorate node demote`: who votes.

use std::time::Duration;

use quorate_api::{
    exit,
    rest::{MasterView, VotesBody},
};
use quorate_client::Client;

use crate::{
    commands::Session,
    ui::{Outcome, duration},
};

/// Let masters vote that were kept as learners
///
/// Autopilot promotes learners by itself and keeps the number of voters odd. This is for masters
/// that were demoted, and for an even number, which needs a reason.
#[derive(Debug, clap::Args)]
pub(crate) struct PromoteArgs {
    /// The masters, by id or name
    #[arg(required = true, value_name = "NODE")]
    pub(crate) nodes: Vec<String>,
    #[command(flatten)]
    pub(crate) how: HowArgs,
}

/// Take masters' votes; they go on as learners
///
/// The masters that still vote must be able to act, and be odd in number unless you say why not.
/// A leader hands its leadership over first.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoteArgs {
    /// The masters, by id or name
    #[arg(required = true, value_name = "NODE")]
    pub(crate) nodes: Vec<String>,
    /// Why, for those who find it so
    #[arg(long, value_name = "WORDS", default_value = "a person asked for it")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) how: HowArgs,
}

/// What both take.
#[derive(Debug, clap::Args)]
pub(crate) struct HowArgs {
    /// Allow an even number of voters from now on, and say why
    #[arg(long, value_name = "REASON")]
    pub(crate) allow_even: Option<String>,
    /// Do not wait until autopilot has carried it out
    #[arg(long)]
    pub(crate) detach: bool,
    /// How long to wait before exiting with 5; autopilot goes on
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
}

const LOOK_EVERY: Duration = Duration::from_millis(300);

pub(crate) async fn promote(session: &Session, args: &PromoteArgs) -> Outcome {
    let body = VotesBody {
        nodes: args.nodes.clone(),
        votes: true,
        reason: String::new(),
        even_because: args.how.allow_even.clone(),
    };
    change(session, body, &args.how, "voter").await
}

pub(crate) async fn demote(session: &Session, args: &DemoteArgs) -> Outcome {
    let body = VotesBody {
        nodes: args.nodes.clone(),
        votes: false,
        reason: args.reason.clone(),
        even_because: args.how.allow_even.clone(),
    };
    change(session, body, &args.how, "learner").await
}

async fn change(session: &Session, body: VotesBody, how: &HowArgs, wanted: &str) -> Outcome {
    let client = session.client()?;
    client.master_votes(&body).await?;
    let what = format!("{}: {wanted}", body.nodes.join(", "));
    if how.detach {
        session.ui.note(&format!("{what}, once autopilot has carried it out"));
        return Ok(exit::STILL_RUNNING);
    }
    let done = tokio::time::timeout(how.timeout, until(&client, &body.nodes, wanted)).await;
    if done.is_ok() {
        session.ui.note(&what);
        return Ok(exit::DONE);
    }
    let waits = client.status().await.map(|status| status.autopilot_waits).unwrap_or_default();
    session.ui.note(&format!("not yet {what}; autopilot goes on. {waits}"));
    Ok(exit::STILL_RUNNING)
}

/// Returns once all of them have that role. Errors on the way are a change of the leader.
async fn until(client: &Client, nodes: &[String], wanted: &str) {
    loop {
        if let Ok(masters) = client.masters().await {
            let is =
                |master: &&MasterView| nodes.contains(&master.id) || nodes.contains(&master.name);
            if masters.iter().filter(is).all(|master| master.role == wanted) {
                return;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
