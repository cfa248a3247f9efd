//! What is done to operations from outside: a person pauses, resumes, aborts or leaves one, and a
//! recovery ends those that wait for masters that are gone.

use quorate_model::{
    Condition, NodeAction, Operation, OperationId, OperationRequest, OperationStatus, OrderOutcome,
    Refusal, StepKind, StepStatus, Subject, VoterAction, codes,
};

use super::{
    Context,
    operations::{end, find, note, store, wrong_status},
};
use crate::{Applied, Outcome, State};

pub(super) fn pause(state: &mut State, context: &Context<'_>, id: OperationId) -> Outcome {
    let mut operation = find(state, id)?;
    match operation.status {
        OperationStatus::Paused => return Ok(Applied::Done),
        OperationStatus::Running => {}
        _ => return Err(wrong_status(&operation, "it cannot be paused")),
    }
    operation.status = OperationStatus::Paused;
    note(&mut operation, context, "paused".to_owned());
    store(state, operation);
    Ok(Applied::Done)
}

/// Lets a paused or stuck operation go on; the failed step is tried again.
pub(super) fn resume(state: &mut State, context: &Context<'_>, id: OperationId) -> Outcome {
    let mut operation = find(state, id)?;
    let stuck = match &operation.status {
        OperationStatus::Running => return Ok(Applied::Done),
        OperationStatus::Paused => None,
        OperationStatus::Stuck { refusal, aborting } => Some((refusal.clone(), *aborting)),
        _ => return Err(wrong_status(&operation, "it cannot be resumed")),
    };
    unless_a_reset_ends_it(state, &operation)?;
    let mut what = "resumed".to_owned();
    if let Some((_, true)) = stuck {
        operation.status = OperationStatus::Aborting;
    } else {
        operation.status = OperationStatus::Running;
        let refused = stuck.and_then(|(refusal, _)| refused_order(state, &operation, &refusal));
        if let Some(order) = refused {
            give_again(&mut operation, order);
            what = format!("resumed; the order of step {} is given again", order + 1);
        }
        for record in &mut operation.records {
            if record.status == StepStatus::Failed {
                record.status = StepStatus::Pending;
                record.ended_at = None;
            }
        }
    }
    note(&mut operation, context, what);
    store(state, operation);
    Ok(Applied::Done)
}

/// The step that ordered what the failed step waited for in vain, when the node said that it did
/// not do it: under the same generation it never will. A master says so in the log. Of a node
/// manager only the leader heard; but what it heard is then why the step failed, while a step that
/// waited too long has failed by its deadline.
fn refused_order(state: &State, operation: &Operation, why: &Refusal) -> Option<usize> {
    let failed = operation.records.iter().position(|it| it.status == StepStatus::Failed)?;
    let StepKind::Await { condition, .. } = &operation.plan.steps.get(failed)?.kind else {
        return None;
    };
    let (Condition::NodeReady { node } | Condition::OrderDone { node }) = condition else {
        return None;
    };
    let order = operation.plan.steps.iter().take(failed).rposition(|step| match &step.kind {
        StepKind::Node { node: ordered, action: NodeAction::Order { .. } } => ordered == node,
        _ => false,
    })?;
    let generation = operation.records.get(order)?.generation?;
    let reported = state.metadata.nodes.get(node)?.order_report.as_ref().is_some_and(|report| {
        report.generation == generation && matches!(report.outcome, OrderOutcome::Failed { .. })
    });
    (reported || why.code != codes::STEP_DEADLINE).then_some(order)
}

/// Lets an order be given once more, under a new generation, and before it everything that must
/// hold for it: the node goes away once more.
fn give_again(operation: &mut Operation, order: usize) {
    let prepares = |kind: &StepKind| match kind {
        StepKind::Require { .. } => true,
        StepKind::Voter { action, .. } => {
            matches!(action, VoterAction::TransferLeader | VoterAction::Lead)
        }
        _ => false,
    };
    let before = operation.plan.steps.iter().take(order).rev();
    let first = order - before.take_while(|step| prepares(&step.kind)).count();
    for record in operation.records.iter_mut().take(order + 1).skip(first) {
        record.status = StepStatus::Pending;
        record.started_at = None;
        record.ended_at = None;
        record.generation = None;
        record.seen.clear();
    }
}

