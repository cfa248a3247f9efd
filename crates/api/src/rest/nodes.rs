//! Masters and node managers, as documents of operations expect them.

use serde::{Deserialize, Serialize};

use super::StatedView;

/// A master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MasterView {
    /// Its node id, such as `n1`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it answers and has applied what the leader committed.
    pub ready: bool,
    /// Whether it leads.
    pub is_leader: bool,
    /// `voter` or `learner`, or `joining` before it is either.
    pub role: String,
    /// The log index up to which it is known to hold the log; `null` when unknown.
    pub matched_index: Option<u64>,
    /// The log index it has applied, by its own word within the last seconds; `null` when unknown.
    #[serde(default)]
    pub applied_index: Option<u64>,
    /// How many committed entries it does not hold yet; `null` when unknown.
    #[serde(default)]
    pub lag: Option<u64>,
    /// `HOST:PORT` of its admin port.
    pub admin_addr: String,
    /// `HOST:PORT` of its internal port.
    pub internal_addr: String,
    /// The version of its binary.
    pub version: String,
    /// Why it is not ready, in words; empty when it is.
    pub reason: String,
    /// The master with the highest one is preferred as leader.
    #[serde(default)]
    pub priority: u32,
    /// Why it is kept without a vote, when somebody wants it so.
    #[serde(default)]
    pub learner_only: Option<StatedView>,
    /// Why it is not promoted although it should be: it makes no progress. Empty when it does.
    #[serde(default)]
    pub stalled: String,
}

/// A node manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeManagerView {
    /// Its node id, such as `n4`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it has reported lately.
    pub ready: bool,
    /// The host or IP address components on it are reached at.
    pub address: String,
    /// How long ago it reported, in milliseconds; `null` when it never did to this leader.
    pub last_report_ms: Option<u64>,
    /// How many instances it carries.
    pub instances: usize,
    /// What runs on its host of instances that were let go, by a reset for example.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmanaged: Vec<UnmanagedView>,
    /// The version of its binary.
    pub version: String,
    /// Why it is not ready, in words; empty when it is.
    pub reason: String,
}

/// A process that goes on running although nobody looks after it any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnmanagedView {
    /// The name its instance had.
    pub instance: String,
    /// The component that belonged to.
    pub component: String,
    /// Its process id.
    pub pid: u32,
}

/// Which nodes to restart, and how.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestartNodesBody {
    /// The names or ids of nodes.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// All masters, besides those named.
    #[serde(default)]
    pub masters: bool,
    /// All nodes.
    #[serde(default)]
    pub all: bool,
    /// Accept that masters without failure tolerance are interrupted.
    #[serde(default)]
    pub accept_interruption: bool,
}

/// Which nodes to upgrade, to what, and how.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpgradeNodesBody {
    /// The names or ids of nodes.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// All masters, besides those named.
    #[serde(default)]
    pub masters: bool,
    /// All nodes.
    #[serde(default)]
    pub all: bool,
    /// SHA-256 of the binary, which was uploaded to a master.
    pub sha256: String,
    /// How long each node may take until it is ready with the new binary, in milliseconds.
    #[serde(default = "ready_within_ms")]
    pub ready_within_ms: u64,
    /// Accept that masters without failure tolerance are interrupted.
    #[serde(default)]
    pub accept_interruption: bool,
}

const fn ready_within_ms() -> u64 {
    60_000
}

/// How to remove a node.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoveNodeBody {
    /// Why an even number of voting masters may remain; refused without, where it would.
    #[serde(default)]
    pub allow_even: Option<String>,
}

/// What takes a master's place.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplaceNodeBody {
    /// The name or id of a master that has joined and does not vote yet.
    pub with: String,
    /// Give it the name of the one it replaces.
    #[serde(default)]
    pub take_name: bool,
}

/// Where the masters' leadership goes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransferLeaderBody {
    /// The name or id of a voting master; the one that is furthest ahead when absent.
    #[serde(default)]
    pub to: Option<String>,
}
