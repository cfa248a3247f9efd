//! What the supervisor tells a new shim, in a file that is removed once read.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::LaunchSpec;

/// The newest version of the file's format. A running shim never reads a second one, so a
/// version is only ever read by the binary that wrote it or, in an upgrade, by the next.
pub(super) const VERSION: u32 = 1;

/// One start, as handed to the shim.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ShimSpec {
    pub(super) version: u32,
    pub(super) launch: LaunchSpec,
    pub(super) log_path: PathBuf,
}

impl ShimSpec {
    pub(crate) const fn new(launch: LaunchSpec, log_path: PathBuf) -> Self {
        Self { version: VERSION, launch, log_path }
    }
}
