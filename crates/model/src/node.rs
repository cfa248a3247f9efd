//! What a node may be in the cluster, and what an operation may do to one.

use serde::{Deserialize, Serialize};

use crate::{Generation, NodeId, NodeName};

/// The roles one node has; a node may have both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeRoles {
    /// Holds the replicated state (a Raft voter or learner).
    pub master: bool,
    /// Supervises instances and runs probes.
    pub node_manager: bool,
}

/// What a join token lets its bearer become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnrolRole {
    /// A master only.
    Master,
    /// A node manager only.
    NodeManager,
    /// Both in one process.
    Both,
}

impl EnrolRole {
    /// The roles a node gets when it joins so.
    #[must_use]
    pub const fn roles(self) -> NodeRoles {
        NodeRoles {
            master: matches!(self, Self::Master | Self::Both),
            node_manager: matches!(self, Self::NodeManager | Self::Both),
        }
    }

    /// The role as people write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::NodeManager => "node-manager",
            Self::Both => "both",
        }
    }
}

/// What a step does to the masters' own membership or leadership, about one of them. Each is
/// ensure-shaped: done twice is done once, whichever master leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum VoterAction {
    /// It leads no more; the heir is chosen when it is done.
    TransferLeader,
    /// It leads.
    Lead,
    /// It votes no more: it stays a learner until it is removed.
    Demote,
    /// Its vote goes to a learner that has caught up, in one change of voters.
    Replace {
        /// The learner.
        by: NodeId,
    },
}

/// What a step does to a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum NodeAction {
    /// Order its process to do something, once.
    Order {
        /// What.
        order: OrderKind,
    },
    /// It is no node of the cluster any more: a tombstone stands for it, every node refuses its
    /// certificate and its id, and the masters forget its address.
    Remove,
    /// Give it a name that no living node has.
    Rename {
        /// The name.
        name: NodeName,
    },
}

/// What the process of a node can be ordered to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "order")]
pub enum OrderKind {
    /// Stop as on SIGTERM and begin anew in place: the same process id, the same command line and
    /// environment, whatever binary is at its path now.
    Restart,
}

/// An order to a node's process. The process writes down its generation before it acts, and never
/// obeys an order that is not newer than that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeOrder {
    /// Given out once, so the order is obeyed once, whatever happens to the masters.
    pub generation: Generation,
    /// What to do.
    #[serde(flatten)]
    pub kind: OrderKind,
}
