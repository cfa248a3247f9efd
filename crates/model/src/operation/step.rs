//! The steps of a plan: what is done, why, and how it is taken back.

use serde::{Deserialize, Serialize};

use super::Condition;
use crate::{
    ClusterAction, ComponentName, ComponentSpec, InstanceName, MemberAction, NodeAction, NodeId,
    VoterAction,
};

/// A change of desired state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum DesireChange {
    /// Record the component, all its instances stopped.
    Create {
        /// The component.
        spec: ComponentSpec,
    },
    /// Run this instance.
    Run {
        /// The instance.
        instance: InstanceName,
    },
    /// Stop this instance.
    Stop {
        /// The instance.
        instance: InstanceName,
    },
    /// Restart this instance once.
    Restart {
        /// The instance.
        instance: InstanceName,
    },
    /// Forget the component, whose instances have stopped.
    Forget {
        /// The component.
        component: ComponentName,
    },
}

/// The instruction set of runbooks, as far as it is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum StepKind {
    /// A preflight condition that must hold now.
    Require {
        /// What must hold.
        #[serde(flatten)]
        condition: Condition,
    },
    /// Change desired state.
    Desire {
        /// The change.
        #[serde(flatten)]
        change: DesireChange,
    },
    /// Wait until a condition has held for a while.
    Await {
        /// What must come to hold.
        #[serde(flatten)]
        condition: Condition,
        /// For how long it must hold without a break, in milliseconds.
        sustained_ms: u64,
    },
    /// Act on the component's own membership or leadership, through the node manager that
    /// carries `via`.
    Member {
        /// The component.
        component: ComponentName,
        /// The instance whose node manager acts.
        via: InstanceName,
        /// What to do.
        #[serde(flatten)]
        action: MemberAction,
    },
    /// Act on the masters' own membership or leadership.
    Voter {
        /// The master it is about.
        node: NodeId,
        /// What to do.
        #[serde(flatten)]
        action: VoterAction,
    },
    /// Act on a node; what is decided about it is decided with the step's beginning.
    Node {
        /// The node.
        node: NodeId,
        /// What to do.
        #[serde(flatten)]
        action: NodeAction,
    },
    /// Raise the cluster's feature level, which takes effect with the step's beginning.
    Raise {
        /// The level.
        level: u32,
    },
    /// Change the cluster as a whole; it takes effect with the step's beginning.
    Cluster {
        /// What to do.
        #[serde(flatten)]
        action: ClusterAction,
    },
    /// The end state, looked at once more.
    Verify {
        /// What must hold.
        #[serde(flatten)]
        condition: Condition,
    },
}

impl StepKind {
    /// Whether an operation may end for good without this step, and nothing is half-done: it only
    /// looks, or orders a process to do something, or moves the leadership, or gives a name.
    #[must_use]
    pub const fn may_be_left(&self) -> bool {
        match self {
            Self::Require { .. } | Self::Await { .. } | Self::Verify { .. } => true,
            Self::Node { action, .. } => {
                matches!(action, NodeAction::Order { .. } | NodeAction::Rename { .. })
            }
            Self::Voter { action, .. } => {
                matches!(action, VoterAction::TransferLeader | VoterAction::Lead)
            }
            Self::Desire { .. }
            | Self::Member { .. }
            | Self::Raise { .. }
            | Self::Cluster { .. } => false,
        }
    }
}

/// What abort does about a step that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "undo")]
pub enum Undo {
    /// The step left nothing that needs undoing.
    Nothing,
    /// This step takes it back.
    Do {
        /// The step that takes it back.
        kind: Box<StepKind>,
    },
    /// It cannot be taken back: the point of no return.
    Impossible,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What to do.
    pub kind: StepKind,
    /// What is done, in the words of a runbook.
    pub title: String,
    /// Why it is done, and why it is safe.
    pub why: String,
    /// How long it may take, in milliseconds.
    pub deadline_ms: u64,
    /// What abort does about it.
    pub undo: Undo,
}
