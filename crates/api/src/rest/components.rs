//! Components and their instances.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::OperationSummary;

/// A component to be created.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComponentSpecBody {
    /// Its name.
    pub name: String,
    /// The kind of component: `etcd`, `process`.
    pub pack: String,
    /// Its processes.
    pub instances: Vec<InstanceSpecBody>,
    /// Settings of every instance; the pack says which there are.
    #[serde(default)]
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// One process of a component to be created.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstanceSpecBody {
    /// Its name; `COMPONENT-N` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The name or id of the node it runs on.
    pub node: String,
    /// Settings of this instance; they override the component's.
    #[serde(default)]
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// How to restart.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestartBody {
    /// Accept that a component without failure tolerance is interrupted.
    #[serde(default)]
    pub accept_interruption: bool,
}

/// A component as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentView {
    /// Its name.
    pub name: String,
    /// The kind of component.
    pub pack: String,
    /// The revision of its last change.
    pub revision: u64,
    /// `up`, `degraded`, `down` or `unknown`.
    pub verdict: String,
    /// Why, in words.
    pub reason: String,
    /// How many more instances may die before it stops; `null` when it has stopped already.
    pub failure_tolerance: Option<usize>,
    /// Its instances.
    pub instances: Vec<InstanceView>,
    /// The operation that holds it, if any.
    pub operation: Option<OperationSummary>,
    /// Its settings.
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// An instance as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceView {
    /// Its name.
    pub name: String,
    /// The id of the node it runs on.
    pub node: String,
    /// The name of that node.
    pub node_name: String,
    /// What is wanted: `running` or `stopped`.
    pub desired: String,
    /// `running`, `exited`, `absent`, `failed` or `unknown`.
    pub process: String,
    /// Its process id while it runs.
    pub pid: Option<u32>,
    /// When its process was started, RFC 3339.
    pub started_at: Option<String>,
    /// How often it was started since it was created.
    pub starts: u64,
    /// How and when a process of it ended last, such as `exit code 7 at 2026-01-01T00:00:00Z`;
    /// `null` when none has.
    pub last_end: Option<String>,
    /// Whether it serves.
    pub ready: bool,
    /// Why it does not, how it ended, or why nothing is known.
    pub reason: String,
    /// `leader`, `follower` or `learner` in its component's own consensus.
    pub role: Option<String>,
    /// The component's own id of the member.
    pub member_id: Option<String>,
    /// The log index it has applied.
    pub applied_index: Option<u64>,
    /// The component's version.
    pub version: Option<String>,
    /// How long ago this was seen, in milliseconds; `null` when never.
    pub seen_ms: Option<u64>,
    /// The generation of its desired state.
    pub generation: u64,
}
