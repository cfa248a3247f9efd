//! The `kms` part of the state: key material that is sealed before it is proposed.

use serde::{Deserialize, Serialize};

/// The cluster's own certificate authority. The private key is sealed under the keyring, so a
/// dump of this state does not hold it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kms {
    /// The authority's certificate, PEM.
    pub ca_cert_pem: String,
    /// The authority, sealed.
    #[serde(with = "serde_bytes")]
    pub sealed_ca: Vec<u8>,
}
