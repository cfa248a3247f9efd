//! What a node finds when it looks at itself: facts for the doctor, which `plan` judges. They are
//! asked for, never replicated.

use serde::{Deserialize, Serialize};

use crate::{NodeId, Timestamp};

/// Everything a node says of itself when it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeCheckup {
    /// The version of its binary.
    pub version: String,
    /// The newest feature level its binary reads.
    pub reads_feature_level: u32,
    /// Where it stands: the `zone` of its configuration; empty when that says nothing.
    pub zone: String,
    /// Its own clock when the question arrived.
    pub asked_at: Timestamp,
    /// Its own clock when the answer left.
    pub answered_at: Timestamp,
    /// What it knows as a master; `None` for a node manager.
    pub master: Option<MasterCheckup>,
    /// What it sees of its host.
    pub host: HostCheckup,
    /// Which ports of masters it tried to reach, and what came of it.
    pub reaches: Vec<Reach>,
}

/// What a master knows of the masters' quorum by itself, not by the leader's word.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MasterCheckup {
    /// `leader`, `follower`, `candidate`, `learner` or `stopped`.
    pub role: String,
    /// Its Raft term.
    pub term: u64,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// The voters, as far as it knows.
    pub voters: Vec<NodeId>,
    /// The learners, as far as it knows.
    pub learners: Vec<NodeId>,
    /// Whether it knows of a change of voters that is under way.
    pub joint: bool,
    /// Counts recoveries from lost quorum.
    pub epoch: u64,
    /// What every binary must be able to read, by its state.
    pub feature_level: u32,
    /// The log index it has applied.
    pub applied_index: u64,
    /// The log index of the newest command in its state.
    pub state_index: u64,
    /// SHA-256 of its state at that index, in hex; empty when it was not asked for.
    pub state_digest: String,
    /// Why its storage failed, if it did.
    pub storage_failure: Option<String>,
    /// How long its log's newest commits took, each with its `fdatasync`.
    pub commits: Option<CommitTimes>,
    /// How many elections it has seen in the last ten minutes.
    pub elections: u64,
    /// What went wrong in the last ten minutes.
    pub troubles: Vec<Trouble>,
}

/// How long commits of a master's log took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CommitTimes {
    /// How many were counted.
    pub count: u64,
    /// Half of them took no longer than this, in microseconds.
    pub p50_us: u64,
    /// All but a hundredth took no longer than this, in microseconds.
    pub p99_us: u64,
    /// The longest, in microseconds.
    pub max_us: u64,
}

/// The kinds of [`Trouble`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleKind {
    /// A change that was proposed here was not acknowledged.
    Proposal,
    /// A call of Raft to another master failed.
    #[default]
    Replication,
    /// A node was refused that is no part of the cluster any more.
    RefusedNode,
}

/// Something that went wrong, counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trouble {
    /// What kind.
    pub kind: TroubleKind,
    /// The other node it concerns.
    pub node: Option<NodeId>,
    /// How often in the last ten minutes.
    pub count: u64,
    /// How long ago the last time was, in milliseconds.
    pub last_ago_ms: u64,
    /// What was said the last time.
    pub words: String,
}

/// What a node sees of its host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HostCheckup {
    /// The node's folders.
    pub folders: Vec<FolderFacts>,
    /// Files of the node that hold secrets.
    pub secret_files: Vec<FileFacts>,
    /// How many files the process may have open; `None` when unknown.
    pub open_files: Option<u64>,
    /// How large a core dump may become, in bytes; `None` when unknown.
    pub core_bytes: Option<u64>,
    /// The daemon that keeps the host's time, as far as one is seen.
    pub time_daemon: Option<String>,
    /// From when the node's certificate is valid.
    pub certificate_from: Option<Timestamp>,
    /// When the node's certificate ends.
    pub certificate_until: Option<Timestamp>,
    /// How long small writes with `fdatasync` in the data folder took just now, in microseconds.
    pub sync_us: Vec<u64>,
}

/// A folder and the disk it lies on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FolderFacts {
    /// `data`, `configuration`, `log` or `run`.
    pub what: String,
    /// Its path.
    pub path: String,
    /// Its permission bits.
    pub mode: u32,
    /// What an ordinary user may still write there, in bytes.
    pub free_bytes: u64,
    /// The size of the disk, in bytes; 0 when unknown.
    pub total_bytes: u64,
    /// How many files may still be made there.
    pub free_files: u64,
    /// How many files the disk can hold; 0 when it has no such limit.
    pub total_files: u64,
}

/// A file and who may read it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileFacts {
    /// What it holds.
    pub what: String,
    /// Its path.
    pub path: String,
    /// Its permission bits.
    pub mode: u32,
}

/// An attempt to reach a port of a master.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reach {
    /// The master.
    pub node: NodeId,
    /// `internal` or `admin`.
    pub port: String,
    /// `HOST:PORT`.
    pub addr: String,
    /// Why it was not reached; empty when it was.
    pub error: String,
}
