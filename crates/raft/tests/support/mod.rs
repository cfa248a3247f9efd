//! Masters in one process that talk over real TCP on loopback.
//!
//! Node n7 calls from 127.0.0.7, and that is how the others know who calls: what certificates do
//! in the product.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of this")]

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use hyper_util::rt::TokioIo;
use quorate_keyring::{Keyring, RootKey};
use quorate_model::{ClusterId, Epoch, NodeId, RequestId, Revision, SettingKey, Timestamp};
use quorate_raft::{
    DialError, Dialer, OpenReport, PeerAuthorizer, RaftError, RaftNode, RaftOptions,
};
use quorate_state::{Applied, Command, Outcome, Proposal, State};
use tempfile::TempDir;
use tokio::{net::TcpSocket, sync::oneshot, task::JoinHandle, time::Instant};
use tonic::{
    body::Body,
    codegen::http::{Request, Response},
    transport::{
        Channel, Endpoint, Server,
        server::{TcpConnectInfo, TcpIncoming},
    },
};

/// Nodes that are cut off from all others.
pub type Cut = Arc<Mutex<BTreeSet<NodeId>>>;

struct PlainDialer {
    this: NodeId,
    cut: Cut,
    handshake: Duration,
}

#[async_trait]
impl Dialer for PlainDialer {
    async fn dial(&self, node: NodeId, addr: &str) -> Result<Channel, DialError> {
        let failed = |cause: String| DialError { node, addr: addr.to_owned(), cause };
        {
            let cut = self.cut.lock().unwrap();
            if cut.contains(&node) || cut.contains(&self.this) {
                return Err(failed("cut off".to_owned()));
            }
        }
        tokio::time::sleep(self.handshake).await;
        let target: SocketAddr = addr.parse().unwrap();
        let from = SocketAddr::from((ip_of(self.this), 0));
        let connector = tower::service_fn(move |_| async move {
            let socket = TcpSocket::new_v4()?;
            socket.bind(from)?;
            socket.set_nodelay(true)?;
            Ok::<_, std::io::Error>(TokioIo::new(socket.connect(target).await?))
        });
        Endpoint::from_shared(format!("http://{addr}"))
            .unwrap()
            .connect_with_connector(connector)
            .await
            .map_err(|error| failed(error.to_string()))
    }
}

struct ByAddress {
    this: NodeId,
    cut: Cut,
}

impl PeerAuthorizer for ByAddress {
    fn authorize(&self, extensions: &tonic::Extensions) -> Result<NodeId, tonic::Status> {
        let info = extensions.get::<TcpConnectInfo>().unwrap();
        let Some(IpAddr::V4(ip)) = info.remote_addr().map(|addr| addr.ip()) else {
            return Err(tonic::Status::unauthenticated("not a loopback peer"));
        };
        let caller = NodeId(u64::from(ip.octets()[3]));
        let cut = self.cut.lock().unwrap();
        if cut.contains(&caller) || cut.contains(&self.this) {
            return Err(tonic::Status::unavailable("cut off"));
        }
        Ok(caller)
    }
}

/// What becomes of the proposals that followers forward to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fate {
    /// They arrive and are answered.
    #[default]
    Pass,
    /// They arrive, and the answer is lost.
    LoseAnswer,
    /// They never arrive, and nobody says so.
    Stall,
}

/// The calls with which followers forward proposals, in the whole world.
#[derive(Debug, Default)]
pub struct Forwards {
    pub calls: AtomicU64,
    pub fate: Mutex<Fate>,
}

/// A master's service, with forwarded proposals counted and their fate carried out.
#[derive(Clone)]
struct Watched<S> {
    service: S,
    forwards: Arc<Forwards>,
}

impl<S> tower::Service<Request<Body>> for Watched<S>
where
    S: tower::Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_forward = request.uri().path().ends_with("/Forward");
        let fate = if is_forward { *self.forwards.fate.lock().unwrap() } else { Fate::Pass };
        self.forwards.calls.fetch_add(u64::from(is_forward), Ordering::SeqCst);
        let answer = self.service.call(request);
        Box::pin(async move {
            match fate {
                Fate::Pass => answer.await,
                Fate::LoseAnswer => {
                    answer.await?;
                    Ok(tonic::Status::unavailable("the answer was lost").into_http())
                }
                Fate::Stall => std::future::pending().await,
            }
        })
    }
}

fn ip_of(node: NodeId) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, u8::try_from(node.0).unwrap())
}

/// A running master.
pub struct Master {
    pub node: RaftNode,
    pub report: OpenReport,
    pub addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl Master {
    /// Stops listening, then stops the node, as a process that ends would.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        self.server.abort();
        drop((&mut self.server).await);
        self.node.shutdown().await;
    }
}

