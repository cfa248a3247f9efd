//! Connections to other nodes' internal ports, by mutual TLS.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use quorate_api::internal::{CallRequest, CallResponse, leader_client::LeaderClient};
use quorate_control::Control;
use quorate_keyring::identity::{ReloadableIdentity, server_name};
use quorate_model::{ClusterId, NodeId, Refusal, codes};
use quorate_node_manager::{TlsDialer, connect_tls};
use quorate_raft::{DialError, Dialer, PeerAuthorizer};
use quorate_server::{KnownPeers, LeaderLink};
use rustls::ClientConfig;
use tokio::sync::Mutex;
use tonic::transport::Channel;

use super::os::system_clock;

/// The largest answer that is passed on, in bytes.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// How long a call that is passed on to the leader may take.
const CALL_DEADLINE: Duration = Duration::from_secs(30);

/// Connects with a configuration that accepts any node of the cluster.
pub(super) async fn connect_any(
    tls: Arc<ClientConfig>,
    cluster: ClusterId,
    addr: &str,
) -> Result<Channel, String> {
    connect_tls(tls, server_name(cluster, NodeId(1)), addr).await
}

/// An error with all its causes, since the outermost one only says "transport error".
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Dials other nodes with this node's certificate.
#[derive(Clone)]
pub(super) struct NodeDialer(TlsDialer);

impl NodeDialer {
    pub(super) fn new(identity: &Arc<ReloadableIdentity>) -> Result<Self, Refusal> {
        TlsDialer::new(identity, &system_clock()).map(Self).map_err(|error| Refusal::from(&error))
    }

    pub(super) async fn connect(&self, node: NodeId, addr: &str) -> Result<Channel, String> {
        self.0.dial(node, addr).await.map_err(|error| error.cause)
    }
}

#[async_trait]
impl Dialer for NodeDialer {
    async fn dial(&self, node: NodeId, addr: &str) -> Result<Channel, DialError> {
        let failed = |cause| DialError { node, addr: addr.to_owned(), cause };
        self.connect(node, addr).await.map_err(failed)
    }
}

/// Knows callers by their certificates.
pub(super) struct CertificateAuthorizer {
    cluster: ClusterId,
    known: KnownPeers,
}

impl CertificateAuthorizer {
    pub(super) fn new(cluster: ClusterId) -> Self {
        Self { cluster, known: KnownPeers::default() }
    }
}

impl PeerAuthorizer for CertificateAuthorizer {
    fn authorize(&self, extensions: &tonic::Extensions) -> Result<NodeId, tonic::Status> {
        self.known.peer_of(extensions, self.cluster).map_err(|status| *status)
    }
}

/// Stands for the network of a node that is alone: nobody is dialled, nobody may call.
pub(super) struct Nobody;

#[async_trait]
impl Dialer for Nobody {
    async fn dial(&self, node: NodeId, addr: &str) -> Result<Channel, DialError> {
        Err(DialError { node, addr: addr.to_owned(), cause: "this node is alone".to_owned() })
    }
}

impl PeerAuthorizer for Nobody {
    fn authorize(&self, _: &tonic::Extensions) -> Result<NodeId, tonic::Status> {
        Err(tonic::Status::unavailable("this node is alone"))
    }
}

/// The way to the leader's admin interface, for a follower. Its connection is kept.
pub(super) struct ToLeader {
    dialer: NodeDialer,
    control: Control,
    channels: Mutex<BTreeMap<NodeId, (String, Channel)>>,
}

impl ToLeader {
    pub(super) fn new(dialer: NodeDialer, control: Control) -> Self {
        Self { dialer, control, channels: Mutex::default() }
    }

    async fn channel(&self, node: NodeId, addr: &str) -> Result<Channel, Refusal> {
        if let Some((known, channel)) = self.channels.lock().await.get(&node)
            && known == addr
        {
            return Ok(channel.clone());
        }
        // Dialled without the lock: a leader that cannot be reached delays each caller by itself.
        let channel =
            self.dialer.connect(node, addr).await.map_err(|cause| unreachable(node, &cause))?;
        self.channels.lock().await.insert(node, (addr.to_owned(), channel.clone()));
        Ok(channel)
    }
}

#[async_trait]
impl LeaderLink for ToLeader {
    async fn call(&self, request: CallRequest) -> Result<CallResponse, Refusal> {
        let (node, addr) = self.control.leader().ok_or_else(|| {
            Refusal::new(codes::NO_LEADER, "the masters have no leader at this moment")
                .hint("try again in a second; if it lasts: quorate status")
        })?;
        let channel = self.channel(node, &addr).await?;
        let mut client = LeaderClient::new(channel)
            .max_decoding_message_size(LARGEST_ANSWER)
            .max_encoding_message_size(LARGEST_ANSWER);
        // Once sent, a call may have been carried out even when no answer comes.
        let cause = match tokio::time::timeout(CALL_DEADLINE, client.call(request)).await {
            Ok(Ok(answer)) => return Ok(answer.into_inner()),
            Ok(Err(status)) if !status.details().is_empty() => return Err(refusal_of(&status)),
            Ok(Err(status)) => in_full(&status),
            Err(_) => "it did not answer in time".to_owned(),
        };
        self.channels.lock().await.remove(&node);
        Err(Refusal::new(
            codes::OUTCOME_UNKNOWN,
            format!("the leader, {node}, did not answer; what was asked may have been done"),
        )
        .cause(cause)
        .hint("look before you repeat it, or repeat it with the same Idempotency-Key"))
    }
}

fn unreachable(node: NodeId, cause: &str) -> Refusal {
    Refusal::new(codes::NO_LEADER, format!("the leader, {node}, does not answer"))
        .cause(cause.to_owned())
        .hint("try again in a second; if it lasts: quorate status")
}

/// The refusal that a master sent, or one that says what went wrong on the way.
pub(super) fn refusal_of(status: &tonic::Status) -> Refusal {
    serde_json::from_slice(status.details()).unwrap_or_else(|_| {
        Refusal::new(codes::MASTER_UNREACHABLE, "the master did not answer")
            .cause(in_full(status))
            .hint("see that it runs and is reachable from here")
    })
}
