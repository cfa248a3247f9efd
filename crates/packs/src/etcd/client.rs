//! Speaks to etcd members over mutual TLS: few calls, each with its own deadline, over
//! connections that are kept until a call fails or a certificate changes.

use std::{
    collections::BTreeMap,
    error::Error as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tonic::{
    Request, Response, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{
    proto::{
        Member as ListedMember, MemberListRequest, MoveLeaderRequest, RangeRequest, StatusRequest,
        StatusResponse, cluster_client::ClusterClient, kv_client::KvClient,
        maintenance_client::MaintenanceClient,
    },
    render::{Member, TlsFiles},
};

/// How long a member may take to answer; a healthy one takes a few milliseconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long moving the leadership may take; it takes a heartbeat or two.
const MOVE_TIMEOUT: Duration = Duration::from_secs(3);
/// Read to see whether the member reaches a quorum. Nobody has to write it: that a key is absent
/// is as good an answer.
const READ_KEY: &[u8] = b"quorate-readiness";

/// A member was not asked, or did not answer, or answered no.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// A certificate or key that is needed to ask cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    ReadCertificate {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// What was read does not make a connection.
    #[error("cannot use the certificates for {url}: {reason}")]
    PrepareConnection { url: String, reason: String },
    /// Nothing came back.
    #[error("{url}: {reason}")]
    Silent { url: String, reason: String },
    /// The member said no.
    #[error("{url}: {}", .status.message())]
    Refused { url: String, status: Box<Status> },
}

/// When the certificates of a connection were last changed.
type Stamp = [SystemTime; 3];

/// Which connection: the certificates it uses and where it leads.
type Key = (TlsFiles, String);

/// The connections to members. Probes come every second, and a new TLS handshake each time would
/// cost the member more than the answer.
#[derive(Default)]
pub(super) struct Connections {
    open: Mutex<BTreeMap<Key, (Stamp, Channel)>>,
}

impl Connections {
    /// A client of one member. Nothing is sent before the first call.
    pub(super) async fn client(
        &self,
        tls: &TlsFiles,
        member: &Member<'_>,
    ) -> Result<MemberClient<'_>, CallError> {
        let stamp = stamp(tls).await?;
        let key = (tls.clone(), member.client_url());
        let cached = self.lock().get(&key).filter(|(of, _)| *of == stamp).cloned();
        let channel = match cached {
            Some((_, channel)) => channel,
            None => {
                let channel = connect(tls, member).await?;
                self.lock().insert(key.clone(), (stamp, channel.clone()));
                channel
            }
        };
        Ok(MemberClient { connections: self, key, channel })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, (Stamp, Channel)>> {
        // The map is whole after every statement that changes it.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn stamp(tls: &TlsFiles) -> Result<Stamp, CallError> {
    let mut stamp = [SystemTime::UNIX_EPOCH; 3];
    for (path, at) in client_files(tls).into_iter().zip(&mut stamp) {
        *at = tokio::fs::metadata(&path)
            .await
            .and_then(|metadata| metadata.modified())
            .map_err(|source| CallError::ReadCertificate { path, source })?;
    }
    Ok(stamp)
}

fn client_files(tls: &TlsFiles) -> [PathBuf; 3] {
    [tls.ca(), tls.cert("client"), tls.key("client")]
}

async fn read(path: &Path) -> Result<Vec<u8>, CallError> {
    tokio::fs::read(path)
        .await
        .map_err(|source| CallError::ReadCertificate { path: path.to_owned(), source })
}

async fn connect(tls: &TlsFiles, member: &Member<'_>) -> Result<Channel, CallError> {
    let [ca, cert, key] = client_files(tls);
    let config = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read(&ca).await?))
        .identity(Identity::from_pem(read(&cert).await?, read(&key).await?))
        .domain_name(member.address.clone());
    let url = member.client_url();
    let refuse = |error: tonic::transport::Error| CallError::PrepareConnection {
        url: url.clone(),
        reason: innermost(&error),
    };
    let endpoint = Endpoint::from_shared(url.clone()).map_err(refuse)?;
    Ok(endpoint
        .connect_timeout(CALL_TIMEOUT)
        .tcp_nodelay(true)
        .tls_config(config)
        .map_err(refuse)?
        .connect_lazy())
}

/// The calls that the pack makes of one member.
pub(super) struct MemberClient<'a> {
    connections: &'a Connections,
    key: Key,
    channel: Channel,
}

impl MemberClient<'_> {
    /// What the member says of itself; answered without a quorum, and by learners too.
    pub(super) async fn status(&self) -> Result<StatusResponse, CallError> {
        let mut client = MaintenanceClient::new(self.channel.clone());
        self.call(CALL_TIMEOUT, StatusRequest {}, |request| client.status(request)).await
    }

    /// The members it believes there are. A learner refuses it.
    pub(super) async fn members(&self) -> Result<Vec<ListedMember>, CallError> {
        let mut client = ClusterClient::new(self.channel.clone());
        let list = self
            .call(CALL_TIMEOUT, MemberListRequest {}, |request| client.member_list(request))
            .await?;
        Ok(list.members)
    }

    /// Reads so that only a member within a quorum can answer. A learner refuses it.
    pub(super) async fn linearizable_read(&self) -> Result<(), CallError> {
        let mut client = KvClient::new(self.channel.clone());
        let range = RangeRequest { key: READ_KEY.to_vec(), serializable: false, count_only: true };
        match self.call(CALL_TIMEOUT, range, |request| client.range(request)).await {
            // etcd asks the quorum first and looks at permissions after it.
            Err(CallError::Refused { status, .. })
                if status.code() == tonic::Code::PermissionDenied =>
            {
                Ok(())
            }
            answer => answer.map(|_| ()),
        }
    }

    /// Asks the member, which must lead, to hand its leadership to `target`.
    pub(super) async fn move_leader(&self, target: u64) -> Result<(), CallError> {
        let mut client = MaintenanceClient::new(self.channel.clone());
        let request = MoveLeaderRequest { target_id: target };
        self.call(MOVE_TIMEOUT, request, |request| client.move_leader(request)).await.map(|_| ())
    }

    async fn call<Q, A, F>(
        &self,
        timeout: Duration,
        question: Q,
        ask: impl FnOnce(Request<Q>) -> F,
    ) -> Result<A, CallError>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut request = Request::new(question);
        request.set_timeout(timeout);
        // The timeout around it also covers connecting.
        let answer = tokio::time::timeout(timeout, ask(request)).await;
        let url = self.key.1.clone();
        let error = match answer {
            Ok(Ok(answer)) => return Ok(answer.into_inner()),
            Ok(Err(status)) if came_from_the_member(&status) => {
                return Err(CallError::Refused { url, status: Box::new(status) });
            }
            Ok(Err(status)) => CallError::Silent { url, reason: innermost(&status) },
            Err(_) => CallError::Silent {
                url,
                reason: format!("no answer within {} ms", timeout.as_millis()),
            },
        };
        self.connections.lock().remove(&self.key);
        Err(error)
    }
}

/// A status that this side made up carries the error it was made of, or is its own timeout.
fn came_from_the_member(status: &Status) -> bool {
    status.source().is_none() && status.code() != tonic::Code::Cancelled
}

/// The innermost reason: the outer ones only say that the transport failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut reason = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}
