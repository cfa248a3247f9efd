//! What a node may be in the cluster.

use serde::{Deserialize, Serialize};

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
