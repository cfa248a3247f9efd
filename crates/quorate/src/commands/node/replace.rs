//! `quorate node replace`.

use quorate_api::rest::ReplaceNodeBody;

use crate::{
    commands::{
        Session,
        change::{self, ChangeArgs},
    },
    ui::Outcome,
};

/// Put a master that has joined in the place of another, dead or alive, which is removed
///
/// Let the new host join first (`quorate token create --role master`, `quorate join`), under any
/// free name. The vote changes hands in one joint change; then the old master is removed.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplaceArgs {
    /// The name or id of the master that goes
    pub(crate) old: String,
    /// The name or id of the master that comes
    #[arg(long, value_name = "NEW")]
    pub(crate) with: String,
    /// Give the new master the name of the old one in the end
    #[arg(long)]
    pub(crate) take_name: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(session: &Session, args: &ReplaceArgs) -> Outcome {
    let client = session.client()?;
    let how = ReplaceNodeBody { with: args.with.clone(), take_name: args.take_name };
    let question = format!("Replace `{}` with `{}` for good?", args.old, args.with);
    change::run(
        session,
        &client,
        &args.change,
        &question,
        async || client.plan_node_replace(&args.old, &how).await,
        async || client.node_replace(&args.old, &how).await,
    )
    .await
}
