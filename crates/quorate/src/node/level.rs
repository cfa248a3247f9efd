//! The cluster's feature level as this host knows it. A binary that cannot read it refuses to
//! start before it has touched anything, a node manager's as well as a master's.

use std::fs;

use quorate_keyring::atomic_write;
use quorate_model::{Refusal, codes};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::{error, warn};

use super::{Folders, binary};

/// The version of the record.
const VERSION: u32 = 1;

/// `feature-level.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    version: u32,
    level: u32,
}

fn known(folders: &Folders) -> u32 {
    let read = fs::read(folders.feature_level_file()).ok();
    let record = read.and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
    record.map_or(1, |record| record.level)
}

/// Refuses to run when the cluster has reached a level that this binary cannot read.
pub(super) fn refuse_too_old(folders: &Folders) -> Result<(), Refusal> {
    let level = known(folders);
    if level > binary::reads_level() { Err(too_old(level)) } else { Ok(()) }
}

fn too_old(level: u32) -> Refusal {
    Refusal::new(
        codes::BINARY_TOO_OLD,
        format!(
            "the cluster has feature level {level}; this binary, {}, reads up to {}",
            binary::version(),
            binary::reads_level()
        ),
    )
    .hint("run the version of quorate that the masters run; nothing was changed here")
}

/// Writes down each level that the cluster reaches, for the next start. Returns when there is one
/// that this binary cannot read.
pub(super) async fn keep(folders: Folders, mut levels: watch::Receiver<u32>) -> Refusal {
    loop {
        let level = *levels.borrow_and_update();
        if level > binary::reads_level() {
            let refusal = too_old(level);
            error!(code = %refusal.code, "{refusal}");
            return refusal;
        }
        if level > known(&folders)
            && let Err(error) = remember(&folders, level)
        {
            // A master finds the level in its log as well, a node manager is told it again.
            warn!(%error, level, "the feature level cannot be written down");
        }
        if levels.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn remember(folders: &Folders, level: u32) -> Result<(), String> {
    let bytes = serde_json::to_vec(&Record { version: VERSION, level })
        .map_err(|error| error.to_string())?;
    atomic_write(&folders.feature_level_file(), &bytes, 0o600).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_level_is_remembered_and_a_binary_too_old_for_it_refused_with_nothing_changed() {
        let temp = tempfile::tempdir().unwrap();
        let folders =
            Folders::resolve(&super::super::FolderArgs::default(), Some(temp.path()), None);
        assert_eq!(refuse_too_old(&folders), Ok(()));
        assert!(!folders.data.exists());
        folders.create().unwrap();
        let reads = binary::reads_level();
        remember(&folders, reads).unwrap();
        assert_eq!(refuse_too_old(&folders), Ok(()));
        remember(&folders, reads + 1).unwrap();
        let refusal = refuse_too_old(&folders).unwrap_err();
        assert_eq!(refusal.code, codes::BINARY_TOO_OLD);
        let (_levels, told) = watch::channel(reads + 2);
        assert_eq!(keep(folders.clone(), told).await.code, codes::BINARY_TOO_OLD);
        assert_eq!(known(&folders), reads + 1, "who refuses writes nothing");
    }
}
