//! Reading certificates and keys in their PEM and DER forms.

use quorate_model::Timestamp;
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{PemObject, SectionKind},
};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::KeyringError;

/// The first certificate of a PEM text.
pub(crate) fn certificate_of_pem(pem: &str) -> Result<CertificateDer<'static>, KeyringError> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| KeyringError::CertificateUnreadable { what: "certificate" })
}

/// The private key of a PEM text.
pub(crate) fn key_of_pem(pem: &str) -> Result<PrivateKeyDer<'static>, KeyringError> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| KeyringError::CertificateUnreadable { what: "private key" })
}

/// The certificate's fields.
pub(crate) fn parse<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Result<X509Certificate<'a>, KeyringError> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(KeyringError::CertificateUnreadable { what: "certificate" }),
    }
}

/// When the certificate ends.
pub(crate) fn expires_at(certificate: &CertificateDer<'_>) -> Result<Timestamp, KeyringError> {
    let seconds = parse(certificate)?.validity().not_after.timestamp();
    Ok(Timestamp(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000)))
}

/// From when until when the first certificate of a PEM text is valid.
///
/// # Errors
/// [`KeyringError::CertificateUnreadable`].
pub fn certificate_lifetime(pem: &str) -> Result<(Timestamp, Timestamp), KeyringError> {
    let certificate = certificate_of_pem(pem)?;
    let seconds = parse(&certificate)?.validity().not_before.timestamp();
    let from = Timestamp(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000));
    Ok((from, expires_at(&certificate)?))
}

/// When the first certificate of a PEM text ends.
///
/// # Errors
/// [`KeyringError::CertificateUnreadable`].
pub fn certificate_end(pem: &str) -> Result<Timestamp, KeyringError> {
    expires_at(&certificate_of_pem(pem)?)
}

/// A certificate as PEM text.
pub(crate) fn certificate_to_pem(certificate: &CertificateDer<'_>) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let body = STANDARD.encode(certificate);
    let mut pem = String::with_capacity(body.len() + body.len() / 64 + 64);
    pem.push_str("-----BEGIN CERTIFICATE-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// Whether the text is one certificate signing request, by its PEM label.
pub(crate) fn is_certificate_request(pem: &str) -> bool {
    let mut sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes());
    matches!(sections.next(), Some(Ok((SectionKind::Csr, _)))) && sections.next().is_none()
}
