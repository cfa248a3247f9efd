//! Masters without a control plane, beside one that has one, within the test's own process: they hold
//! what it decides, and vote.
//!
//! Each listens on a port of its own for each of the others, and that is how it knows who calls: what
//! certificates do in the product.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use quorate_keyring::Keyring;
use quorate_model::{ClusterId, Epoch, NodeId};
use quorate_raft::{DialError, Dialer, PeerAuthorizer, RaftNode, RaftOptions};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};
use tonic::{
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};

/// Who calls, by the port that was called.
#[derive(Clone, Copy)]
struct CalledBy(NodeId);

/// Where each master finds each other one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mesh {
    ports: Arc<Mutex<BTreeMap<(NodeId, NodeId), SocketAddr>>>,
}

/// One master's end of the mesh.
pub(crate) struct MeshEnd {
    this: NodeId,
    mesh: Mesh,
}

#[async_trait]
impl Dialer for MeshEnd {
    async fn dial(&self, node: NodeId, addr: &str) -> Result<Channel, DialError> {
        let failed = |cause: String| DialError { node, addr: addr.to_owned(), cause };
        let port = self.mesh.ports.lock().unwrap().get(&(self.this, node)).copied();
        let port = port.ok_or_else(|| failed("there is no such master".to_owned()))?;
        let endpoint = Endpoint::from_shared(format!("http://{port}"))
            .map_err(|error| failed(error.to_string()))?;
        endpoint.tcp_nodelay(true).connect().await.map_err(|error| failed(error.to_string()))
    }
}

impl PeerAuthorizer for MeshEnd {
    fn authorize(&self, extensions: &tonic::Extensions) -> Result<NodeId, tonic::Status> {
        let caller = extensions.get::<CalledBy>().map(|caller| caller.0);
        caller.ok_or_else(|| tonic::Status::unauthenticated("nobody in the mesh"))
    }
}

/// The options of a master whose leader does not change only because the machine is busy.
pub(crate) fn calm(cluster: ClusterId, node: NodeId, folder: &TempDir) -> RaftOptions {
    RaftOptions {
        election_min_ms: 5_000,
        election_max_ms: 10_000,
        ..RaftOptions::new(cluster, Epoch::default(), node, folder.path().join("raft"))
    }
}

impl Mesh {
    pub(crate) fn end(&self, this: NodeId) -> Arc<MeshEnd> {
        Arc::new(MeshEnd { this, mesh: self.clone() })
    }

    /// Lets a master be called by these others.
    pub(crate) async fn listen(&self, raft: &RaftNode, callers: &[NodeId]) -> JoinSet<()> {
        let mut serving = JoinSet::new();
        for caller in callers.iter().copied().filter(|caller| *caller != raft.id()) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap();
            self.ports.lock().unwrap().insert((caller, raft.id()), port);
            let known = move |mut request: tonic::Request<()>| {
                request.extensions_mut().insert(CalledBy(caller));
                Ok::<_, tonic::Status>(request)
            };
            let service = InterceptedService::new(raft.service(), known);
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            let server = Server::builder().add_service(service).serve_with_incoming(incoming);
            serving.spawn(async move { server.await.unwrap() });
        }
        serving
    }
}

/// A master without a control plane; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct OtherMaster {
    raft: RaftNode,
    _serving: JoinSet<()>,
    _folder: TempDir,
}

impl OtherMaster {
    /// Starts it; whoever leads adds it to the membership.
    pub(crate) async fn start(
        mesh: &Mesh,
        cluster: ClusterId,
        keyring: &Keyring,
        node: NodeId,
        all: &[NodeId],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = calm(cluster, node, &folder);
        let opened = RaftNode::open(options, keyring.clone(), mesh.end(node), mesh.end(node)).await;
        let (raft, _) = opened.unwrap();
        let serving = mesh.listen(&raft, all).await;
        Self { raft, _serving: serving, _folder: folder }
    }

    /// Stops Raft in good order.
    pub(crate) async fn stop(&self) {
        self.raft.shutdown().await;
    }
}
