//! The keyring as it is stored: wrapped data keys, useless without the root key.

use std::path::Path;

use quorate_model::ClusterId;
use serde::{Deserialize, Serialize};

use crate::{
    KeyringError,
    encoding::{base64_bytes, to_json},
    file::{self, atomic_write},
    random::random_bytes,
};

/// The newest version of the format that this program reads, and the one it writes.
const VERSION: u32 = 1;

/// How the root key becomes the key that wraps the data keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KdfParameters {
    /// Always `argon2id`.
    pub algorithm: String,
    /// The cluster's salt.
    #[serde(with = "base64_bytes")]
    pub salt: Vec<u8>,
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Degree of parallelism.
    pub lanes: u32,
}

impl KdfParameters {
    /// A new salt with the default cost: 19 MiB, 2 passes, 1 lane. The root key is 256 random
    /// bits, so the cost is a second wall and need not delay a start noticeably.
    pub(crate) fn generate() -> Self {
        Self {
            algorithm: "argon2id".to_owned(),
            salt: random_bytes::<16>().to_vec(),
            memory_kib: 19 * 1024,
            iterations: 2,
            lanes: 1,
        }
    }

    /// Refuses parameters that nobody chose: a damaged or forged file must not make a start
    /// take all memory or all day.
    pub(crate) fn check(&self) -> Result<(), KeyringError> {
        let sensible = self.algorithm == "argon2id"
            && (8..=64).contains(&self.salt.len())
            && (8..=1024 * 1024).contains(&self.memory_kib)
            && (1..=64).contains(&self.iterations)
            && (1..=16).contains(&self.lanes);
        if sensible {
            Ok(())
        } else {
            Err(KeyringError::KeyringDamaged {
                reason: "its key derivation parameters are impossible",
            })
        }
    }
}

/// One data key, encrypted under the root key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// The data key's number, counted from 1; every sealed value carries it.
    pub id: u32,
    /// The encrypted key.
    #[serde(with = "base64_bytes")]
    pub wrapped: Vec<u8>,
}

/// The keyring as it is stored and sent: safe to copy, useless without the root key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedKeyring {
    /// The version of this format.
    pub version: u32,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// How the root key is stretched.
    pub kdf: KdfParameters,
    /// A known plaintext, encrypted: tells a wrong root key at once, and covers `keys`' ids and
    /// `active`.
    #[serde(with = "base64_bytes")]
    pub check: Vec<u8>,
    /// The data keys, old ones included, for what was sealed with them.
    pub keys: Vec<WrappedKey>,
    /// The data key that seals from now on.
    pub active: u32,
}

/// Read first, so that a newer format is called new rather than damaged.
#[derive(Deserialize)]
struct VersionOnly {
    version: u32,
}

impl SealedKeyring {
    pub(crate) const VERSION: u32 = VERSION;

    /// The stored form (JSON).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_json(self)
    }

    /// Reads the stored form; fields that are not known are ignored.
    ///
    /// # Errors
    /// [`KeyringError::FormatTooNew`] or [`KeyringError::KeyringDamaged`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyringError> {
        let damaged = || KeyringError::KeyringDamaged { reason: "it cannot be read" };
        let VersionOnly { version } = serde_json::from_slice(bytes).map_err(|_| damaged())?;
        if version > VERSION {
            return Err(KeyringError::FormatTooNew {
                what: "keyring",
                found: version,
                supported: VERSION,
            });
        }
        serde_json::from_slice(bytes).map_err(|_| damaged())
    }
}

/// Reads a stored keyring.
///
/// # Errors
/// [`KeyringError::File`], or as [`SealedKeyring::from_bytes`].
pub fn load_sealed(path: &Path) -> Result<SealedKeyring, KeyringError> {
    SealedKeyring::from_bytes(&file::read(path)?)
}

/// Stores a keyring with mode 0600, atomically and durably.
///
/// # Errors
/// [`KeyringError::File`].
pub fn store_sealed(path: &Path, keyring: &SealedKeyring) -> Result<(), KeyringError> {
    atomic_write(path, &keyring.to_bytes(), 0o600)
}
