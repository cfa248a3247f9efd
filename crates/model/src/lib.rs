//! The vocabulary of Quorate: ids, names, specifications, observations, operations and quorum
//! arithmetic, each with one meaning, shared by every other crate.
//!
//! This crate performs no I/O and knows no clock, no randomness and no async runtime: time and
//! ids enter through the [`Clock`] and [`IdSource`] traits. A word enters here when two tiers
//! need it.

mod binary;
mod checkup;
mod cluster;
mod code;
mod component;
mod hex;
mod id;
mod name;
mod node;
mod observation;
mod operation;
mod quorum;
mod refusal;
mod time;

pub use binary::{Binary, BinaryDigest, BinaryFacts, FeatureLevels};
pub use checkup::{
    CommitTimes, FileFacts, FolderFacts, HostCheckup, MasterCheckup, NodeCheckup, Reach, Trouble,
    TroubleKind,
};
pub use cluster::ClusterAction;
pub use code::{Code, codes};
pub use component::{
    ComponentSpec, DesiredInstance, InstanceSpec, MemberAction, RunState, SettingValue, Settings,
};
pub use hex::{hex, spoken_digest};
pub use id::{
    ClusterId, Epoch, Generation, IdSource, LogIndex, NodeId, OperationId, ParseIdError, RequestId,
    Revision, Term, TokenId,
};
pub use name::{
    ComponentName, InstanceName, InvalidName, NodeName, PackName, SettingKey, UserName,
};
pub use node::{
    EnrolRole, NodeAction, NodeOrder, NodeRoles, OrderKind, OrderOutcome, OrderReport, VoterAction,
};
pub use observation::{
    ActionOutcome, ActionReport, ExitStatus, InstanceObservation, MemberObservation, MemberRole,
    NodeReport, ProcessEnd, ProcessState, Readiness, UnmanagedInstance, component_members,
};
pub use operation::{
    ActionId, Condition, DesireChange, NamedNode, Operation, OperationRequest, OperationStatus,
    Pin, Plan, Step, StepKind, StepRecord, StepStatus, Subject, TranscriptEntry, Undo,
};
pub use quorum::{failure_tolerance, has_quorum, joint_tolerance, majority, next_odd};
pub use refusal::Refusal;
pub use time::{Clock, ManualClock, Timestamp};
