//! The first connection of a joining node, which knows its cluster only by a fingerprint.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use quorate_model::{Clock, ClusterId, Refusal};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, verify_tls13_signature},
    server::ParsedCertificate,
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{
    CaFingerprint,
    certificate::certificate_to_pem,
    peer::peer_of,
    tls::{ALPN, provider, roots, time},
};
use crate::KeyringError;

/// What the handshake under [`enrolment_client_tls`] learnt about the cluster.
#[derive(Clone, Default)]
pub struct CapturedCa(Arc<Mutex<Captured>>);

#[derive(Default)]
struct Captured {
    ca_pem: Option<String>,
    reason: Option<&'static str>,
}

impl CapturedCa {
    /// The cluster's root (PEM) after a successful handshake.
    #[must_use]
    pub fn ca_pem(&self) -> Option<String> {
        self.lock().ca_pem.clone()
    }

    /// Why the master that answered was refused, if it was: a better word than the TLS error.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        let reason = self.lock().reason?;
        Some(Refusal::from(&KeyringError::ClusterNotAuthentic { reason }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Captured> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CapturedCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapturedCa").finish_non_exhaustive()
    }
}

/// TLS for a node that joins: no certificate of its own, and accepting only a node of `cluster`
/// whose chain ends in the root with the fingerprint `pin` and is valid by `clock`. The server name
/// given to the connection is not looked at: any master may answer.
///
/// # Errors
/// [`KeyringError::ConfigureTls`].
pub fn enrolment_client_tls(
    pin: CaFingerprint,
    cluster: ClusterId,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<ClientConfig>, CapturedCa), KeyringError> {
    let captured = CapturedCa::default();
    let verifier =
        PinnedVerifier { pin, cluster, captured: captured.clone(), provider: provider() };
    let mut config = ClientConfig::builder_with_details(provider(), time(clock))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok((Arc::new(config), captured))
}

#[derive(Debug)]
struct PinnedVerifier {
    pin: CaFingerprint,
    cluster: ClusterId,
    captured: CapturedCa,
    provider: Arc<CryptoProvider>,
}

impl PinnedVerifier {
    fn refuse(&self, reason: &'static str) -> rustls::Error {
        self.captured.lock().reason = Some(reason);
        let error = KeyringError::ClusterNotAuthentic { reason };
        CertificateError::Other(OtherError(Arc::new(error))).into()
    }
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.captured.lock() = Captured::default();
        let root = chain
            .iter()
            .find(|certificate| CaFingerprint::of(certificate) == self.pin)
            .ok_or_else(|| self.refuse("its authority has another fingerprint than the token's"))?;
        let anchors = roots(root).map_err(|_| self.refuse("its authority cannot be read"))?;
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(leaf)?,
            &anchors,
            &[],
            now,
            self.provider.signature_verification_algorithms.all,
        )
        .map_err(|error| match error {
            rustls::Error::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. },
            ) => {
                self.captured.lock().reason =
                    Some("its certificate is not valid now: compare the clocks of both hosts");
                error
            }
            _ => self.refuse("its certificate is not of the token's authority"),
        })?;
        let peer = peer_of(leaf).map_err(|_| self.refuse("its certificate is not a node's"))?;
        if peer.cluster != self.cluster {
            return Err(self.refuse("it is of another cluster"));
        }
        self.captured.lock().ca_pem = Some(certificate_to_pem(root));
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3 is spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signature, algorithms).inspect_err(|_| {
            // The chain can be copied by anyone; only this signature proves the key.
            let mut captured = self.captured.lock();
            captured.ca_pem = None;
            captured.reason = Some("it does not hold the key of its certificate");
        })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
