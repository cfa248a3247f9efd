//! `quorate audit list`.

use quorate_api::exit;

use crate::{
    commands::Session,
    ui::{Outcome, views},
};

/// List the newest changes and refused attempts, newest first
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// At most this many
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    /// Also what the masters did for each single step of operations
    #[arg(long)]
    pub(crate) steps: bool,
}

pub(crate) async fn run(session: &Session, args: &ListArgs) -> Outcome {
    let entries = session.client()?.audit(args.limit, args.steps).await?;
    session.ui.show(&entries, |paint| views::audit(&entries, paint))?;
    Ok(exit::DONE)
}
