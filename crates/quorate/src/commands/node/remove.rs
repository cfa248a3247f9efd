//! `quorate node remove`.

use quorate_api::rest::RemoveNodeBody;

use crate::{
    commands::{
        Session,
        change::{self, ChangeArgs},
    },
    ui::Outcome,
};

/// Take a node out of the cluster for good, dead or alive
///
/// A master's vote is taken first, and only where the masters that remain are quorate. The
/// node's certificate and id are refused from then on; to use its host again, wipe its data
/// folder and join anew.
#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    /// Its name or id
    pub(crate) node: String,
    /// Why an even number of voting masters may remain
    #[arg(long, value_name = "REASON")]
    pub(crate) allow_even: Option<String>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(session: &Session, args: &RemoveArgs) -> Outcome {
    let client = session.client()?;
    let how = RemoveNodeBody { allow_even: args.allow_even.clone() };
    let question = format!("Remove the node `{}` for good?", args.node);
    change::run(
        session,
        &client,
        &args.change,
        &question,
        async || client.plan_node_remove(&args.node, &how).await,
        async || client.node_remove(&args.node, &how).await,
    )
    .await
}
