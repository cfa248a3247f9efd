//! Desired state and orders, sent to a node manager whenever they change.

use std::sync::Arc;

use quorate_model::{DesiredInstance, NodeId, NodeOrder, Term};
use tokio::sync::mpsc;

use super::{LeaderHint, NodeSession, ToNode};
use crate::Control;

/// How many messages may wait for a slow node manager. Desired state and orders then wait until it
/// has read some; actions and acknowledgements are left out and come again.
const QUEUE: usize = 64;

impl Control {
    /// Opens the session of a node manager.
    ///
    /// # Errors
    /// Where to go instead, when this master does not lead.
    pub fn open_node_session(&self, node: NodeId) -> Result<NodeSession, LeaderHint> {
        let Some(term) = self.leading() else { return Err(self.leader_hint()) };
        let (sender, messages) = mpsc::channel(QUEUE);
        self.shared.sessions.insert(node, sender.clone());
        let control = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = control.feed(node, term, &sender) => {}
                () = control.closed() => {}
            }
            // The last sender goes with the entry, and then the stream to the node manager ends.
            control.shared.sessions.remove(node, &sender);
        });
        Ok(NodeSession { node, messages })
    }

    /// Sends desired state, and where the masters are, whenever they change, until this master leads
    /// no longer or the session is gone.
    async fn feed(&self, node: NodeId, term: Term, sender: &mpsc::Sender<ToNode>) {
        let mut leadership = self.shared.parts.raft.leadership();
        let mut states = self.shared.parts.raft.state();
        let mut welcomed: Option<Arc<Vec<(NodeId, String)>>> = None;
        let mut sent: Option<Vec<DesiredInstance>> = None;
        let mut ordered: Option<NodeOrder> = None;
        let mut level = 0;
        loop {
            let state = Arc::clone(&states.borrow_and_update());
            let still_leads =
                leadership.borrow_and_update().as_ref().is_some_and(|held| held.term == term);
            if !still_leads {
                let _ = sender.send(ToNode::Redirect(self.leader_hint())).await;
                return;
            }
            if !self.shared.sessions.is_current(node, sender)
                || !state.metadata.nodes.contains_key(&node)
            {
                return;
            }
            // Said again whenever it changes: a session may outlast every master of its beginning,
            // and its node manager must find the next leader when this one dies.
            let masters = self.shared.sessions.masters.of(&state);
            if welcomed.as_ref() != Some(&masters) {
                let welcome = ToNode::Welcome {
                    leader: self.shared.parts.node,
                    term,
                    epoch: state.epoch,
                    masters: masters.to_vec(),
                };
                if sender.send(welcome).await.is_err() {
                    return;
                }
                welcomed = Some(masters);
            }
            if level != state.feature_level {
                level = state.feature_level;
                if sender.send(ToNode::FeatureLevel(level)).await.is_err() {
                    return;
                }
            }
            let desired = state.metadata.desired_of(node, state.epoch, term);
            if sent.as_ref() != Some(&desired) {
                if sender.send(ToNode::Desired(desired.clone())).await.is_err() {
                    return;
                }
                sent = Some(desired);
            }
            // A master reads its orders in the state itself, once it has done what must come before.
            let known = state.metadata.nodes.get(&node).filter(|known| !known.roles.master);
            let order = known.and_then(|known| known.order.clone());
            if let Some(order) = order.filter(|order| ordered.as_ref() != Some(order)) {
                if sender.send(ToNode::Order(order.clone())).await.is_err() {
                    return;
                }
                ordered = Some(order);
            }
            tokio::select! {
                changed = states.changed() => if changed.is_err() { return },
                changed = leadership.changed() => if changed.is_err() { return },
                () = sender.closed() => return,
            }
        }
    }
}
