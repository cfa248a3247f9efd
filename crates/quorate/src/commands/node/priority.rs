//! `quorate node priority`.

use quorate_api::exit;

use crate::{commands::Session, ui::Outcome};

/// Prefer a master as leader
///
/// The master with the highest priority takes the leadership back once it has been live and level
/// for the whole fail-back window (see `quorate master autopilot show`). Among equals nothing
/// moves.
#[derive(Debug, clap::Args)]
pub(crate) struct PriorityArgs {
    /// The master, by id or name
    pub(crate) node: String,
    /// Its priority; all begin with 0
    pub(crate) priority: u32,
}

pub(crate) async fn run(session: &Session, args: &PriorityArgs) -> Outcome {
    session.client()?.node_priority(&args.node, args.priority).await?;
    session.ui.note(&format!("{} has the priority {}", args.node, args.priority));
    Ok(exit::DONE)
}
