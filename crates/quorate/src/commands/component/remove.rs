//! `quorate component remove`.

use crate::{
    commands::{
        Session,
        change::{self, ChangeArgs},
    },
    ui::Outcome,
};

/// Stop a component's instances and forget it; its data folders stay
#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    /// Its name
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(session: &Session, args: &RemoveArgs) -> Outcome {
    let client = session.client()?;
    let question = format!("Stop and remove the component `{}`?", args.name);
    change::run(
        session,
        &client,
        &args.change,
        &question,
        async || client.plan_component_remove(&args.name).await,
        async || client.component_remove(&args.name).await,
    )
    .await
}
