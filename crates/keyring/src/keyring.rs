//! The open keyring: data keys in memory, sealing and unsealing values with them.
//!
//! A sealed value is: format byte (1), data key id (u32, big-endian), 24-byte nonce, ciphertext
//! with its 16-byte tag. The first five bytes are authenticated too, before the caller's own
//! associated data, which binds a value to its place: a sealed value moved elsewhere does not
//! unseal.

use std::{collections::BTreeMap, fmt, sync::Arc};

use chacha20poly1305::{XNonce, aead::AeadInOut};
use quorate_model::ClusterId;
use zeroize::Zeroizing;

use crate::{
    KdfParameters, KeyringError, Purpose, RootKey, SealedKeyring, WrappedKey,
    data_key::{DATA_KEY_BYTES, DataKey},
    kek::Kek,
    random::random_bytes,
};

const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 5;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const PREFIX_BYTES: usize = HEADER_BYTES + NONCE_BYTES;
const FIRST_KEY: u32 = 1;

/// How many bytes longer a sealed value is than its plaintext.
pub const SEAL_OVERHEAD: usize = PREFIX_BYTES + TAG_BYTES;

/// The open keyring. Cloning is cheap and shares the keys; they are erased with the last clone.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    cluster: ClusterId,
    active: u32,
    active_key: Arc<DataKey>,
    keys: BTreeMap<u32, Arc<DataKey>>,
}

impl Keyring {
    /// Makes a new cluster's keyring with one data key. Takes tens of milliseconds.
    ///
    /// # Errors
    /// None in practice; the type leaves room for a failing derivation.
    pub fn create(
        root_key: &RootKey,
        cluster: ClusterId,
    ) -> Result<(Self, SealedKeyring), KeyringError> {
        let active_key = Arc::new(DataKey::generate(cluster)?);
        let keys = BTreeMap::from([(FIRST_KEY, Arc::clone(&active_key))]);
        let keyring = Self(Arc::new(Inner { cluster, active: FIRST_KEY, active_key, keys }));
        let sealed = keyring.wrap(root_key)?;
        Ok((keyring, sealed))
    }

    /// Opens a stored keyring. Takes tens of milliseconds.
    ///
    /// # Errors
    /// [`KeyringError::RootKeyWrong`] when the root key is not the one it was stored with,
    /// [`KeyringError::FormatTooNew`], [`KeyringError::KeyringDamaged`].
    pub fn open(root_key: &RootKey, sealed: &SealedKeyring) -> Result<Self, KeyringError> {
        if sealed.version > SealedKeyring::VERSION {
            return Err(KeyringError::FormatTooNew {
                what: "keyring",
                found: sealed.version,
                supported: SealedKeyring::VERSION,
            });
        }
        let damaged = |reason| KeyringError::KeyringDamaged { reason };
        let cluster = sealed.cluster;
        let kek = Kek::derive(root_key, &sealed.kdf)?;
        let checked = kek
            .unwrap(&check_aad(cluster), &sealed.check)
            .ok_or(KeyringError::RootKeyWrong { cluster })?;
        let ids: Vec<u32> = sealed.keys.iter().map(|key| key.id).collect();
        if *checked != check_plaintext(sealed.active, &ids) {
            return Err(damaged("its list of data keys was altered"));
        }
        let mut keys = BTreeMap::new();
        for WrappedKey { id, wrapped } in &sealed.keys {
            let unwrapped = kek
                .unwrap(&data_key_aad(cluster, *id), wrapped)
                .ok_or_else(|| damaged("a data key does not unwrap"))?;
            let mut bytes = Zeroizing::new([0_u8; DATA_KEY_BYTES]);
            if unwrapped.len() != bytes.len() {
                return Err(damaged("a data key has the wrong length"));
            }
            bytes.copy_from_slice(&unwrapped);
            keys.insert(*id, Arc::new(DataKey::new(cluster, bytes)?));
        }
        let active_key = keys
            .get(&sealed.active)
            .map(Arc::clone)
            .ok_or_else(|| damaged("its active data key is missing"))?;
        Ok(Self(Arc::new(Inner { cluster, active: sealed.active, active_key, keys })))
    }

    /// Opens the keyring that a cluster sent to a joining node.
    ///
    /// # Errors
    /// As [`Keyring::open`], but a root key that does not fit is
    /// [`KeyringError::RootKeyOfAnotherCluster`].
    pub fn open_joining(root_key: &RootKey, sealed: &SealedKeyring) -> Result<Self, KeyringError> {
        Self::open(root_key, sealed).map_err(|error| match error {
            KeyringError::RootKeyWrong { cluster } => {
                KeyringError::RootKeyOfAnotherCluster { cluster }
            }
            other => other,
        })
    }

    /// The stored form of this keyring under a root key, with a fresh salt. With a new root key
    /// this is a rekey: the data keys, and all that was sealed with them, stay as they are.
    ///
    /// # Errors
    /// None in practice; the type leaves room for a failing derivation.
    pub fn wrap(&self, root_key: &RootKey) -> Result<SealedKeyring, KeyringError> {
        let Inner { cluster, active, keys, .. } = &*self.0;
        let kdf = KdfParameters::generate();
        let kek = Kek::derive(root_key, &kdf)?;
        let ids: Vec<u32> = keys.keys().copied().collect();
        let wrapped = keys
            .iter()
            .map(|(id, key)| WrappedKey {
                id: *id,
                wrapped: kek.wrap(&data_key_aad(*cluster, *id), key.expose()),
            })
            .collect();
        Ok(SealedKeyring {
            version: SealedKeyring::VERSION,
            cluster: *cluster,
            kdf,
            check: kek.wrap(&check_aad(*cluster), &check_plaintext(*active, &ids)),
            keys: wrapped,
            active: *active,
        })
    }

