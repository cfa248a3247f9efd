//! The numbers of one master, for whoever watches it; they tell nothing secret.

use quorate_model::{CommitTimes, LogIndex, TroubleKind};

use crate::Control;

/// What this master knows, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Whether this master can serve.
    pub ready: bool,
    /// Whether this master leads.
    pub leads: bool,
    /// The Raft term; on a leader, the one it leads in.
    pub term: u64,
    /// The end of this master's log.
    pub last_log_index: u64,
    /// What is known to be committed.
    pub committed_index: u64,
    /// What this master has applied.
    pub applied_index: u64,
    /// How many voters there are.
    pub voters: usize,
    /// How many learners there are.
    pub learners: usize,
    /// Counts recoveries from lost quorum.
    pub epoch: u64,
    /// What every binary must be able to read.
    pub feature_level: u32,
    /// How many nodes there are.
    pub nodes: usize,
    /// How many components there are.
    pub components: usize,
    /// How many settings there are.
    pub settings: usize,
    /// How many operations have not ended.
    pub operations_unfinished: usize,
    /// How many logins have failed on this master since it started.
    pub failed_logins: u64,
    /// How long this master's newest commits took; zeros before the first.
    pub commits: CommitTimes,
    /// How many changes were not acknowledged in the last ten minutes.
    pub failed_proposals: u64,
    /// How many calls to other masters failed in the last ten minutes.
    pub failed_calls: u64,
    /// How many elections this master has seen in the last ten minutes.
    pub elections: u64,
    /// How often this master has seen the leadership change since it started.
    pub leader_changes: u64,
}

/// The numbers of now. Needs no login.
#[must_use]
pub fn read(control: &Control) -> Numbers {
    let raft = control.raft().status();
    // Read by itself, the term could be the one before or after that which is led in.
    let led = control.leading();
    let state = control.state();
    let metadata = &state.metadata;
    let index = |at: Option<LogIndex>| at.map_or(0, |at| at.0);
    let troubles = control.raft().troubles().recent();
    let elections = control.shared.elections.counted();
    let failed = |kind| troubles.iter().filter(|it| it.kind == kind).map(|it| it.count).sum();
    Numbers {
        ready: control.readiness().live().ready,
        leads: led.is_some(),
        term: led.unwrap_or(raft.term).0,
        last_log_index: index(raft.last_log),
        committed_index: index(raft.committed),
        applied_index: index(raft.applied),
        voters: raft.voters.len(),
        learners: raft.learners.len(),
        epoch: state.epoch.0,
        feature_level: state.feature_level,
        failed_logins: control.shared.failed_logins.total(),
        nodes: metadata.nodes.len(),
        components: metadata.components.len(),
        settings: metadata.settings.len(),
        operations_unfinished: metadata
            .operations
            .values()
            .filter(|operation| !operation.status.is_final())
            .count(),
        commits: control.raft().commit_times().unwrap_or_default(),
        failed_proposals: failed(TroubleKind::Proposal),
        failed_calls: failed(TroubleKind::Replication),
        elections: elections.lately,
        leader_changes: elections.changes,
    }
}
