//! `quorate operation pause`.

use quorate_api::exit;

use crate::{
    commands::Session,
    ui::{Outcome, views},
};

/// Let an operation stand before its next step
#[derive(Debug, clap::Args)]
pub(crate) struct PauseArgs {
    /// Its id
    pub(crate) id: String,
}

pub(crate) async fn run(session: &Session, args: &PauseArgs) -> Outcome {
    let view = session.client()?.operation_pause(&args.id).await?;
    session.ui.show(&view.summary, |paint| views::ended(&view.summary, paint))?;
    session.ui.note(&format!("to go on: quorate operation resume {}", args.id));
    Ok(exit::DONE)
}
