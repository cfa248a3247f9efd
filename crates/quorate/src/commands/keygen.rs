//! `quorate keygen`.

use quorate_api::exit;
use quorate_keyring::RootKey;
use serde::Serialize;

use super::Session;
use crate::ui::Outcome;

/// Print a new root key
///
/// Keep it in your secret store and give it to every master in QUORATE_ROOT_KEY. Without it
/// nothing that Quorate has written can be read again, backups included; nobody can recover it.
#[derive(Debug, clap::Args)]
pub(crate) struct KeygenArgs {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewKey<'a> {
    root_key: &'a str,
}

pub(crate) fn run(session: &Session, _: &KeygenArgs) -> Outcome {
    let key = RootKey::generate().to_text();
    let shown = NewKey { root_key: key.as_str() };
    session.ui.show(&shown, |_| format!("{}\n", shown.root_key))?;
    Ok(exit::DONE)
}
