//! `quorate setting get`.

use quorate_api::exit;
use quorate_model::SettingKey;

use super::ReadArgs;
use crate::{
    commands::Session,
    ui::{Outcome, views},
};

/// Print the value of a setting
#[derive(Debug, clap::Args)]
pub(crate) struct GetArgs {
    /// Its key, such as `orders/quota`
    pub(crate) key: SettingKey,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

pub(crate) async fn run(session: &Session, args: &GetArgs) -> Outcome {
    let client = session.client()?;
    let asked = client.setting(args.key.as_str(), args.read.consistency()).await;
    let view = asked.map_err(|error| args.read.failed(error))?;
    session.ui.show(&view, |_| views::value(&view.value))?;
    Ok(exit::DONE)
}
