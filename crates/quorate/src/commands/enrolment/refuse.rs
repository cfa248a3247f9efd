//! `quorate enrolment refuse`.

use quorate_api::exit;

use super::find;
use crate::{commands::Session, ui::Outcome};

/// Turn a waiting host away; its token is of no use any more
#[derive(Debug, clap::Args)]
pub(crate) struct RefuseArgs {
    /// Its id or name, from `quorate enrolment list`
    pub(crate) id: String,
}

pub(crate) async fn run(session: &Session, args: &RefuseArgs) -> Outcome {
    let client = session.client()?;
    let found = find(&client, Some(&args.id)).await?;
    client.enrolment_refuse(&found.id).await?;
    session.ui.note(&format!("{} is turned away", found.name));
    Ok(exit::DONE)
}
