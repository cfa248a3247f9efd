//! Turns decided and observed facts into the words of REST and console.

use std::time::Duration;

use quorate_api::rest::{
    ComponentView, InstanceView, MasterView, NodeManagerView, OperationSummary, OperationView,
    PlanView, StatedView, StepView, TranscriptView, UnmanagedView,
};
use quorate_model::{
    ComponentName, InstanceObservation, InstanceSpec, Operation, OperationStatus, Plan,
    ProcessState, Readiness, Refusal, RunState, Step, StepKind, StepRecord, StepStatus, Subject,
    UnmanagedInstance,
};
use quorate_operations::Waiting;
use quorate_plan::{Facts, health};
use quorate_state::{Component, Stated};

use crate::Control;

pub(crate) fn masters(control: &Control) -> Vec<MasterView> {
    let raft = control.raft().status();
    let state = control.state();
    let live = control.readiness().live();
    let observed = control.masters_observed();
    let leads = observed.leader.is_some();
    let leader = control.known_leader();
    let reached = control.shared.reached.borrow().clone();
    let mut views = Vec::new();
    for (id, node) in state.metadata.nodes.iter().filter(|(_, node)| node.roles.master) {
        let is_self = *id == control.node();
        let peer = raft.peers.get(id);
        let matched = if is_self { raft.last_log } else { peer.and_then(|peer| peer.matched) };
        let matched = matched.map(|index| index.0);
        let committed = raft.committed.map_or(0, |index| index.0);
        let applied = if is_self { raft.applied } else { peer.and_then(|peer| peer.applied) };
        let lag = if is_self { Some(0) } else { matched.map(|at| committed.saturating_sub(at)) };
        let reason = if is_self {
            live.unmet.first().map(|missing| missing.unmet.clone()).unwrap_or_default()
        } else if !leads {
            match (leader, reached.get(id)) {
                (None, Some(Err(why))) => format!("it is not reached from this master: {why}"),
                (None, Some(Ok(()))) => "it is reached, but no quorum acts".to_owned(),
                (None, None) => "no quorum acts, so nothing is known of it".to_owned(),
                _ => "only the leader can see it, and this master does not lead".to_owned(),
            }
        } else {
            observed.level(*id).err().unwrap_or_default()
        };
        let role = if raft.voters.contains_key(id) {
            "voter"
        } else if raft.learners.contains_key(id) {
            "learner"
        } else {
            "joining"
        };
        views.push(MasterView {
            id: id.to_string(),
            name: node.name.to_string(),
            ready: reason.is_empty() && role != "joining",
            is_leader: leader == Some(*id),
            role: role.to_owned(),
            matched_index: matched,
            applied_index: applied.map(|index| index.0),
            lag,
            admin_addr: node.admin_addr.clone(),
            internal_addr: node.internal_addr.clone(),
            version: node.version.clone(),
            reason,
            priority: node.priority,
            learner_only: node.learner_only.as_ref().map(stated),
            stalled: control.shared.outlook.borrow().stalled.get(id).cloned().unwrap_or_default(),
        });
    }
    views
}

pub(crate) fn stated(stated: &Stated) -> StatedView {
    StatedView { reason: stated.reason.clone(), by: stated.by.clone(), at: stated.at.to_string() }
}

pub(crate) fn node_managers(control: &Control, facts: &Facts<'_>) -> Vec<NodeManagerView> {
    let metadata = &facts.state.metadata;
    let leads = control.leading().is_some();
    let mut views = Vec::new();
    for (id, node) in metadata.nodes.iter().filter(|(_, node)| node.roles.node_manager) {
        let age = facts.observations.nodes.get(id);
        let ready = facts.observations.is_reporting(*id);
        let reason = match age {
            _ if ready => String::new(),
            None if leads => "it has not reported to this leader".to_owned(),
            None => "it reports to the leader only, and this master does not lead".to_owned(),
            Some(age) => format!("it last reported {} s ago", age.as_secs()),
        };
        let instances = metadata
            .components
            .values()
            .flat_map(|component| &component.spec.instances)
            .filter(|instance| instance.node == *id)
            .count();
        views.push(NodeManagerView {
            id: id.to_string(),
            name: node.name.to_string(),
            ready,
            address: node.address.clone(),
            last_report_ms: age.map(|age| millis(*age)),
            instances,
            unmanaged: facts
                .observations
                .unmanaged
                .get(id)
                .map_or_else(Vec::new, |left| left.iter().map(unmanaged).collect()),
            version: control
                .shared
                .inventory
                .version_of(*id)
                .unwrap_or_else(|| node.version.clone()),
            reason,
        });
    }
    views
}

fn unmanaged(left: &UnmanagedInstance) -> UnmanagedView {
    UnmanagedView {
        instance: left.instance.to_string(),
        component: left.component.to_string(),
        pid: left.pid,
    }
}

pub(crate) fn component(name: &ComponentName, facts: &Facts<'_>) -> Result<ComponentView, Refusal> {
    let health = health::component(name, facts)?;
    let metadata = &facts.state.metadata;
    let component = metadata.components.get(name).ok_or_else(|| {
        Refusal::new(quorate_model::codes::NOT_FOUND, format!("there is no component `{name}`"))
    })?;
    let instances =
        component.spec.instances.iter().map(|spec| instance(component, spec, facts)).collect();
    Ok(ComponentView {
        name: name.to_string(),
        pack: component.spec.pack.to_string(),
        revision: component.revision.0,
        verdict: health.verdict.as_str().to_owned(),
        reason: health.reason,
        failure_tolerance: health.failure_tolerance,
        instances,
        operation: metadata
            .lock_on(&Subject::from(name))
            .map(|operation| operation_summary(operation)),
        settings: component.spec.settings.clone(),
    })
}

