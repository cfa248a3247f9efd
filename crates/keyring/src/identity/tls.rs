//! TLS between nodes: version 1.3 only, the cluster's node root the only one trusted.

use std::{fmt, sync::Arc, time::Duration};

use quorate_model::Clock;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::{Resumption, WebPkiServerVerifier},
    crypto::CryptoProvider,
    server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier},
    time_provider::TimeProvider,
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::{ReloadableIdentity, certificate::certificate_of_pem};
use crate::KeyringError;

/// HTTP/2, which the internal protocol speaks.
pub(crate) const ALPN: &[u8] = b"h2";

/// The cryptography, named here so that no default of the process matters.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The node's clock, by which certificates are valid or not.
struct TlsClock(Arc<dyn Clock>);

impl fmt::Debug for TlsClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClock").finish_non_exhaustive()
    }
}

impl TimeProvider for TlsClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.now().0)))
    }
}

/// The clock in the form that TLS asks for.
pub(crate) fn time(clock: &Arc<dyn Clock>) -> Arc<dyn TimeProvider> {
    Arc::new(TlsClock(Arc::clone(clock)))
}

/// The listener's side of the internal port. A client may come without a certificate (to enrol);
/// one that presents a certificate must be a node of this cluster, and valid by `clock`. Who it is,
/// [`super::peer_node`] tells.
///
/// # Errors
/// [`KeyringError::CertificateUnreadable`], [`KeyringError::ConfigureTls`].
pub fn server_tls(
    identity: &Arc<ReloadableIdentity>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<ServerConfig>, KeyringError> {
    let roots = roots(&certificate_of_pem(&identity.current().ca_pem)?)?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .allow_unauthenticated()
        .build()
        .map_err(verifier_error)?;
    let mut config = ServerConfig::builder_with_details(provider(), time(clock))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(Arc::clone(identity) as _);
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Every connection proves both sides anew: a resumed session would outlive a renewed or
    // revoked certificate.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The caller's side: presents this node's certificate, and accepts only the node that is asked
/// for with [`super::server_name`], with a certificate that is valid by `clock`.
///
/// # Errors
/// [`KeyringError::CertificateUnreadable`], [`KeyringError::ConfigureTls`].
pub fn client_tls(
    identity: &Arc<ReloadableIdentity>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<ClientConfig>, KeyringError> {
    let roots = roots(&certificate_of_pem(&identity.current().ca_pem)?)?;
    let servers = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(verifier_error)?;
    let mut config = ClientConfig::builder_with_details(provider(), time(clock))
        .with_protocol_versions(&[&TLS13])?
        .with_webpki_verifier(servers)
        .with_client_cert_resolver(Arc::clone(identity) as _);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// A store that trusts one root.
pub(crate) fn roots(root: &CertificateDer<'_>) -> Result<RootCertStore, KeyringError> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone().into_owned())?;
    Ok(roots)
}

fn verifier_error(error: VerifierBuilderError) -> KeyringError {
    KeyringError::ConfigureTls(rustls::Error::General(error.to_string()))
}
