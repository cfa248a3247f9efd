//! Operations: submitted once, worked on by whichever leader is newest, kept with their record. What
//! people do to them on the way is in `interventions`.

use std::sync::Arc;

use quorate_model::{
    DesireChange, NodeAction, Operation, OperationId, OperationStatus, Pin, Plan, Refusal,
    RequestId, StepKind, StepRecord, StepStatus, Term, Timestamp, TranscriptEntry, Undo, codes,
};

use super::{
    Context, cluster, components, key_of_another_request, masters, nodes, not_found, reset,
};
use crate::{Applied, Outcome, State};

/// How many ended operations are kept.
const KEPT: usize = 500;

pub(super) fn submit(
    state: &mut State,
    context: &Context<'_>,
    id: OperationId,
    plan: &Plan,
    key: Option<&RequestId>,
) -> Outcome {
    if let Some((key, known)) = key.and_then(|key| {
        let known = state.metadata.operation_keyed(&context.proposal.principal, key)?;
        Some((key, known))
    }) {
        if known.plan.request == plan.request {
            return Ok(Applied::Operation(known.id));
        }
        return Err(key_of_another_request(key));
    }
    if state.metadata.operations.contains_key(&id) {
        return Err(Refusal::new(codes::NAME_TAKEN, format!("the operation {id} exists already")));
    }
    if plan.steps.is_empty() {
        // It would hold its locks for ever: an operation ends with its last step.
        return Err(Refusal::new(
            codes::REQUEST_MALFORMED,
            format!("the plan of `{}` has no steps", plan.request.title()),
        ));
    }
    for subject in &plan.locks {
        if let Some(running) = state.metadata.in_the_way_of(&plan.request, subject) {
            return Err(Refusal::new(
                codes::OPERATION_CONFLICT,
                format!("cannot start `{}`", plan.request.title()),
            )
            .cause(format!(
                "operation {} (`{}`) is {} and holds `{subject}`",
                running.id,
                running.plan.request.title(),
                running.status.as_str(),
            ))
            .hint(running.what_next()));
        }
    }
    plan.pins.iter().try_for_each(|pin| check_pin(state, pin))?;
    let pending = StepRecord {
        status: StepStatus::Pending,
        started_at: None,
        ended_at: None,
        attempts: 0,
        generation: None,
        seen: String::new(),
    };
    let mut operation = Operation {
        id,
        records: vec![pending; plan.steps.len()],
        plan: plan.clone(),
        status: OperationStatus::Running,
        requested_by: context.proposal.principal.clone(),
        key: key.cloned(),
        requested_at: context.proposal.at,
        ended_at: None,
        term: Term(0),
        transcript: Vec::new(),
    };
    note(&mut operation, context, "submitted".to_owned());
    state.metadata.operations.insert(id, Arc::new(operation));
    forget_oldest(state);
    Ok(Applied::Operation(id))
}

fn check_pin(state: &State, pin: &Pin) -> Result<(), Refusal> {
    if state.metadata.revision_of(&pin.subject) == pin.revision {
        return Ok(());
    }
    Err(Refusal::new(
        codes::PLAN_OUTDATED,
        format!("`{}` has changed since the plan was made", pin.subject),
    )
    .hint("ask for the plan again and look at it"))
}

/// Forgets what ended longest ago.
fn forget_oldest(state: &mut State) {
    let mut ended: Vec<(Option<Timestamp>, OperationId)> = state
        .metadata
        .operations
        .iter()
        .filter(|(_, operation)| operation.status.is_final())
        .map(|(id, operation)| (operation.ended_at, *id))
        .collect();
    ended.sort_unstable();
    let surplus = ended.len().saturating_sub(KEPT);
    for (_, id) in ended.into_iter().take(surplus) {
        state.metadata.operations.remove(&id);
    }
}

