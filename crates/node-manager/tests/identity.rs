//! Connections by mutual TLS, and the renewal of the node's own certificate over one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "fixtures/clock.rs"]
mod clock;

use std::{pin::Pin, sync::Arc, time::Duration};

use clock::SystemClock;
use futures_util::Stream;
use quorate_api::internal::{
    FromNode, RenewNodeRequest, RenewNodeResponse, SignCertificateRequest, SignCertificateResponse,
    ToNode,
    node_managers_server::{NodeManagers, NodeManagersServer},
};
use quorate_keyring::identity::{
    CertificateAuthority, NodeIdentity, NodeKey, ReloadableIdentity, server_tls,
};
use quorate_model::{Clock, ClusterId, NodeId};
use quorate_node_manager::{TlsDialer, is_renewal_due, renew_identity};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Response, Status, Streaming, transport::Server};

const CLUSTER: ClusterId = ClusterId::from_parts(1, 2);
const DAY: Duration = Duration::from_secs(86_400);

fn identity(authority: &CertificateAuthority, node: u64, lifetime: Duration) -> NodeIdentity {
    let key = NodeKey::generate().unwrap();
    let csr = key.csr_pem().unwrap();
    let node = NodeId(node);
    NodeIdentity {
        cluster: CLUSTER,
        node,
        cert_pem: authority.issue_node(node, &csr, SystemClock.now(), lifetime).unwrap(),
        key_pem: key.key_pem(),
        ca_pem: authority.cert_pem().to_owned(),
    }
}

fn system_clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

struct Signer {
    authority: CertificateAuthority,
    /// The node it signs for, whoever asks.
    node: NodeId,
}

#[tonic::async_trait]
impl NodeManagers for Signer {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<ToNode, Status>> + Send>>;

    async fn session(
        &self,
        _: Request<Streaming<FromNode>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        Err(Status::unimplemented("see tests/manager"))
    }

    async fn sign_certificate(
        &self,
        _: Request<SignCertificateRequest>,
    ) -> Result<Response<SignCertificateResponse>, Status> {
        Err(Status::unimplemented("see tests/manager"))
    }

    async fn renew_node(
        &self,
        request: Request<RenewNodeRequest>,
    ) -> Result<Response<RenewNodeResponse>, Status> {
        let csr = request.into_inner().csr_pem;
        let cert_pem =
            self.authority.issue_node(self.node, &csr, SystemClock.now(), 30 * DAY).unwrap();
        Ok(Response::new(RenewNodeResponse { cert_pem }))
    }
}

/// A master n1 that signs certificates of `node`; returns its address.
async fn master(authority: CertificateAuthority, node: u64) -> String {
    let own = ReloadableIdentity::new(identity(&authority, 1, DAY)).unwrap();
    let acceptor = TlsAcceptor::from(server_tls(&own, &system_clock()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let incoming =
        futures_util::stream::unfold((listener, acceptor), |(listener, acceptor)| async {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                if let Ok(stream) = acceptor.accept(stream).await {
                    return Some((Ok::<_, std::io::Error>(stream), (listener, acceptor)));
                }
            }
        });
    let service = NodeManagersServer::new(Signer { authority, node: NodeId(node) });
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(Box::pin(incoming)));
    addr
}

#[tokio::test]
async fn only_the_node_that_was_asked_for_is_talked_to() {
    let authority = CertificateAuthority::create(CLUSTER, SystemClock.now()).unwrap();
    let ours = ReloadableIdentity::new(identity(&authority, 7, DAY)).unwrap();
    let addr = master(authority, 7).await;
    let dialer = TlsDialer::new(&ours, &system_clock()).unwrap();
    dialer.dial(NodeId(1), &addr).await.unwrap();
    let error = dialer.dial(NodeId(2), &addr).await.unwrap_err();
    assert!(error.cause.contains("certificate"), "{error}");
    assert_eq!((error.node, error.addr), (NodeId(2), addr));
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_given_up_within_the_deadline() {
    let authority = CertificateAuthority::create(CLUSTER, SystemClock.now()).unwrap();
    let ours = ReloadableIdentity::new(identity(&authority, 7, DAY)).unwrap();
    // It accepts connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = silent.local_addr().unwrap().to_string();
    let dialled = TlsDialer::new(&ours, &system_clock()).unwrap();
    let began = tokio::time::Instant::now();
    dialled.dial(NodeId(1), &addr).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_renewed_identity_is_stored_and_presented_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::create(CLUSTER, SystemClock.now()).unwrap();
    let old = identity(&authority, 7, Duration::from_secs(60));
    old.store(folder.path()).unwrap();
    let ours = ReloadableIdentity::new(old).unwrap();
    assert!(is_renewal_due(&ours.current(), SystemClock.now()));
    let addr = master(authority, 7).await;
    let dialer = TlsDialer::new(&ours, &system_clock()).unwrap();
    let channel = dialer.dial(NodeId(1), &addr).await.unwrap();
    renew_identity(channel, &ours, folder.path()).await.unwrap();
    assert!(!is_renewal_due(&ours.current(), SystemClock.now()));
    let stored = NodeIdentity::load(folder.path()).unwrap();
    assert_eq!(stored.cert_pem, ours.current().cert_pem);
    dialer.dial(NodeId(1), &addr).await.unwrap();
}

#[tokio::test]
async fn a_certificate_of_another_node_is_not_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::create(CLUSTER, SystemClock.now()).unwrap();
    let old = identity(&authority, 7, Duration::from_secs(60));
    old.store(folder.path()).unwrap();
    let ours = ReloadableIdentity::new(old.clone()).unwrap();
    let addr = master(authority, 8).await;
    let channel =
        TlsDialer::new(&ours, &system_clock()).unwrap().dial(NodeId(1), &addr).await.unwrap();
    renew_identity(channel, &ours, folder.path()).await.unwrap_err();
    assert_eq!(ours.current().cert_pem, old.cert_pem);
    assert_eq!(NodeIdentity::load(folder.path()).unwrap().cert_pem, old.cert_pem);
}
