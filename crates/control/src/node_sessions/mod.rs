//! The node managers' sessions with the leader: desired state down, observations up.
//!
//! The words of a session are here; each thing a session is for has its own file.

mod actions;
mod feed;
mod logs;
mod masters;
mod open;
mod reports;

use quorate_model::{
    ActionId, ComponentName, DesiredInstance, Epoch, InstanceName, MemberAction, NodeId, NodeOrder,
    Term,
};
use tokio::sync::mpsc;

pub(crate) use open::NodeSessions;

use crate::Control;

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
    /// The session is with the leader. Said again when the masters, or their addresses, change.
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
    /// What its process shall do, once.
    Order(NodeOrder),
    /// The cluster's feature level.
    FeatureLevel(u32),
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

impl Control {
    /// Every master with its internal address.
    #[must_use]
    pub fn leader_hint(&self) -> LeaderHint {
        let masters = self.shared.sessions.masters.of(&self.state()).to_vec();
        LeaderHint { leader: self.shared.parts.raft.status().leader, masters }
    }
}
