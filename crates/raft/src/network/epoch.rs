//! What a node makes of the epoch that a caller is in, and how one whose epoch has ended is told so
//! on the wire: a refused call with two words of metadata.

use std::cmp::Ordering;

use quorate_model::{Epoch, NodeId};
use tonic::{Status, metadata::MetadataValue};

use crate::node::superseded::Superseded;

const EPOCH: &str = "quorate-epoch";
const WRITTEN_OFF: &str = "quorate-written-off";

/// What is to be made of a call from another epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtherEpoch {
    /// The caller's has ended, and it is told so.
    Theirs {
        /// Whether the caller is dead, too.
        written_off: bool,
    },
    /// This node's has ended.
    Ours {
        /// Whether the caller may be believed.
        believed: bool,
    },
}

/// Compares the epoch of this node and that of its caller; `None` when they are in one.
pub(crate) fn judge(
    ours: Epoch,
    theirs: Epoch,
    is_member: impl FnOnce() -> bool,
    is_dead: impl FnOnce() -> bool,
) -> Option<OtherEpoch> {
    match theirs.cmp(&ours) {
        Ordering::Equal => None,
        Ordering::Less => Some(OtherEpoch::Theirs { written_off: is_dead() }),
        // For good: so not on the word of a node that only may be a master, because it joined after
        // the newest state here. The members of the quorum that this node knows ask and tell each
        // other.
        Ordering::Greater => Some(OtherEpoch::Ours { believed: is_member() && !is_dead() }),
    }
}

/// The answer to a caller whose epoch has ended.
pub(super) fn ended(current: Epoch, theirs: Epoch, written_off: bool) -> Status {
    let mut status = Status::failed_precondition(format!(
        "this cluster is in epoch {current}, not {theirs}: a node of an older epoch cannot rejoin"
    ));
    let metadata = status.metadata_mut();
    metadata.insert(EPOCH, MetadataValue::from(current.0));
    if written_off {
        metadata.insert(WRITTEN_OFF, MetadataValue::from_static("true"));
    }
    status
}

/// What `peer` says with a refusal, if that is about epochs.
pub(super) fn told_by(peer: NodeId, status: &Status) -> Option<Superseded> {
    let metadata = status.metadata();
    let epoch = metadata.get(EPOCH)?.to_str().ok()?.parse().ok()?;
    Some(Superseded {
        epoch: Epoch(epoch),
        by: peer,
        written_off: metadata.contains_key(WRITTEN_OFF),
    })
}
