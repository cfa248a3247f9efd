//! `quorate operation show`.

use quorate_api::exit;

use crate::{
    commands::Session,
    ui::{Outcome, views},
};

/// Show an operation with its steps, and why it is stuck
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Its id
    pub(crate) id: String,
}

pub(crate) async fn run(session: &Session, args: &ShowArgs) -> Outcome {
    let operation = session.client()?.operation(&args.id).await?;
    session.ui.show(&operation, |paint| views::operation(&operation, paint))?;
    Ok(exit::DONE)
}
