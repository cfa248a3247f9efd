//! Recovery from lost quorum, offline: what a stopped node's folder holds, and the folder of the
//! one master that goes on without the others.

mod inspect;
mod rebuild;

use std::path::PathBuf;

use quorate_keyring::Keyring;
use quorate_model::{ClusterId, NodeId};

pub use inspect::{Held, inspect};
pub use rebuild::rebuild;

use crate::vault::Vault;

/// Whose folder it is, and where.
#[derive(Debug, Clone)]
pub struct Place {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// The node's Raft folder.
    pub folder: PathBuf,
    /// What opens it.
    pub keyring: Keyring,
}

impl Place {
    pub(crate) fn vault(&self) -> Vault {
        Vault::new(self.keyring.clone(), self.cluster, self.node)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("log.redb")
    }
}
