//! `quorate token revoke`.

use quorate_api::exit;

use crate::{commands::Session, ui::Outcome};

/// Make a join token unusable
#[derive(Debug, clap::Args)]
pub(crate) struct RevokeArgs {
    /// Its id, from `quorate token list`
    pub(crate) id: String,
}

pub(crate) async fn run(session: &Session, args: &RevokeArgs) -> Outcome {
    session.client()?.token_revoke(&args.id).await?;
    session.ui.note(&format!("token {} is revoked", args.id));
    Ok(exit::DONE)
}
