//! The cluster's certificate authority: two roots, and what each of them signs.

use std::{fmt, time::Duration};

use hkdf::Hkdf;
use quorate_model::{ClusterId, NodeId, Timestamp, TokenId};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    CaFingerprint, CertificateNames,
    certificate::certificate_of_pem,
    names::{node_dns_name, node_uri},
    request::public_key_of,
};
use crate::{Keyring, KeyringError, Purpose, encoding::to_json, random::random_bytes};

/// How long the roots are valid. There is no rotation of roots yet, so it outlives the hardware.
const ROOT_LIFETIME: Duration = Duration::from_secs(20 * 365 * 86_400);
/// Certificates begin earlier than now by this much: the clocks of hosts differ. It is a day, so that
/// hosts whose clocks are hours apart, as with a wrong time zone, still know each other.
const BACKDATE: Duration = Duration::from_secs(24 * 3600);
const SEALED_VERSION: u32 = 1;
/// 9999-12-31T23:59:59Z, the last moment a certificate can name.
const LAST_MOMENT_S: u64 = 253_402_300_799;

/// The cluster's certificate authority. Its private keys leave it only sealed.
pub struct CertificateAuthority {
    cluster: ClusterId,
    nodes: Root,
    components: Root,
}

/// A component's certificate with the root that its peers must trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentCertificate {
    /// The certificate (PEM).
    pub cert_pem: String,
    /// The root of all components' certificates (PEM). It is not the root of nodes.
    pub ca_pem: String,
}

/// One root certificate with its key.
struct Root {
    cert_pem: String,
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Drop for Root {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// What [`CertificateAuthority::seal`] stores.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    nodes: StoredRoot,
    components: StoredRoot,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct StoredRoot {
    cert_pem: String,
    key_pem: String,
}

impl CertificateAuthority {
    /// Makes a cluster's authority, valid for 20 years.
    ///
    /// # Errors
    /// [`KeyringError::MakeCertificate`].
    pub fn create(cluster: ClusterId, now: Timestamp) -> Result<Self, KeyringError> {
        Ok(Self {
            cluster,
            nodes: Root::create(&format!("Quorate {cluster} nodes"), now)?,
            components: Root::create(&format!("Quorate {cluster} components"), now)?,
        })
    }

    /// The cluster it certifies.
    #[must_use]
    pub const fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The root of nodes' certificates (PEM).
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.nodes.cert_pem
    }

    /// The root of components' certificates (PEM).
    #[must_use]
    pub fn component_ca_pem(&self) -> &str {
        &self.components.cert_pem
    }

    /// The fingerprint of the root of nodes, which join tokens carry.
    #[must_use]
    pub fn fingerprint(&self) -> CaFingerprint {
        CaFingerprint::of(&self.nodes.certificate)
    }

    /// The authority with its private keys, sealed for [`Purpose::Identity`].
    #[must_use]
    pub fn seal(&self, keyring: &Keyring) -> Vec<u8> {
        let stored = Stored {
            version: SEALED_VERSION,
            nodes: self.nodes.stored(),
            components: self.components.stored(),
        };
        let plaintext = Zeroizing::new(to_json(&stored));
        keyring.seal(Purpose::Identity, &aad(self.cluster), &plaintext)
    }

    /// Opens what [`CertificateAuthority::seal`] made for the keyring's cluster.
    ///
    /// # Errors
    /// As [`Keyring::unseal`]; [`KeyringError::FormatTooNew`];
    /// [`KeyringError::CertificateUnreadable`].
    pub fn unseal(keyring: &Keyring, sealed: &[u8]) -> Result<Self, KeyringError> {
        #[derive(Deserialize)]
        struct VersionOnly {
            version: u32,
        }
        let unreadable = || KeyringError::CertificateUnreadable { what: "certificate authority" };
        let cluster = keyring.cluster();
        let plaintext = keyring.unseal(Purpose::Identity, &aad(cluster), sealed)?;
        let VersionOnly { version } =
            serde_json::from_slice(&plaintext).map_err(|_| unreadable())?;
        if version > SEALED_VERSION {
            return Err(KeyringError::FormatTooNew {
                what: "certificate authority",
                found: version,
                supported: SEALED_VERSION,
            });
        }
        let stored: Stored = serde_json::from_slice(&plaintext).map_err(|_| unreadable())?;
        Ok(Self {
            cluster,
            nodes: Root::open(&stored.nodes)?,
            components: Root::open(&stored.components)?,
        })
    }

    /// The secret of a join token, derived from the authority's key and the token's id, so that
    /// the answer to a repeated request can be given again without keeping it anywhere.
    ///
    /// # Errors
    /// None in practice; the type leaves room for a failing derivation.
    pub fn token_secret(&self, token: TokenId) -> Result<Zeroizing<[u8; 32]>, KeyringError> {
        let unreadable = KeyringError::CertificateUnreadable { what: "certificate authority" };
        let key = Zeroizing::new(self.nodes.key.serialize_der());
        let salt = self.cluster.to_string();
        let mut secret = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(salt.as_bytes()), &key)
            .expand_multi_info(
                &[b"quorate/1/join-token/", token.to_string().as_bytes()],
                secret.as_mut_slice(),
            )
            .map_err(|_| unreadable)?;
        Ok(secret)
    }

