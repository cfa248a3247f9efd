//! One master's Raft node: the only thing the rest of the product sees of consensus.

pub(crate) mod decide;
mod folder;
mod forward;
pub(crate) mod local;
mod membership;
pub(crate) mod open;
mod options;
mod propose;
mod read;
mod status;
pub(crate) mod superseded;
pub(crate) mod told;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use openraft::{BasicNode, Raft, RaftMetrics, async_runtime::watch::WatchReceiver};
use quorate_model::{CommitTimes, LogIndex, NodeId, Refusal, codes};
use quorate_state::State;
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::{Instant, sleep},
};

pub(crate) use self::open::check_no_gap;
use self::{
    folder::FolderLock,
    local::{Leader, Local},
    superseded::EpochEnd,
};
pub use self::{
    open::OpenReport,
    options::RaftOptions,
    status::{Leadership, PeerStatus, RaftStatus, Role},
    superseded::Superseded,
};
use crate::{
    RaftError, Troubles,
    log_store::{LogStore, failure::Failure},
    network::{Masters, PeerAuthorizer, Peers},
    proto::raft::masters_server::MastersServer,
    state_machine::{Published, SnapshotFile, StateMachine},
    types::TokioConfig as C,
};

/// How long `initialize` and `trigger_snapshot` wait.
const WAIT: Duration = Duration::from_secs(30);
/// How often `trigger_snapshot` asks for one anew.
const SNAPSHOT_ASKED_EVERY: Duration = Duration::from_millis(250);
/// How often a leader looks whether its quorum still answers.
const LEASE_LOOKS: u32 = 6;
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The tonic service that answers the other masters: give it to the internal listener's router.
pub type MastersRouterService = MastersServer<Masters>;

/// What the node's tasks share.
#[derive(Clone)]
pub(crate) struct Shared {
    options: Arc<RaftOptions>,
    raft: Raft<C, StateMachine<C>>,
    local: Local,
    peers: Peers,
    published: Published,
    failure: Failure,
    forwards: mpsc::Sender<forward::Waiting>,
    ended: EpochEnd,
    told: told::Told,
}

struct Inner {
    shared: Shared,
    store: LogStore<C>,
    snapshots: SnapshotFile,
    readers: mpsc::UnboundedSender<read::Reader>,
    leadership: watch::Receiver<Option<Leadership>>,
    authorizer: Arc<dyn PeerAuthorizer>,
    tasks: Vec<AbortHandle>,
    lock: Mutex<Option<FolderLock>>,
}

/// A master's Raft node. Clones are the same node; call [`RaftNode::shutdown`] on one of them.
#[derive(Clone)]
pub struct RaftNode {
    inner: Arc<Inner>,
}

impl RaftNode {
    /// Makes this node the only voter of a new cluster and waits until it leads.
    ///
    /// # Errors
    /// [`RaftError::AlreadyInitialised`] when the node is a member already.
    pub async fn initialize(&self, addr: &str) -> Result<(), RaftError> {
        let shared = &self.inner.shared;
        let node = shared.options.node;
        let members = BTreeMap::from([(node.0, BasicNode::new(addr))]);
        shared.raft.initialize(members).await.map_err(|error| match error {
            openraft::errors::RaftError::APIError(
                openraft::errors::InitializeError::NotAllowed(_),
            ) => RaftError::AlreadyInitialised { node },
            other => RaftError::Stopped { reason: other.to_string() },
        })?;
        let mut leadership = self.leadership();
        match tokio::time::timeout(WAIT, leadership.wait_for(Option::is_some)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(self.stopped_error()),
            Err(_) => {
                Err(RaftError::Timeout { what: format!("the election of {node}"), waited: WAIT })
            }
        }
    }

