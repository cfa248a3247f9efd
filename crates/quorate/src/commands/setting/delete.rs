//! `quorate setting delete`.

use quorate_api::exit;
use quorate_client::Consistency;
use quorate_model::SettingKey;

use crate::{
    commands::{Session, change},
    ui::Outcome,
};

/// Delete a setting
#[derive(Debug, clap::Args)]
pub(crate) struct DeleteArgs {
    /// Its key
    pub(crate) key: SettingKey,
    /// Only while it has this revision
    #[arg(long, value_name = "REVISION")]
    pub(crate) if_match: Option<u64>,
    /// Do not ask before the change
    #[arg(long)]
    pub(crate) yes: bool,
}

pub(crate) async fn run(session: &Session, args: &DeleteArgs) -> Outcome {
    let client = session.client()?;
    if !args.yes {
        // Nobody is asked about what does not exist.
        client.setting(args.key.as_str(), Consistency::Linearizable).await?;
    }
    if !change::ask(session, args.yes, &format!("Delete the setting `{}`?", args.key))? {
        return Ok(exit::FAILED);
    }
    let written = client.delete_setting(args.key.as_str(), args.if_match).await?;
    session.ui.show(&written, |_| format!("{} is deleted\n", written.key))?;
    Ok(exit::DONE)
}
