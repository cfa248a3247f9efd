//! The identity that TLS presents, replaceable while listeners and channels stay as they are.

use std::sync::{Arc, RwLock};

use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::NodeIdentity;
use crate::KeyringError;

/// A node's identity for TLS. [`ReloadableIdentity::reload`] after a renewal is seen by the next
/// handshake in either direction; established connections are not disturbed.
#[derive(Debug)]
pub struct ReloadableIdentity(RwLock<Current>);

#[derive(Debug, Clone)]
struct Current {
    identity: Arc<NodeIdentity>,
    certified: Arc<CertifiedKey>,
}

impl Current {
    fn new(identity: NodeIdentity) -> Result<Self, KeyringError> {
        let certified = Arc::new(identity.certified_key()?);
        Ok(Self { identity: Arc::new(identity), certified })
    }
}

impl ReloadableIdentity {
    /// Wraps an identity.
    ///
    /// # Errors
    /// When its certificate or key cannot be read or do not match.
    pub fn new(identity: NodeIdentity) -> Result<Arc<Self>, KeyringError> {
        Ok(Arc::new(Self(RwLock::new(Current::new(identity)?))))
    }

    /// The identity presented now.
    #[must_use]
    pub fn current(&self) -> Arc<NodeIdentity> {
        self.read().identity
    }

    /// Presents another certificate of the same node from now on.
    ///
    /// # Errors
    /// When it is of another node, another cluster or another root, or its parts do not match;
    /// the former one then stays.
    pub fn reload(&self, renewed: NodeIdentity) -> Result<(), KeyringError> {
        let former = self.current();
        let same = renewed.cluster == former.cluster
            && renewed.node == former.node
            && renewed.ca_fingerprint()? == former.ca_fingerprint()?;
        if !same {
            return Err(KeyringError::NotANode { reason: "it is not of this node" });
        }
        let renewed = Current::new(renewed)?;
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = renewed;
        Ok(())
    }

    fn read(&self) -> Current {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for ReloadableIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.read().certified)
    }
}

impl ResolvesClientCert for ReloadableIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.read().certified)
    }

    fn has_certs(&self) -> bool {
        true
    }
}