    /// Whether this node has ever been a member of a cluster.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn is_initialized(&self) -> Result<bool, RaftError> {
        self.inner
            .shared
            .raft
            .is_initialized()
            .await
            .map_err(|error| RaftError::Stopped { reason: error.to_string() })
    }

    /// This node's id.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.inner.shared.options.node
    }

    /// The newest state applied here, now and whenever it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<Arc<State>> {
        self.inner.shared.published.state()
    }

    /// How often a leader lets the others hear of it.
    #[must_use]
    pub fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.inner.shared.options.heartbeat_ms)
    }

    /// How this node stands at the moment.
    #[must_use]
    pub fn status(&self) -> RaftStatus {
        let shared = &self.inner.shared;
        let mut status = status::status(&shared.metrics(), shared.failure.current());
        for (node, peer) in &mut status.peers {
            peer.applied = shared.told.applied(*node);
        }
        status
    }

    /// How long the newest commits of this node's log took; `None` before the first.
    #[must_use]
    pub fn commit_times(&self) -> Option<CommitTimes> {
        self.inner.store.commit_times()
    }

    /// What went wrong lately on this master.
    #[must_use]
    pub fn troubles(&self) -> &Troubles {
        &self.inner.shared.peers.troubles
    }

    /// `Some` only while this node leads, a quorum has acknowledged it in its term and within the
    /// lease, and everything of earlier terms is applied here.
    #[must_use]
    pub fn leadership(&self) -> watch::Receiver<Option<Leadership>> {
        self.inner.leadership.clone()
    }

    /// `Some` once this node's storage has failed: it then accepts nothing. Shut the node down,
    /// and open its folder again from time to time until that succeeds.
    #[must_use]
    pub fn storage_failure(&self) -> watch::Receiver<Option<Refusal>> {
        self.inner.shared.failure.watch()
    }

    /// `Some` once another master said that this node's epoch has ended, after a recovery from
    /// lost quorum. Shut the node down, and do not open it again in its epoch.
    #[must_use]
    pub fn superseded(&self) -> watch::Receiver<Option<Superseded>> {
        self.inner.shared.ended.watch()
    }

    /// The service that answers the other masters, for the internal listener.
    #[must_use]
    pub fn service(&self) -> MastersRouterService {
        let shared = &self.inner.shared;
        MastersServer::new(Masters {
            raft: shared.raft.clone(),
            local: shared.local.clone(),
            published: shared.published.clone(),
            authorizer: Arc::clone(&self.inner.authorizer),
            cluster: shared.options.cluster,
            epoch: shared.options.epoch,
            written_off: shared.options.written_off.clone(),
            node: shared.options.node,
            ended: shared.ended.clone(),
            told: shared.told.clone(),
            troubles: shared.peers.troubles.clone(),
        })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Makes a snapshot of everything applied by now and waits for it.
    ///
    /// # Errors
    /// When the node has stopped or the snapshot does not come in time.
    pub async fn trigger_snapshot(&self) -> Result<(), RaftError> {
        self.snapshot_upto(self.status().applied).await
    }

    /// Makes a snapshot of everything up to an entry that is applied by now, and waits for it.
    ///
    /// # Errors
    /// When the node has stopped or the snapshot does not come in time.
    pub async fn snapshot_of(&self, applied: LogIndex) -> Result<(), RaftError> {
        self.snapshot_upto(self.status().applied.max(Some(applied))).await
    }

    async fn snapshot_upto(&self, target: Option<LogIndex>) -> Result<(), RaftError> {
        let raft = &self.inner.shared.raft;
        let deadline = Instant::now() + WAIT;
        let mut ask_at = Instant::now();
        while self.status().snapshot < target {
            if self.status().role == Role::Stopped {
                return Err(self.stopped_error());
            }
            if Instant::now() >= deadline {
                return Err(RaftError::Timeout { what: "the snapshot".to_owned(), waited: WAIT });
            }
            // Asked while an older one is being written, the engine does nothing.
            if Instant::now() >= ask_at {
                ask_at = Instant::now() + SNAPSHOT_ASKED_EVERY;
                raft.trigger()
                    .snapshot()
                    .await
                    .map_err(|error| RaftError::Stopped { reason: error.to_string() })?;
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Stops the node, writes what is queued, and releases the folder: it can be opened again
    /// when this returns. Doing it twice is doing it once.
    pub async fn shutdown(&self) {
        for task in &self.inner.tasks {
            task.abort();
        }
        if let Err(error) = self.inner.shared.raft.shutdown().await {
            tracing::warn!("the Raft core did not end cleanly: {error}");
        }
        let (store, snapshots) = (self.inner.store.clone(), self.inner.snapshots.clone());
        // Waits for the writers of the log and of a snapshot, which may be in the middle of a write:
        // whoever opens the folder next must be alone with it.
        let closed = tokio::task::spawn_blocking(move || {
            snapshots.close();
            store.close();
        });
        drop(closed.await);
        drop(self.inner.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn stopped_error(&self) -> RaftError {
        let reason = self
            .inner
            .shared
            .stopped()
            .map_or_else(|| "it was shut down".to_owned(), |refusal| refusal.to_string());
        RaftError::Stopped { reason }
    }

    /// The folder of the node, for messages.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.inner.shared.options.folder
    }
}

impl std::fmt::Debug for RaftNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RaftNode").field("node", &self.id()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.snapshots.close();
        self.store.close();
    }
}

impl Shared {
    /// A copy: the metrics' guard is a lock that must not live across an await.
    fn metrics(&self) -> RaftMetrics<C> {
        self.raft.metrics().borrow_watched().clone()
    }

    /// Who leads as far as this node knows, and where that node is reached.
    fn leader(&self) -> Leader {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let Some(leader) = metrics.current_leader else { return Leader::default() };
        let membership = metrics.membership_config.membership();
        let addr = membership.get_node(&leader).map(|node| node.addr.clone()).unwrap_or_default();
        Leader { node: Some(NodeId(leader)), addr }
    }

    /// Why this node takes part in nothing any more, if so.
    fn stopped(&self) -> Option<Refusal> {
        self.failure.current().or_else(|| {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            metrics.running_state.as_ref().err().map(|fatal| {
                Refusal::new(codes::STORAGE_FAILED, "this master has stopped")
                    .cause(fatal.to_string())
            })
        })
    }
}

/// Follows what Raft says: where the members are, and whether this node leads. It looks at every
/// change, and from time to time by itself, since a leader that is cut off hears nothing.
async fn watch_leadership(shared: Shared, leadership: watch::Sender<Option<Leadership>>) {
    let lease = shared.options.grace();
    let mut metrics = shared.raft.metrics();
    let mut membership = None;
    loop {
        let now = {
            let metrics = metrics.borrow_watched();
            if membership.as_ref() != Some(metrics.membership_config.log_id()) {
                membership = Some(*metrics.membership_config.log_id());
                for (id, node) in metrics.membership_config.membership().nodes() {
                    shared.peers.addresses.decided(NodeId(*id), &node.addr);
                }
            }
            // So that the silence of one that is cut off at once begins with its election.
            let _ = shared.local.silence(&metrics);
            status::leadership(&metrics, lease)
        };
        leadership.send_if_modified(|current| {
            let changed = *current != now;
            *current = now;
            changed
        });
        tokio::select! {
            changed = metrics.changed() => if changed.is_err() {
                leadership.send_replace(None);
                return;
            },
            () = sleep(lease / LEASE_LOOKS), if now.is_some() => {}
        }
    }
}
