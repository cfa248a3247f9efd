//! What the leader's duties expect and wait for, for `status` and the console to show.

use std::collections::BTreeMap;

use quorate_model::NodeId;
use quorate_plan::LeadershipDecision;

/// Empty on a master that does not lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// What autopilot waits for, in words; empty when it waits for nothing.
    pub(crate) waits: String,
    /// The learners that make no progress, with the reason.
    pub(crate) stalled: BTreeMap<NodeId, String>,
    /// What was decided last about who leads.
    pub(crate) leadership: Option<LeadershipDecision>,
}
