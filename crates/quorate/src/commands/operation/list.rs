//! `quorate operation list`.

use quorate_api::exit;

use crate::{
    commands::Session,
    ui::{Outcome, views},
};

/// List the operations, newest first
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {}

pub(crate) async fn run(session: &Session, _: &ListArgs) -> Outcome {
    let operations = session.client()?.operations().await?;
    session.ui.show(&operations, |paint| views::operations(&operations, paint))?;
    Ok(exit::DONE)
}
