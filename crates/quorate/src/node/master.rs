//! Runs a master: Raft, the control plane, and its three listeners.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use quorate_control::{
    Control, ControlOptions, Parts, run_duties,
    use_cases::{certificates, nodes},
};
use quorate_keyring::{
    Keyring, OsIdSource, SealedKeyring,
    identity::{NodeIdentity, NodeKey, ReloadableIdentity, server_tls},
    load_sealed,
};
use quorate_model::{Clock, NodeId, NodeRoles, Refusal, codes};
use quorate_node_manager::is_renewal_due;
use quorate_raft::{RaftNode, RaftOptions};
use quorate_server::{
    AdminOptions, InternalServices, admin_router, serve_admin, serve_internal, serve_local,
};
use quorate_state::NewNode;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tracing::{error, info, warn};

use super::{Folders, NodeConfig, SystemClock, dial, init::root_key, os::refuse_file};

/// How long stopping may take: handing leadership over, answering what was asked.
const STOP_DEADLINE: Duration = Duration::from_secs(8);
/// How often it is looked whether the certificate is to be renewed.
const RENEWAL_EVERY: Duration = Duration::from_secs(60);
/// How often a failed storage is tried again.
const REOPEN_EVERY: Duration = Duration::from_secs(2);

/// A master's secrets and sockets, acquired before anything is changed.
pub(super) struct Prepared {
    keyring: Keyring,
    sealed: SealedKeyring,
    admin: TcpListener,
    internal: TcpListener,
}

/// Why a master's run ended.
pub(super) enum End {
    /// It was asked to stop.
    Stopped,
    /// Its storage failed; it may be opened again.
    StorageFailed,
}

/// Opens the keyring and binds the ports: everything that can be wrong with the environment is
/// found here, within the first second, with nothing on disk changed.
pub(super) async fn prepare(folders: &Folders, config: &NodeConfig) -> Result<Prepared, Refusal> {
    let root_key = root_key()?;
    let sealed = load_sealed(&folders.keyring_file()).map_err(|error| Refusal::from(&error))?;
    let keyring = Keyring::open(&root_key, &sealed).map_err(|error| Refusal::from(&error))?;
    let admin = bind("admin", &config.node.admin_addr).await?;
    let internal = bind("internal", &config.node.internal_addr).await?;
    Ok(Prepared { keyring, sealed, admin, internal })
}

async fn bind(what: &str, addr: &str) -> Result<TcpListener, Refusal> {
    TcpListener::bind(addr).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            Refusal::new(codes::ADDRESS_IN_USE, format!("the {what} address {addr} is in use"))
                .cause("another process listens there")
                .hint(format!("see which: ss -ltnp; or choose another {what}_addr in quorate.toml"))
        }
        _ => Refusal::new(
            codes::CONFIGURATION_INVALID,
            format!("cannot listen on the {what} address {addr}"),
        )
        .cause(error.to_string())
        .hint(format!("correct {what}_addr in quorate.toml")),
    })
}

/// Runs the master until `stop` turns true. A full disk ends one round; the next begins when the
/// folder can be opened again, on the same ports.
pub(super) async fn run(
    folders: Folders,
    config: NodeConfig,
    identity: Arc<ReloadableIdentity>,
    prepared: Prepared,
    stop: watch::Receiver<bool>,
) -> Result<(), Refusal> {
    let Prepared { keyring, sealed, admin, internal } = prepared;
    let mut sockets = Some((admin, internal));
    loop {
        let (admin, internal) = match sockets.take() {
            Some(sockets) => sockets,
            None => match bind_again(&config).await {
                Ok(bound) => bound,
                Err(refusal) => {
                    // Connections of the round before may still be closing.
                    warn!(code = %refusal.code, "{refusal}");
                    if wait_or_stop(REOPEN_EVERY, stop.clone()).await {
                        return Ok(());
                    }
                    continue;
                }
            },
        };
        let round = Round {
            folders: &folders,
            config: &config,
            identity: Arc::clone(&identity),
            keyring: keyring.clone(),
            sealed: sealed.clone(),
        };
        match round.run(admin, internal, stop.clone()).await? {
            End::Stopped => return Ok(()),
            End::StorageFailed => {
                if wait_or_stop(REOPEN_EVERY, stop.clone()).await {
                    return Ok(());
                }
            }
        }
    }
}

