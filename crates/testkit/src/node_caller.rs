//! Calls to masters' internal ports with the identity of a node: as that node makes them, and as
//! whoever has copied its disk does.

use std::{sync::Arc, time::Duration};

use prost::Message;
use quorate_api::internal::{
    AnnounceRequest, CallRequest, FromNode, ReadBinaryRequest, RenewNodeRequest,
    SignCertificateRequest, ToNode, leader_client::LeaderClient,
    node_managers_client::NodeManagersClient, nodes_client::NodesClient,
};
use quorate_keyring::identity::{NodeIdentity, NodeKey, ReloadableIdentity};
use quorate_model::Clock;
use quorate_node_manager::TlsDialer;
use tonic::{
    Code, Request, Response, Status, Streaming,
    client::Grpc,
    codegen::{http::uri::PathAndQuery, tokio_stream},
    transport::Channel,
};
use tonic_prost::ProstCodec;

use crate::{NodeHandle, in_process::SystemClock};

/// How long a master may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Raft's own calls, and what followers ask of a leader.
const MASTERS: &str = "/quorate.raft.v1.Masters/";

/// What all of the masters' calls begin with, by the numbers of `raft.proto`.
#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(string, tag = "1")]
    cluster: String,
    #[prost(uint64, tag = "2")]
    epoch: u64,
    #[prost(uint64, tag = "3")]
    to: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Vote {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    node: u64,
    #[prost(bool, tag = "3")]
    committed: bool,
}

/// A call with nothing in it but who is called and, where the caller speaks as a leader or a
/// candidate, its vote of a term that is long over: it changes nothing wherever it is let in.
#[derive(Clone, PartialEq, Message)]
struct Ask {
    #[prost(message, optional, tag = "1")]
    header: Option<Header>,
    #[prost(message, optional, tag = "2")]
    vote: Option<Vote>,
}

/// The first part of a snapshot.
#[derive(Clone, PartialEq, Message)]
struct Part {
    #[prost(message, optional, tag = "1")]
    begin: Option<Ask>,
}

/// Somebody who has a node's certificate and key.
#[derive(Debug)]
pub struct NodeCaller {
    identity: Arc<ReloadableIdentity>,
}

impl NodeCaller {
    /// Copies the identity of a node from its disk, as it is now.
    ///
    /// # Panics
    /// When the node has none.
    #[must_use]
    pub fn copy_of(node: &NodeHandle) -> Self {
        Self { identity: ReloadableIdentity::new(identity_of(node)).unwrap() }
    }

    /// Connects to a master; the cluster is in that epoch.
    ///
    /// # Panics
    /// When that fails: a certificate is judged when something is asked with it.
    pub async fn connect(&self, master: &NodeHandle, epoch: u64) -> NodeConnection {
        let to = identity_of(master).node;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let dialer = TlsDialer::new(&self.identity, &clock).unwrap();
        let channel = dialer.dial(to, &master.internal_addr()).await;
        let caller = self.identity.current();
        NodeConnection {
            channel: channel.unwrap(),
            header: Header { cluster: caller.cluster.to_string(), epoch, to: to.0 },
            caller: caller.node.0,
        }
    }
}

fn identity_of(node: &NodeHandle) -> NodeIdentity {
    NodeIdentity::load(&node.root.join("lib/identity")).unwrap()
}

/// A connection of such a caller to one master.
#[derive(Debug, Clone)]
pub struct NodeConnection {
    channel: Channel,
    header: Header,
    caller: u64,
}

