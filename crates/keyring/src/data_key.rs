//! A data key and the subkeys derived from it, one for each purpose.

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use hkdf::Hkdf;
use quorate_model::ClusterId;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{KeyringError, Purpose, random::fill_random};

/// A data key's length.
pub(crate) const DATA_KEY_BYTES: usize = 32;

/// One data key with its subkeys, derived once: sealing is on the path of every log write.
pub(crate) struct DataKey {
    bytes: Zeroizing<[u8; DATA_KEY_BYTES]>,
    ciphers: [XChaCha20Poly1305; Purpose::ALL.len()],
}

impl DataKey {
    /// Derives the subkeys (HKDF-SHA256, salted with the cluster's id).
    pub(crate) fn new(
        cluster: ClusterId,
        bytes: Zeroizing<[u8; DATA_KEY_BYTES]>,
    ) -> Result<Self, KeyringError> {
        let hkdf = Hkdf::<Sha256>::new(Some(cluster.to_string().as_bytes()), bytes.as_slice());
        let derive = |purpose: Purpose| {
            let mut subkey = Zeroizing::new([0_u8; 32]);
            hkdf.expand_multi_info(
                &[b"quorate/1/", purpose.as_str().as_bytes()],
                subkey.as_mut_slice(),
            )
            .ok()?;
            XChaCha20Poly1305::new_from_slice(subkey.as_slice()).ok()
        };
        let [log, snapshot, field, backup, identity] = Purpose::ALL.map(derive);
        let all = || Some([log?, snapshot?, field?, backup?, identity?]);
        let ciphers =
            all().ok_or(KeyringError::KeyringDamaged { reason: "no subkey can be derived" })?;
        Ok(Self { bytes, ciphers })
    }

    /// A new key from the operating system's randomness.
    pub(crate) fn generate(cluster: ClusterId) -> Result<Self, KeyringError> {
        let mut bytes = Zeroizing::new([0_u8; DATA_KEY_BYTES]);
        fill_random(bytes.as_mut_slice());
        Self::new(cluster, bytes)
    }

    /// The key itself, to be wrapped and nothing else.
    pub(crate) fn expose(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    /// The cipher of one purpose.
    pub(crate) const fn cipher(&self, purpose: Purpose) -> &XChaCha20Poly1305 {
        &self.ciphers[purpose.index()]
    }
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::{
        XNonce,
        aead::{Aead, Payload},
    };

    use super::*;

    /// What is on disk must stay readable: neither derivation nor cipher may ever change.
    #[test]
    fn a_known_key_seals_to_known_bytes_for_every_purpose() {
        let cluster = ClusterId::from_parts(1, 2);
        let key = DataKey::new(cluster, Zeroizing::new([7; DATA_KEY_BYTES])).unwrap();
        let sealed = Purpose::ALL.map(|purpose| {
            let payload = Payload { msg: b"value", aad: b"place" };
            let bytes = key.cipher(purpose).encrypt(&XNonce::from([9; 24]), payload).unwrap();
            format!("{purpose} {}", crate::encoding::to_base64(&bytes))
        });
        assert_eq!(
            sealed,
            [
                "log HdzqE8VgeX6lD3peD9DWhBXyppFl",
                "snapshot piXZ5dn4h7FmgeBoUjJYKk-PsOaF",
                "field iFpjF6y6NcZu9Yk2DC6QNJ9PA37l",
                "backup bvHVbStVPMQaJ8QWd5XNHQZXkkM-",
                "identity TvkkIRJwkFPqoLZqjUGKxU52O2KX",
            ]
        );
    }
}
