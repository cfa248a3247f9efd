//! `quorate enrolment approve`.

use quorate_api::exit;

use super::find;
use crate::{
    commands::{Session, change},
    ui::{Failure, Outcome},
};

/// Let a waiting host in
///
/// Compare the fingerprint with the one that `quorate join` shows on that host: only then is it
/// certain that the host at the door is the one you started.
#[derive(Debug, clap::Args)]
pub(crate) struct ApproveArgs {
    /// Its id or name, from `quorate enrolment list`; not needed when only one waits
    pub(crate) id: Option<String>,
    /// The fingerprint that the host shows; another one is refused
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) key: Option<String>,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

pub(crate) async fn run(session: &Session, args: &ApproveArgs) -> Outcome {
    let client = session.client()?;
    let found = find(&client, args.id.as_deref()).await?;
    if let Some(key) = &args.key
        && *key != found.fingerprint
        && *key != found.key_sha256
    {
        return Err(Failure::usage(
            format!("the host at the door has the key {}", found.fingerprint),
            "it is not the host you mean: refuse it, and find out who has the token",
        ));
    }
    let question =
        format!("let {} in as {} with the key {}?", found.name, found.role, found.fingerprint);
    if !change::ask(session, args.yes || args.key.is_some(), &question)? {
        return Ok(exit::FAILED);
    }
    client.enrolment_approve(&found.id, &found.key_sha256).await?;
    session.ui.note(&format!("{} is let in; its key is {}", found.name, found.fingerprint));
    Ok(exit::DONE)
}
