//! The key-encryption key: derived from the root key, it wraps the data keys and nothing else.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use zeroize::Zeroizing;

use crate::{KdfParameters, KeyringError, RootKey, random::random_bytes};

const NONCE_BYTES: usize = 24;

/// Wraps and unwraps small secrets under the root key.
pub(crate) struct Kek(XChaCha20Poly1305);

impl Kek {
    /// Derives the key from the root key (Argon2id, deliberately slow: tens of milliseconds).
    pub(crate) fn derive(root_key: &RootKey, kdf: &KdfParameters) -> Result<Self, KeyringError> {
        let damaged = |reason| KeyringError::KeyringDamaged { reason };
        kdf.check()?;
        let params = Params::new(kdf.memory_kib, kdf.iterations, kdf.lanes, Some(32))
            .map_err(|_| damaged("its key derivation parameters are impossible"))?;
        let mut key = Zeroizing::new([0_u8; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(root_key.expose(), &kdf.salt, key.as_mut_slice())
            .map_err(|_| damaged("its key derivation parameters are impossible"))?;
        Ok(Self(XChaCha20Poly1305::new(
            key.as_slice()
                .try_into()
                .map_err(|_| damaged("its key derivation parameters are impossible"))?,
        )))
    }

    /// Encrypts: nonce, then ciphertext.
    #[expect(clippy::expect_used, reason = "data keys are 32 bytes, the cipher's limit 256 GiB")]
    pub(crate) fn wrap(&self, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let nonce = random_bytes::<NONCE_BYTES>();
        let ciphertext = self
            .0
            .encrypt(&XNonce::from(nonce), Payload { msg: plaintext, aad })
            .expect("a data key is within the cipher's limit");
        [nonce.as_slice(), &ciphertext].concat()
    }

    /// Decrypts; `None` when the key or the bytes are not the ones.
    pub(crate) fn unwrap(&self, aad: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = wrapped.split_first_chunk::<NONCE_BYTES>()?;
        self.0
            .decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad })
            .ok()
            .map(Zeroizing::new)
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kek(redacted)")
    }
}
