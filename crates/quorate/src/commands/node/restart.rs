//! `quorate node restart`.

use quorate_api::rest::RestartNodesBody;

use crate::{
    commands::{
        Session,
        change::{self, ChangeArgs},
    },
    ui::Outcome,
};

/// Restart the processes of nodes one by one; the masters never lose their quorum
///
/// Node managers first, then the masters that follow, the leader last. Each is waited for until
/// it is ready again; the first that does not come back stops the operation. Instances go on
/// running. A process begins anew in place, with the binary that lies at its path now.
#[derive(Debug, clap::Args)]
pub(crate) struct RestartArgs {
    /// Names or ids of nodes
    #[arg(value_name = "NODE", required_unless_present_any = ["masters", "all"])]
    pub(crate) nodes: Vec<String>,
    /// All masters
    #[arg(long)]
    pub(crate) masters: bool,
    /// All nodes
    #[arg(long, conflicts_with_all = ["masters", "nodes"])]
    pub(crate) all: bool,
    /// Accept that masters which tolerate no failure are interrupted
    #[arg(long)]
    pub(crate) accept_interruption: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(session: &Session, args: &RestartArgs) -> Outcome {
    let client = session.client()?;
    let how = RestartNodesBody {
        nodes: args.nodes.clone(),
        masters: args.masters,
        all: args.all,
        accept_interruption: args.accept_interruption,
    };
    let question = super::question("Restart", args.all, args.masters, &args.nodes);
    change::run(
        session,
        &client,
        &args.change,
        &question,
        async || client.plan_node_restart(&how).await,
        async || client.node_restart(&how).await,
    )
    .await
}
