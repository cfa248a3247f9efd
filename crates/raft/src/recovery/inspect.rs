//! Reads everything a stopped node holds, and changes nothing of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use quorate_model::{LogIndex, NodeId, Term};
use quorate_state::{FEATURE_LEVEL, State};

use super::Place;
use crate::{
    RaftError,
    log_store::{Loaded, LogFile, Threading, failure::Failure},
    node::check_no_gap,
    state_machine::{SnapshotFile, StateMachine},
    types::{LogId, TokioConfig as C},
};

/// What a node's folder holds.
#[derive(Debug, Clone)]
pub struct Held {
    /// The term it last voted in, whom for, and whether that one was elected.
    pub vote: Option<(Term, NodeId, bool)>,
    /// The end of its log.
    pub last_log: Option<(Term, LogIndex)>,
    /// The last entry it knows to be on a majority.
    pub committed: Option<(Term, LogIndex)>,
    /// The last entry in its snapshot.
    pub snapshot: Option<LogIndex>,
    /// The voters at the end of the log: more than one set while a change was under way.
    pub voters: Vec<BTreeSet<NodeId>>,
    /// Every member and its address.
    pub members: BTreeMap<NodeId, String>,
    /// The state at the end of the log, whether or not all of it was committed.
    pub state: Arc<State>,
    /// The last write to the log was torn; it does not count.
    pub torn: bool,
}

/// Reads and verifies log and snapshot; nothing on disk is changed. The caller holds the node's
/// folder, so that no node runs on it.
///
/// # Errors
/// When the folder is damaged, of another node or keyring, or of a newer binary.
pub fn inspect(place: &Place) -> Result<Held, RaftError> {
    let vault = place.vault();
    let log = place.log();
    let loaded =
        if log.exists() { LogFile::read_only(&log, vault.clone())? } else { Loaded::default() };
    let snapshots = SnapshotFile::new(&place.folder, vault);
    let restored = StateMachine::<C>::restore(
        snapshots.clone(),
        Failure::new(),
        Threading::Thread,
        FEATURE_LEVEL,
    )?;
    check_no_gap(loaded.purged, restored.snapshot, &snapshots)?;
    let (state, membership, end) = restored
        .machine
        .replay(&loaded.entries)
        .map_err(|error| RaftError::file("replay", &log, error))?;
    let id = |id: LogId| (Term(*id.leader_id), LogIndex(id.index));
    let last = end.max(loaded.purged);
    let membership = membership.membership();
    Ok(Held {
        vote: loaded.vote.map(|vote| {
            (Term(vote.leader_id.term), NodeId(vote.leader_id.voted_for), vote.committed)
        }),
        last_log: last.map(id),
        committed: loaded.committed.max(restored.snapshot).map(id),
        snapshot: restored.snapshot.map(|id| LogIndex(id.index)),
        voters: membership
            .get_joint_config()
            .iter()
            .map(|voters| voters.iter().copied().map(NodeId).collect())
            .collect(),
        members: membership.nodes().map(|(id, node)| (NodeId(*id), node.addr.clone())).collect(),
        state,
        torn: loaded.torn,
    })
}
