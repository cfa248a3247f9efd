//! What a node may be in the cluster, and what an operation may do to one.

use serde::{Deserialize, Serialize};

use crate::{Binary, Generation, NodeId, NodeName, Refusal};

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
    /// Have this binary on its disk, and try that it runs there. Nothing stops.
    Stage {
        /// The binary.
        binary: Binary,
    },
    /// Stop as on SIGTERM and go on in place as this binary; go back to the one before when the
    /// new one does not become ready in time.
    Upgrade {
        /// The binary, which was staged.
        binary: Binary,
        /// How long it may take until it is ready, in milliseconds.
        ready_within_ms: u64,
    },
    /// As a restart; and nothing that a master's newest snapshot does not need is on its disk when
    /// it begins anew. To a process that is no master it is a restart.
    Purge,
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

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum OrderOutcome {
    /// It is being carried out.
    UnderWay,
    /// It was carried out.
    Done {
        /// What was seen.
        seen: String,
    },
    /// It was not carried out, and will not be.
    Failed {
        /// Why.
        refusal: Refusal,
    },
}

/// What a node's process says of the newest order it took up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderReport {
    /// Which order.
    pub generation: Generation,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: OrderOutcome,
}

impl OrderReport {
    /// Whether this is later news than `other`: of a newer order, or the end of the same one.
    #[must_use]
    pub fn is_news_after(&self, other: Option<&Self>) -> bool {
        let Some(other) = other else { return true };
        self.generation > other.generation
            || self.generation == other.generation && other.outcome == OrderOutcome::UnderWay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_order_is_not_taken_back() {
        let report =
            |generation, outcome| OrderReport { generation: Generation(generation), outcome };
        let done = OrderOutcome::Done { seen: String::new() };
        let begun = report(3, OrderOutcome::UnderWay);
        let ended = report(3, done);
        assert!(begun.is_news_after(None) && ended.is_news_after(Some(&begun)));
        assert!(!begun.is_news_after(Some(&ended)));
        assert!(report(4, OrderOutcome::UnderWay).is_news_after(Some(&ended)));
        assert!(!report(2, OrderOutcome::UnderWay).is_news_after(Some(&ended)));
    }
}