    /// The keyring with one more data key, which seals from now on; the old ones still unseal.
    ///
    /// # Errors
    /// [`KeyringError::KeyringDamaged`] when the numbers of data keys are exhausted.
    pub fn rotated(&self) -> Result<Self, KeyringError> {
        let Inner { cluster, keys, .. } = &*self.0;
        let next =
            keys.keys().next_back().and_then(|id| id.checked_add(1)).ok_or(
                KeyringError::KeyringDamaged { reason: "its data key numbers are exhausted" },
            )?;
        let active_key = Arc::new(DataKey::generate(*cluster)?);
        let mut keys = keys.clone();
        keys.insert(next, Arc::clone(&active_key));
        Ok(Self(Arc::new(Inner { cluster: *cluster, active: next, active_key, keys })))
    }

    /// The cluster this keyring belongs to.
    #[must_use]
    pub fn cluster(&self) -> ClusterId {
        self.0.cluster
    }

    /// The data key that seals now.
    #[must_use]
    pub fn active_key(&self) -> u32 {
        self.0.active
    }

    /// All data keys, oldest first.
    #[must_use]
    pub fn key_ids(&self) -> Vec<u32> {
        self.0.keys.keys().copied().collect()
    }

    /// The data key a sealed value needs, without unsealing it: what a re-encryption looks for.
    #[must_use]
    pub fn key_of(sealed: &[u8]) -> Option<u32> {
        let header = sealed.first_chunk::<HEADER_BYTES>().filter(|header| header[0] == FORMAT)?;
        Some(u32::from_be_bytes([header[1], header[2], header[3], header[4]]))
    }

    /// Encrypts and authenticates `plaintext`. `aad` says where the value belongs and must be
    /// given again to unseal it; it is not stored. The result is [`SEAL_OVERHEAD`] bytes longer.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "the cipher's only limit, 256 GiB, exceeds any slice here"
    )]
    pub fn seal(&self, purpose: Purpose, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let inner = &*self.0;
        let header = header(inner.active);
        let nonce = random_bytes::<NONCE_BYTES>();

        let mut sealed = Vec::with_capacity(plaintext.len() + SEAL_OVERHEAD);
        sealed.extend_from_slice(&header);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let tag = inner
            .active_key
            .cipher(purpose)
            .encrypt_inout_detached(
                &XNonce::from(nonce),
                &[header.as_slice(), aad].concat(),
                (&mut sealed[PREFIX_BYTES..]).into(),
            )
            .expect("a value in memory is within the cipher's limit");
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// Decrypts what [`Keyring::seal`] made with the same purpose and `aad`.
    ///
    /// # Errors
    /// [`KeyringError::Unseal`] when a byte, the purpose, the place or the key is not the one;
    /// [`KeyringError::DataKeyMissing`] and [`KeyringError::FormatTooNew`] when the header says so.
    pub fn unseal(
        &self,
        purpose: Purpose,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let failed = || KeyringError::Unseal { purpose };
        let format = *sealed.first().ok_or_else(failed)?;
        if format > FORMAT {
            return Err(KeyringError::FormatTooNew {
                what: "sealed value",
                found: u32::from(format),
                supported: u32::from(FORMAT),
            });
        }
        let body_bytes = sealed.len().checked_sub(SEAL_OVERHEAD).ok_or_else(failed)?;
        let id = Self::key_of(sealed).ok_or_else(failed)?;
        let key = self.0.keys.get(&id).ok_or(KeyringError::DataKeyMissing { id })?;
        let (prefix, body) = sealed.split_at(PREFIX_BYTES);
        let (ciphertext, tag) = body.split_at(body_bytes);
        let nonce: [u8; NONCE_BYTES] = prefix[HEADER_BYTES..].try_into().map_err(|_| failed())?;
        let tag: [u8; TAG_BYTES] = tag.try_into().map_err(|_| failed())?;

        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        key.cipher(purpose)
            .decrypt_inout_detached(
                &XNonce::from(nonce),
                &[&prefix[..HEADER_BYTES], aad].concat(),
                plaintext.as_mut_slice().into(),
                &tag.into(),
            )
            .map_err(|_| failed())?;
        Ok(plaintext)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("cluster", &self.0.cluster)
            .field("active", &self.0.active)
            .field("keys", &self.key_ids())
            .finish_non_exhaustive()
    }
}

fn header(key: u32) -> [u8; HEADER_BYTES] {
    let id = key.to_be_bytes();
    [FORMAT, id[0], id[1], id[2], id[3]]
}

fn check_aad(cluster: ClusterId) -> Vec<u8> {
    format!("quorate keyring 1 check {cluster}").into_bytes()
}

fn data_key_aad(cluster: ClusterId, id: u32) -> Vec<u8> {
    format!("quorate keyring 1 data key {cluster} {id}").into_bytes()
}

fn check_plaintext(active: u32, ids: &[u32]) -> Vec<u8> {
    let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
    format!("quorate keyring 1 active {active} keys {}", ids.join(",")).into_bytes()
}