pub(super) fn abort(state: &mut State, context: &Context<'_>, id: OperationId) -> Outcome {
    let mut operation = find(state, id)?;
    match operation.status {
        OperationStatus::Aborting | OperationStatus::Aborted => return Ok(Applied::Done),
        OperationStatus::Succeeded => {
            return Err(wrong_status(&operation, "it cannot be aborted"));
        }
        _ => {}
    }
    unless_a_reset_ends_it(state, &operation)?;
    if let Some(passed) = operation.passed() {
        return Err(no_way_back(&operation, passed));
    }
    operation.status = OperationStatus::Aborting;
    note(&mut operation, context, "aborting".to_owned());
    if operation.next_undo().is_none() {
        end(&mut operation, context, OperationStatus::Aborted);
    }
    store(state, operation);
    Ok(Applied::Done)
}

fn no_way_back(operation: &Operation, passed: usize) -> Refusal {
    let id = operation.id;
    let mut hint = format!("let it end: quorate operation resume {id}");
    if operation.can_be_left() {
        hint = format!(
            "{hint}; if what it waits for is gone for good, end it where it stands: quorate \
             operation abort {id} --leave-as-is"
        );
    }
    Refusal::new(codes::OPERATION_STATUS, format!("operation {id} cannot be aborted"))
        .cause(format!("step {} is its point of no return", passed + 1))
        .hint(hint)
}

/// Ends an operation that is stuck past its point of no return where it stands: what it did stays,
/// what it did not do is not done. Otherwise one that waits for a node which never comes back
/// would hold what it locks for ever.
pub(super) fn leave(state: &mut State, context: &Context<'_>, id: OperationId) -> Outcome {
    let mut operation = find(state, id)?;
    if operation.status == OperationStatus::Aborted {
        return Ok(Applied::Done);
    }
    let what = "it cannot be left as it is";
    if !matches!(operation.status, OperationStatus::Stuck { aborting: false, .. }) {
        let next = operation.what_next();
        return Err(
            wrong_status(&operation, what).hint(format!("only one that is stuck can be; {next}"))
        );
    }
    unless_a_reset_ends_it(state, &operation)?;
    if operation.passed().is_none() {
        return Err(wrong_status(&operation, what)
            .cause("what it did can still be taken back")
            .hint(format!("quorate operation abort {id}")));
    }
    if let Some(index) = operation.must_be_done() {
        let title = operation.plan.steps.get(index).map_or("", |step| step.title.as_str());
        return Err(wrong_status(&operation, what)
            .cause(format!("step {} ({title}) would be missing", index + 1))
            .hint(format!("mend what its refusal names, then: quorate operation resume {id}")));
    }
    let note_of = "left as it is: what was done stays, the rest is not done";
    note(&mut operation, context, note_of.to_owned());
    end(&mut operation, context, OperationStatus::Aborted);
    store(state, operation);
    Ok(Applied::Done)
}

/// A reset began although this operation stands, since it ends it: until then nobody wakes it.
fn unless_a_reset_ends_it(state: &State, operation: &Operation) -> Result<(), Refusal> {
    let is_reset = |other: &Operation| {
        other.id != operation.id
            && other.plan.request == OperationRequest::Reset
            && !other.status.is_final()
    };
    let Some(reset) = state.metadata.operations.values().find(|other| is_reset(other)) else {
        return Ok(());
    };
    Err(Refusal::new(codes::OPERATION_CONFLICT, format!("operation {} stands still", operation.id))
        .cause(format!(
            "the reset {} is {} and ends every other operation",
            reset.id,
            reset.status.as_str()
        ))
        .hint(reset.what_next()))
}

/// Ends what was being done with the masters: it counts on masters that were given up, and would
/// wait for them for ever.
pub(super) fn end_with_recovery(state: &mut State, context: &Context<'_>) {
    let operations = state.metadata.operations.values();
    let held: Vec<Operation> = operations
        .filter(|operation| operation.holds(&Subject::Masters))
        .map(|operation| Operation::clone(operation))
        .collect();
    for mut operation in held {
        for record in &mut operation.records {
            if record.status == StepStatus::Started {
                record.status = StepStatus::Kept;
                record.ended_at = Some(context.proposal.at);
            }
        }
        note(&mut operation, context, "ended by the recovery".to_owned());
        end(&mut operation, context, OperationStatus::Aborted);
        store(state, operation);
    }
}
