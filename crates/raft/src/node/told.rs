//! What the other masters told this one of themselves lately: how far they have applied.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use quorate_model::{LogIndex, NodeId};

/// Every master asks the leader for a read index about once a second, and says then what it has
/// applied; what is older than this says nothing about now.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// Clones share what was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(Arc<Mutex<BTreeMap<NodeId, (u64, Instant)>>>);

impl Told {
    /// Takes note of what a master has applied; 0 says nothing.
    pub(crate) fn note(&self, node: NodeId, applied: u64) {
        if applied > 0 {
            let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            told.insert(node, (applied, Instant::now()));
        }
    }

    /// What the master said to have applied, unless that is too long ago.
    pub(crate) fn applied(&self, node: NodeId) -> Option<LogIndex> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(&node)
            .filter(|(_, at)| at.elapsed() < FRESH_FOR)
            .map(|(index, _)| LogIndex(*index))
    }
}
