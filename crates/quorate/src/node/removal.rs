//! The end of a node that was removed from its cluster: it says so, now and at every later start.

use quorate_keyring::atomic_write;
use quorate_model::{Refusal, codes};
use tracing::warn;

use super::Folders;

/// Refuses to run on the disk of a removed node.
pub(super) fn refuse_removed(folders: &Folders) -> Result<(), Refusal> {
    let Ok(bytes) = std::fs::read(folders.removed_file()) else { return Ok(()) };
    // Whatever is in it, the file is only ever written for this.
    Err(serde_json::from_slice(&bytes).unwrap_or_else(|_| {
        with_way_out(
            folders,
            Refusal::new(codes::NODE_REMOVED, "this node was removed from the cluster"),
        )
    }))
}

/// Writes down that this node was removed, when that is what ended it; says how its host can be
/// used again.
pub(super) fn remember(folders: &Folders, refusal: Refusal) -> Refusal {
    if refusal.code != codes::NODE_REMOVED {
        return refusal;
    }
    let refusal = with_way_out(folders, refusal);
    let bytes = serde_json::to_vec(&refusal).unwrap_or_default();
    if let Err(error) = atomic_write(&folders.removed_file(), &bytes, 0o600) {
        // It will be told again.
        warn!(%error, "cannot write down that this node was removed");
    }
    refusal
}

fn with_way_out(folders: &Folders, refusal: Refusal) -> Refusal {
    let data = folders.data.display();
    refusal.hint(format!(
        "to use this host again, move its data aside and join anew: mv {data} {data}.removed, \
         then quorate join TOKEN (a token is made on a master: quorate token create --role ROLE)"
    ))
}
