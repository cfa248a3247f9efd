//! `quorate master transfer-leader`.

use quorate_api::{exit, rest::TransferLeaderBody};

use crate::{
    commands::{
        Session,
        change::{self, ChangeArgs},
    },
    ui::Outcome,
};

/// Move the leadership to another master; writes wait for some milliseconds
#[derive(Debug, clap::Args)]
pub(crate) struct TransferLeaderArgs {
    /// The name or id of a voting master; the one that is furthest ahead when absent
    #[arg(long, value_name = "NODE")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(session: &Session, args: &TransferLeaderArgs) -> Outcome {
    let client = session.client()?;
    let how = TransferLeaderBody { to: args.to.clone() };
    let question = match &args.to {
        Some(to) => format!("Move the leadership to `{to}`?"),
        None => "Move the leadership to another master?".to_owned(),
    };
    let outcome = change::run(
        session,
        &client,
        &args.change,
        &question,
        async || client.plan_transfer_leader(&how).await,
        async || client.transfer_leader(&how).await,
    )
    .await?;
    if outcome == exit::DONE && !args.change.plan {
        let masters = client.masters().await?;
        if let Some(leader) = masters.iter().find(|master| master.is_leader) {
            session.ui.note(&format!("`{}` leads", leader.name));
        }
    }
    Ok(outcome)
}
