//! The root of the replicated state.

use quorate_model::{ClusterId, Epoch, LogIndex};
use serde::{Deserialize, Serialize};

use crate::{AuditTrail, Iam, Kms, Metadata, recent::RecentOutcomes};

/// The newest feature level this binary can read and write. The cluster's level, in
/// [`State::feature_level`], rises only when every node can read it; a binary that is older than
/// the level refuses to start.
pub const FEATURE_LEVEL: u32 = 1;

/// Everything the masters have decided, as one value. Its maps share structure, so a clone is
/// cheap and a reader never blocks the writer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The cluster's identity; `None` before `init` was applied.
    pub cluster: Option<ClusterId>,
    /// Counts recoveries from lost quorum.
    pub epoch: Epoch,
    /// What every binary in the cluster must be able to read.
    pub feature_level: u32,
    /// The log index of the newest applied command.
    pub applied: LogIndex,
    /// The cluster's authority and other key material, sealed.
    pub kms: Kms,
    /// People, sessions and join tokens.
    pub iam: Iam,
    /// Nodes, components, operations and settings.
    pub metadata: Metadata,
    /// Who changed what, hash-chained.
    pub audit: AuditTrail,
    pub(crate) recent: RecentOutcomes,
}
