//! `quorate whoami`.

use quorate_api::exit;

use super::Session;
use crate::ui::Outcome;

/// Show who is logged in, and in which role
#[derive(Debug, clap::Args)]
pub(crate) struct WhoamiArgs {}

pub(crate) async fn run(session: &Session, _: &WhoamiArgs) -> Outcome {
    let me = session.client()?.who_am_i().await?;
    session.ui.show(&me, |_| format!("{} ({})\n", me.username, me.role))?;
    Ok(exit::DONE)
}
