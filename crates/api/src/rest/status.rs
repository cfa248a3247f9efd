//! The state of the quorum, and readiness.

use serde::{Deserialize, Serialize};

use super::{MasterView, NodeManagerView, OperationSummary, PreferredView, StatedView};

/// One thing that must be so before the cluster is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Precondition {
    /// Its stable name: `leader`, `quorum`, `voters`, `state`.
    pub name: String,
    /// What is missing, in words.
    pub unmet: String,
}

/// Whether this master can serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessView {
    /// Whether it can.
    pub ready: bool,
    /// What is missing; empty when ready.
    pub unmet: Vec<Precondition>,
}

/// A recovery from lost quorum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryView {
    /// When it was applied.
    pub at: String,
    /// The master whose log went on.
    pub keeper: String,
    /// The masters that were given up.
    pub written_off: Vec<String>,
    /// The hash of the plan.
    pub plan_sha256: String,
}

/// The state of the quorum, in one answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusView {
    /// The cluster's id.
    pub cluster_id: String,
    /// Whether a quorum of masters acts.
    pub quorate: bool,
    /// Whether everything is as it should be: masters, node managers, components.
    pub healthy: bool,
    /// What is wrong, worst first; empty when healthy.
    pub problems: Vec<String>,
    /// What to do next, in order, each with its command: where no quorum acts, and where an
    /// operation stands still.
    #[serde(default)]
    pub to_do: Vec<String>,
    /// The leader's node id; `null` where no quorum acts, since nobody can know it there.
    pub leader: Option<String>,
    /// The Raft term.
    pub term: u64,
    /// Counts recoveries from lost quorum.
    pub epoch: u64,
    /// What every binary must be able to read.
    pub feature_level: u32,
    /// The log index this master has applied.
    pub applied_index: u64,
    /// How many voters there are.
    pub voters: usize,
    /// Whether a change of voters is under way: majorities of the former and of the new voters
    /// are needed meanwhile.
    #[serde(default)]
    pub joint: bool,
    /// How many more voters may die before nothing can be changed; `null` when that is so now.
    pub failure_tolerance: Option<usize>,
    /// What one more death would do, in words.
    pub one_more_death: String,
    /// The last recovery from lost quorum; `null` when there never was one.
    #[serde(default)]
    pub recovery: Option<RecoveryView>,
    /// The ids of removed and written-off nodes: they never come back.
    #[serde(default)]
    pub tombstones: Vec<String>,
    /// The operations that have not ended, oldest first.
    #[serde(default)]
    pub operations: Vec<OperationSummary>,
    /// Who is preferred as leader, when that is not who leads.
    #[serde(default)]
    pub preferred_leader: Option<PreferredView>,
    /// Why an even number of voters is allowed, when it is.
    #[serde(default)]
    pub even_voters: Option<StatedView>,
    /// What autopilot waits for, in words; empty when it waits for nothing.
    #[serde(default)]
    pub autopilot_waits: String,
    /// How many joiners wait for approval.
    #[serde(default)]
    pub enrolments_waiting: usize,
    /// The masters.
    pub masters: Vec<MasterView>,
    /// The node managers.
    pub node_managers: Vec<NodeManagerView>,
}
