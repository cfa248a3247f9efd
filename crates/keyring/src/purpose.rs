//! What a sealed value is for: each purpose has its own subkey.

use std::fmt;

/// What a value is sealed for. A value sealed for one purpose does not unseal for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Entries and metadata of the Raft log.
    Log,
    /// Snapshots of the replicated state.
    Snapshot,
    /// Single fields that stay opaque in the state (passwords of notifiers, S3 secrets, ...).
    Field,
    /// Backups and their manifests.
    Backup,
    /// Private keys of the cluster's certificate authority.
    Identity,
}

impl Purpose {
    /// All purposes, in the order of their [`Purpose::index`].
    pub(crate) const ALL: [Self; 5] =
        [Self::Log, Self::Snapshot, Self::Field, Self::Backup, Self::Identity];

    /// The purpose's word, part of the subkey's derivation: never change one.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Snapshot => "snapshot",
            Self::Field => "field",
            Self::Backup => "backup",
            Self::Identity => "identity",
        }
    }

    /// The position in [`Purpose::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
