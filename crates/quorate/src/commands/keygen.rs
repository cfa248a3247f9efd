//! `quorate keygen`.

use quorate_api::exit;
use quorate_keyring::RootKey;

use super::Session;
use crate::ui::Outcome;

/// Print a new root key
///
/// Keep it in your secret store and give it to every master in QUORATE_ROOT_KEY. Without it
/// nothing that Quorate has written can be read again, backups included; nobody can recover it.
#[derive(Debug, clap::Args)]
pub(crate) struct KeygenArgs {}

pub(crate) fn run(session: &Session, _: &KeygenArgs) -> Outcome {
    let key = RootKey::generate().to_text();
    session.ui.write(&key)?;
    session.ui.write("\n")?;
    Ok(exit::DONE)
}
