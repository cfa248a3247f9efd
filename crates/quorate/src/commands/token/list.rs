//! `quorate token list`.

use quorate_api::exit;

use crate::{
    commands::Session,
    ui::{Outcome, views},
};

/// List the join tokens, without their secrets
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {}

pub(crate) async fn run(session: &Session, _: &ListArgs) -> Outcome {
    let tokens = session.client()?.tokens().await?;
    session.ui.show(&tokens, |paint| views::tokens(&tokens, paint))?;
    Ok(exit::DONE)
}