/// Begins a step. A `Desire`, `Node`, `Raise` or `Cluster` step takes effect here, in the same command, and only the
/// first time: a new leader that begins it again orders nothing new.
pub(super) fn begin_step(
    state: &mut State,
    context: &Context<'_>,
    id: OperationId,
    step: u32,
    term: Term,
) -> Outcome {
    let mut operation = fenced(state, id, term)?;
    let index = check_step(&operation, id, step)?;
    if operation.status != OperationStatus::Running {
        return Err(wrong_status(&operation, "a step cannot begin"));
    }
    if operation.next_step() != Some(index) {
        return Err(wrong_step(id, step));
    }
    let again = operation.records[index].status == StepStatus::Started;
    if !again {
        let kind = operation.plan.steps[index].kind.clone();
        let ordered_before = operation.records[index].generation.is_some();
        let generation = match &kind {
            _ if ordered_before => None,
            StepKind::Desire { change } => components::desire(state, context, change)?,
            StepKind::Node { node, action } => {
                let ordered = nodes::act(state, context, *node, action)?;
                if *action == NodeAction::Remove {
                    masters::keep_accepted_even(state, &operation);
                }
                ordered
            }
            StepKind::Raise { level } => cluster::raise(state, *level).map(|()| None)?,
            StepKind::Cluster { action } => {
                Some(reset::act(state, context, &mut operation, index, action)?)
            }
            _ => None,
        };
        let record = &mut operation.records[index];
        record.generation = record.generation.or(generation);
    }
    let record = &mut operation.records[index];
    if !again {
        record.attempts = record.attempts.saturating_add(1);
    }
    record.status = StepStatus::Started;
    record.started_at.get_or_insert(context.proposal.at);
    let title = &operation.plan.steps[index].title;
    let verb = if again { "begun again" } else { "begun" };
    let what = format!("step {} {verb}: {title}", step + 1);
    operation.term = term;
    note(&mut operation, context, what);
    store(state, operation);
    Ok(Applied::Done)
}

pub(super) fn finish_step(
    state: &mut State,
    context: &Context<'_>,
    id: OperationId,
    step: u32,
    term: Term,
    seen: &str,
) -> Outcome {
    let mut operation = fenced(state, id, term)?;
    let index = check_step(&operation, id, step)?;
    let may_finish = matches!(operation.status, OperationStatus::Running | OperationStatus::Paused);
    if !may_finish || operation.records[index].status != StepStatus::Started {
        return Err(wrong_status(&operation, "a step cannot be finished"));
    }
    end_record(&mut operation, context, index, StepStatus::Finished, seen);
    operation.term = term;
    note(&mut operation, context, format!("step {} finished: {seen}", step + 1));
    if operation.next_step().is_none() {
        end(&mut operation, context, OperationStatus::Succeeded);
    }
    store(state, operation);
    Ok(Applied::Done)
}

pub(super) fn fail_step(
    state: &mut State,
    context: &Context<'_>,
    id: OperationId,
    step: u32,
    term: Term,
    refusal: &Refusal,
) -> Outcome {
    let mut operation = fenced(state, id, term)?;
    let index = check_step(&operation, id, step)?;
    // Only the step in hand can fail: a late word about another one must not stop the operation.
    let (aborting, in_hand) = match operation.status {
        OperationStatus::Running | OperationStatus::Paused => (false, operation.next_step()),
        OperationStatus::Aborting => (true, operation.next_undo()),
        _ => return Err(wrong_status(&operation, "a step cannot fail")),
    };
    if in_hand != Some(index) {
        return Err(wrong_step(id, step));
    }
    if !aborting {
        end_record(&mut operation, context, index, StepStatus::Failed, &refusal.to_string());
    }
    operation.status = OperationStatus::Stuck { refusal: refusal.clone(), aborting };
    operation.term = term;
    note(&mut operation, context, format!("step {} failed: {refusal}", step + 1));
    store(state, operation);
    Ok(Applied::Done)
}