impl NodeConnection {
    /// Makes every call of the internal port that asks for a certificate, once, and gives the
    /// names of those that the master let in, whatever it answered to them.
    pub async fn let_in(&self) -> Vec<&'static str> {
        let answers = [
            ("Epoch", self.ask("Epoch", false).await),
            ("Append", self.ask("Append", true).await),
            ("PreVote", self.ask("PreVote", true).await),
            ("Vote", self.ask("Vote", true).await),
            ("TransferLeader", self.ask("TransferLeader", true).await),
            ("InstallSnapshot", self.install_snapshot().await),
            ("Forward", self.ask("Forward", false).await),
            ("ReadIndex", self.ask("ReadIndex", false).await),
            ("Call", self.call().await),
            ("Announce", self.announce().await),
            ("ReadBinary", self.read_binary().await),
            ("Session", self.session().await.map(drop)),
            ("SignCertificate", self.sign_certificate().await),
            ("RenewNode", self.renew_node().await),
        ];
        let was_let_in = |answer: &Result<(), Status>| match answer {
            Ok(()) => true,
            Err(status) => {
                let refused = [Code::PermissionDenied, Code::Unauthenticated];
                let unanswered = [Code::Unavailable, Code::DeadlineExceeded, Code::Unknown];
                assert!(!unanswered.contains(&status.code()), "{status:?}");
                !refused.contains(&status.code())
            }
        };
        answers.iter().filter(|(_, answer)| was_let_in(answer)).map(|(name, _)| *name).collect()
    }

    /// Opens a node manager's session, which lasts until either side ends it.
    ///
    /// # Errors
    /// What the master says when it refuses.
    pub async fn session(&self) -> Result<Streaming<ToNode>, Status> {
        let said = tokio_stream::pending::<FromNode>();
        in_time(NodeManagersClient::new(self.channel.clone()).session(said)).await
    }

    fn asking(&self, with_vote: bool) -> Ask {
        let vote = Vote { term: 0, node: self.caller, committed: false };
        Ask { header: Some(self.header.clone()), vote: with_vote.then_some(vote) }
    }

    async fn ask(&self, name: &str, with_vote: bool) -> Result<(), Status> {
        let mut client = self.masters().await?;
        let request = Request::new(self.asking(with_vote));
        in_time(client.unary(request, path(name), ProstCodec::<Ask, ()>::default())).await
    }

    async fn install_snapshot(&self) -> Result<(), Status> {
        let mut client = self.masters().await?;
        let begin = tokio_stream::once(Part { begin: Some(self.asking(true)) });
        let codec = ProstCodec::<Part, ()>::default();
        in_time(client.client_streaming(Request::new(begin), path("InstallSnapshot"), codec)).await
    }

    async fn masters(&self) -> Result<Grpc<Channel>, Status> {
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(client)
    }

    async fn call(&self) -> Result<(), Status> {
        let request = CallRequest {
            method: "GET".to_owned(),
            uri: "/healthz".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            local: false,
        };
        in_time(LeaderClient::new(self.channel.clone()).call(request)).await.map(drop)
    }

    async fn announce(&self) -> Result<(), Status> {
        let request = AnnounceRequest { node_json: "{}".to_owned(), record: false };
        in_time(NodesClient::new(self.channel.clone()).announce(request)).await.map(drop)
    }

    async fn read_binary(&self) -> Result<(), Status> {
        let request = ReadBinaryRequest { sha256: "0".repeat(64), offset: 0 };
        in_time(NodesClient::new(self.channel.clone()).read_binary(request)).await.map(drop)
    }

    async fn sign_certificate(&self) -> Result<(), Status> {
        let request = SignCertificateRequest {
            instance: "nobody-1".to_owned(),
            common_name: "nobody".to_owned(),
            names: Vec::new(),
            csr_pem: certificate_request(),
        };
        let mut client = NodeManagersClient::new(self.channel.clone());
        in_time(client.sign_certificate(request)).await.map(drop)
    }

    async fn renew_node(&self) -> Result<(), Status> {
        let request = RenewNodeRequest { csr_pem: certificate_request() };
        in_time(NodeManagersClient::new(self.channel.clone()).renew_node(request)).await.map(drop)
    }
}

fn path(name: &str) -> PathAndQuery {
    format!("{MASTERS}{name}").parse().unwrap()
}

fn certificate_request() -> String {
    NodeKey::generate().unwrap().csr_pem().unwrap()
}

async fn in_time<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
    let answer = tokio::time::timeout(PATIENCE, call).await;
    answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer"))).map(Response::into_inner)
}
