//! The masters' votes, priorities and policy.

use serde::{Deserialize, Serialize};

/// Something decided against the rule, with who said so and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatedView {
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// When, RFC 3339.
    pub at: String,
}

/// How autopilot and the choice of the leader behave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MasterPolicyView {
    /// How long a preferred master must have been live and level before it leads again, in
    /// milliseconds.
    pub fail_back_ms: u64,
    /// After how long without progress a learner counts as stalled, in milliseconds.
    pub stall_after_ms: u64,
    /// After how long in silence a master is removed, in milliseconds; `null`: never.
    pub cleanup_after_ms: Option<u64>,
    /// Cleaning up never leaves fewer voters than this.
    pub cleanup_floor: u32,
    /// Why an even number of voters is allowed, when it is.
    pub even_voters: Option<StatedView>,
}

/// What shall change in the policy; what is left out stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MasterPolicyBody {
    /// How long a preferred master must have been steady, in milliseconds.
    pub fail_back_ms: Option<u64>,
    /// When a learner counts as stalled, in milliseconds.
    pub stall_after_ms: Option<u64>,
    /// When a silent master is removed, in milliseconds; 0 turns the clean-up off.
    pub cleanup_after_ms: Option<u64>,
    /// Cleaning up never leaves fewer voters than this.
    pub cleanup_floor: Option<u32>,
    /// Why an even number of voters is allowed; empty words withdraw it.
    pub even_voters: Option<String>,
}

/// Who shall vote, or shall not.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VotesBody {
    /// The masters, by id or name.
    pub nodes: Vec<String>,
    /// Whether they shall vote; autopilot carries it out.
    pub votes: bool,
    /// Why they shall not.
    #[serde(default)]
    pub reason: String,
    /// Why the number of voters may be even from now on.
    #[serde(default)]
    pub even_because: Option<String>,
}

/// A master's priority.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PriorityBody {
    /// The master with the highest one is preferred as leader.
    pub priority: u32,
}

/// Who is preferred as leader, when that is not who leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreferredView {
    /// The preferred master's node id.
    pub node: String,
    /// When it takes over if it stays live and level, in milliseconds; `null` while it is not.
    pub takes_over_in_ms: Option<u64>,
}
