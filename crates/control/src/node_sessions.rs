//! The node managers' sessions with the leader: desired state down, observations up.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use quorate_model::{
    ActionId, ActionOutcome, ComponentName, DesiredInstance, Epoch, InstanceName, MemberAction,
    NodeId, NodeReport, Refusal, Term, codes,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::Control;

/// How often an action is ordered again while nobody has reported it.
const ORDER_AGAIN: Duration = Duration::from_secs(2);
/// How long a node manager may take to read a log.
const LOG_DEADLINE: Duration = Duration::from_secs(10);
/// How many messages may wait for a slow node manager before its session is ended.
const QUEUE: usize = 64;

/// Where the leader and the masters are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderHint {
    /// The leader, if one is known.
    pub leader: Option<NodeId>,
    /// Every master with its internal address.
    pub masters: Vec<(NodeId, String)>,
}

/// What a node manager is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToNode {
    /// The session is with the leader.
    Welcome {
        /// The leader.
        leader: NodeId,
        /// Its term.
        term: Term,
        /// The cluster's epoch.
        epoch: Epoch,
        /// Every master with its internal address.
        masters: Vec<(NodeId, String)>,
    },
    /// All that the node shall carry.
    Desired(Vec<DesiredInstance>),
    /// A component action.
    Act {
        /// Names it.
        id: ActionId,
        /// The component.
        component: ComponentName,
        /// The instance whose node acts.
        via: InstanceName,
        /// What to do.
        action: MemberAction,
    },
    /// The report of an action need not be repeated.
    Acknowledged(ActionId),
    /// The end of an instance's log is wanted.
    Log {
        /// Names the request.
        request: u64,
        /// The instance.
        instance: InstanceName,
        /// At most this many bytes.
        max_bytes: u64,
    },
    /// This master leads no longer.
    Redirect(LeaderHint),
}

/// An open session: what is to be sent. Dropping it closes the session.
#[derive(Debug)]
pub struct NodeSession {
    /// The node manager.
    pub node: NodeId,
    /// What is to be sent to it.
    pub messages: mpsc::Receiver<ToNode>,
}

#[derive(Debug, Default)]
pub(crate) struct NodeSessions {
    open: Mutex<BTreeMap<NodeId, mpsc::Sender<ToNode>>>,
    logs: Mutex<BTreeMap<u64, LogWait>>,
}

/// Whose answer is waited for, and where it goes.
#[derive(Debug)]
struct LogWait {
    node: NodeId,
    answer: oneshot::Sender<Result<Vec<u8>, String>>,
}

/// Forgets a request for a log on every way out.
struct ExpectedLog<'a> {
    sessions: &'a NodeSessions,
    request: u64,
}

impl Drop for ExpectedLog<'_> {
    fn drop(&mut self) {
        self.sessions.logs().remove(&self.request);
    }
}

impl NodeSessions {
    /// A panic while holding a lock leaves the map whole, so the poison says nothing.
    fn open(&self) -> MutexGuard<'_, BTreeMap<NodeId, mpsc::Sender<ToNode>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn logs(&self) -> MutexGuard<'_, BTreeMap<u64, LogWait>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sender(&self, node: NodeId) -> Option<mpsc::Sender<ToNode>> {
        self.open().get(&node).cloned()
    }

    /// A node has one session: a new one takes the place of an older one.
    fn insert(&self, node: NodeId, sender: mpsc::Sender<ToNode>) {
        self.open().insert(node, sender);
    }

    fn is_current(&self, node: NodeId, sender: &mpsc::Sender<ToNode>) -> bool {
        self.sender(node).is_some_and(|current| current.same_channel(sender))
    }

    /// Ends a session, unless a newer one has taken its place already.
    fn remove(&self, node: NodeId, sender: &mpsc::Sender<ToNode>) {
        let mut open = self.open();
        if open.get(&node).is_some_and(|current| current.same_channel(sender)) {
            open.remove(&node);
        }
    }

    fn expect_log(
        &self,
        request: u64,
        node: NodeId,
    ) -> (ExpectedLog<'_>, oneshot::Receiver<Result<Vec<u8>, String>>) {
        let (answer, receiver) = oneshot::channel();
        self.logs().insert(request, LogWait { node, answer });
        (ExpectedLog { sessions: self, request }, receiver)
    }

