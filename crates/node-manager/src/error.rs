//! Why a node manager could not do its own part, and how that is told to people.

use std::{io, path::PathBuf};

use quorate_keyring::KeyringError;
use quorate_model::{Refusal, codes};
use quorate_supervisor::SupervisorError;

/// Why a node manager cannot start, or cannot keep its records.
#[derive(Debug, thiserror::Error)]
pub enum NodeManagerError {
    /// A folder could not be made or read.
    #[error("cannot {action} the folder {}", path.display())]
    Folder {
        /// What was attempted.
        action: &'static str,
        /// Which folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A record could not be read.
    #[error("cannot read {}: {reason}", path.display())]
    ReadRecord {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A record could not be written.
    #[error("cannot write {}", path.display())]
    WriteRecord {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: KeyringError,
    },
    /// A record was written by a newer version.
    #[error("{} has version {found}; this binary reads up to {newest}", path.display())]
    RecordTooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version this binary reads.
        newest: u32,
    },
    /// The supervisor's folders cannot be used.
    #[error("cannot supervise instances: {0}")]
    Supervise(#[from] SupervisorError),
    /// This node was removed from the cluster.
    #[error("{0}")]
    Removed(Refusal),
}

impl NodeManagerError {
    /// The error as people see it, with its code, cause and hint.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Folder { source, .. } => Refusal::new(codes::FILE_ACCESS, self.to_string())
                .cause(source.to_string())
                .hint("check that the folder exists, has space, and belongs to this user"),
            Self::ReadRecord { .. } => Refusal::new(codes::STORAGE_FAILED, self.to_string())
                .hint("remove the file: the leader's next orders write it anew"),
            Self::WriteRecord { source, .. } => Refusal::from(source),
            Self::RecordTooNew { .. } => Refusal::new(codes::FORMAT_TOO_NEW, self.to_string())
                .hint("run the newer version of quorate that wrote it"),
            Self::Supervise(error) => error.refusal(),
            Self::Removed(refusal) => refusal.clone(),
        }
    }
}
