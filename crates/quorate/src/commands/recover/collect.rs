//! `quorate recover collect`.

use std::path::PathBuf;

use quorate_api::exit;

use super::{Session, document};
use crate::{
    node::{FolderArgs, Folders, recovery},
    ui::Outcome,
};

/// Report what the stopped master on this host holds; nothing is changed
///
/// Needs the root key in QUORATE_ROOT_KEY. The report holds no secret: carry the reports of all
/// surviving masters to one place, and plan there.
#[derive(Debug, clap::Args)]
pub(crate) struct CollectArgs {
    /// Where the report is written, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    folders: FolderArgs,
}

pub(crate) fn run(session: &Session, args: &CollectArgs) -> Outcome {
    let global = &session.global;
    let folders =
        Folders::resolve(&args.folders, global.root.as_deref(), global.run_dir.as_deref());
    let report = recovery::collect(&folders)?;
    document::give(&session.ui, &report, args.out.as_deref(), || report.render())?;
    Ok(exit::DONE)
}
