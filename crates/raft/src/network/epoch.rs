//! How a node of an ended epoch is told so on the wire: a refused call with two words of metadata.

use quorate_model::{Epoch, NodeId};
use tonic::{Status, metadata::MetadataValue};

use crate::node::superseded::Superseded;

const EPOCH: &str = "quorate-epoch";
const WRITTEN_OFF: &str = "quorate-written-off";

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
