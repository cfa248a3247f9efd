//! The entry to planning: a request and the facts become a plan, or every reason why not.

use quorate_model::{
    ComponentName, Condition, DesireChange, OperationRequest, Pin, Plan, Refusal, Step, StepKind,
    Subject, Undo, codes,
};
use quorate_pack::Catalog;
use quorate_state::State;

use crate::{Observations, create, nodes, remove, restart};

/// Everything a decision may depend on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What was decided.
    pub state: &'a State,
    /// What was observed.
    pub observations: &'a Observations,
    /// What is known of kinds of components.
    pub catalog: &'a Catalog,
}

/// How long the longest start of a component is waited for, in milliseconds.
pub(crate) const START_DEADLINE_MS: u64 = 120_000;
/// How long a caught-up member must stay so before the next step, in milliseconds.
pub(crate) const SUSTAINED_MS: u64 = 2_000;
/// How long a preflight condition may take to be judged met, in milliseconds.
pub(crate) const REQUIRE_DEADLINE_MS: u64 = 15_000;
/// How long a component action may take, in milliseconds.
pub(crate) const ACTION_DEADLINE_MS: u64 = 30_000;
/// How long recording a desired change may take, in milliseconds.
pub(crate) const DESIRE_DEADLINE_MS: u64 = 10_000;

/// Plans a request.
///
/// # Errors
/// Every reason why it cannot be done now, the most important first.
pub fn plan(request: &OperationRequest, facts: &Facts<'_>) -> Result<Plan, Vec<Refusal>> {
    let metadata = &facts.state.metadata;
    let subjects = request.subjects(|node| metadata.is_master(node));
    let held = subjects
        .iter()
        .find_map(|subject| Some((subject, metadata.in_the_way_of(request, subject)?)));
    if let Some((subject, running)) = held {
        return Err(vec![
            Refusal::new(codes::OPERATION_CONFLICT, format!("cannot start `{}`", request.title()))
                .cause(format!(
                    "operation {} (`{}`) is {} and holds `{subject}`",
                    running.id,
                    running.plan.request.title(),
                    running.status.as_str(),
                ))
                .hint(running.what_next()),
        ]);
    }
    match request {
        OperationRequest::ComponentCreate { spec } => create::plan(request, spec, facts),
        OperationRequest::ComponentRestart { component, accept_interruption } => {
            restart::plan(request, component, *accept_interruption, facts)
        }
        OperationRequest::ComponentRemove { component } => remove::plan(request, component, facts),
        OperationRequest::NodeRestart { nodes, accept_interruption } => {
            nodes::restart(request, nodes, *accept_interruption, facts)
        }
        OperationRequest::NodeUpgrade { nodes, binary, ready_within_ms, accept_interruption } => {
            let upgrade = nodes::Upgrade { binary, ready_within_ms: *ready_within_ms };
            nodes::upgrade(request, nodes, upgrade, *accept_interruption, facts)
        }
        OperationRequest::NodeRemove { node, allow_even } => {
            nodes::remove(request, node, allow_even.as_deref(), facts)
        }
        OperationRequest::NodeReplace { old, new, take_name } => {
            nodes::replace(request, old, new, *take_name, facts)
        }
        OperationRequest::MasterTransferLeader { to } => {
            nodes::transfer(request, to.as_ref(), facts)
        }
        OperationRequest::Reset => nodes::reset(request, facts),
    }
}

/// A plan over one component, pinned to the revision it has now.
pub(crate) fn over(
    request: &OperationRequest,
    component: &ComponentName,
    facts: &Facts<'_>,
    steps: Vec<Step>,
) -> Plan {
    let subject = Subject::from(component);
    Plan {
        request: request.clone(),
        steps,
        pins: vec![Pin {
            revision: facts.state.metadata.revision_of(&subject),
            subject: subject.clone(),
        }],
        locks: vec![subject],
    }
}

pub(crate) fn require(condition: Condition, title: String, why: String) -> Step {
    Step {
        kind: StepKind::Require { condition },
        title,
        why,
        deadline_ms: REQUIRE_DEADLINE_MS,
        undo: Undo::Nothing,
    }
}

pub(crate) fn desire(change: DesireChange, title: String, why: String, undo: Undo) -> Step {
    Step { kind: StepKind::Desire { change }, title, why, deadline_ms: DESIRE_DEADLINE_MS, undo }
}

pub(crate) fn wait(condition: Condition, title: String, why: String) -> Step {
    Step {
        kind: StepKind::Await { condition, sustained_ms: SUSTAINED_MS },
        title,
        why,
        deadline_ms: START_DEADLINE_MS,
        undo: Undo::Nothing,
    }
}

pub(crate) fn verify(condition: Condition, title: String, why: String) -> Step {
    Step {
        kind: StepKind::Verify { condition },
        title,
        why,
        deadline_ms: START_DEADLINE_MS,
        undo: Undo::Nothing,
    }
}
