//! What an operation may do to the cluster as a whole.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::UserName;

/// What a step does to the cluster as a whole.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum ClusterAction {
    /// Bring the state back to what it was after `init`, but for the nodes and what protects them
    /// from what is old.
    Reset {
        /// The one user that there is afterwards.
        admin: UserName,
        /// The argon2id hash of this user's one-time password; empty in a plan that is only shown,
        /// and again once it has taken effect.
        password_hash: String,
    },
}

/// The hash is no secret as a password is, and yet nobody needs it in a log.
impl fmt::Debug for ClusterAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset { admin, .. } => {
                f.debug_struct("Reset").field("admin", admin).finish_non_exhaustive()
            }
        }
    }
}
