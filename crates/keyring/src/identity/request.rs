//! Reading certificate requests: what a certificate takes over from one is its key, nothing else.

use rcgen::{CertificateSigningRequestParams, PublicKey, PublicKeyData};

use super::certificate::is_certificate_request;
use crate::{KeyringError, encoding::sha256};

const MAX_REQUEST_BYTES: usize = 16 * 1024;

/// The public key of a request (PEM) whose own signature proves possession of the private one.
pub(crate) fn public_key_of(csr_pem: &str) -> Result<PublicKey, KeyringError> {
    let refused = |reason: String| KeyringError::CertificateRequestRefused { reason };
    if csr_pem.len() > MAX_REQUEST_BYTES || !is_certificate_request(csr_pem) {
        return Err(refused("it is not one PEM certificate request".to_owned()));
    }
    // This verifies the signature.
    let key = CertificateSigningRequestParams::from_pem(csr_pem)
        .map_err(|error| refused(error.to_string()))?
        .public_key;
    // The request's signature algorithm does not say which curve its key is on; an uncompressed
    // point of P-256 is 65 bytes and begins with 4.
    let is_p256 = key.algorithm() == &rcgen::PKCS_ECDSA_P256_SHA256
        && matches!(key.der_bytes(), [4, rest @ ..] if rest.len() == 64);
    if is_p256 { Ok(key) } else { Err(refused("its key is not an ECDSA key on P-256".to_owned())) }
}

/// The SHA-256 of the key that a certificate request asks to certify: it tells one joiner from
/// another, however often each asks.
///
/// # Errors
/// [`KeyringError::CertificateRequestRefused`] when it is not a request or not signed by its key.
pub fn requested_key_sha256(csr_pem: &str) -> Result<[u8; 32], KeyringError> {
    Ok(sha256(&[public_key_of(csr_pem)?.der_bytes()]))
}
