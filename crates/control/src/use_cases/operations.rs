//! Operations: planning, submitting, looking, pausing, resuming, aborting.

use quorate_api::rest::{OperationSummary, OperationView, PlanView};
use quorate_model::{OperationId, OperationRequest, Refusal, RequestId, codes};
use quorate_state::Command;
use sha2::{Digest, Sha256};

use crate::{Control, Permission, Principal, views};

/// Plans a request and changes nothing.
///
/// # Errors
/// Every reason why it cannot be done now.
pub fn plan(
    control: &Control,
    principal: &Principal,
    request: &OperationRequest,
) -> Result<PlanView, Vec<Refusal>> {
    principal.require(Permission::Read).map_err(|refusal| vec![refusal])?;
    let plan = control.with_facts(|facts| quorate_plan::plan(request, facts))?;
    Ok(views::plan(&plan))
}

/// Plans a request and lets it begin.
///
/// # Errors
/// Every reason why it cannot be done now.
pub async fn submit(
    control: &Control,
    principal: &Principal,
    request: OperationRequest,
    request_id: Option<RequestId>,
) -> Result<OperationView, Vec<Refusal>> {
    let one = |refusal: Refusal| vec![refusal];
    principal.require(Permission::Operate).map_err(one)?;
    let id = match &request_id {
        // The same request with the same key must make the same command, hence the same id.
        Some(key) => repeatable_id(control, principal, key),
        None => control.new_operation_id(),
    };
    if request_id.is_some()
        && let Some(repeated) = submitted(control, id, &request).await.map_err(one)?
    {
        return Ok(repeated);
    }
    let plan = match control.with_facts(|facts| quorate_plan::plan(&request, facts)) {
        Ok(plan) => plan,
        // A concurrent repeat of this request may have begun meanwhile and hold the locks.
        Err(refusals) => return repeated_or(control, id, &request, refusals).await,
    };
    let command = Command::SubmitOperation { id, plan };
    match control.change(principal, Permission::Operate, None, command).await {
        Ok(_) => {}
        // A concurrent repeat of this request was faster.
        Err(refusal) if refusal.code == codes::NAME_TAKEN => {
            return repeated_or(control, id, &request, one(refusal)).await;
        }
        Err(refusal) => return Err(one(refusal)),
    }
    submitted(control, id, &request).await.map_err(one)?.ok_or_else(|| one(unknown(id)))
}

/// The operation that was submitted under this id, if one was, read no earlier than now.
async fn submitted(
    control: &Control,
    id: OperationId,
    request: &OperationRequest,
) -> Result<Option<OperationView>, Refusal> {
    let state = control.linearized().await?;
    let Some(known) = state.metadata.operations.get(&id) else { return Ok(None) };
    if known.plan.request != *request {
        return Err(Refusal::new(
            codes::REQUEST_MALFORMED,
            format!("the Idempotency-Key was used for `{}`", known.plan.request.title()),
        )
        .hint("use a new key for a new request; the same key only repeats the same request"));
    }
    Ok(Some(views::operation(known, control.inventory.waiting(id).as_ref())))
}

/// The operation that a repeat of this request has submitted, or else the refusals.
async fn repeated_or(
    control: &Control,
    id: OperationId,
    request: &OperationRequest,
    refusals: Vec<Refusal>,
) -> Result<OperationView, Vec<Refusal>> {
    match submitted(control, id, request).await {
        Ok(None) => Err(refusals),
        Ok(Some(repeated)) => Ok(repeated),
        Err(refusal) => Err(vec![refusal]),
    }
}

fn unknown(id: OperationId) -> Refusal {
    Refusal::new(codes::NOT_FOUND, format!("there is no operation {id}"))
        .hint("list them with: quorate operation list")
}

/// An id made of the principal and the key alone, so that a repeated request finds the operation
/// that the first one made. The moment is left out on purpose: it would differ.
fn repeatable_id(control: &Control, principal: &Principal, key: &RequestId) -> OperationId {
    let mut hasher = Sha256::new();
    for part in [&control.cluster().to_string(), &principal.audit_name(), key.as_str()] {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    let digest = hasher.finalize();
    let (moment, random) = digest.split_at(6);
    let number =
        |bytes: &[u8]| bytes.iter().fold(0, |sum: u128, byte| (sum << 8) | u128::from(*byte));
    OperationId::from_parts(u64::try_from(number(moment)).unwrap_or(0), number(&random[..10]))
}

/// All operations, newest first.
///
/// # Errors
/// When the principal may not see them.
pub fn list(control: &Control, principal: &Principal) -> Result<Vec<OperationSummary>, Refusal> {
    principal.require(Permission::Read)?;
    let state = control.state();
    let mut operations: Vec<_> = state.metadata.operations.values().collect();
    operations.sort_by(|a, b| b.requested_at.cmp(&a.requested_at).then(b.id.cmp(&a.id)));
    Ok(operations.into_iter().map(|operation| views::operation_summary(operation)).collect())
}

/// One operation, whole.
///
/// # Errors
/// When there is no such operation.
pub fn show(control: &Control, principal: &Principal, id: &str) -> Result<OperationView, Refusal> {
    principal.require(Permission::Read)?;
    let id = parse(id)?;
    let state = control.state();
    let operation = state.metadata.operations.get(&id).ok_or_else(|| unknown(id))?;
    Ok(views::operation(operation, control.inventory.waiting(id).as_ref()))
}

/// What a person does to a running operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intervention {
    /// Let it stand between two steps.
    Pause,
    /// Let it go on.
    Resume,
    /// End it and undo it as far as it can be.
    Abort,
}

/// Pauses, resumes or aborts an operation.
///
/// # Errors
/// When its status does not allow that.
pub async fn intervene(
    control: &Control,
    principal: &Principal,
    id: &str,
    intervention: Intervention,
    request_id: Option<RequestId>,
) -> Result<OperationView, Refusal> {
    let id = parse(id)?;
    let command = match intervention {
        Intervention::Pause => Command::PauseOperation { id },
        Intervention::Resume => Command::ResumeOperation { id },
        Intervention::Abort => Command::AbortOperation { id },
    };
    control.change(principal, Permission::Operate, request_id, command).await?;
    control.linearized().await?;
    show(control, principal, &id.to_string())
}

fn parse(id: &str) -> Result<OperationId, Refusal> {
    id.parse().map_err(|error: quorate_model::ParseIdError| {
        Refusal::new(codes::REQUEST_MALFORMED, error.to_string())
    })
}
