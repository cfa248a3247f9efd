//! What a restore point holds, and how that is stored so that the root key alone can check it.
//!
//! A manifest is sealed: its parts' digests make the parts authentic too. Beside the sealed
//! content stands the sealed keyring, because a restore begins on a host that has nothing else.

use std::collections::BTreeMap;

use quorate_keyring::{Keyring, Purpose, RootKey, SealedKeyring};
use quorate_model::{ClusterId, Epoch, LogIndex, Timestamp, hex};
use serde::{Deserialize, Serialize};

use crate::{ArchiveError, Digest, ObjectName};

const VERSION: u32 = 1;

/// What a restore point holds: every part must be there and be this one, or none is restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The restore point's name.
    pub name: String,
    /// The cluster it was taken from.
    pub cluster: ClusterId,
    /// The cluster's epoch then.
    pub epoch: Epoch,
    /// The log index whose effect is the last one contained.
    pub log_index: LogIndex,
    /// When it was taken.
    pub created_at: Timestamp,
    /// The host that took it.
    pub host: String,
    /// Versions that matter to a restore: of the program, the state's format, the feature level.
    pub versions: BTreeMap<String, String>,
    /// The parts.
    pub parts: Vec<Part>,
}

/// One part of a restore point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The object it is stored as.
    pub name: ObjectName,
    /// The size of the stored (encrypted) object.
    pub bytes: u64,
    /// The SHA-256 of the stored object.
    pub sha256: Digest,
}

impl Part {
    /// Whether an object with this size and digest is this part.
    ///
    /// # Errors
    /// [`ArchiveError::PartMismatch`] says what differs.
    pub fn verify(&self, bytes: u64, sha256: Digest) -> Result<(), ArchiveError> {
        let reason = if bytes != self.bytes {
            "its size differs"
        } else if sha256 != self.sha256 {
            "its SHA-256 differs"
        } else {
            return Ok(());
        };
        Err(ArchiveError::PartMismatch { name: self.name.clone(), reason })
    }
}

/// A manifest as it is stored (JSON). What is readable without the root key is only for finding
/// one's way; nothing is to be believed before [`SealedManifest::open`] succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedManifest {
    version: u32,
    keyring: SealedKeyring,
    sealed: String,
}

impl Manifest {
    /// Seals the manifest together with the stored form of the keyring.
    #[must_use]
    pub fn seal(&self, keyring: &Keyring, stored_keyring: &SealedKeyring) -> SealedManifest {
        let sealed = keyring.seal(Purpose::Backup, &aad(keyring.cluster()), &to_json(self));
        SealedManifest { version: VERSION, keyring: stored_keyring.clone(), sealed: hex(&sealed) }
    }
}

impl SealedManifest {
    /// The stored form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_json(self)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`ArchiveError::FormatTooNew`], [`ArchiveError::ManifestDamaged`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArchiveError> {
        #[derive(Deserialize)]
        struct VersionOnly {
            version: u32,
        }
        let damaged = |_| ArchiveError::ManifestDamaged { reason: "it cannot be read" };
        let VersionOnly { version } = serde_json::from_slice(bytes).map_err(damaged)?;
        if version > VERSION {
            return Err(ArchiveError::FormatTooNew {
                what: "manifest",
                found: version,
                supported: VERSION,
            });
        }
        serde_json::from_slice(bytes).map_err(damaged)
    }

    /// The keyring that opens the parts; the root key opens it.
    #[must_use]
    pub const fn keyring(&self) -> &SealedKeyring {
        &self.keyring
    }

    /// Opens and checks the manifest with the root key.
    ///
    /// # Errors
    /// [`ArchiveError::Keyring`] when the root key is not the one or the manifest was altered;
    /// [`ArchiveError::ManifestDamaged`].
    pub fn open(&self, root_key: &RootKey) -> Result<(Keyring, Manifest), ArchiveError> {
        let keyring = Keyring::open(root_key, &self.keyring)?;
        let manifest = self.open_with(&keyring)?;
        Ok((keyring, manifest))
    }

    /// Opens and checks the manifest with a keyring that is open already.
    ///
    /// # Errors
    /// As [`SealedManifest::open`].
    pub fn open_with(&self, keyring: &Keyring) -> Result<Manifest, ArchiveError> {
        let damaged = |reason| ArchiveError::ManifestDamaged { reason };
        let sealed = from_hex(&self.sealed).ok_or_else(|| damaged("its content cannot be read"))?;
        let plaintext = keyring.unseal(Purpose::Backup, &aad(keyring.cluster()), &sealed)?;
        let manifest: Manifest = serde_json::from_slice(&plaintext)
            .map_err(|_| damaged("its content cannot be read"))?;
        if manifest.cluster != keyring.cluster() {
            return Err(damaged("it is of another cluster than its keyring"));
        }
        Ok(manifest)
    }
}

fn aad(cluster: ClusterId) -> Vec<u8> {
    format!("quorate manifest {VERSION} {cluster}").into_bytes()
}

#[expect(clippy::expect_used, reason = "structs of texts, numbers and lists always serialize")]
fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("a plain struct serializes")
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()).collect()
}
