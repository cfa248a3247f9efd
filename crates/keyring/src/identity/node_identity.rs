//! A node's identity on its host: certificate, private key and the cluster's root.
//!
//! Four files: `ca.pem`, `node.pem`, `node.key` (mode 0600) and `node.json`, which is written last
//! at enrolment and so says that the others are complete. At renewal a new key is first written as
//! `node.key.next`, then the certificate is replaced, then the key renamed into place; loading
//! finishes a renewal that a crash interrupted, so key and certificate always match.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use quorate_model::{ClusterId, NodeId, Timestamp};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    CaFingerprint, PeerIdentity,
    certificate::{certificate_of_pem, expires_at, key_of_pem},
    peer::peer_of,
    tls::provider,
};
use crate::{
    KeyringError,
    encoding::to_json,
    file::{self, atomic_write, make_private_folder, sync_folder},
};

const CA_FILE: &str = "ca.pem";
const CERTIFICATE_FILE: &str = "node.pem";
const KEY_FILE: &str = "node.key";
const NEXT_KEY_FILE: &str = "node.key.next";
const RECORD_FILE: &str = "node.json";
const RECORD_VERSION: u32 = 1;

/// What proves that this host is a node of its cluster.
#[derive(Clone)]
pub struct NodeIdentity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// The node's certificate (PEM).
    pub cert_pem: String,
    /// The node's private key (PEM, PKCS #8).
    pub key_pem: Zeroizing<String>,
    /// The root of the cluster's nodes (PEM).
    pub ca_pem: String,
}

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    cluster: ClusterId,
    node: NodeId,
}

impl NodeIdentity {
    /// When the certificate ends; it must be renewed well before.
    ///
    /// # Errors
    /// [`KeyringError::CertificateUnreadable`].
    pub fn expires_at(&self) -> Result<Timestamp, KeyringError> {
        expires_at(&certificate_of_pem(&self.cert_pem)?)
    }

    /// The fingerprint of the cluster's root.
    ///
    /// # Errors
    /// [`KeyringError::CertificateUnreadable`].
    pub fn ca_fingerprint(&self) -> Result<CaFingerprint, KeyringError> {
        Ok(CaFingerprint::of(&certificate_of_pem(&self.ca_pem)?))
    }

    /// Writes the identity into `folder` (created with mode 0700 if absent), surviving a crash at
    /// any moment with either the former identity or this one.
    ///
    /// # Errors
    /// [`KeyringError::File`]; [`KeyringError::IdentityDamaged`] when the parts do not match.
    pub fn store(&self, folder: &Path) -> Result<(), KeyringError> {
        self.check(folder)?;
        make_private_folder(folder)
            .map_err(|source| KeyringError::file("create", folder, source))?;
        let next_key = folder.join(NEXT_KEY_FILE);
        atomic_write(&next_key, self.key_pem.as_bytes(), 0o600)?;
        atomic_write(&folder.join(CA_FILE), self.ca_pem.as_bytes(), 0o644)?;
        atomic_write(&folder.join(CERTIFICATE_FILE), self.cert_pem.as_bytes(), 0o644)?;
        adopt_next_key(folder)?;
        let record = Record { version: RECORD_VERSION, cluster: self.cluster, node: self.node };
        let bytes = to_json(&record);
        atomic_write(&folder.join(RECORD_FILE), &bytes, 0o644)
    }

    /// Whether `folder` holds a complete identity.
    #[must_use]
    pub fn exists(folder: &Path) -> bool {
        folder.join(RECORD_FILE).exists()
    }

    /// Reads the identity from `folder` and checks that its parts belong together.
    ///
    /// # Errors
    /// [`KeyringError::File`], [`KeyringError::FormatTooNew`], [`KeyringError::IdentityDamaged`].
    pub fn load(folder: &Path) -> Result<Self, KeyringError> {
        let path = |name: &str| -> PathBuf { folder.join(name) };
        let record: Record =
            serde_json::from_slice(&file::read(&path(RECORD_FILE))?).map_err(|_| {
                KeyringError::IdentityDamaged {
                    folder: folder.to_owned(),
                    reason: format!("{RECORD_FILE} cannot be read"),
                }
            })?;
        if record.version > RECORD_VERSION {
            return Err(KeyringError::FormatTooNew {
                what: "node identity",
                found: record.version,
                supported: RECORD_VERSION,
            });
        }
        let with_key = |key_pem: String| -> Result<Self, KeyringError> {
            let identity = Self {
                cluster: record.cluster,
                node: record.node,
                cert_pem: file::read_text(&path(CERTIFICATE_FILE))?,
                key_pem: Zeroizing::new(key_pem),
                ca_pem: file::read_text(&path(CA_FILE))?,
            };
            identity.check(folder)?;
            Ok(identity)
        };
        let present = with_key(file::read_text(&path(KEY_FILE))?);
        if present.is_err() && path(NEXT_KEY_FILE).exists() {
            // A renewal was interrupted between the certificate and its key.
            let renewed = with_key(file::read_text(&path(NEXT_KEY_FILE))?)?;
            adopt_next_key(folder)?;
            return Ok(renewed);
        }
        present
    }

    /// The certificate chain (leaf, then root: a joining node knows only the root's fingerprint)
    /// with its key, ready for TLS.
    pub(crate) fn certified_key(&self) -> Result<CertifiedKey, KeyringError> {
        let chain = vec![certificate_of_pem(&self.cert_pem)?, certificate_of_pem(&self.ca_pem)?];
        Ok(CertifiedKey::from_der(chain, key_of_pem(&self.key_pem)?, &provider())?)
    }

    /// Certificate, key and record must be of one node.
    fn check(&self, folder: &Path) -> Result<(), KeyringError> {
        let damaged =
            |reason: String| KeyringError::IdentityDamaged { folder: folder.to_owned(), reason };
        let peer = certificate_of_pem(&self.cert_pem)
            .and_then(|leaf| peer_of(&leaf))
            .map_err(|error| damaged(error.to_string()))?;
        if peer != (PeerIdentity { cluster: self.cluster, node: self.node }) {
            return Err(damaged(format!(
                "its certificate is that of node {} of cluster {}",
                peer.node, peer.cluster
            )));
        }
        self.certified_key()
            .map(drop)
            .map_err(|_| damaged("certificate and private key do not match".to_owned()))
    }
}

fn adopt_next_key(folder: &Path) -> Result<(), KeyringError> {
    let key = folder.join(KEY_FILE);
    fs::rename(folder.join(NEXT_KEY_FILE), &key)
        .map_err(|source| KeyringError::file("write", &key, source))?;
    sync_folder(folder)
}

impl fmt::Debug for NodeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeIdentity")
            .field("cluster", &self.cluster)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}
