//! Operations: planning, submitting, looking, pausing, resuming, aborting.

use quorate_api::rest::{OperationSummary, OperationView, PlanView};
use quorate_model::{OperationId, OperationRequest, Plan, Refusal, RequestId, codes};
use quorate_state::{Applied, Command};

use crate::{Control, Permission, Principal, views};

/// Plans a request and changes nothing.
///
/// # Errors
/// Every reason why it cannot be done now.
pub async fn plan(
    control: &Control,
    principal: &Principal,
    request: &OperationRequest,
) -> Result<PlanView, Vec<Refusal>> {
    principal.require(Permission::Read).map_err(|refusal| vec![refusal])?;
    control.looked_around().await;
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
    let key = request_id.as_ref();
    if let Some(repeated) = submitted(control, principal, key, &request).await.map_err(one)? {
        return Ok(repeated);
    }
    control.looked_around().await;
    let plan = match control.with_facts(|facts| quorate_plan::plan(&request, facts)) {
        Ok(plan) => plan,
        Err(refusals) => {
            // A concurrent repeat of this request may have begun meanwhile and hold the locks.
            let repeated = submitted(control, principal, key, &request).await.map_err(one)?;
            return repeated.ok_or(refusals);
        }
    };
    submit_plan(control, principal, Permission::Operate, plan, request_id).await
}

/// Lets a plan begin that was made just now.
pub(super) async fn submit_plan(
    control: &Control,
    principal: &Principal,
    permission: Permission,
    plan: Plan,
    request_id: Option<RequestId>,
) -> Result<OperationView, Vec<Refusal>> {
    let one = |refusal: Refusal| vec![refusal];
    // An id tells the moment: operations sort by it. A repeat is found by its key, not by its id.
    let id = control.new_operation_id();
    let command = Command::SubmitOperation { id, plan, key: request_id };
    let applied = control.change(principal, permission, None, command).await;
    // A concurrent repeat of this request may have been faster.
    let Applied::Operation(id) = applied.map_err(one)? else {
        return Err(one(Refusal::new(codes::INTERNAL, "the submission gave no operation")));
    };
    control.linearized().await.map_err(one)?;
    show(control, principal, &id.to_string()).map_err(one)
}

/// The operation that a principal submitted under this key, if one was, read no earlier than now.
pub(super) async fn submitted(
    control: &Control,
    principal: &Principal,
    key: Option<&RequestId>,
    request: &OperationRequest,
) -> Result<Option<OperationView>, Refusal> {
    let Some(key) = key else { return Ok(None) };
    let state = control.linearized().await?;
    let Some(known) = state.metadata.operation_keyed(&principal.audit_name(), key) else {
        return Ok(None);
    };
    if known.plan.request != *request {
        return Err(Refusal::new(
            codes::REQUEST_MALFORMED,
            format!("the Idempotency-Key was used for `{}`", known.plan.request.title()),
        )
        .hint("use a new key for a new request; the same key only repeats the same request"));
    }
    Ok(Some(views::operation(known, control.shared.inventory.waiting(known.id).as_ref())))
}

/// Where the ids are to be had.
const LIST_THEM: &str = "list them with: quorate operation list";

fn unknown(id: OperationId) -> Refusal {
    Refusal::new(codes::NOT_FOUND, format!("there is no operation {id}")).hint(LIST_THEM)
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
    Ok(views::operation(operation, control.shared.inventory.waiting(id).as_ref()))
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
    /// It is stuck past its point of no return: end it where it stands, and undo nothing.
    Leave,
}

/// Pauses, resumes, aborts or leaves an operation.
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
        Intervention::Abort => Command::AbortOperation { id, leave_as_is: false },
        Intervention::Leave => Command::AbortOperation { id, leave_as_is: true },
    };
    control.change(principal, Permission::Operate, request_id, command).await?;
    control.linearized().await?;
    show(control, principal, &id.to_string())
}

fn parse(id: &str) -> Result<OperationId, Refusal> {
    id.parse().map_err(|error: quorate_model::ParseIdError| {
        Refusal::new(codes::REQUEST_MALFORMED, error.to_string()).hint(LIST_THEM)
    })
}
