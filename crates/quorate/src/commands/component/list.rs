//! `quorate component list`.

use quorate_api::exit;

use crate::{
    commands::Session,
    ui::{Outcome, views},
};

/// List the components
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {}

pub(crate) async fn run(session: &Session, _: &ListArgs) -> Outcome {
    let components = session.client()?.components().await?;
    session.ui.show(&components, |paint| views::components(&components, paint))?;
    Ok(exit::DONE)
}
