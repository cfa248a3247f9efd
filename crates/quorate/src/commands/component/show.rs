//! `quorate component show`.

use quorate_api::exit;

use crate::{
    commands::Session,
    ui::{Outcome, views},
};

/// Show a component with its instances
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Its name
    pub(crate) name: String,
}

pub(crate) async fn run(session: &Session, args: &ShowArgs) -> Outcome {
    let component = session.client()?.component(&args.name).await?;
    session.ui.show(&component, |paint| views::component(&component, paint))?;
    Ok(exit::DONE)
}
