//! Applies autopilot's decisions: who is a learner, who becomes a voter.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use quorate_model::{NodeId, Subject};
use quorate_plan::{AutopilotDecision, AutopilotInput, MAX_LAG, MasterSeen, decide};
use tracing::{info, warn};

use crate::Control;

/// How often autopilot looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Why nobody is promoted while an operation works on the masters.
const HELD: &str = "an operation holds the masters";

/// How autopilot behaves.
#[derive(Debug, Clone)]
pub struct AutopilotOptions {
    /// How long a learner must have been level with the leader before it votes.
    pub stabilization: Duration,
}

impl Default for AutopilotOptions {
    fn default() -> Self {
        Self { stabilization: Duration::from_secs(2) }
    }
}

/// Runs while this master leads.
pub(super) async fn run(control: Control) {
    let mut level_since: BTreeMap<NodeId, Instant> = BTreeMap::new();
    let mut said = String::new();
    loop {
        let input = look(&control, &mut level_since);
        match decide(&input) {
            AutopilotDecision::Nothing { why } => {
                if why != said {
                    if !why.is_empty() {
                        info!(%why, "autopilot waits");
                    }
                    said = why;
                }
            }
            AutopilotDecision::FinishChange => {
                match control.raft().finish_membership_change().await {
                    Ok(()) => info!("autopilot: finished a change of voters"),
                    Err(error) => warn!(%error, "autopilot: cannot finish a change of voters"),
                }
            }
            AutopilotDecision::SetAddress(node) => set_address(&control, node).await,
            AutopilotDecision::AddLearner(node) => add_learner(&control, node).await,
            AutopilotDecision::Promote(nodes) if is_held(&control) => {
                if said != HELD {
                    info!(?nodes, "autopilot waits: {HELD}");
                    HELD.clone_into(&mut said);
                }
            }
            AutopilotDecision::Promote(nodes) => match control.raft().promote(&nodes).await {
                Ok(()) => info!(?nodes, "autopilot: promoted to voters"),
                Err(error) => warn!(?nodes, %error, "autopilot: cannot promote"),
            },
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// An operation that restarts or removes masters counts on the voters it was planned for.
fn is_held(control: &Control) -> bool {
    control.state().metadata.lock_on(&Subject::Masters).is_some()
}

fn look(control: &Control, level_since: &mut BTreeMap<NodeId, Instant>) -> AutopilotInput {
    let status = control.raft().status();
    let state = control.state();
    let committed = status.committed.map_or(0, |index| index.0);
    let now = Instant::now();
    let mut masters = BTreeMap::new();
    for (id, node) in state.metadata.nodes.iter().filter(|(_, node)| node.roles.master) {
        let voter = status.voters.contains_key(id);
        // Measured against what is committed: under load the log's end is never quite matched.
        let lag = if *id == control.node() {
            Some(0)
        } else {
            status
                .peers
                .get(id)
                .filter(|peer| peer.acked_ago.is_some())
                .and_then(|peer| peer.matched)
                .map(|matched| committed.saturating_sub(matched.0))
        };
        let level = lag.is_some_and(|lag| lag <= MAX_LAG);
        if !level {
            level_since.remove(id);
        }
        let since = level.then(|| *level_since.entry(*id).or_insert(now));
        masters.insert(
            *id,
            MasterSeen {
                voter,
                member: voter || status.learners.contains_key(id),
                lag,
                level_for: since.map_or(Duration::ZERO, |since| now.duration_since(since)),
                moved: status
                    .voters
                    .get(id)
                    .or_else(|| status.learners.get(id))
                    .is_some_and(|addr| *addr != node.internal_addr),
            },
        );
    }
    AutopilotInput {
        masters,
        stabilization: control.parts.options.autopilot.stabilization,
        joint: status.joint,
    }
}

async fn add_learner(control: &Control, node: NodeId) {
    let state = control.state();
    let Some(known) = state.metadata.nodes.get(&node) else { return };
    match control.raft().add_learner(node, &known.internal_addr).await {
        Ok(()) => info!(%node, addr = %known.internal_addr, "autopilot: added as a learner"),
        Err(error) => warn!(%node, %error, "autopilot: cannot add as a learner"),
    }
}

async fn set_address(control: &Control, node: NodeId) {
    let state = control.state();
    let Some(known) = state.metadata.nodes.get(&node) else { return };
    match control.raft().set_address(node, &known.internal_addr).await {
        Ok(()) => info!(%node, addr = %known.internal_addr, "autopilot: recorded a new address"),
        Err(error) => warn!(%node, %error, "autopilot: cannot record a new address"),
    }
}
