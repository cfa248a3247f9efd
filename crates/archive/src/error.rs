//! What can go wrong with archives, and how a person is told.

use std::io;

use quorate_keyring::KeyringError;
use quorate_model::{Refusal, codes};

use crate::{InvalidObjectName, ObjectName};

/// Why an archive could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is no object of that name.
    #[error("there is no object `{name}` in {target}")]
    Absent {
        /// The object.
        name: ObjectName,
        /// Where it was looked for.
        target: String,
    },
    /// Storage refused or failed.
    #[error("cannot {action} `{name}` in {target}")]
    Storage {
        /// What was attempted: `put`, `get`, `list`, `delete`.
        action: &'static str,
        /// The object, or the prefix that was listed.
        name: String,
        /// Where.
        target: String,
        /// The reason.
        source: io::Error,
    },
    /// The content that was to be stored could not be read; nothing was stored.
    #[error("cannot read the content for `{name}`")]
    Content {
        /// The object.
        name: ObjectName,
        /// The reason.
        source: io::Error,
    },
    /// An encrypted stream was altered, cut short, or belongs elsewhere.
    #[error("the encrypted stream is damaged: {reason}")]
    StreamDamaged {
        /// What was found.
        reason: &'static str,
    },
    /// A manifest contradicts itself or cannot be read.
    #[error("the manifest is damaged: {reason}")]
    ManifestDamaged {
        /// What was found.
        reason: &'static str,
    },
    /// The format is of a version that this program does not know.
    #[error("the {what} has format version {found}; this program reads up to {supported}")]
    FormatTooNew {
        /// What was read.
        what: &'static str,
        /// Its version.
        found: u32,
        /// The newest version this program reads.
        supported: u32,
    },
    /// A part is not the one its manifest lists.
    #[error("part `{name}` is not the one of the manifest: {reason}")]
    PartMismatch {
        /// The part.
        name: ObjectName,
        /// What differs.
        reason: &'static str,
    },
    /// The text cannot name an object.
    #[error(transparent)]
    Name(#[from] InvalidObjectName),
    /// The keyring refused.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

impl ArchiveError {
    /// The error as `Read` and `Write` must report it; [`ArchiveError::of_io`] is the way back.
    pub(crate) fn into_io(self) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, self)
    }

    /// The archive error inside an error that one of this crate's streams reported, if any.
    #[must_use]
    pub fn of_io(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<&ArchiveError> for Refusal {
    fn from(error: &ArchiveError) -> Self {
        use ArchiveError as E;
        let message = error.to_string();
        match error {
            E::Absent { .. } => {
                Self::new(codes::NOT_FOUND, message).hint("look at what the archive target holds")
            }
            E::Storage { source, .. } => Self::new(storage_code(source), message)
                .cause(source.to_string())
                .hint("check that the target exists, has space, and lets this program write"),
            E::Content { source, .. } => match ArchiveError::of_io(source) {
                Some(inner) => Self::from(inner),
                None => Self::new(codes::STORAGE_FAILED, message).cause(source.to_string()),
            },
            E::StreamDamaged { .. } | E::ManifestDamaged { .. } | E::PartMismatch { .. } => {
                Self::new(codes::STORAGE_FAILED, message)
                    .hint("nothing was changed; choose another backup")
            }
            E::FormatTooNew { .. } => Self::new(codes::FORMAT_TOO_NEW, message)
                .hint("run the newer version of quorate that wrote it"),
            E::Name(_) => Self::new(codes::REQUEST_MALFORMED, message),
            E::Keyring(inner) => Self::from(inner),
        }
    }
}

impl From<ArchiveError> for Refusal {
    fn from(error: ArchiveError) -> Self {
        Self::from(&error)
    }
}

fn storage_code(source: &io::Error) -> quorate_model::Code {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => codes::DISK_FULL,
        _ => codes::STORAGE_FAILED,
    }
}
