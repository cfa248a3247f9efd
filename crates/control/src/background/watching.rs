//! What the leader sees of the other masters over time: since when each is level, steady, stuck.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use quorate_model::{NodeId, Subject, Timestamp};
use quorate_plan::{
    AutopilotInput, CleanUp, LEVEL_LAG, LeadershipInput, MASTER_FRESH_FOR, MAX_LAG, MasterSeen,
    Standing,
};
use quorate_raft::RaftStatus;

use crate::Control;

/// What was seen of one master.
#[derive(Debug, Clone, Copy)]
struct Track {
    /// Since when this leader knows of it.
    first_seen: Instant,
    level_since: Option<Instant>,
    steady_since: Option<Instant>,
    /// How far it had got, and since when it has not got further.
    matched: Option<u64>,
    moved_at: Instant,
    started_at: Option<Timestamp>,
}

/// Remembers one leader's view; a new term begins a new one.
#[derive(Debug, Default)]
pub(crate) struct Watching {
    tracks: BTreeMap<NodeId, Track>,
}

impl Watching {
    /// Looks once; the views below speak of this look.
    pub(crate) fn look(&mut self, control: &Control, now: Instant) {
        let status = control.raft().status();
        let state = control.state();
        self.tracks.retain(|id, _| state.metadata.nodes.contains_key(id));
        for (id, node) in state.metadata.nodes.iter().filter(|(_, node)| node.roles.master) {
            let lag = lag(control, &status, *id);
            let live = silent_for(control, &status, *id, Duration::MAX) < MASTER_FRESH_FOR;
            let matched = status.peers.get(id).and_then(|peer| peer.matched).map(|it| it.0);
            let track = self.tracks.entry(*id).or_insert(Track {
                first_seen: now,
                level_since: None,
                steady_since: None,
                matched,
                moved_at: now,
                started_at: node.started_at,
            });
            if matched != track.matched || lag.is_some_and(|lag| lag <= MAX_LAG) {
                track.matched = matched;
                track.moved_at = now;
            }
            // A process that came back faster than its silence was noticed has flapped all the same.
            let restarted = track.started_at != node.started_at;
            track.started_at = node.started_at;
            let since = |held: bool, since: Option<Instant>| held.then(|| since.unwrap_or(now));
            track.level_since = since(lag.is_some_and(|lag| lag <= MAX_LAG), track.level_since);
            let steady = live && lag.is_some_and(|lag| lag <= LEVEL_LAG);
            let steady_since = if restarted { None } else { track.steady_since };
            track.steady_since = since(steady, steady_since);
        }
    }

    /// What autopilot decides on.
    pub(crate) fn autopilot_input(&self, control: &Control, now: Instant) -> AutopilotInput {
        let status = control.raft().status();
        let state = control.state();
        let policy = &state.metadata.policy;
        let passed = |since: Option<Instant>| since.map_or(Duration::ZERO, |at| now - at);
        let mut masters = BTreeMap::new();
        for (id, node) in state.metadata.nodes.iter().filter(|(_, node)| node.roles.master) {
            let voter = status.voters.contains_key(id);
            let track = self.tracks.get(id);
            // One that joined a moment ago was not silent for as long as this master has led.
            let known_for = passed(track.map(|track| track.first_seen));
            let address = status.voters.get(id).or_else(|| status.learners.get(id));
            masters.insert(
                *id,
                MasterSeen {
                    voter,
                    member: voter || status.learners.contains_key(id),
                    lag: lag(control, &status, *id),
                    level_for: passed(track.and_then(|track| track.level_since)),
                    stuck_for: passed(track.map(|track| track.moved_at)),
                    silent_for: silent_for(control, &status, *id, known_for),
                    moved: address.is_some_and(|addr| *addr != node.internal_addr),
                    learner_only: node.learner_only.is_some(),
                    was_started: node.started_at.is_some(),
                    carries_instances: !state.metadata.instances_on(*id).is_empty(),
                },
            );
        }
        let is_removed = |id: &&NodeId| state.metadata.tombstones.contains_key(*id);
        AutopilotInput {
            leader: control.node(),
            masters,
            removed_voters: status.voters.keys().filter(is_removed).copied().collect(),
            removed_learners: status.learners.keys().filter(is_removed).copied().collect(),
            stabilization: control.shared.parts.options.autopilot.stabilization,
            stall_after: policy.stall_after(),
            even_allowed: state.metadata.even_voters.is_some(),
            clean_up: policy.cleanup_after().map(|after| CleanUp {
                after,
                floor: usize::try_from(policy.cleanup_floor).unwrap_or(usize::MAX),
            }),
            held: state.metadata.lock_on(&Subject::Masters).is_some(),
            joint: status.joint,
        }
    }

    /// What the choice of the leader is made on.
    pub(crate) fn leadership_input(&self, control: &Control, now: Instant) -> LeadershipInput {
        let status = control.raft().status();
        let state = control.state();
        let masters = state.metadata.nodes.iter().filter(|(_, node)| node.roles.master);
        LeadershipInput {
            leader: control.node(),
            masters: masters
                .map(|(id, node)| {
                    let since = self.tracks.get(id).and_then(|track| track.steady_since);
                    let standing = Standing {
                        voter: status.voters.contains_key(id),
                        priority: node.priority,
                        lag: lag(control, &status, *id),
                        steady_for: since.map(|since| now.duration_since(since)),
                        learner_only: node.learner_only.is_some(),
                    };
                    (*id, standing)
                })
                .collect(),
            window: state.metadata.policy.fail_back(),
            held: state.metadata.lock_on(&Subject::Masters).is_some(),
        }
    }
}

/// Measured against what is committed: under load the log's end is never quite matched.
fn lag(control: &Control, status: &RaftStatus, id: NodeId) -> Option<u64> {
    if id == control.node() {
        return Some(0);
    }
    let peer = status.peers.get(&id).filter(|peer| peer.acked_ago.is_some())?;
    let committed = status.committed.map_or(0, |index| index.0);
    peer.matched.map(|matched| committed.saturating_sub(matched.0))
}

fn silent_for(
    control: &Control,
    status: &RaftStatus,
    id: NodeId,
    if_never_heard: Duration,
) -> Duration {
    if id == control.node() {
        return Duration::ZERO;
    }
    status.peers.get(&id).and_then(|peer| peer.acked_ago).unwrap_or(if_never_heard)
}
