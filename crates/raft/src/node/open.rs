//! Opening a node: lock the folder, verify log and snapshot, start Raft.

use std::{sync::Arc, time::Instant};

use openraft::Raft;
use quorate_keyring::Keyring;
use quorate_model::{LogIndex, Refusal, codes};
use tokio::sync::{Notify, mpsc, watch};

use super::{
    Inner, RaftNode, RaftOptions, Shared,
    folder::FolderLock,
    forward,
    local::Local,
    read,
    superseded::{EpochEnd, elect_when_asked},
};
use crate::{
    RaftError,
    log_store::{LogReport, LogStore, Threading, failure::Failure},
    network::{Dialer, Network, PeerAuthorizer, Peers},
    state_machine::{Restored, SnapshotFile, StateMachine},
    types::{Config, LogId, TokioConfig as C},
    vault::Vault,
};

/// What was found when a node's folder was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReport {
    /// Whether the folder held a node that was a member before.
    pub initialised: bool,
    /// How many log entries were verified.
    pub entries: u64,
    /// The last entry in the snapshot that the state was restored from.
    pub snapshot: Option<LogIndex>,
    /// Set when the last write to the log was torn and has been taken back (Q5002).
    pub torn: Option<Refusal>,
    /// How long it took.
    pub took: std::time::Duration,
}

/// Everything that is done before Raft starts; it blocks.
struct Opened {
    lock: FolderLock,
    store: LogStore<C>,
    snapshots: SnapshotFile,
    report: LogReport,
    restored: Restored<C>,
}

impl RaftNode {
    /// Opens the node's folder, which may be empty, verifies all of it, and takes part in the
    /// cluster it is a member of, if any.
    ///
    /// # Errors
    /// When the folder is in use, damaged, of another node or keyring, or of a newer binary.
    pub async fn open(
        options: RaftOptions,
        keyring: Keyring,
        dialer: Arc<dyn Dialer>,
        authorizer: Arc<dyn PeerAuthorizer>,
    ) -> Result<(Self, OpenReport), RaftError> {
        let begun = Instant::now();
        let mut config = options.config()?;
        // Not before the others were asked for their epoch.
        config.enable_elect = false;
        let config = Arc::new(config);
        let options = Arc::new(options);
        let (failure, ended) = (Failure::new(), EpochEnd::new());
        let (for_opening, its_failure) = (Arc::clone(&options), failure.clone());
        let opened =
            tokio::task::spawn_blocking(move || open_folder(&for_opening, keyring, its_failure))
                .await
                .map_err(|error| RaftError::Stopped { reason: error.to_string() })??;
        let Opened { lock, store, snapshots, report, restored } = opened;
        let peers = Peers::new(dialer, options.cluster, options.epoch, ended.clone());
        let network = Network::new(peers.clone(), options.node);
        let raft = Raft::new(options.node.0, config, network, store.clone(), restored.machine)
            .await
            .map_err(|error| match failure.current() {
                // Raft replays the committed log before anything else.
                Some(refusal) if refusal.code == codes::BINARY_TOO_OLD => {
                    RaftError::LogTooNew { reason: refusal.to_string() }
                }
                _ => RaftError::Stopped { reason: error.to_string() },
            })?;
        let (forwards, forwarded) = mpsc::channel(forward::QUEUE);
        let shared = Shared {
            local: Local::new(raft.clone(), failure.clone(), options.grace()),
            options,
            raft,
            peers,
            published: restored.published,
            failure,
            forwards,
            ended,
            told: super::told::Told::default(),
        };
        elect_the_only_voter(&shared.raft).await;
        let (readers, queue) = mpsc::unbounded_channel();
        let (leading, leadership) = watch::channel(None);
        let tasks = vec![
            tokio::spawn(read::serve(shared.clone(), queue)).abort_handle(),
            tokio::spawn(forward::serve(shared.clone(), forwarded)).abort_handle(),
            tokio::spawn(snapshot_when_large(shared.clone(), restored.large)).abort_handle(),
            tokio::spawn(super::watch_leadership(shared.clone(), leading)).abort_handle(),
            tokio::spawn(elect_when_asked(shared.clone())).abort_handle(),
        ];
        let report = OpenReport {
            initialised: report.initialised,
            entries: report.entries,
            snapshot: restored.snapshot.map(|id| LogIndex(id.index)),
            torn: report.torn.then(torn),
            took: begun.elapsed(),
        };
        if let Some(torn) = &report.torn {
            tracing::warn!(code = %torn.code, node = %shared.options.node, "{torn}");
        }
        let inner = Inner {
            shared,
            store,
            snapshots,
            readers,
            leadership,
            authorizer,
            tasks,
            lock: Some(lock).into(),
        };
        Ok((Self { inner: Arc::new(inner) }, report))
    }
}

fn open_folder(
    options: &RaftOptions,
    keyring: Keyring,
    failure: Failure,
) -> Result<Opened, RaftError> {
    let lock = FolderLock::take(&options.folder)?;
    let vault = Vault::new(keyring, options.cluster, options.node);
    let path = options.folder.join("log.redb");
    let (store, report) = LogStore::open(&path, vault.clone(), failure.clone(), Threading::Thread)?;
    let snapshots = SnapshotFile::new(&options.folder, vault);
    let restored =
        StateMachine::restore(snapshots.clone(), failure, Threading::Thread, options.reads_level)?;
    check_no_gap(report.purged, restored.snapshot, &snapshots)?;
    Ok(Opened { lock, store, snapshots, report, restored })
}

/// What was removed from the log must be in the snapshot.
pub(crate) fn check_no_gap(
    purged: Option<LogId>,
    snapshot: Option<LogId>,
    snapshots: &SnapshotFile,
) -> Result<(), RaftError> {
    let purged = purged.map(|id| id.index);
    let snapshot = snapshot.map(|id| id.index);
    if purged <= snapshot {
        return Ok(());
    }
    let reason = match (purged, snapshot) {
        (Some(purged), Some(snapshot)) => {
            format!("it ends at entry {snapshot}, but the log was purged up to {purged}")
        }
        _ => "it is missing, but the log was purged".to_owned(),
    };
    Err(snapshots.corrupt(reason))
}

/// A master that is alone need not wait for anybody before it leads again. One with learners asks them
/// first for their epoch, as every other does: a recovery may have gone on with one of them.
pub(crate) async fn elect_the_only_voter<C: Config>(raft: &Raft<C, StateMachine<C>>) {
    let this = *raft.node_id();
    let is_alone = raft
        .with_raft_state(move |state| {
            let membership = state.membership_state.effective();
            membership.voter_ids().eq([this]) && membership.nodes().count() == 1
        })
        .await
        .unwrap_or(false);
    if is_alone && let Err(error) = raft.trigger().elect(false).await {
        tracing::warn!("cannot stand for election at once: {error}");
    }
}

/// Few but large proposals must not make a log that fills the disk.
async fn snapshot_when_large(shared: Shared, large: Arc<Notify>) {
    loop {
        large.notified().await;
        if let Err(error) = shared.raft.trigger().snapshot().await {
            tracing::warn!("cannot begin a snapshot: {error}");
        }
    }
}

fn torn() -> Refusal {
    Refusal::new(
        codes::LOG_TAIL_TORN,
        "the last write to the log was torn and has been taken back",
    )
    .cause("the process or the machine ended in the middle of it; nobody was told that it was done")
    .hint("nothing to do: what a majority acknowledged is restored from the other masters")
}
