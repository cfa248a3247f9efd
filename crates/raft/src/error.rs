//! What can go wrong with a master's Raft node, each with the words a person is shown.

use std::{io, path::PathBuf, time::Duration};

use quorate_model::{NodeId, Refusal, codes};
use quorate_state::CodecError;

/// Why a node's Raft cannot be opened, initialised or shut down.
#[derive(Debug, thiserror::Error)]
pub enum RaftError {
    /// Another process, or another node of this process, runs on the folder.
    #[error("the data folder {} is in use", folder.display())]
    FolderInUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The disk is full.
    #[error("the disk that holds {} is full", path.display())]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// The log or the snapshot is damaged in a place that cannot have been half-written.
    #[error("the {what} of node {node} in {} is corrupt: {reason}", path.display())]
    Corrupt {
        /// `log` or `snapshot`.
        what: &'static str,
        /// Whose.
        node: NodeId,
        /// The file.
        path: PathBuf,
        /// What was found, with the index of the record where there is one.
        reason: String,
    },
    /// The keyring does not open the log, or the folder is another node's.
    #[error("the log in {} does not open as that of node {node} with this keyring", path.display())]
    WrongKeyring {
        /// Whose it should be.
        node: NodeId,
        /// The file.
        path: PathBuf,
    },
    /// Written by a newer binary.
    #[error("the {what} in {} has format version {found}; this binary reads up to {supported}", path.display())]
    FormatTooNew {
        /// What was read.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest this binary reads.
        supported: u32,
    },
    /// The cluster's feature level is newer than this binary.
    #[error("the cluster has feature level {level}; this binary supports up to {supported}")]
    BinaryTooOld {
        /// The cluster's level.
        level: u32,
        /// The newest this binary supports.
        supported: u32,
    },
    /// The log holds what this binary cannot read.
    #[error("the log cannot be read by this binary: {reason}")]
    LogTooNew {
        /// What.
        reason: String,
    },
    /// The options contradict each other.
    #[error("the Raft options are invalid: {reason}")]
    Options {
        /// How.
        reason: String,
    },
    /// The node is a member of a cluster already.
    #[error("node {node} is initialised already")]
    AlreadyInitialised {
        /// The node.
        node: NodeId,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {waited:?}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
    },
    /// The node has stopped.
    #[error("the Raft node has stopped: {reason}")]
    Stopped {
        /// Why, as far as it is known.
        reason: String,
    },
}

impl RaftError {
    /// An I/O error on a path; a full disk is told apart.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        if is_disk_full(&source) {
            Self::DiskFull { path }
        } else {
            Self::File { action, path, source }
        }
    }

    /// The error as people are shown it.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let refusal = |code| Refusal::new(code, self.to_string());
        match self {
            Self::FolderInUse { .. } => refusal(codes::DATA_FOLDER_IN_USE)
                .hint("a node runs on it already; stop that one first, or give this one its own folder"),
            Self::File { .. } => refusal(codes::FILE_ACCESS)
                .hint("check that the folder exists, its owner and its permissions"),
            Self::DiskFull { .. } => refusal(codes::DISK_FULL)
                .hint("free space; the node goes on by itself, and nothing acknowledged is lost"),
            Self::Corrupt { node, .. } => {
                refusal(codes::LOG_CORRUPT).hint(rebuild_hint(*node))
            }
            Self::WrongKeyring { node, .. } => refusal(codes::ROOT_KEY_WRONG).hint(format!(
                "give this node the root key and the data folder that belong together; if the folder \
                 is lost, rebuild it: {}",
                rebuild_hint(*node)
            )),
            Self::FormatTooNew { .. } => refusal(codes::FORMAT_TOO_NEW)
                .hint("run the binary that wrote it, or a newer one"),
            Self::BinaryTooOld { .. } | Self::LogTooNew { .. } => refusal(codes::BINARY_TOO_OLD)
                .hint("run the version of quorate that the other masters run"),
            Self::Options { .. } => refusal(codes::CONFIGURATION_INVALID),
            Self::AlreadyInitialised { .. } => refusal(codes::ALREADY_INITIALISED),
            Self::Timeout { .. } => refusal(codes::NO_LEADER)
                .hint("see which masters are up: quorate status"),
            Self::Stopped { .. } => refusal(codes::STORAGE_FAILED),
        }
    }
}

/// How a node whose log cannot be trusted comes back: as a new node.
fn rebuild_hint(node: NodeId) -> String {
    format!(
        "the other masters hold everything: move the data folder of {node} aside and let the host join \
         as a new node under a new name (quorate token create --role master); {node} itself never \
         comes back"
    )
}

pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Why a proposal has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// No leader took the proposal in time. Nothing was appended.
    #[error("no leader took the change within {waited:?}")]
    NoLeader {
        /// How long was waited.
        waited: Duration,
    },
    /// The proposal may or may not be applied.
    #[error("the outcome of the change is unknown: {cause}")]
    OutcomeUnknown {
        /// What happened.
        cause: String,
    },
    /// This node's storage has failed. Nothing was appended.
    #[error("this node does not accept changes: {0}")]
    Storage(Refusal),
    /// The proposal cannot be encoded here or decoded by the leader. Nothing was appended.
    #[error("the change cannot be replicated: {0}")]
    Unreadable(String),
}

impl ProposeError {
    /// The error as people are shown it.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::NoLeader { .. } => Refusal::new(codes::NO_LEADER, self.to_string())
                .hint("see which masters are up: quorate status"),
            Self::OutcomeUnknown { .. } => Refusal::new(codes::OUTCOME_UNKNOWN, self.to_string())
                .hint("repeat the request with the same idempotency key: it is applied once"),
            Self::Storage(refusal) => refusal.clone(),
            Self::Unreadable(_) => Refusal::new(codes::BINARY_TOO_OLD, self.to_string())
                .hint("run the same version of quorate on every master"),
        }
    }
}

impl From<CodecError> for ProposeError {
    fn from(error: CodecError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Why a linearizable read was not possible.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// No leader confirmed its quorum in time.
    #[error("no leader confirmed a quorum within {waited:?}")]
    NoLeader {
        /// How long was waited.
        waited: Duration,
    },
    /// This node has stopped or its storage has failed.
    #[error("this node does not answer reads: {0}")]
    Stopped(Refusal),
}

impl ReadError {
    /// The error as people are shown it.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::NoLeader { .. } => Refusal::new(codes::NO_LEADER, self.to_string())
                .hint("read with ?consistency=stale what this node holds, or see quorate status"),
            Self::Stopped(refusal) => refusal.clone(),
        }
    }
}

/// Why the membership was not changed or the leadership not transferred.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// Only the leader changes the membership.
    #[error("this node is not the leader{}", leader.map(|id| format!("; {id} is")).unwrap_or_default())]
    NotLeader {
        /// Who leads, as far as it is known.
        leader: Option<NodeId>,
    },
    /// The change makes no sense for the membership as it is.
    #[error("{0}")]
    Refused(String),
    /// Something did not happen in time; the change may still complete.
    #[error("{what} did not happen within {waited:?}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
    },
    /// This node has stopped.
    #[error("this node has stopped: {0}")]
    Stopped(String),
}

impl MembershipError {
    /// The error as people are shown it.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let code = match self {
            Self::NotLeader { .. } => codes::NO_LEADER,
            Self::Refused(_) => codes::OPERATION_STATUS,
            Self::Timeout { .. } => codes::STEP_DEADLINE,
            Self::Stopped(_) => codes::STORAGE_FAILED,
        };
        Refusal::new(code, self.to_string())
    }
}
