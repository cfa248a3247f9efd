//! How a node and its peers stand, in this crate's own words.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use openraft::{Instant, RaftMetrics, ServerState};
use quorate_model::{LogIndex, NodeId, Refusal, Term};

use crate::types::TokioConfig as C;

/// What a node is in its cluster at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Leads, or believes it does; see [`RaftStatus::quorum_acked_ago`].
    Leader,
    /// A voter that follows.
    Follower,
    /// A voter that stands for election.
    Candidate,
    /// Holds the state without a vote, or no member of any cluster yet.
    Learner,
    /// Has stopped.
    Stopped,
}

impl Role {
    /// The role as people write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
            Self::Learner => "learner",
            Self::Stopped => "stopped",
        }
    }
}

/// What the leader knows of another master.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerStatus {
    /// The last entry it is known to have.
    pub matched: Option<LogIndex>,
    /// How long ago it last answered; `None` when it never did.
    pub acked_ago: Option<Duration>,
    /// The last entry it said to have applied, when it said so lately.
    pub applied: Option<LogIndex>,
}

/// How a node stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftStatus {
    /// This node.
    pub node: NodeId,
    /// What it is.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// On a leader: how long ago a quorum last answered. A large value means that it is cut off.
    pub quorum_acked_ago: Option<Duration>,
    /// The last entry in its log.
    pub last_log: Option<LogIndex>,
    /// The last entry it knows to be on a majority.
    pub committed: Option<LogIndex>,
    /// The last entry applied to its state.
    pub applied: Option<LogIndex>,
    /// The last entry in its newest snapshot.
    pub snapshot: Option<LogIndex>,
    /// The last entry removed from its log.
    pub purged: Option<LogIndex>,
    /// The voters and their addresses.
    pub voters: BTreeMap<NodeId, String>,
    /// The learners and their addresses.
    pub learners: BTreeMap<NodeId, String>,
    /// The sets of voters a majority of each of which is needed: one, or two while a change of
    /// voters is under way.
    pub voter_sets: Vec<BTreeSet<NodeId>>,
    /// Whether a change of voters is under way.
    pub joint: bool,
    /// On a leader: the other masters.
    pub peers: BTreeMap<NodeId, PeerStatus>,
    /// Why its storage failed, if it did.
    pub storage_failure: Option<Refusal>,
}

/// A leadership that may act: a quorum has acknowledged it within the lease, in this term, and
/// everything of earlier terms is applied here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leadership {
    /// The term it is for; everything done as leader carries it.
    pub term: Term,
}

pub(crate) fn status(metrics: &RaftMetrics<C>, storage_failure: Option<Refusal>) -> RaftStatus {
    let membership = metrics.membership_config.membership();
    let voter_ids: BTreeSet<u64> = membership.voter_ids().collect();
    let (voters, learners) = membership
        .nodes()
        .map(|(&id, node)| (NodeId(id), node.addr.clone()))
        .partition(|(id, _)| voter_ids.contains(&id.0));
    let mut peers = BTreeMap::<NodeId, PeerStatus>::new();
    for (&id, matched) in metrics.replication.iter().flatten() {
        peers.entry(NodeId(id)).or_default().matched =
            matched.as_ref().map(|id| LogIndex(id.index));
    }
    for (&id, acked) in metrics.heartbeat.iter().flatten() {
        peers.entry(NodeId(id)).or_default().acked_ago = acked.as_ref().map(|at| at.elapsed());
    }
    peers.remove(&NodeId(metrics.id));
    let index = |id: &Option<crate::types::LogId>| id.as_ref().map(|id| LogIndex(id.index));
    RaftStatus {
        node: NodeId(metrics.id),
        role: role(metrics),
        term: Term(metrics.current_term),
        leader: metrics.current_leader.map(NodeId),
        quorum_acked_ago: metrics.last_quorum_acked.as_ref().map(|at| at.elapsed()),
        last_log: metrics.last_log_index.map(LogIndex),
        committed: index(&metrics.local_committed),
        applied: index(&metrics.last_applied),
        snapshot: index(&metrics.snapshot),
        purged: index(&metrics.purged),
        voters,
        learners,
        voter_sets: membership
            .get_joint_config()
            .iter()
            .map(|set| set.iter().map(|id| NodeId(*id)).collect())
            .collect(),
        joint: membership.get_joint_config().len() > 1,
        peers,
        storage_failure,
    }
}

fn role(metrics: &RaftMetrics<C>) -> Role {
    if metrics.running_state.is_err() {
        return Role::Stopped;
    }
    match metrics.state {
        ServerState::Leader => Role::Leader,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Learner => Role::Learner,
        ServerState::Shutdown => Role::Stopped,
    }
}

/// Whether it leads by the votes of others, whose acknowledgements it then needs.
pub(crate) fn needs_others(metrics: &RaftMetrics<C>) -> bool {
    role(metrics) == Role::Leader && !is_alone(metrics)
}

/// The only voter is a quorum by itself and hears no acknowledgements.
fn is_alone(metrics: &RaftMetrics<C>) -> bool {
    let mut voters = metrics.membership_config.membership().voter_ids();
    voters.next() == Some(metrics.id) && voters.next().is_none()
}

/// An isolated leader goes on believing in itself: only the lease tells.
pub(crate) fn leadership(metrics: &RaftMetrics<C>, lease: Duration) -> Option<Leadership> {
    let leads = role(metrics) == Role::Leader;
    let acked = is_alone(metrics)
        || metrics.last_quorum_acked.as_ref().is_some_and(|at| at.elapsed() < lease);
    let caught_up =
        metrics.last_applied.as_ref().is_some_and(|id| *id.leader_id == metrics.current_term);
    (leads && acked && caught_up).then_some(Leadership { term: Term(metrics.current_term) })
}
