//! Which sessions are open: one for each node manager, the newest.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use quorate_model::NodeId;
use tokio::sync::mpsc;

use super::{ToNode, logs::LogWaits, masters::MastersList};

#[derive(Debug, Default)]
pub(crate) struct NodeSessions {
    open: Mutex<BTreeMap<NodeId, mpsc::Sender<ToNode>>>,
    /// Who waits for the end of a log.
    pub(super) logs: LogWaits,
    /// Where the masters are.
    pub(super) masters: MastersList,
}

impl NodeSessions {
    /// A panic while holding the lock leaves the map whole, so the poison says nothing.
    fn open(&self) -> MutexGuard<'_, BTreeMap<NodeId, mpsc::Sender<ToNode>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way to a node manager, while it has a session.
    pub(super) fn sender(&self, node: NodeId) -> Option<mpsc::Sender<ToNode>> {
        self.open().get(&node).cloned()
    }

    /// A node has one session: a new one takes the place of an older one.
    pub(super) fn insert(&self, node: NodeId, sender: mpsc::Sender<ToNode>) {
        self.open().insert(node, sender);
    }

    pub(super) fn is_current(&self, node: NodeId, sender: &mpsc::Sender<ToNode>) -> bool {
        self.sender(node).is_some_and(|current| current.same_channel(sender))
    }

    /// Ends a session, unless a newer one has taken its place already.
    pub(super) fn remove(&self, node: NodeId, sender: &mpsc::Sender<ToNode>) {
        let mut open = self.open();
        if open.get(&node).is_some_and(|current| current.same_channel(sender)) {
            open.remove(&node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_session_ends_without_ending_the_newer_one() {
        let sessions = NodeSessions::default();
        let (older, _) = mpsc::channel(1);
        let (newer, _) = mpsc::channel(1);
        sessions.insert(NodeId(2), older.clone());
        sessions.insert(NodeId(2), newer.clone());
        sessions.remove(NodeId(2), &older);
        assert!(sessions.is_current(NodeId(2), &newer));
        sessions.remove(NodeId(2), &newer);
        assert!(sessions.sender(NodeId(2)).is_none());
    }
}
