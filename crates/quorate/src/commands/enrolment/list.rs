//! `quorate enrolment list`.

use quorate_api::exit;

use crate::{
    commands::Session,
    ui::{Outcome, views},
};

/// List the hosts that wait to be let in, with the fingerprints of their keys
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {}

pub(crate) async fn run(session: &Session, _: &ListArgs) -> Outcome {
    let enrolments = session.client()?.enrolments().await?;
    session.ui.show(&enrolments, |paint| views::enrolments(&enrolments, paint))?;
    Ok(exit::DONE)
}