    /// Certifies a node: whoever holds the key of the request is `node` for `lifetime`. Names in
    /// the request are ignored; its own signature proves possession of the key.
    ///
    /// # Errors
    /// [`KeyringError::CertificateRequestRefused`].
    pub fn issue_node(
        &self,
        node: NodeId,
        csr_pem: &str,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<String, KeyringError> {
        let dns_name = node_dns_name(self.cluster, node);
        let names = vec![
            SanType::DnsName(dns_name.try_into()?),
            SanType::URI(node_uri(self.cluster, node).try_into()?),
        ];
        self.nodes.issue(&format!("Quorate node {node}"), names, csr_pem, now, lifetime)
    }

    /// Certifies a component's instance under the given names, as server and as client. Names in
    /// the request itself are ignored.
    ///
    /// # Errors
    /// [`KeyringError::CertificateRequestRefused`], also for names reserved for nodes.
    pub fn issue_component(
        &self,
        names: &CertificateNames,
        csr_pem: &str,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<ComponentCertificate, KeyringError> {
        names.check()?;
        // rcgen tells addresses from DNS names.
        let alternatives = CertificateParams::new(names.names.clone())?.subject_alt_names;
        let cert_pem =
            self.components.issue(&names.common_name, alternatives, csr_pem, now, lifetime)?;
        Ok(ComponentCertificate { cert_pem, ca_pem: self.components.cert_pem.clone() })
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority")
            .field("cluster", &self.cluster)
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

impl Root {
    fn create(name: &str, now: Timestamp) -> Result<Self, KeyringError> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = params(name, now, ROOT_LIFETIME)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        Ok(Self { cert_pem: certificate.pem(), certificate: certificate.into(), key })
    }

    fn open(stored: &StoredRoot) -> Result<Self, KeyringError> {
        let StoredRoot { cert_pem, key_pem } = stored;
        let certificate = certificate_of_pem(cert_pem)?;
        let key = KeyPair::from_pem(key_pem)
            .map_err(|_| KeyringError::CertificateUnreadable { what: "authority's private key" })?;
        Ok(Self { cert_pem: cert_pem.clone(), certificate, key })
    }

    fn stored(&self) -> StoredRoot {
        StoredRoot { cert_pem: self.cert_pem.clone(), key_pem: self.key.serialize_pem() }
    }

    fn issue(
        &self,
        common_name: &str,
        names: Vec<SanType>,
        csr_pem: &str,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<String, KeyringError> {
        let key = public_key_of(csr_pem)?;
        let mut params = params(common_name, now, lifetime)?;
        params.subject_alt_names = names;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let issuer = Issuer::from_ca_cert_der(&self.certificate, &self.key)?;
        Ok(params.signed_by(&key, &issuer)?.pem())
    }
}

fn params(
    common_name: &str,
    now: Timestamp,
    lifetime: Duration,
) -> Result<CertificateParams, KeyringError> {
    let begin_s = (now.0 / 1000).saturating_sub(BACKDATE.as_secs());
    let end_s = (now.0 / 1000).saturating_add(lifetime.as_secs());
    if end_s > LAST_MOMENT_S {
        return Err(KeyringError::CertificateRequestRefused {
            reason: "its end lies beyond the year 9999".to_owned(),
        });
    }
    let mut params = CertificateParams::default();
    let start = date_time_ymd(1970, 1, 1);
    params.not_before = start + Duration::from_secs(begin_s);
    params.not_after = start + Duration::from_secs(end_s);
    // A positive number of at most 20 octets, unpredictable (RFC 5280).
    let mut serial = random_bytes::<16>();
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params)
}

fn aad(cluster: ClusterId) -> Vec<u8> {
    format!("quorate certificate authority {cluster}").into_bytes()
}
