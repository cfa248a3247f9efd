//! What a person may ask for.

use serde::{Deserialize, Serialize};

use super::Subject;
use crate::{Binary, ComponentName, ComponentSpec, NodeId, NodeName};

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum OperationRequest {
    /// Create a component and start all its instances.
    ComponentCreate {
        /// The component, complete.
        spec: ComponentSpec,
    },
    /// Restart a component's instances one by one without losing its quorum.
    ComponentRestart {
        /// The component.
        component: ComponentName,
        /// Accept that a component without failure tolerance is interrupted.
        #[serde(default)]
        accept_interruption: bool,
    },
    /// Stop all instances of a component and forget it; data folders stay.
    ComponentRemove {
        /// The component.
        component: ComponentName,
    },
    /// Restart the processes of nodes one by one, without losing the masters' quorum.
    NodeRestart {
        /// The nodes.
        nodes: Vec<NamedNode>,
        /// Accept that masters without failure tolerance are interrupted.
        #[serde(default)]
        accept_interruption: bool,
    },
    /// Replace the binary that nodes run, one by one, without losing the masters' quorum.
    NodeUpgrade {
        /// The nodes.
        nodes: Vec<NamedNode>,
        /// The binary.
        binary: Binary,
        /// How long each node may take until it is ready with it, in milliseconds.
        ready_within_ms: u64,
        /// Accept that masters without failure tolerance are interrupted.
        #[serde(default)]
        accept_interruption: bool,
    },
    /// Take a node out of the cluster for good.
    NodeRemove {
        /// The node.
        node: NamedNode,
        /// Why an even number of voting masters may remain, in the operator's words.
        #[serde(default)]
        allow_even: Option<String>,
    },
    /// Put a master in the place of another, which is removed.
    NodeReplace {
        /// The master that goes.
        old: NamedNode,
        /// The master that comes; it has joined as a learner.
        new: NamedNode,
        /// Give the new one the name of the old one.
        #[serde(default)]
        take_name: bool,
    },
    /// Move the masters' leadership.
    MasterTransferLeader {
        /// Where to; the master that is furthest ahead when absent.
        #[serde(default)]
        to: Option<NamedNode>,
    },
    /// Bring the cluster back to its first state: what was decided since `init` is gone, the nodes
    /// stay, and instances go on running, unmanaged.
    Reset,
}

/// A node with the name it had when it was asked for: what people know it by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NamedNode {
    /// The node.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
}

impl OperationRequest {
    /// The request as a command-like title, such as `component restart orders`.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::ComponentCreate { spec } => format!("component create {}", spec.name),
            Self::ComponentRestart { component, .. } => format!("component restart {component}"),
            Self::ComponentRemove { component } => format!("component remove {component}"),
            Self::NodeRestart { nodes, .. } => {
                let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
                format!("node restart {}", names.join(" "))
            }
            Self::NodeUpgrade { nodes, binary, .. } => {
                let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
                format!("node upgrade {} to {}", names.join(" "), binary.facts.version)
            }
            Self::NodeRemove { node, .. } => format!("node remove {}", node.name),
            Self::NodeReplace { old, new, .. } => {
                format!("node replace {} --with {}", old.name, new.name)
            }
            Self::MasterTransferLeader { to } => match to {
                Some(to) => format!("master transfer-leader --to {}", to.name),
                None => "master transfer-leader".to_owned(),
            },
            Self::Reset => "reset".to_owned(),
        }
    }

    /// What it is about, as far as the request alone tells: what is done to nodes is about the
    /// masters when one of the nodes is a master, which `is_master` says.
    pub fn subjects(&self, is_master: impl Fn(NodeId) -> bool) -> Vec<Subject> {
        let of_node = |node: &NamedNode| {
            if is_master(node.id) { Subject::Masters } else { Subject::Node { node: node.id } }
        };
        let mut subjects = match self {
            Self::ComponentCreate { spec } => vec![Subject::from(&spec.name)],
            Self::ComponentRestart { component, .. } | Self::ComponentRemove { component } => {
                vec![Subject::from(component)]
            }
            Self::NodeRestart { nodes, .. } | Self::NodeUpgrade { nodes, .. } => {
                nodes.iter().map(of_node).collect()
            }
            Self::NodeRemove { node, .. } => vec![of_node(node)],
            Self::NodeReplace { .. } | Self::MasterTransferLeader { .. } => vec![Subject::Masters],
            Self::Reset => vec![Subject::Cluster],
        };
        subjects.sort();
        subjects.dedup();
        subjects
    }
}