/// Takes a step back while aborting, or says that it stays as it is: the undo of a `Desire` step
/// takes effect here. The last such step ends the operation.
pub(super) fn undo_step(
    state: &mut State,
    context: &Context<'_>,
    id: OperationId,
    step: u32,
    term: Term,
    seen: &str,
) -> Outcome {
    let mut operation = fenced(state, id, term)?;
    let index = check_step(&operation, id, step)?;
    if operation.status != OperationStatus::Aborting {
        return Err(wrong_status(&operation, "a step cannot be undone"));
    }
    if operation.next_undo() != Some(index) {
        return Err(wrong_step(id, step));
    }
    let status = match operation.plan.steps[index].undo.clone() {
        Undo::Do { kind } => {
            if let StepKind::Desire { change } = *kind {
                undo_desire(state, context, &change)?;
            }
            StepStatus::Undone
        }
        Undo::Nothing | Undo::Impossible => StepStatus::Kept,
    };
    end_record(&mut operation, context, index, status, seen);
    operation.term = term;
    note(&mut operation, context, format!("step {} {}: {seen}", step + 1, status.as_str()));
    if operation.next_undo().is_none() {
        end(&mut operation, context, OperationStatus::Aborted);
    }
    store(state, operation);
    Ok(Applied::Done)
}

/// An undo of a change that never came to be is done already.
fn undo_desire(
    state: &mut State,
    context: &Context<'_>,
    change: &DesireChange,
) -> Result<(), Refusal> {
    match components::desire(state, context, change) {
        Err(refusal) if refusal.code == codes::NOT_FOUND => Ok(()),
        other => other.map(|_| ()),
    }
}

pub(super) fn find(state: &State, id: OperationId) -> Result<Operation, Refusal> {
    state.metadata.operations.get(&id).map(|operation| Operation::clone(operation)).ok_or_else(
        || not_found(format!("operation {id}")).hint("list them with: quorate operation list"),
    )
}

/// The operation, unless a leader of a newer term has worked on it.
fn fenced(state: &State, id: OperationId, term: Term) -> Result<Operation, Refusal> {
    let operation = find(state, id)?;
    if term < operation.term {
        return Err(Refusal::new(
            codes::OPERATION_STATUS,
            format!("operation {id} is in the hands of the leader of term {}", operation.term),
        ));
    }
    Ok(operation)
}

fn check_step(operation: &Operation, id: OperationId, step: u32) -> Result<usize, Refusal> {
    usize::try_from(step)
        .ok()
        .filter(|index| *index < operation.records.len())
        .ok_or_else(|| wrong_step(id, step))
}

fn wrong_step(id: OperationId, step: u32) -> Refusal {
    Refusal::new(
        codes::OPERATION_STATUS,
        format!("step {} of operation {id} is not the next one", u64::from(step) + 1),
    )
}

pub(super) fn wrong_status(operation: &Operation, what: &str) -> Refusal {
    Refusal::new(codes::OPERATION_STATUS, format!("operation {}: {what}", operation.id))
        .cause(format!("it is {}", operation.status.as_str()))
        .hint(operation.what_next())
}

pub(super) fn end_record(
    operation: &mut Operation,
    context: &Context<'_>,
    index: usize,
    status: StepStatus,
    seen: &str,
) {
    let record = &mut operation.records[index];
    record.status = status;
    record.ended_at = Some(context.proposal.at);
    seen.clone_into(&mut record.seen);
}

pub(super) fn end(operation: &mut Operation, context: &Context<'_>, status: OperationStatus) {
    operation.status = status;
    operation.ended_at = Some(context.proposal.at);
    let word = operation.status.as_str().to_owned();
    note(operation, context, word);
}

pub(super) fn note(operation: &mut Operation, context: &Context<'_>, what: String) {
    operation.transcript.push(TranscriptEntry {
        at: context.proposal.at,
        by: context.proposal.principal.clone(),
        what,
    });
}

pub(super) fn store(state: &mut State, operation: Operation) {
    state.metadata.operations.insert(operation.id, Arc::new(operation));
}
