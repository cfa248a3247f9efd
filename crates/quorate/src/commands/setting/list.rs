//! `quorate setting list`.

use quorate_api::exit;

use super::ReadArgs;
use crate::{
    commands::Session,
    ui::{Outcome, views},
};

/// List the settings
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Only those whose keys begin with this
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

pub(crate) async fn run(session: &Session, args: &ListArgs) -> Outcome {
    let client = session.client()?;
    let asked = client.settings(&args.prefix, args.read.consistency()).await;
    let settings = asked.map_err(|error| args.read.failed(error))?;
    session.ui.show(&settings, |paint| views::settings(&settings, paint))?;
    Ok(exit::DONE)
}
