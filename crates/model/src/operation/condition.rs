//! What a step may require or wait for.

use serde::{Deserialize, Serialize};

use crate::{ComponentName, InstanceName, NodeId};

/// A fact that a step requires or waits for, judged over fresh observations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "condition")]
pub enum Condition {
    /// Without `instance`, the healthy members of the component are still a quorum.
    QuorumWithout {
        /// The component.
        component: ComponentName,
        /// The instance that is about to be away.
        instance: InstanceName,
    },
    /// The instance runs as it was last ordered to, serves, and has caught up with its leader.
    CaughtUp {
        /// The component.
        component: ComponentName,
        /// The instance.
        instance: InstanceName,
    },
    /// The instance does not lead its component, and another member does.
    NotLeading {
        /// The component.
        component: ComponentName,
        /// The instance.
        instance: InstanceName,
    },
    /// Every instance serves, has caught up, and all agree on one leader and one membership.
    Whole {
        /// The component.
        component: ComponentName,
    },
    /// Every instance's process has stopped.
    AllStopped {
        /// The component.
        component: ComponentName,
    },
    /// Every node that carries an instance of the component has reported lately.
    NodesReporting {
        /// The component.
        component: ComponentName,
    },
    /// While `node` is away, the other voting masters that answer are still a quorum.
    MastersQuorateWithout {
        /// The master that is about to be away.
        node: NodeId,
    },
    /// Once `without` votes no more, and `with` does, the voting masters that answer are a quorum
    /// of those that vote then; and the change itself finds its majority.
    MastersQuorateAfter {
        /// The master that is about to lose its vote.
        without: NodeId,
        /// The learner that is about to get it.
        #[serde(default)]
        with: Option<NodeId>,
    },
    /// Every master answers and is level with the leader, and no change of voters is unfinished.
    MastersWhole,
    /// The node does what it was last ordered to, answers, and is level with the leader as far as
    /// it is a master.
    NodeReady {
        /// The node.
        node: NodeId,
    },
    /// The node has carried out what it was last ordered to.
    OrderDone {
        /// The node.
        node: NodeId,
    },
    /// Every node has said that its binary reads this feature level.
    LevelReadable {
        /// The level.
        level: u32,
    },
    /// The node carries no instance of any component.
    NodeEmpty {
        /// The node.
        node: NodeId,
    },
    /// Another master leads.
    LeaderIsNot {
        /// The master that does not.
        node: NodeId,
    },
    /// This master leads.
    LeaderIs {
        /// The master.
        node: NodeId,
    },
    /// A tombstone stands for the node, and the masters' membership knows it no more.
    NodeGone {
        /// The node.
        node: NodeId,
    },
}
