//! What a master's Raft node is started with.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use openraft::{Config, SnapshotPolicy};
use quorate_model::{ClusterId, Epoch, NodeId};

use crate::RaftError;

/// The largest number of entries in one replication request.
const REQUEST_ENTRIES_MAX: u64 = 1024;
/// A snapshot must be transferred and installed within this.
const SNAPSHOT_TRANSFER: Duration = Duration::from_secs(300);
/// For so long at least a leader whose quorum does not answer goes on with its duties.
const LEADERSHIP_GRACE: Duration = Duration::from_secs(1);

/// How a node takes part in its cluster. [`RaftOptions::new`] has the defaults.
#[derive(Debug, Clone)]
pub struct RaftOptions {
    /// The cluster.
    pub cluster: ClusterId,
    /// Its epoch: nodes of another one are refused.
    pub epoch: Epoch,
    /// Nodes that are dead for ever, known before any state is applied: those that the recovery
    /// which began this epoch wrote off.
    pub written_off: BTreeSet<NodeId>,
    /// This node. An id whose data folder was lost must never be used again.
    pub node: NodeId,
    /// Where log and snapshot are kept; made when it is absent.
    pub folder: PathBuf,
    /// The newest feature level this binary reads: a state of a newer one is not touched.
    pub reads_level: u32,
    /// How often the leader says that it lives, in milliseconds.
    pub heartbeat_ms: u64,
    /// The least time without a leader before a follower stands for election, in milliseconds.
    pub election_min_ms: u64,
    /// The most of that time, in milliseconds. It is also the leader's lease.
    pub election_max_ms: u64,
    /// A snapshot is made after so many entries, or fewer large ones.
    pub snapshot_after_entries: u64,
    /// So many entries stay in the log behind a snapshot, for followers that are a little behind.
    pub keep_entries: u64,
    /// How long a proposal waits for a leader and its outcome.
    pub propose_deadline: Duration,
    /// How long a linearizable read waits.
    pub read_deadline: Duration,
}

impl RaftOptions {
    /// The defaults: a lost leader is replaced in less than half a second. A follower waits for the
    /// lease and then for its election time, at least nine lost heartbeats together, before it
    /// asks the others whether they have lost the leader too.
    #[must_use]
    pub fn new(cluster: ClusterId, epoch: Epoch, node: NodeId, folder: impl Into<PathBuf>) -> Self {
        Self {
            cluster,
            epoch,
            written_off: BTreeSet::new(),
            node,
            folder: folder.into(),
            reads_level: quorate_state::FEATURE_LEVEL,
            heartbeat_ms: 40,
            election_min_ms: 120,
            election_max_ms: 240,
            // Encoding and sealing a state takes tens of milliseconds that writes feel.
            snapshot_after_entries: 50_000,
            keep_entries: 2_000,
            propose_deadline: Duration::from_secs(10),
            read_deadline: Duration::from_secs(10),
        }
    }

    pub(crate) const fn lease(&self) -> Duration {
        Duration::from_millis(self.election_max_ms)
    }

    /// How long a leader may hear of no quorum before it leads no longer. Longer than the lease: a
    /// busy machine that delays a few heartbeats must not end the duties of a leader that nobody
    /// has replaced. What it does meanwhile is fenced by its term.
    pub(crate) fn grace(&self) -> Duration {
        self.lease().max(LEADERSHIP_GRACE)
    }

    pub(crate) fn config(&self) -> Result<Config, RaftError> {
        if self.node.0 == 0 {
            return Err(RaftError::Options { reason: "node ids begin at n1".to_owned() });
        }
        let config = Config {
            cluster_name: self.cluster.to_string(),
            heartbeat_interval: self.heartbeat_ms,
            election_timeout_min: self.election_min_ms,
            election_timeout_max: self.election_max_ms,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_after_entries),
            max_in_snapshot_log_to_keep: self.keep_entries,
            // One range deletion for many entries instead of one for each.
            purge_batch_size: (self.keep_entries / 4).max(1),
            // A follower behind the kept entries can only be helped by a snapshot.
            replication_lag_threshold: self.snapshot_after_entries + self.keep_entries,
            install_snapshot_timeout: u64::try_from(SNAPSHOT_TRANSFER.as_millis())
                .unwrap_or(u64::MAX),
            max_payload_entries: REQUEST_ENTRIES_MAX,
            backoff: "20ms 50ms 100ms 200ms ..500ms".to_owned(),
            enable_pre_vote: Some(true),
            // A restarted leader stands for election like everybody else: its committed position
            // on disk may be a little old.
            enable_leader_restore: Some(false),
            ..Config::default()
        };
        config.validate().map_err(|error| RaftError::Options { reason: error.to_string() })
    }
}
