//! What can go wrong with keys and identities, and how a person is told.

use std::{
    io,
    path::{Path, PathBuf},
};

use quorate_model::{ClusterId, Refusal, codes};

use crate::{Purpose, ROOT_KEY_VARIABLE};

/// Why a key or an identity could not be used. No variant carries anything secret.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// There is no root key in the environment.
    #[error("the root key is absent")]
    RootKeyAbsent,
    /// The text is not a root key.
    #[error("the root key is malformed: {reason}")]
    RootKeyMalformed {
        /// What is wrong with it, without repeating any of it.
        reason: &'static str,
    },
    /// The root key is well formed but does not open the keyring of this node.
    #[error("the root key does not open the keyring of cluster {cluster}")]
    RootKeyWrong {
        /// The keyring's cluster.
        cluster: ClusterId,
    },
    /// The root key is well formed but is not the one of the cluster being joined.
    #[error("the root key is not the one of cluster {cluster}")]
    RootKeyOfAnotherCluster {
        /// The cluster being joined.
        cluster: ClusterId,
    },
    /// The stored keyring contradicts itself.
    #[error("the stored keyring is damaged: {reason}")]
    KeyringDamaged {
        /// What was found.
        reason: &'static str,
    },
    /// Something stored is of a version that this program does not know.
    #[error("the {what} has format version {found}; this program reads up to {supported}")]
    FormatTooNew {
        /// What was read.
        what: &'static str,
        /// Its version.
        found: u32,
        /// The newest version this program reads.
        supported: u32,
    },
    /// A sealed value does not unseal: it was altered, moved, or sealed for something else.
    #[error(
        "a sealed {purpose} value does not unseal: it was altered, moved or is not of this cluster"
    )]
    Unseal {
        /// What it was to be unsealed for.
        purpose: Purpose,
    },
    /// A sealed value needs a data key that the keyring does not have.
    #[error("the keyring has no data key {id}")]
    DataKeyMissing {
        /// The data key's number.
        id: u32,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was attempted: `read`, `write`, ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The node's identity on disk is incomplete or contradicts itself.
    #[error("the node's identity in {} is damaged: {reason}", folder.display())]
    IdentityDamaged {
        /// The folder it was read from.
        folder: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A certificate signing request cannot be granted.
    #[error("the certificate request is refused: {reason}")]
    CertificateRequestRefused {
        /// Why.
        reason: String,
    },
    /// A certificate is not that of a node.
    #[error("the certificate is not that of a node: {reason}")]
    NotANode {
        /// What it lacks.
        reason: &'static str,
    },
    /// A certificate or a private key cannot be read.
    #[error("the {what} cannot be read")]
    CertificateUnreadable {
        /// Which one.
        what: &'static str,
    },
    /// The cluster that answered is not the one that was expected.
    #[error("the master that answered is not of the expected cluster: {reason}")]
    ClusterNotAuthentic {
        /// What did not match.
        reason: &'static str,
    },
    /// The text is not a join token.
    #[error("the join token is malformed: {reason}")]
    JoinTokenMalformed {
        /// What is wrong with it, without repeating any of it.
        reason: &'static str,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    MakeCertificate(#[from] rcgen::Error),
    /// A TLS configuration could not be made.
    #[error("cannot configure TLS")]
    ConfigureTls(#[from] rustls::Error),
    /// A password could not be hashed.
    #[error("cannot hash the password: {reason}")]
    HashPassword {
        /// The library's reason.
        reason: String,
    },
}

impl KeyringError {
    pub(crate) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { action, path: path.to_owned(), source }
    }
}

const KEEP_HINT: &str = "take it from your secret manager";

impl From<&KeyringError> for Refusal {
    fn from(error: &KeyringError) -> Self {
        use KeyringError as E;
        match error {
            E::RootKeyAbsent => Self::new(codes::ROOT_KEY_ABSENT, "the root key is absent")
                .cause(format!("{ROOT_KEY_VARIABLE} is not set in the environment of this process"))
                .hint(format!(
                    "export {ROOT_KEY_VARIABLE}=<root key> and start again: {KEEP_HINT}; every \
                     master and every restart needs the same one (`quorate keygen` makes the \
                     first); with sudo, keep it with `sudo -E`"
                )),
            E::RootKeyMalformed { reason } => {
                Self::new(codes::ROOT_KEY_MALFORMED, "the root key is malformed")
                    .cause(format!("{ROOT_KEY_VARIABLE} is not a root key: {reason}"))
                    .hint(format!(
                        "copy the whole line that `quorate keygen` printed, `qrk1-` included: \
                         {KEEP_HINT}"
                    ))
            }
            E::RootKeyWrong { cluster } => {
                Self::new(codes::ROOT_KEY_WRONG, "the root key is not the one of this cluster")
                    .cause(format!(
                        "{ROOT_KEY_VARIABLE} is well formed but does not open the keyring of \
                         cluster {cluster}; nothing was changed"
                    ))
                    .hint(format!(
                        "export the root key this cluster was made with ({KEEP_HINT}); if the \
                         other masters open with the same key, this node's keyring file is damaged"
                    ))
            }
            E::RootKeyOfAnotherCluster { cluster } => Self::new(
                codes::ROOT_KEY_OF_ANOTHER_CLUSTER,
                "the root key is not the one of the cluster being joined",
            )
            .cause(format!(
                "{ROOT_KEY_VARIABLE} is well formed but does not open the keyring of cluster \
                 {cluster}; nothing was changed"
            ))
            .hint(format!("export the root key that its other masters run with: {KEEP_HINT}")),
            E::KeyringDamaged { .. } => Self::new(codes::STORAGE_FAILED, error.to_string())
                .hint("copy the keyring file of another master of the same cluster, or restore it"),
            E::FormatTooNew { .. } => Self::new(codes::FORMAT_TOO_NEW, error.to_string())
                .hint("run the newer version of quorate that wrote it"),
            E::Unseal { .. } | E::DataKeyMissing { .. } => {
                Self::new(codes::STORAGE_FAILED, error.to_string())
                    .hint("the data is damaged or belongs elsewhere: replace this node or restore")
            }
            E::File { source, .. } => Self::new(file_code(source), error.to_string())
                .cause(source.to_string())
                .hint("check that the folder exists, has space, and belongs to this user"),
            E::IdentityDamaged { .. } => Self::new(codes::STORAGE_FAILED, error.to_string()).hint(
                "move its data folder aside and let the host join as a new node under a new name",
            ),
            E::CertificateRequestRefused { reason } => {
                Self::new(codes::REQUEST_MALFORMED, "the certificate request is refused")
                    .cause(reason.clone())
            }
            E::NotANode { .. } => Self::new(codes::NODE_NOT_AUTHORIZED, error.to_string())
                .hint("only a certificate that `join` obtained identifies a node"),
            E::CertificateUnreadable { .. } => {
                Self::new(codes::NODE_NOT_AUTHORIZED, error.to_string())
                    .hint("check the file, or join the node anew")
            }
            E::ClusterNotAuthentic { reason } => Self::new(
                codes::CLUSTER_NOT_AUTHENTIC,
                "the cluster that answered is not the one the token was made for",
            )
            .cause(*reason)
            .hint(
                "check the address, and that the token is of this cluster: `quorate token create`",
            ),
            E::JoinTokenMalformed { reason } => Self::new(
                codes::JOIN_TOKEN_INVALID,
                "the join token is malformed",
            )
            .cause(*reason)
            .hint("copy the whole token, `qjt1.` included, or make one: `quorate token create`"),
            E::MakeCertificate(source) => {
                Self::new(codes::INTERNAL, error.to_string()).cause(source.to_string())
            }
            E::ConfigureTls(source) => {
                Self::new(codes::INTERNAL, error.to_string()).cause(source.to_string())
            }
            E::HashPassword { .. } => Self::new(codes::INTERNAL, error.to_string()),
        }
    }
}

impl From<KeyringError> for Refusal {
    fn from(error: KeyringError) -> Self {
        Self::from(&error)
    }
}

fn file_code(source: &io::Error) -> quorate_model::Code {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => codes::DISK_FULL,
        _ => codes::FILE_ACCESS,
    }
}
