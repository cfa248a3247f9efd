//! Certificates of an instance: made on this host, signed by the leader, renewed in time.
//!
//! Certificate, key and authority are kept together in one file beside the certificate
//! (`<certificate>.issued.json`), which is replaced atomically; the three files that the component
//! reads are copies of its parts. A crash at any moment thus never leaves a certificate without
//! its key, and a restart needs no master.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use quorate_api::internal::{SignCertificateRequest, node_managers_client::NodeManagersClient};
use quorate_keyring::{KeyringError, atomic_write, identity::NodeKey};
use quorate_model::{InstanceName, Refusal, Timestamp, codes};
use quorate_pack::CertificateRequest;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::Lifetime;
use crate::{
    NodeManagerError,
    connector::in_full,
    disk::{RECORD_VERSION, make_folder, read_record, write_record},
    link::LeaderLink,
};

/// How long the leader may take to sign.
const SIGN_DEADLINE: Duration = Duration::from_secs(10);
/// A certificate is renewed when less than a third of its lifetime remains.
const RENEWAL_PART: u32 = 3;

/// Why an instance has no usable certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("there is no session with a leader that could sign it")]
    NoLeader,
    #[error("the leader did not sign it: {0}")]
    Sign(String),
    #[error("the leader signed something unreadable")]
    Unreadable,
    #[error("cannot make a key: {0}")]
    MakeKey(KeyringError),
    #[error("{}", in_full(.0))]
    Record(#[from] NodeManagerError),
    #[error("{}", in_full(.0))]
    Write(KeyringError),
}

impl CertificateError {
    /// Whether a session with another leader may help.
    pub(crate) const fn waits_for_leader(&self) -> bool {
        matches!(self, Self::NoLeader | Self::Sign(_) | Self::Unreadable)
    }

    pub(crate) fn refusal(&self, instance: &InstanceName) -> Refusal {
        let refusal = Refusal::new(
            codes::INSTANCE_START_FAILED,
            format!("instance `{instance}` cannot be started without its certificate"),
        )
        .cause(self.to_string());
        if self.waits_for_leader() {
            refusal.hint("it is started as soon as a leader signs it: quorate status")
        } else {
            refusal.hint("check that the instance's folder can be written")
        }
    }
}

/// `<certificate>.issued.json`.
#[derive(Clone, Serialize, Deserialize)]
struct Issued {
    version: u32,
    common_name: String,
    names: Vec<String>,
    cert_pem: String,
    key_pem: String,
    ca_pem: String,
}

/// Sees to it that the certificate is there, is valid for the names asked for, and is not about
/// to end. Without a leader, one that is valid still will do.
pub(crate) async fn ensure(
    instance: &InstanceName,
    request: &CertificateRequest,
    link: Option<LeaderLink>,
    now: Timestamp,
) -> Result<(), CertificateError> {
    let mut kept = request.cert_path.clone().into_os_string();
    kept.push(".issued.json");
    let kept = Path::new(&kept);
    let present = match read_record::<Issued>(kept) {
        Ok(present) => present.filter(|issued| issued.is_for(request)),
        Err(error @ NodeManagerError::ReadRecord { .. }) => {
            warn!(%instance, %error, "a certificate is lost and is asked for anew");
            None
        }
        Err(error) => return Err(error.into()),
    };
    let lifetime = present.as_ref().and_then(|issued| Lifetime::of_pem(&issued.cert_pem));
    if let (Some(issued), Some(lifetime)) = (&present, lifetime)
        && !lifetime.has_less_left_than(RENEWAL_PART, now)
    {
        return issued.copy_out(request);
    }
    match issue(instance, request, link).await {
        Ok(issued) => {
            for path in [&request.cert_path, &request.key_path, &request.ca_path] {
                path.parent().map_or(Ok(()), make_folder)?;
            }
            write_record(kept, &issued)?;
            info!(%instance, common_name = request.common_name, "a certificate was issued");
            issued.copy_out(request)
        }
        Err(error) => match (present, lifetime) {
            // One that has not begun yet is of use as soon as this host's clock is right.
            (Some(issued), Some(lifetime)) if !lifetime.is_over(now) => {
                warn!(%instance, %error, "a certificate cannot be renewed yet");
                issued.copy_out(request)
            }
            _ => Err(error),
        },
    }
}

async fn issue(
    instance: &InstanceName,
    request: &CertificateRequest,
    link: Option<LeaderLink>,
) -> Result<Issued, CertificateError> {
    let link = link.ok_or(CertificateError::NoLeader)?;
    let key = NodeKey::generate().map_err(CertificateError::MakeKey)?;
    let csr_pem = key.csr_pem().map_err(CertificateError::MakeKey)?;
    let mut client = NodeManagersClient::new(link.channel);
    let call = client.sign_certificate(SignCertificateRequest {
        instance: instance.to_string(),
        common_name: request.common_name.clone(),
        names: request.names.clone(),
        csr_pem,
    });
    let signed = match tokio::time::timeout(SIGN_DEADLINE, call).await {
        Ok(Ok(signed)) => signed.into_inner(),
        Ok(Err(status)) => {
            let reason = format!("{} says: {}", link.leader, status.message());
            return Err(CertificateError::Sign(reason));
        }
        Err(_) => {
            let reason = format!("{} was silent for {SIGN_DEADLINE:?}", link.leader);
            return Err(CertificateError::Sign(reason));
        }
    };
    if Lifetime::of_pem(&signed.cert_pem).is_none() || Lifetime::of_pem(&signed.ca_pem).is_none() {
        return Err(CertificateError::Unreadable);
    }
    Ok(Issued {
        version: RECORD_VERSION,
        common_name: request.common_name.clone(),
        names: request.names.clone(),
        cert_pem: signed.cert_pem,
        key_pem: key.key_pem().to_string(),
        ca_pem: signed.ca_pem,
    })
}

impl Issued {
    fn is_for(&self, request: &CertificateRequest) -> bool {
        self.common_name == request.common_name && self.names == request.names
    }

    /// Writes the files that the component reads, where they differ.
    fn copy_out(&self, request: &CertificateRequest) -> Result<(), CertificateError> {
        let files = [
            (&request.ca_path, &self.ca_pem, 0o644),
            (&request.key_path, &self.key_pem, 0o600),
            (&request.cert_path, &self.cert_pem, 0o644),
        ];
        for (path, content, mode) in files {
            write_if_different(path, content.as_bytes(), mode).map_err(CertificateError::Write)?;
        }
        Ok(())
    }
}

/// Writes a file unless it has this content and these permissions already.
pub(super) fn write_if_different(
    path: &Path,
    content: &[u8],
    mode: u32,
) -> Result<(), KeyringError> {
    let same = fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o7777 == mode)
        && fs::read(path).is_ok_and(|found| found == content);
    if same { Ok(()) } else { atomic_write(path, content, mode) }
}