/// What all masters of one test share.
pub struct World {
    pub root: TempDir,
    pub keyring: Keyring,
    pub cluster: ClusterId,
    pub cut: Cut,
    pub forwards: Arc<Forwards>,
    pub adjust: fn(&mut RaftOptions),
    /// How long making a connection takes.
    pub handshake: Duration,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(adjust: fn(&mut RaftOptions)) -> Self {
        let cluster = ClusterId::from_parts(7, 7);
        let (keyring, _) = Keyring::create(&RootKey::generate(), cluster).unwrap();
        let (cut, forwards) = (Cut::default(), Arc::default());
        let (root, handshake) = (TempDir::new().unwrap(), Duration::ZERO);
        Self { root, keyring, cluster, cut, forwards, adjust, handshake }
    }

    pub fn folder(&self, node: u64) -> PathBuf {
        self.root.path().join(format!("n{node}"))
    }

    pub fn options(&self, node: u64) -> RaftOptions {
        let mut options = RaftOptions::new(self.cluster, Epoch(1), NodeId(node), self.folder(node));
        (self.adjust)(&mut options);
        options
    }

    pub async fn open(&self, options: RaftOptions) -> Result<(RaftNode, OpenReport), RaftError> {
        let this = options.node;
        let dialer = PlainDialer { this, cut: Arc::clone(&self.cut), handshake: self.handshake };
        let authorizer = ByAddress { this, cut: Arc::clone(&self.cut) };
        RaftNode::open(options, self.keyring.clone(), Arc::new(dialer), Arc::new(authorizer)).await
    }

    pub async fn start(&self, node: u64) -> Master {
        self.start_at(node, SocketAddr::from((ip_of(NodeId(node)), 0))).await
    }

    /// Starts a node on the address it had before.
    pub async fn start_at(&self, node: u64, addr: SocketAddr) -> Master {
        self.start_with(self.options(node), addr).await
    }

    pub async fn start_with(&self, options: RaftOptions, addr: SocketAddr) -> Master {
        let (node, report) = self.open(options).await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(addr).unwrap();
        let listener = socket.listen(128).unwrap();
        let addr = listener.local_addr().unwrap();
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let (stop, stopped) = oneshot::channel::<()>();
        let forwards = Arc::clone(&self.forwards);
        let watch = tower::layer::layer_fn(move |service| Watched {
            service,
            forwards: Arc::clone(&forwards),
        });
        let router = Server::builder().layer(watch).add_service(node.service());
        let server = tokio::spawn(async move {
            // Connections are dropped with the server, as when a process dies.
            tokio::select! {
                served = router.serve_with_incoming(incoming) => served.unwrap(),
                _ = stopped => {}
            }
        });
        Master { node, report, addr, stop: Some(stop), server }
    }

    /// Three voters; the first leads.
    pub async fn start_three(&self) -> Vec<Master> {
        let masters = vec![self.start(1).await, self.start(2).await, self.start(3).await];
        masters[0].node.initialize(&masters[0].addr.to_string()).await.unwrap();
        for master in &masters[1..] {
            let addr = master.addr.to_string();
            masters[0].node.add_learner(master.node.id(), &addr).await.unwrap();
        }
        masters[0].node.promote(&[NodeId(2), NodeId(3)]).await.unwrap();
        masters
    }
}

pub fn put(key: &str, value: &str) -> Proposal {
    Proposal {
        request_id: None,
        at: Timestamp(1_000),
        principal: "user:test".to_owned(),
        command: Command::PutSetting {
            key: SettingKey::new(key).unwrap(),
            value: format!("\"{value}\"").into(),
            expect: None,
        },
        digest: None,
        allowed_after: None,
    }
}

pub fn put_once(request: &str, key: &str, value: &str) -> Proposal {
    Proposal { request_id: Some(RequestId::new(request).unwrap()), ..put(key, value) }
}

pub fn value(state: &State, key: &str) -> Option<String> {
    let setting = state.metadata.settings.get(&SettingKey::new(key).unwrap())?;
    Some(setting.value.trim_matches('"').to_owned())
}

pub fn revision(outcome: &Outcome) -> Revision {
    match outcome {
        Ok(Applied::Revision(revision)) => *revision,
        other => panic!("{other:?}"),
    }
}

/// Waits until the condition holds, at most 15 seconds.
#[track_caller]
pub fn eventually(what: &str, condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    let deadline = Instant::now() + Duration::from_secs(15);
    async move {
        while !condition() {
            assert!(Instant::now() < deadline, "waited too long for {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The master that leads with its quorum.
pub async fn leader_of(masters: &[&Master]) -> usize {
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let leading = masters.iter().position(|master| master.node.leadership().borrow().is_some());
        if let Some(leading) = leading {
            return leading;
        }
        assert!(Instant::now() < deadline, "no leader");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
