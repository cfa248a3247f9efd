//! `quorate version`.

use quorate_api::exit;
use serde_json::json;

use super::Session;
use crate::ui::Outcome;

/// Show the version of this binary
#[derive(Debug, clap::Args)]
pub(crate) struct VersionArgs {}

pub(crate) fn run(session: &Session, _: &VersionArgs) -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    session.ui.show(&json!({ "version": version }), |_| format!("quorate {version}\n"))?;
    Ok(exit::DONE)
}