fn instance(component: &Component, spec: &InstanceSpec, facts: &Facts<'_>) -> InstanceView {
    let record = component.instances.get(&spec.name);
    let node = facts.state.metadata.nodes.get(&spec.node);
    let seen = facts.observations.instances.get(&spec.name);
    let fresh = facts.observations.fresh(&spec.name);
    let mut view = InstanceView {
        name: spec.name.to_string(),
        node: spec.node.to_string(),
        node_name: node.map(|node| node.name.to_string()).unwrap_or_default(),
        desired: match record.map(|record| record.run) {
            Some(RunState::Running) => "running".to_owned(),
            _ => "stopped".to_owned(),
        },
        process: "unknown".to_owned(),
        pid: None,
        started_at: None,
        starts: 0,
        last_end: None,
        ready: false,
        reason: String::new(),
        role: None,
        member_id: None,
        applied_index: None,
        version: None,
        seen_ms: seen.map(|seen| millis(seen.age)),
        generation: record.map(|record| record.generation.0).unwrap_or_default(),
    };
    match fresh {
        Ok(observation) => fill_observed(&mut view, observation),
        Err(reason) => view.reason = reason,
    }
    view
}

fn fill_observed(view: &mut InstanceView, seen: &InstanceObservation) {
    view.starts = seen.starts;
    view.last_end = seen.last_end.as_ref().map(ToString::to_string);
    view.ready = seen.is_ready();
    match &seen.process {
        ProcessState::Absent => "absent".clone_into(&mut view.process),
        ProcessState::Running { pid, started_at, .. } => {
            "running".clone_into(&mut view.process);
            view.pid = Some(*pid);
            view.started_at = Some(started_at.to_string());
        }
        ProcessState::Exited { status, at } => {
            "exited".clone_into(&mut view.process);
            view.reason = format!("{status} at {at}");
        }
        ProcessState::Failed { refusal } => {
            "failed".clone_into(&mut view.process);
            view.reason = refusal.to_string();
        }
    }
    if view.reason.is_empty() {
        match &seen.readiness {
            Readiness::Ready => {}
            Readiness::NotReady { reason } | Readiness::Unknown { reason } => {
                view.reason.clone_from(reason);
            }
        }
    }
    if let Some(member) = &seen.member {
        view.role = Some(member.role.as_str().to_owned());
        view.member_id = Some(member.member_id.clone());
        view.applied_index = Some(member.applied_index);
        view.version = Some(member.version.clone());
    }
}

pub(crate) fn plan(plan: &Plan) -> PlanView {
    let pending = StepRecord {
        status: StepStatus::Pending,
        started_at: None,
        ended_at: None,
        attempts: 0,
        generation: None,
        seen: String::new(),
    };
    PlanView {
        title: plan.request.title(),
        steps: (1..).zip(&plan.steps).map(|(number, it)| step(number, it, &pending)).collect(),
        locks: plan.locks.iter().map(ToString::to_string).collect(),
        confirm: None,
    }
}

fn step(number: usize, step: &Step, record: &StepRecord) -> StepView {
    let kind = match &step.kind {
        StepKind::Require { .. } => "require",
        StepKind::Desire { .. } => "desire",
        StepKind::Await { .. } => "await",
        StepKind::Member { .. } => "member",
        StepKind::Voter { .. } => "voter",
        StepKind::Node { .. } => "node",
        StepKind::Raise { .. } => "raise",
        StepKind::Cluster { .. } => "cluster",
        StepKind::Verify { .. } => "verify",
    };
    StepView {
        number,
        kind: kind.to_owned(),
        title: step.title.clone(),
        why: step.why.clone(),
        deadline_ms: step.deadline_ms,
        status: record.status.as_str().to_owned(),
        started_at: record.started_at.map(|at| at.to_string()),
        ended_at: record.ended_at.map(|at| at.to_string()),
        seen: record.seen.clone(),
    }
}

pub(crate) fn operation_summary(operation: &Operation) -> OperationSummary {
    OperationSummary {
        id: operation.id.to_string(),
        title: operation.plan.request.title(),
        status: operation.status.as_str().to_owned(),
        finished_steps: operation.finished_steps(),
        steps: operation.plan.steps.len(),
        requested_by: operation.requested_by.clone(),
        requested_at: operation.requested_at.to_string(),
        ended_at: operation.ended_at.map(|at| at.to_string()),
    }
}

pub(crate) fn operation(operation: &Operation, waiting: Option<&Waiting>) -> OperationView {
    let mut step_list: Vec<StepView> = (1..)
        .zip(operation.plan.steps.iter().zip(&operation.records))
        .map(|(number, (it, record))| step(number, it, record))
        .collect();
    if let Some(waiting) = waiting
        && let Some(view) = step_list.get_mut(waiting.step)
        && view.status == StepStatus::Started.as_str()
    {
        view.seen = format!("waiting: {}", waiting.on);
    }
    let refusal = match &operation.status {
        OperationStatus::Stuck { refusal, .. } => Some(refusal.clone()),
        _ => None,
    };
    let transcript = operation
        .transcript
        .iter()
        .map(|entry| TranscriptView {
            at: entry.at.to_string(),
            by: entry.by.clone(),
            what: entry.what.clone(),
        })
        .collect();
    OperationView {
        summary: operation_summary(operation),
        step_list,
        refusal,
        can_be_left: operation.can_be_left(),
        to_do: operation.to_do(),
        transcript,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
