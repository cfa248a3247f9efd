//! A host's private key, made on the host; only its certificate request travels.

use std::fmt;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use zeroize::{Zeroize, Zeroizing};

use crate::KeyringError;

/// A new private key (ECDSA on P-256) of a node or of a component's instance.
pub struct NodeKey(KeyPair);

impl NodeKey {
    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeyringError::MakeCertificate`].
    pub fn generate() -> Result<Self, KeyringError> {
        Ok(Self(KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?))
    }

    /// A key that was kept (PEM, PKCS #8), such as by a joiner that was interrupted.
    ///
    /// # Errors
    /// [`KeyringError::CertificateUnreadable`].
    pub fn from_pem(key_pem: &str) -> Result<Self, KeyringError> {
        let unreadable = |_| KeyringError::CertificateUnreadable { what: "private key" };
        KeyPair::from_pem(key_pem).map(Self).map_err(unreadable)
    }

    /// The request to certify this key (PEM); it names nothing, the authority decides the names.
    ///
    /// # Errors
    /// [`KeyringError::MakeCertificate`].
    pub fn csr_pem(&self) -> Result<String, KeyringError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Quorate certificate request");
        Ok(params.serialize_request(&self.0)?.pem()?)
    }

    /// The private key (PEM, PKCS #8).
    #[must_use]
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.serialize_pem())
    }
}

impl Drop for NodeKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(redacted)")
    }
}
