//! The join token: what a new node needs to find its cluster and to prove it was invited.
//!
//! Text form: `qjt1.` and unpadded base64url of a JSON object followed by four bytes of its
//! SHA-256, so that a damaged copy is called malformed.

use std::fmt;

use quorate_model::{ClusterId, TokenId};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::CaFingerprint;
use crate::{
    KeyringError,
    encoding::{base64_bytes, from_base64, sha256, to_base64, to_json},
    random::fill_random,
};

const PREFIX: &str = "qjt1.";
const CHECKSUM_BYTES: usize = 4;
const MAX_CHARACTERS: usize = 16 * 1024;
const SECRET_BYTES: usize = 32;

/// A single-use, time-limited invitation to join a cluster.
#[derive(Clone)]
pub struct JoinToken {
    /// The cluster to join.
    pub cluster: ClusterId,
    /// Names the token; not secret.
    pub id: TokenId,
    /// Proves that the bearer was invited. The cluster keeps its hash only.
    pub secret: Zeroizing<[u8; SECRET_BYTES]>,
    /// The root by which the bearer knows the cluster.
    pub ca: CaFingerprint,
    /// Where masters answer, `host:port`.
    pub addresses: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    cluster: ClusterId,
    id: TokenId,
    #[serde(with = "base64_bytes")]
    secret: Vec<u8>,
    ca: CaFingerprint,
    addresses: Vec<String>,
}

impl JoinToken {
    /// A token with a new secret.
    #[must_use]
    pub fn new(cluster: ClusterId, id: TokenId, ca: CaFingerprint, addresses: Vec<String>) -> Self {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        fill_random(secret.as_mut_slice());
        Self { cluster, id, secret, ca, addresses }
    }

    /// The text to hand to the new node. It is secret.
    #[must_use]
    pub fn encode(&self) -> String {
        let wire = Wire {
            cluster: self.cluster,
            id: self.id,
            secret: self.secret.to_vec(),
            ca: self.ca,
            addresses: self.addresses.clone(),
        };
        let mut bytes = Zeroizing::new(to_json(&wire));
        let checksum = sha256(&[&bytes]);
        bytes.extend_from_slice(&checksum[..CHECKSUM_BYTES]);
        format!("{PREFIX}{}", to_base64(&bytes))
    }

    /// Reads what [`JoinToken::encode`] wrote; surrounding white space is ignored.
    ///
    /// # Errors
    /// [`KeyringError::JoinTokenMalformed`], which repeats nothing of the text.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let malformed = |reason| KeyringError::JoinTokenMalformed { reason };
        let body = text
            .trim()
            .strip_prefix(PREFIX)
            .ok_or_else(|| malformed("it does not begin with `qjt1.`"))?;
        if body.len() > MAX_CHARACTERS {
            return Err(malformed("it is too long"));
        }
        let bytes =
            from_base64(body).ok_or_else(|| malformed("it holds characters that no token has"))?;
        let (json, checksum) = bytes
            .split_last_chunk::<CHECKSUM_BYTES>()
            .ok_or_else(|| malformed("it is too short"))?;
        if checksum != &sha256(&[json])[..CHECKSUM_BYTES] {
            return Err(malformed("its checksum does not match: a part is missing or wrong"));
        }
        let wire: Wire =
            serde_json::from_slice(json).map_err(|_| malformed("its content is not a token's"))?;
        let Wire { cluster, id, secret: wire_secret, ca, addresses } = wire;
        let wire_secret = Zeroizing::new(wire_secret);
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        if wire_secret.len() != secret.len() {
            return Err(malformed("its content is not a token's"));
        }
        secret.copy_from_slice(&wire_secret);
        Ok(Self { cluster, id, secret, ca, addresses })
    }

    /// What the cluster keeps of the secret.
    #[must_use]
    pub fn secret_hash(&self) -> [u8; 32] {
        hash(self.secret.as_slice())
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken")
            .field("cluster", &self.cluster)
            .field("id", &self.id)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// Whether `secret` is the one whose [`JoinToken::secret_hash`] is `hash`, in constant time.
#[must_use]
pub fn secrets_match(hash: &[u8; 32], secret: &[u8]) -> bool {
    self::hash(secret).ct_eq(hash).into()
}

/// A plain hash is enough: the secret is 256 random bits.
fn hash(secret: &[u8]) -> [u8; 32] {
    sha256(&[b"quorate join token secret", secret])
}
