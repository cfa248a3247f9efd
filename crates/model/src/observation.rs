//! Observed facts: what a node manager sees of its instances. They expire; only decisions made
//! from them are replicated.

use serde::{Deserialize, Serialize};

use crate::{
    ActionId, ComponentName, ComponentSpec, Generation, InstanceName, OrderReport, Refusal,
    Timestamp,
};

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// Its end was not witnessed, for instance because the host was restarted.
    Unknown,
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Unknown => f.write_str("an unknown exit status"),
        }
    }
}

/// How a process ended, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessEnd {
    /// How.
    pub status: ExitStatus,
    /// When, or when it was first seen to have ended.
    pub at: Timestamp,
}

impl std::fmt::Display for ProcessEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.status, self.at)
    }
}

/// What became of an instance's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum ProcessState {
    /// It was never started here.
    Absent,
    /// It runs.
    Running {
        /// The component's own process id (not the shim's).
        pid: u32,
        /// When it was started.
        started_at: Timestamp,
        /// The desired state it was started for.
        start_generation: Generation,
    },
    /// It ended.
    Exited {
        /// How.
        status: ExitStatus,
        /// When.
        at: Timestamp,
    },
    /// It cannot be started.
    Failed {
        /// Why, and what to do.
        refusal: Refusal,
    },
}

/// Whether an instance can serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "readiness")]
pub enum Readiness {
    /// It serves.
    Ready,
    /// It does not.
    NotReady {
        /// Why, in words.
        reason: String,
    },
    /// It could not be asked.
    Unknown {
        /// Why, in words.
        reason: String,
    },
}

/// The part a member plays in its component's own consensus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// It leads.
    Leader,
    /// It follows and votes.
    Follower,
    /// It follows without a vote.
    Learner,
}

impl MemberRole {
    /// The role as people write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Learner => "learner",
        }
    }
}

/// What a member says of itself and of its component's consensus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberObservation {
    /// The component's own id of the member, as its tools write it.
    pub member_id: String,
    /// Its role.
    pub role: MemberRole,
    /// The component's own id of the member it takes for the leader; `None` without a leader.
    #[serde(default)]
    pub leader_id: Option<String>,
    /// The component's own term.
    pub term: u64,
    /// The newest log index it knows of.
    pub committed_index: u64,
    /// The log index it has applied.
    pub applied_index: u64,
    /// The component's version.
    pub version: String,
    /// How many voting members it believes there are.
    pub voters: u32,
}

/// What a node manager saw of one instance at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceObservation {
    /// The component.
    pub component: ComponentName,
    /// The instance.
    pub instance: InstanceName,
    /// The highest generation obeyed; its process matches that desired state or is getting there.
    pub generation: Generation,
    /// Its process.
    pub process: ProcessState,
    /// Whether it can serve.
    pub readiness: Readiness,
    /// What it says of its consensus, when it takes part in one.
    #[serde(default)]
    pub member: Option<MemberObservation>,
    /// How often its process was started here since it was created.
    #[serde(default)]
    pub starts: u64,
    /// The last end of a process of it, also when another one runs since and when nobody was
    /// there to see it; `None` when none has ended.
    #[serde(default)]
    pub last_end: Option<ProcessEnd>,
    /// When this was seen, by the host's own clock (for people; freshness is measured on arrival).
    pub at: Timestamp,
}

impl InstanceObservation {
    /// Whether the process runs and serves.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self.readiness, Readiness::Ready)
            && matches!(self.process, ProcessState::Running { .. })
    }
}

/// How a member action ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum ActionOutcome {
    /// It is so; `seen` says what the component answered.
    Done {
        /// What was seen.
        seen: String,
    },
    /// It is not so.
    Failed {
        /// Why, and what to do.
        refusal: Refusal,
    },
}

/// The answer of a node manager to one member action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionReport {
    /// Which action.
    pub id: ActionId,
    /// How it ended.
    pub outcome: ActionOutcome,
}

/// A process that a node manager started for an instance that nobody orders any more: it goes on
/// running, and nobody looks after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnmanagedInstance {
    /// The component it belonged to.
    pub component: ComponentName,
    /// The name it had.
    pub instance: InstanceName,
    /// Its process id.
    pub pid: u32,
    /// The TCP ports it was started to listen on.
    #[serde(default)]
    pub ports: Vec<u16>,
}

/// Everything a node manager reports at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeReport {
    /// Every instance it knows.
    pub instances: Vec<InstanceObservation>,
    /// Actions that ended, repeated until the leader acknowledges them.
    #[serde(default)]
    pub actions: Vec<ActionReport>,
    /// The version of its binary.
    #[serde(default)]
    pub version: String,
    /// The newest order to its process that was obeyed before this process began.
    #[serde(default)]
    pub obeyed: Generation,
    /// What became of the newest order to its process that it took up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderReport>,
    /// The newest feature level its binary reads; 0 from binaries that did not say so, which read
    /// level 1.
    #[serde(default)]
    pub reads_level: u32,
    /// What it finds of itself and its host; sent from time to time only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkup: Option<Box<crate::NodeCheckup>>,
    /// What runs on its host of instances that were let go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmanaged: Vec<UnmanagedInstance>,
}

/// The observations of the component's instances, in the order of its specification; `None`
/// where there is none.
pub fn component_members<'a>(
    spec: &'a ComponentSpec,
    mut find: impl FnMut(&InstanceName) -> Option<&'a InstanceObservation>,
) -> Vec<(&'a InstanceName, Option<&'a InstanceObservation>)> {
    spec.instances.iter().map(|instance| (&instance.name, find(&instance.name))).collect()
}
