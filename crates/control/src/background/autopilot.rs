//! Applies autopilot's decisions: who is a learner, who votes, who is stalled.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use quorate_model::{NamedNode, NodeId, OperationRequest};
use quorate_plan::{AutopilotDecision, AutopilotInput, VoterChange, decide, stalled};
use quorate_state::Command;
use tracing::{debug, info, warn};

use super::watching::Watching;
use crate::Control;

/// How often autopilot looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Who asks for what autopilot does by operations.
const PRINCIPAL: &str = "system:autopilot";

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
    let mut watching = Watching::default();
    loop {
        let now = Instant::now();
        watching.look(&control, now);
        let input = watching.autopilot_input(&control, now);
        report_stalled(&control, &input);
        let decision = decide(&input);
        report_waiting(&control, &decision);
        act(&control, decision).await;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn act(control: &Control, decision: AutopilotDecision) {
    match decision {
        AutopilotDecision::Nothing { .. } => {}
        AutopilotDecision::FinishChange => match control.raft().finish_membership_change().await {
            Ok(()) => info!("autopilot: finished a change of voters"),
            Err(error) => warn!(%error, "autopilot: cannot finish a change of voters"),
        },
        AutopilotDecision::SetAddress(node) => set_address(control, node).await,
        AutopilotDecision::AddLearner(node) => add_learner(control, node).await,
        AutopilotDecision::Promote(nodes) => match control.raft().promote(&nodes).await {
            Ok(()) => info!(?nodes, "autopilot: promoted to voters"),
            Err(error) => warn!(?nodes, %error, "autopilot: cannot promote"),
        },
        AutopilotDecision::ChangeVoters(VoterChange { promote, demote, why }) => {
            match control.raft().exchange_voters(&demote, &promote).await {
                Ok(()) => warn!(?demote, ?promote, %why, "autopilot: took and gave votes"),
                Err(error) => warn!(?demote, ?promote, %error, "autopilot: cannot change votes"),
            }
        }
        AutopilotDecision::HandOver(heir) => match control.raft().transfer_leader(heir).await {
            Ok(_) => info!(to = %heir, "autopilot: this leader shall lose its vote; handed over"),
            Err(error) => warn!(to = %heir, %error, "autopilot: cannot hand over"),
        },
        AutopilotDecision::Remove(node) => remove(control, node).await,
        AutopilotDecision::Forget(nodes) => match control.raft().forget(&nodes).await {
            Ok(()) => info!(?nodes, "autopilot: forgot removed masters"),
            Err(error) => warn!(?nodes, %error, "autopilot: cannot forget removed masters"),
        },
    }
}

/// Says in log and status which learners make no progress.
fn report_stalled(control: &Control, input: &AutopilotInput) {
    let now: BTreeMap<NodeId, String> = input
        .masters
        .iter()
        .filter_map(|(id, seen)| Some((*id, stalled(seen, input.stall_after)?)))
        .collect();
    control.shared.outlook.send_if_modified(|outlook| {
        for (node, why) in now.iter().filter(|(id, _)| !outlook.stalled.contains_key(id)) {
            warn!(%node, %why, "a learner is stalled and is not promoted");
        }
        for node in outlook.stalled.keys().filter(|id| !now.contains_key(id)) {
            info!(%node, "a learner is stalled no longer");
        }
        let changed = outlook.stalled != now;
        outlook.stalled = now;
        changed
    });
}

fn report_waiting(control: &Control, decision: &AutopilotDecision) {
    let why = match decision {
        AutopilotDecision::Nothing { why } => why.as_str(),
        _ => "",
    };
    control.shared.outlook.send_if_modified(|outlook| {
        let changed = outlook.waits != why;
        if changed && !why.is_empty() {
            info!(%why, "autopilot waits");
        }
        why.clone_into(&mut outlook.waits);
        changed
    });
}

async fn add_learner(control: &Control, node: NodeId) {
    let state = control.state();
    let Some(known) = state.metadata.nodes.get(&node) else { return };
    match control.raft().add_learner(node, &known.internal_addr).await {
        Ok(()) => info!(%node, addr = %known.internal_addr, "autopilot: added as a learner"),
        Err(error) => warn!(%node, %error, "autopilot: cannot add as a learner"),
    }
}

/// A dead master is removed as a person would do it: by an operation, with its plan and audit.
async fn remove(control: &Control, node: NodeId) {
    let state = control.state();
    let Some(known) = state.metadata.nodes.get(&node) else { return };
    let node = NamedNode { id: node, name: known.name.clone() };
    let request = OperationRequest::NodeRemove { node: node.clone(), allow_even: None };
    let plan = match control.with_facts(|facts| quorate_plan::plan(&request, facts)) {
        Ok(plan) => plan,
        Err(refusals) => {
            let why = refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            debug!(node = %node.id, %why, "autopilot: cannot remove a dead master now");
            return;
        }
    };
    let id = control.new_operation_id();
    let command = Command::SubmitOperation { id, plan, key: None };
    match control.propose_as(PRINCIPAL.to_owned(), command).await {
        Ok(_) => warn!(node = %node.id, name = %node.name, operation = %id,
            "autopilot: a master was silent for too long and is removed"),
        Err(refusal) => warn!(node = %node.id, "autopilot: cannot remove it: {refusal}"),
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
