//! `quorate version`.

use super::Session;
use crate::{node::binary, ui::Outcome};
use quorate_api::exit;

/// Show the version of this binary
///
/// With `--output json` also its architecture and the feature levels it reads.
#[derive(Debug, clap::Args)]
pub(crate) struct VersionArgs {}

pub(crate) fn run(session: &Session, _: &VersionArgs) -> Outcome {
    let facts = binary::facts();
    session.ui.show(&facts, |_| format!("quorate {}\n", facts.version))?;
    Ok(exit::DONE)
}
