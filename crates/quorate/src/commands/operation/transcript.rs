//! `quorate operation transcript`.

use quorate_api::exit;

use crate::{
    commands::Session,
    ui::{Outcome, views},
};

/// Show what an operation did, when, by whom, and what was seen
#[derive(Debug, clap::Args)]
pub(crate) struct TranscriptArgs {
    /// Its id
    pub(crate) id: String,
}

pub(crate) async fn run(session: &Session, args: &TranscriptArgs) -> Outcome {
    let operation = session.client()?.operation(&args.id).await?;
    session.ui.show(&operation.transcript, |paint| views::transcript(&operation, paint))?;
    Ok(exit::DONE)
}
