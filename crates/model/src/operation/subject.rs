//! What an operation is about.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ComponentName, NodeId};

/// What an operation is about: what it locks while it runs, and what its plan is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "subject")]
pub enum Subject {
    /// A component: its membership, its instances, their desired state.
    Component {
        /// Its name.
        name: ComponentName,
    },
    /// The masters: their membership and their processes.
    Masters,
    /// A node that is no master.
    Node {
        /// Its id.
        node: NodeId,
    },
    /// The whole cluster: everything above, and whatever else there is.
    Cluster,
}

impl Subject {
    /// Whether two operations that hold these would get in each other's way.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self == other || matches!((self, other), (Self::Cluster, _) | (_, Self::Cluster))
    }
}

impl From<&ComponentName> for Subject {
    fn from(name: &ComponentName) -> Self {
        Self::Component { name: name.clone() }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component { name } => name.fmt(f),
            Self::Masters => f.write_str("the masters"),
            Self::Node { node } => write!(f, "node {node}"),
            Self::Cluster => f.write_str("the whole cluster"),
        }
    }
}