    /// Only the node that was asked can answer.
    fn answer_log(&self, node: NodeId, request: u64, answer: Result<Vec<u8>, String>) {
        let mut logs = self.logs();
        if logs.get(&request).is_some_and(|waiting| waiting.node == node)
            && let Some(waiting) = logs.remove(&request)
        {
            // Nobody waits any more when the deadline has passed.
            let _ = waiting.answer.send(answer);
        }
    }
}

impl Control {
    /// Every master with its internal address.
    #[must_use]
    pub fn leader_hint(&self) -> LeaderHint {
        let state = self.state();
        let masters = state
            .metadata
            .nodes
            .iter()
            .filter(|(_, node)| node.roles.master)
            .map(|(id, node)| (*id, node.internal_addr.clone()))
            .collect();
        LeaderHint { leader: self.parts.raft.status().leader, masters }
    }

    /// Opens the session of a node manager.
    ///
    /// # Errors
    /// Where to go instead, when this master does not lead.
    pub fn open_node_session(&self, node: NodeId) -> Result<NodeSession, LeaderHint> {
        let Some(term) = self.leading() else { return Err(self.leader_hint()) };
        let (sender, messages) = mpsc::channel(QUEUE);
        self.sessions.insert(node, sender.clone());
        let control = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = control.feed(node, term, &sender) => {}
                () = control.closed() => {}
            }
            // The last sender goes with the entry, and then the stream to the node manager ends.
            control.sessions.remove(node, &sender);
        });
        Ok(NodeSession { node, messages })
    }

    /// Takes in a report of a node manager. What it says of instances that are not placed on it
    /// is left out: only one node may speak for an instance.
    pub fn take_report(&self, node: NodeId, mut report: NodeReport) {
        if self.leading().is_none() {
            return;
        }
        let metadata = &self.state().metadata;
        let placed: BTreeSet<&InstanceName> = metadata
            .components
            .values()
            .flat_map(|component| &component.spec.instances)
            .filter(|instance| instance.node == node)
            .map(|instance| &instance.name)
            .collect();
        report.instances.retain(|seen| placed.contains(&seen.instance));
        let reported: Vec<ActionId> = report.actions.iter().map(|action| action.id).collect();
        self.inventory.report(node, report, Instant::now());
        self.inventory.forget_ended(|id| {
            metadata.operations.get(&id).is_some_and(|operation| !operation.status.is_final())
        });
        if let Some(sender) = self.sessions.sender(node) {
            for id in reported {
                // A full queue only means that the report is repeated.
                let _ = sender.try_send(ToNode::Acknowledged(id));
            }
        }
    }

    /// Takes in the end of a log from the node manager that was asked for it.
    pub fn take_log(&self, node: NodeId, request: u64, answer: Result<Vec<u8>, String>) {
        self.sessions.answer_log(node, request, answer);
    }

    /// Sends desired state whenever it changes, until this master leads no longer or the session
    /// is gone.
    async fn feed(&self, node: NodeId, term: Term, sender: &mpsc::Sender<ToNode>) {
        let mut leadership = self.parts.raft.leadership();
        let mut states = self.parts.raft.state();
        let hint = self.leader_hint();
        let welcome = ToNode::Welcome {
            leader: self.parts.node,
            term,
            epoch: self.epoch(),
            masters: hint.masters,
        };
        if sender.send(welcome).await.is_err() {
            return;
        }
        let mut sent: Option<Vec<DesiredInstance>> = None;
        loop {
            let state = std::sync::Arc::clone(&states.borrow_and_update());
            let still_leads =
                leadership.borrow_and_update().as_ref().is_some_and(|held| held.term == term);
            if !still_leads {
                let _ = sender.send(ToNode::Redirect(self.leader_hint())).await;
                return;
            }
            if !self.sessions.is_current(node, sender) || !state.metadata.nodes.contains_key(&node)
            {
                return;
            }
            let desired = state.metadata.desired_of(node, state.epoch, term);
            if sent.as_ref() != Some(&desired) {
                if sender.send(ToNode::Desired(desired.clone())).await.is_err() {
                    return;
                }
                sent = Some(desired);
            }
            tokio::select! {
                changed = states.changed() => if changed.is_err() { return },
                changed = leadership.changed() => if changed.is_err() { return },
                () = sender.closed() => return,
            }
        }
    }

    /// Has the node manager that carries `via` perform an action, and waits for its report.
    pub(crate) async fn perform(
        &self,
        id: ActionId,
        component: &ComponentName,
        via: &InstanceName,
        action: &MemberAction,
        deadline: Duration,
    ) -> ActionOutcome {
        let failed = |cause: String| ActionOutcome::Failed {
            refusal: Refusal::new(
                codes::MEMBER_ACTION_FAILED,
                format!("the node manager of `{via}` did not act"),
            )
            .cause(cause)
            .hint("see that it runs: quorate status; then resume the operation"),
        };
        let state = self.state();
        let node = state
            .metadata
            .components
            .get(component)
            .and_then(|known| known.spec.instance(via))
            .map(|instance| instance.node);
        let Some(node) = node else {
            return failed(format!("`{component}` has no instance `{via}`"));
        };
        let until = tokio::time::Instant::now() + deadline;
        let mut changes = self.inventory.changes();
        let mut order_at = tokio::time::Instant::now();
        loop {
            if let Some(outcome) = self.inventory.action(&id) {
                self.inventory.forget_action(&id);
                return outcome;
            }
            let now = tokio::time::Instant::now();
            if now >= until {
                return failed(format!("nothing was reported within {} s", deadline.as_secs()));
            }
            if now >= order_at {
                order_at = now + ORDER_AGAIN;
                if let Some(sender) = self.sessions.sender(node) {
                    let act = ToNode::Act {
                        id,
                        component: component.clone(),
                        via: via.clone(),
                        action: action.clone(),
                    };
                    // A full queue only means that it is ordered again.
                    let _ = sender.try_send(act);
                }
            }
            let _ = tokio::time::timeout_at(until.min(order_at), changes.changed()).await;
        }
    }

    /// Reads the end of an instance's log through its node manager.
    pub(crate) async fn fetch_log(
        &self,
        node: NodeId,
        instance: &InstanceName,
        max_bytes: u64,
    ) -> Result<Vec<u8>, Refusal> {
        let silent = |cause: String| {
            Refusal::new(codes::NODE_SILENT, format!("cannot read the log of `{instance}`"))
                .cause(cause)
                .hint("see that its node manager runs: quorate status")
        };
        let sender = self
            .sessions
            .sender(node)
            .ok_or_else(|| silent(format!("the node manager of {node} has no session")))?;
        let request = self.log_requests.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (_expected, answer) = self.sessions.expect_log(request, node);
        let ask = ToNode::Log { request, instance: instance.clone(), max_bytes };
        let asked = async {
            let ended = || "its session has just ended".to_owned();
            sender.send(ask).await.map_err(|_| ended())?;
            answer.await.map_err(|_| ended())?
        };
        match tokio::time::timeout(LOG_DEADLINE, asked).await {
            Ok(answered) => answered.map_err(silent),
            Err(_) => Err(silent(format!("it did not answer within {} s", LOG_DEADLINE.as_secs()))),
        }
    }

    /// Follows what is observed.
    #[must_use]
    pub fn observed(&self) -> watch::Receiver<u64> {
        self.inventory.changes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_node_that_was_asked_answers_for_its_log() {
        let sessions = NodeSessions::default();
        let (_expected, mut answer) = sessions.expect_log(7, NodeId(2));
        sessions.answer_log(NodeId(3), 7, Ok(b"forged".to_vec()));
        assert!(answer.try_recv().is_err());
        sessions.answer_log(NodeId(2), 7, Ok(b"true".to_vec()));
        assert_eq!(answer.try_recv().unwrap(), Ok(b"true".to_vec()));
    }

    #[test]
    fn a_log_nobody_waits_for_any_more_is_forgotten() {
        let sessions = NodeSessions::default();
        let (expected, _answer) = sessions.expect_log(7, NodeId(2));
        drop(expected);
        assert!(sessions.logs().is_empty());
    }

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
