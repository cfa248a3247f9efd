//! The purge that an order asked for: done before the Raft folder is opened, again if it was
//! interrupted.

use std::path::Path;

use quorate_keyring::{Keyring, sync_folder};
use quorate_model::{NodeId, Refusal};
use quorate_raft::{Place, purge};
use tracing::info;

use super::{Folders, Orders, refuse_file};

/// Removes what the newest snapshot makes needless, if that is due.
pub(super) fn purge_if_due(
    folders: &Folders,
    orders: &Orders,
    keyring: &Keyring,
    node: NodeId,
) -> Result<(), Refusal> {
    if !orders.purge_is_due() {
        return Ok(());
    }
    let place = Place {
        cluster: keyring.cluster(),
        node,
        folder: folders.raft(),
        keyring: keyring.clone(),
    };
    let purged = purge(&place).map_err(|error| error.refusal())?;
    let aside =
        folders.rafts_put_aside().map_err(|error| refuse_file("read", &folders.data, &error))?;
    for folder in &aside {
        remove(folder)?;
    }
    sync_folder(&folders.data).map_err(|error| Refusal::from(&error))?;
    orders.purged()?;
    info!(
        entries = purged.map_or(0, |purged| purged.entries),
        put_aside = aside.len(),
        "everything older than the newest snapshot is removed from disk"
    );
    Ok(())
}

fn remove(folder: &Path) -> Result<(), Refusal> {
    std::fs::remove_dir_all(folder).map_err(|error| refuse_file("remove", folder, &error))
}
