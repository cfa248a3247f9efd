//! `quorate component restart`.

use quorate_api::rest::RestartBody;

use crate::{
    commands::{
        Session,
        change::{self, ChangeArgs},
    },
    ui::Outcome,
};

/// Restart a component member by member, never below its quorum
#[derive(Debug, clap::Args)]
pub(crate) struct RestartArgs {
    /// Its name
    pub(crate) name: String,
    /// Accept that a component which tolerates no failure is interrupted
    #[arg(long)]
    pub(crate) accept_interruption: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(session: &Session, args: &RestartArgs) -> Outcome {
    let client = session.client()?;
    let how = RestartBody { accept_interruption: args.accept_interruption };
    let question = format!("Restart the component `{}`?", args.name);
    change::run(
        session,
        &client,
        &args.change,
        &question,
        async || client.plan_component_restart(&args.name, &how).await,
        async || client.component_restart(&args.name, &how).await,
    )
    .await
}
