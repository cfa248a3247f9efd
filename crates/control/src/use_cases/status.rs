//! The state of the quorum: the single source of truth.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use quorate_api::rest::{PreferredView, RecoveryView, StatusView};
use quorate_model::{Refusal, joint_tolerance, majority};
use quorate_plan::{
    LeadershipDecision,
    health::{self, Verdict},
    lost_quorum,
};
use quorate_state::Recovery;

use super::enrolment;
use crate::{Control, Permission, Principal, views};

/// The state of the quorum, in one answer.
///
/// # Errors
/// When the principal may not see it.
pub fn show(control: &Control, principal: &Principal) -> Result<StatusView, Refusal> {
    principal.require(Permission::Read)?;
    let raft = control.raft().status();
    let state = control.state();
    let masters = views::masters(control);
    let node_managers = control.with_facts(|facts| views::node_managers(control, facts));
    let voters = raft.voters.len();
    let missing = control.missing_voters();
    // Live and caught-up voters, in each set that a majority is needed of now.
    let ready: BTreeSet<&str> =
        masters.iter().filter(|it| it.ready).map(|it| it.id.as_str()).collect();
    let sets: Vec<(usize, usize)> = raft
        .voter_sets
        .iter()
        .map(|set| {
            let alive = set.iter().filter(|id| ready.contains(id.to_string().as_str())).count();
            (alive, set.len())
        })
        .collect();
    let tolerance = joint_tolerance(&sets);
    // A leader that sees too few left leads no longer in a moment. Only a leader sees the others.
    let sees_too_few = tolerance.is_none() && control.masters_observed().leader.is_some();
    let leader = control.known_leader().filter(|_| !sees_too_few);
    let quorate = leader.is_some();
    let tolerance = tolerance.filter(|_| quorate);
    let mut problems = Vec::new();
    let mut to_do = Vec::new();
    if !quorate {
        problems.push(no_quorum(voters, &missing));
        to_do.extend(lost_quorum::next_steps(voters, &missing));
    }
    for master in masters.iter().filter(|master| !master.ready) {
        problems.push(format!("master {} is not ready: {}", master.name, master.reason));
    }
    for master in masters.iter().filter(|master| !master.stalled.is_empty()) {
        problems.push(format!(
            "master {} is stalled as a learner and is not promoted: {}",
            master.name, master.stalled
        ));
    }
    let even = voters != 0 && voters.is_multiple_of(2);
    if even && !raft.joint && state.metadata.even_voters.is_none() {
        problems.push(format!(
            "the number of voting masters, {voters}, is even: it survives no more deaths than {}",
            voters - 1
        ));
    }
    for manager in node_managers.iter().filter(|manager| !manager.ready) {
        problems.push(format!("node manager {} is not ready: {}", manager.name, manager.reason));
    }
    control.with_facts(|facts| {
        for name in state.metadata.components.keys() {
            if let Ok(health) = health::component(name, facts)
                && health.verdict != Verdict::Up
            {
                let verdict = health.verdict.as_str();
                problems.push(format!("component {name} is {verdict}: {}", health.reason));
            }
        }
    });
    for operation in state.metadata.operations.values() {
        if let quorate_model::OperationStatus::Stuck { refusal, .. } = &operation.status {
            problems.push(format!(
                "operation {} ({}) is stuck: {}",
                operation.id,
                operation.plan.request.title(),
                refusal.message
            ));
            to_do.push(format!("see why, and what to do: quorate operation show {}", operation.id));
        }
    }
    Ok(StatusView {
        cluster_id: control.cluster().to_string(),
        quorate,
        healthy: problems.is_empty(),
        problems,
        to_do,
        leader: leader.map(|id| id.to_string()),
        term: raft.term.0,
        epoch: state.epoch.0,
        feature_level: state.feature_level,
        applied_index: raft.applied.map_or(0, |index| index.0),
        voters,
        joint: raft.joint,
        failure_tolerance: tolerance,
        one_more_death: one_more_death(quorate, tolerance, voters),
        recovery: state.metadata.recovery.as_ref().map(recovery),
        tombstones: state.metadata.tombstones.keys().map(ToString::to_string).collect(),
        operations: state
            .metadata
            .operations
            .values()
            .filter(|operation| !operation.status.is_final())
            .map(|operation| views::operation_summary(operation))
            .collect(),
        preferred_leader: preferred(control),
        even_voters: state.metadata.even_voters.as_ref().map(views::stated),
        autopilot_waits: control.shared.outlook.borrow().waits.clone(),
        enrolments_waiting: enrolment::waiting(&state, control.now()),
        masters,
        node_managers,
    })
}

fn recovery(recovery: &Recovery) -> RecoveryView {
    RecoveryView {
        at: recovery.at.to_string(),
        keeper: recovery.keeper.to_string(),
        written_off: recovery.written_off.iter().map(ToString::to_string).collect(),
        plan_sha256: recovery.plan_sha256.clone(),
    }
}

/// Who shall lead instead of this leader, and when.
fn preferred(control: &Control) -> Option<PreferredView> {
    let outlook = control.shared.outlook.borrow();
    let (node, left) = match outlook.leadership.as_ref()? {
        LeadershipDecision::Stay => return None,
        LeadershipDecision::Wait { preferred, left } => (preferred, *left),
        LeadershipDecision::Transfer(to) => (to, Some(Duration::ZERO)),
    };
    let millis = |left: Duration| u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    Some(PreferredView { node: node.to_string(), takes_over_in_ms: left.map(millis) })
}

fn no_quorum(voters: usize, missing: &[String]) -> String {
    let mut words = "no quorum of masters acts".to_owned();
    if voters > 1 {
        let _ = write!(words, ": of {voters} voters {} are needed", majority(voters));
    }
    if !missing.is_empty() {
        let _ = write!(words, "; not reached from this master: {}", missing.join(", "));
    }
    words
}

fn one_more_death(quorate: bool, tolerance: Option<usize>, voters: usize) -> String {
    match tolerance {
        _ if !quorate => "the masters cannot act now".to_owned(),
        None => "the masters cannot act now".to_owned(),
        Some(0) if voters == 1 => "the only master: its death stops all changes".to_owned(),
        Some(0) => "one more dead master stops all changes".to_owned(),
        Some(1) => "one more master may die; the death after that stops all changes".to_owned(),
        Some(more) => format!("{more} more masters may die before changes stop"),
    }
}