async fn bind_again(config: &NodeConfig) -> Result<(TcpListener, TcpListener), Refusal> {
    Ok((
        bind("admin", &config.node.admin_addr).await?,
        bind("internal", &config.node.internal_addr).await?,
    ))
}

struct Round<'a> {
    folders: &'a Folders,
    config: &'a NodeConfig,
    identity: Arc<ReloadableIdentity>,
    keyring: Keyring,
    sealed: SealedKeyring,
}

impl Round<'_> {
    async fn run(
        self,
        admin: TcpListener,
        internal: TcpListener,
        stop: watch::Receiver<bool>,
    ) -> Result<End, Refusal> {
        let current = self.identity.current();
        let (cluster, node) = (current.cluster, current.node);
        let dialer = dial::NodeDialer::new(&self.identity)?;
        let raft = match self.open_raft(node, &dialer).await {
            Ok(raft) => raft,
            Err(refusal) if refusal.code == codes::DISK_FULL => {
                error!(code = %refusal.code, "{refusal}");
                return Ok(End::StorageFailed);
            }
            Err(refusal) => return Err(refusal),
        };
        let control = Control::new(Parts {
            cluster,
            node,
            raft: raft.clone(),
            keyring: self.keyring.clone(),
            sealed_keyring: self.sealed.clone(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(OsIdSource),
            catalog: quorate_packs::catalog(),
            options: ControlOptions::default(),
        });
        let (stop_serving, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        self.serve(&mut tasks, &control, dialer, (admin, internal), &stopped)?;
        let mut duties = tokio::spawn(run_duties(control.clone()));
        let renewing = tokio::spawn(keep_renewed(
            control.clone(),
            Arc::clone(&self.identity),
            self.folders.identity(),
        ));
        let announcing = tokio::spawn(announce(control.clone(), new_node(self.config)?));
        let ended = self.supervise(&control, stop, &mut tasks, &mut duties).await;
        if matches!(ended, Ok(End::Stopped)) {
            hand_over(&control).await;
        }
        control.close();
        duties.abort();
        announcing.abort();
        renewing.abort();
        stop_serving.send_replace(true);
        let drained = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(2), drained).await.is_err() {
            // Event streams and sessions never end by themselves.
            tasks.shutdown().await;
        }
        raft.shutdown().await;
        ended
    }

    async fn open_raft(
        &self,
        node: NodeId,
        dialer: &dial::NodeDialer,
    ) -> Result<RaftNode, Refusal> {
        let cluster = self.keyring.cluster();
        let epoch = quorate_model::Epoch::default();
        let mut options = RaftOptions::new(cluster, epoch, node, self.folders.raft());
        let section = &self.config.master;
        options.heartbeat_ms = section.heartbeat_ms.unwrap_or(options.heartbeat_ms);
        options.election_min_ms = section.election_min_ms.unwrap_or(options.election_min_ms);
        options.election_max_ms = section.election_max_ms.unwrap_or(options.election_max_ms);
        options.snapshot_after_entries =
            section.snapshot_after_entries.unwrap_or(options.snapshot_after_entries);
        let authorizer = Arc::new(dial::CertificateAuthorizer { cluster });
        let (raft, report) =
            RaftNode::open(options, self.keyring.clone(), Arc::new(dialer.clone()), authorizer)
                .await
                .map_err(|error| error.refusal())?;
        info!(%node, entries = report.entries, took_ms = report.took.as_millis(), "state opened");
        Ok(raft)
    }

    /// Starts the three listeners.
    fn serve(
        &self,
        tasks: &mut JoinSet<io::Result<()>>,
        control: &Control,
        dialer: dial::NodeDialer,
        (admin, internal): (TcpListener, TcpListener),
        stopped: &watch::Receiver<bool>,
    ) -> Result<(), Refusal> {
        let router = admin_router(AdminOptions {
            control: control.clone(),
            leader: Arc::new(dial::ToLeader::new(dialer, control.clone())),
            console: quorate_console::router(control.clone()),
        });
        let tls = server_tls(&self.identity).map_err(|error| Refusal::from(&error))?;
        let services = InternalServices {
            control: control.clone(),
            admin: router.clone(),
            raft: tonic::service::Routes::new(control.raft().service()),
        };
        let until = |stopped: &watch::Receiver<bool>| {
            let mut stopped = stopped.clone();
            async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            }
        };
        tasks.spawn(serve_admin(admin, router.clone(), until(stopped)));
        tasks.spawn(serve_local(self.folders.admin_socket(), router, until(stopped)));
        tasks.spawn(serve_internal(internal, tls, services, until(stopped)));
        info!(node = %control.node(), admin = %self.config.node.admin_addr,
            internal = %self.config.node.internal_addr, "master started");
        Ok(())
    }

    /// Waits until the master is to end, and says why.
    async fn supervise(
        &self,
        control: &Control,
        mut stop: watch::Receiver<bool>,
        tasks: &mut JoinSet<io::Result<()>>,
        duties: &mut JoinHandle<()>,
    ) -> Result<End, Refusal> {
        let mut failure = control.raft().storage_failure();
        let timeout = Duration::from_millis(self.config.master.readiness_timeout_ms);
        let deadline = tokio::time::sleep(timeout);
        tokio::pin!(deadline);
        let mut waiting_for_readiness = true;
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return Ok(End::Stopped),
                failed = failure.wait_for(Option::is_some) => {
                    if let Ok(Some(refusal)) = failed.as_deref() {
                        error!(code = %refusal.code, "{refusal}");
                    }
                    return Ok(End::StorageFailed);
                }
                () = control.readiness().opened(), if waiting_for_readiness => {
                    waiting_for_readiness = false;
                }
                () = &mut deadline, if waiting_for_readiness => {
                    return Err(not_ready_in_time(control, timeout));
                }
                ended = &mut *duties => {
                    // A master that leads without its duties would look well and do nothing.
                    let cause = ended.err().map_or_else(String::new, |error| error.to_string());
                    return Err(Refusal::new(codes::INTERNAL, "this master's duties have ended")
                        .cause(cause)
                        .hint("start it again; the other masters go on meanwhile"));
                }
                Some(ended) = tasks.join_next() => {
                    let cause = match ended {
                        Ok(Ok(())) => "a listener ended".to_owned(),
                        Ok(Err(error)) => error.to_string(),
                        Err(error) => error.to_string(),
                    };
                    return Err(refuse_file("serve", &self.folders.run, &io::Error::other(cause)));
                }
            }
        }
    }
}

