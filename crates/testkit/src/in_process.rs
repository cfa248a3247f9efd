//! A master within the test's own process: real Raft, real control plane, real REST without a port;
//! alone, or with other masters that have no control plane.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::Router;
use quorate_api::internal::{CallRequest, CallResponse};
use quorate_control::{Control, ControlOptions, Parts, run_duties};
use quorate_keyring::{
    Keyring, OsIdSource, RootKey,
    identity::{CertificateAuthority, hash_password},
};
use quorate_model::{
    Clock, ClusterId, EnrolRole, Epoch, IdSource, NodeId, NodeName, NodeRoles, Refusal, Timestamp,
    UserName, codes,
};
use quorate_raft::{RaftNode, RaftOptions};
use quorate_server::{AdminOptions, LeaderLink, admin_router};
use quorate_state::{Command, NewNode, Proposal, User, UserRole};
use tempfile::TempDir;
use tokio::task::{JoinHandle, JoinSet};

use crate::other_masters::{Mesh, OtherMaster, calm};

/// The clock of the machine the test runs on.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(0))
    }
}

/// No other master passes anything on.
struct Alone;

#[async_trait]
impl LeaderLink for Alone {
    async fn call(&self, _: CallRequest) -> Result<CallResponse, Refusal> {
        Err(Refusal::new(codes::NO_LEADER, "this master is alone"))
    }
}

/// A running master; it ends when it is dropped.
#[derive(Debug)]
pub struct InProcessMaster {
    /// Its control plane.
    pub control: Control,
    /// Everything its admin port would answer.
    pub router: Router,
    raft: RaftNode,
    duties: JoinHandle<()>,
    others: Vec<OtherMaster>,
    _serving: JoinSet<()>,
    _folder: TempDir,
}

impl InProcessMaster {
    /// Makes a cluster of one and waits until it is ready. Users `admin`, `operator` and `viewer`
    /// have their names as passwords; node managers `n2`, `n3`, ... exist by name.
    ///
    /// # Panics
    /// When that fails.
    pub async fn start(node_managers: u64) -> Self {
        Self::start_all(0, node_managers).await
    }

    /// The same with so many other masters, `n2`, `n3`, ..., which have no control plane.
    ///
    /// # Panics
    /// When that fails.
    pub async fn start_with_others(others: u64) -> Self {
        Self::start_all(others, 0).await
    }

    async fn start_all(others: u64, node_managers: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cluster = ClusterId::from_parts(SystemClock.now().0, OsIdSource.random());
        let (keyring, sealed_keyring) = Keyring::create(&RootKey::generate(), cluster).unwrap();
        let authority = CertificateAuthority::create(cluster, SystemClock.now()).unwrap();
        let (mesh, this) = (Mesh::default(), NodeId(1));
        let masters: Vec<NodeId> = (1..=others + 1).map(NodeId).collect();
        let options = if others == 0 {
            RaftOptions::new(cluster, Epoch::default(), this, folder.path().join("raft"))
        } else {
            calm(cluster, this, &folder)
        };
        let opened = RaftNode::open(options, keyring.clone(), mesh.end(this), mesh.end(this)).await;
        let (raft, _) = opened.unwrap();
        raft.initialize("127.0.0.1:1").await.unwrap();
        let serving = mesh.listen(&raft, &masters).await;
        let control = Control::new(Parts {
            cluster,
            node: NodeId(1),
            raft: raft.clone(),
            keyring: keyring.clone(),
            sealed_keyring,
            clock: Arc::new(SystemClock),
            ids: Arc::new(OsIdSource),
            catalog: quorate_packs::catalog(),
            options: ControlOptions::default(),
        });
        let mut master = Self {
            router: admin_router(AdminOptions {
                control: control.clone(),
                leader: Arc::new(Alone),
                console: Router::new(),
            }),
            duties: tokio::spawn(run_duties(control.clone())),
            control,
            raft,
            others: Vec::new(),
            _serving: serving,
            _folder: folder,
        };
        for node in masters.iter().skip(1) {
            let other = OtherMaster::start(&mesh, cluster, &keyring, *node, &masters).await;
            master.others.push(other);
        }
        master.fill(&keyring, &authority, others, node_managers).await;
        let opened = master.control.readiness().opened();
        tokio::time::timeout(Duration::from_secs(20), opened).await.expect("the master is ready");
        master
    }

    async fn fill(
        &self,
        keyring: &Keyring,
        authority: &CertificateAuthority,
        masters: u64,
        managers: u64,
    ) {
        self.propose(Command::CreateCluster {
            cluster: self.control.cluster(),
            ca_cert_pem: authority.cert_pem().to_owned(),
            sealed_ca: authority.seal(keyring),
            node: new_node("m1", NodeRoles { master: true, node_manager: false }),
            admin: UserName::new("admin").unwrap(),
            admin_user: user("admin", UserRole::Admin),
            feature_level: quorate_state::FEATURE_LEVEL,
        })
        .await;
        for (name, role) in [("operator", UserRole::Operator), ("viewer", UserRole::Viewer)] {
            let command = Command::PutUser {
                name: UserName::new(name).unwrap(),
                user: user(name, role),
                former: None,
            };
            self.propose(command).await;
        }
        for number in 1..=masters {
            self.enrol(&format!("m{}", number + 1), EnrolRole::Master).await;
        }
        for number in 1..=managers {
            self.enrol(&format!("nm{number}"), EnrolRole::NodeManager).await;
        }
    }

    /// Enrols a node as a join would.
    async fn enrol(&self, name: &str, role: EnrolRole) {
        let at = SystemClock.now();
        let token = quorate_model::TokenId::from_parts(at.0, OsIdSource.random());
        self.propose(Command::CreateToken {
            id: token,
            token: quorate_state::JoinToken {
                secret_sha256: "00".repeat(32),
                role,
                expires_at: at.plus(Duration::from_secs(60)),
                created_by: "test".to_owned(),
                auto_approve: true,
                status: quorate_state::TokenStatus::Unused,
                request: None,
            },
        })
        .await;
        let node = new_node(name, role.roles());
        self.propose(Command::Enrol { token, key_sha256: name.to_owned(), node }).await;
    }

    /// Proposes a command that must be applied.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn propose(&self, command: Command) {
        let proposal = Proposal {
            request_id: None,
            at: SystemClock.now(),
            principal: "test".to_owned(),
            command,
            digest: None,
            allowed_after: None,
        };
        self.raft.propose(proposal).await.unwrap().unwrap();
    }

    /// Stops Raft in good order.
    pub async fn stop(&self) {
        self.duties.abort();
        self.raft.shutdown().await;
        for other in &self.others {
            other.stop().await;
        }
    }
}

impl Drop for InProcessMaster {
    fn drop(&mut self) {
        self.duties.abort();
    }
}

fn user(password: &str, role: UserRole) -> User {
    User { password_hash: hash_password(password).unwrap(), must_change_password: false, role }
}

fn new_node(name: &str, roles: NodeRoles) -> NewNode {
    NewNode {
        name: NodeName::new(name).unwrap(),
        roles,
        address: "127.0.0.1".to_owned(),
        // Masters find each other without it; one that had none would not be found at all.
        internal_addr: if roles.master { "127.0.0.1:1".to_owned() } else { String::new() },
        admin_addr: String::new(),
        version: "test".to_owned(),
        obeyed: quorate_model::Generation(0),
        order_report: None,
        reads_level: 1,
    }
}