/// This master as the others shall know it.
fn new_node(config: &NodeConfig) -> Result<NewNode, Refusal> {
    Ok(NewNode {
        name: config.node.name.clone(),
        roles: NodeRoles { master: true, node_manager: config.node.role.is_node_manager() },
        address: config.node.advertise.clone(),
        internal_addr: config.advertised_internal()?,
        admin_addr: config.advertised_admin()?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Renews this master's certificate when half of its lifetime is over; it holds the authority.
async fn keep_renewed(control: Control, identity: Arc<ReloadableIdentity>, folder: PathBuf) {
    loop {
        control.readiness().opened().await;
        if is_renewal_due(&identity.current(), SystemClock.now()) {
            match renew(&control, &identity, &folder) {
                Ok(()) => info!("this master's certificate was renewed"),
                Err(refusal) => warn!("this master's certificate was not renewed yet: {refusal}"),
            }
        }
        tokio::time::sleep(RENEWAL_EVERY).await;
    }
}

fn renew(
    control: &Control,
    identity: &Arc<ReloadableIdentity>,
    folder: &Path,
) -> Result<(), Refusal> {
    let key = NodeKey::generate().map_err(|error| Refusal::from(&error))?;
    let csr = key.csr_pem().map_err(|error| Refusal::from(&error))?;
    let cert_pem = certificates::renew_node(control, control.node(), &csr)?;
    let former = identity.current();
    let renewed = NodeIdentity { cert_pem, key_pem: key.key_pem(), ..(*former).clone() };
    // Stored first: it checks that the parts belong together.
    renewed.store(folder).map_err(|error| Refusal::from(&error))?;
    identity.reload(renewed).map_err(|error| Refusal::from(&error))
}

/// Tells the cluster where this master is, once there is a cluster to tell.
async fn announce(control: Control, node: NewNode) {
    control.readiness().opened().await;
    while let Err(refusal) = nodes::announce(&control, node.clone()).await {
        warn!(code = %refusal.code, "cannot announce this master: {refusal}");
        tokio::time::sleep(REOPEN_EVERY).await;
    }
}

fn not_ready_in_time(control: &Control, timeout: Duration) -> Refusal {
    let live = control.readiness().live();
    let cause = live
        .unmet
        .iter()
        .map(|missing| format!("{}: {}", missing.name, missing.unmet))
        .collect::<Vec<_>>()
        .join("; ");
    Refusal::new(
        codes::READINESS_TIMEOUT,
        format!("the cluster did not become ready within {} s", timeout.as_secs()),
    )
    .cause(cause)
    .hint("start enough masters for a majority, then start this one again")
}

/// Before a leader leaves, it hands leadership to the follower that is furthest ahead, so that
/// clients notice at most one retry.
async fn hand_over(control: &Control) {
    if control.leading().is_none() {
        return;
    }
    let status = control.raft().status();
    let heir = status
        .peers
        .iter()
        .filter(|(id, peer)| {
            status.voters.contains_key(id)
                && peer.acked_ago.is_some_and(|ago| ago < Duration::from_secs(1))
        })
        .max_by_key(|(_, peer)| peer.matched)
        .map(|(id, _)| *id);
    let Some(heir) = heir else { return };
    match tokio::time::timeout(STOP_DEADLINE, control.raft().transfer_leader(heir)).await {
        Ok(Ok(took)) => info!(to = %heir, took_ms = took.as_millis(), "leadership handed over"),
        Ok(Err(error)) => warn!(to = %heir, %error, "leadership not handed over"),
        Err(_) => warn!(to = %heir, "leadership not handed over in time"),
    }
}

/// Waits; true when it was asked to stop meanwhile.
async fn wait_or_stop(how_long: Duration, mut stop: watch::Receiver<bool>) -> bool {
    tokio::time::timeout(how_long, stop.wait_for(|stop| *stop)).await.is_ok()
}

/// Keeps the masters' addresses for the node manager of this host.
pub(super) fn store_masters(
    folders: &Folders,
    masters: &[(NodeId, String)],
) -> Result<(), Refusal> {
    let path = folders.data.join("masters.json");
    let json = serde_json::to_vec_pretty(masters)
        .map_err(|error| Refusal::new(codes::INTERNAL, error.to_string()))?;
    quorate_keyring::atomic_write(&path, &json, 0o600).map_err(|error| Refusal::from(&error))
}

/// The masters as they were when this node joined.
pub(super) fn load_masters(folders: &Folders) -> Vec<(NodeId, String)> {
    std::fs::read(folders.data.join("masters.json"))
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .unwrap_or_default()
}
