//! `/admin/api/operations`: looking, pausing, resuming, aborting.

use axum::{Json, extract::State};
use quorate_api::rest::{AbortBody, OperationSummary, OperationView};
use quorate_control::{
    Control,
    use_cases::operations::{self, Intervention},
};

use super::{
    context::{Body, Caller, Idempotency, Path},
    failure::Failure,
};

/// All operations, newest first.
#[utoipa::path(get, path = "/admin/api/operations", tag = "operations",
    responses((status = 200, body = Vec<OperationSummary>)))]
pub(crate) async fn list(
    State(control): State<Control>,
    Caller(principal): Caller,
) -> Result<Json<Vec<OperationSummary>>, Failure> {
    Ok(Json(operations::list(&control, &principal)?))
}

/// One operation with its steps and its transcript.
#[utoipa::path(get, path = "/admin/api/operations/{id}", tag = "operations",
    params(("id" = String, Path)),
    responses((status = 200, body = OperationView), (status = 404, body = quorate_api::ErrorBody)))]
pub(crate) async fn show(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(id): Path<String>,
) -> Result<Json<OperationView>, Failure> {
    Ok(Json(operations::show(&control, &principal, &id)?))
}

/// Lets an operation stand between two steps.
#[utoipa::path(post, path = "/admin/api/operations/{id}/pause", tag = "operations",
    params(("id" = String, Path)),
    responses((status = 200, body = OperationView), (status = 409, body = quorate_api::ErrorBody)))]
pub(crate) async fn pause(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(id): Path<String>,
    Idempotency(request_id): Idempotency,
) -> Result<Json<OperationView>, Failure> {
    let pause = Intervention::Pause;
    Ok(Json(operations::intervene(&control, &principal, &id, pause, request_id).await?))
}

/// Lets a paused operation go on, or a stuck one try its step again.
#[utoipa::path(post, path = "/admin/api/operations/{id}/resume", tag = "operations",
    params(("id" = String, Path)),
    responses((status = 200, body = OperationView), (status = 409, body = quorate_api::ErrorBody)))]
pub(crate) async fn resume(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(id): Path<String>,
    Idempotency(request_id): Idempotency,
) -> Result<Json<OperationView>, Failure> {
    let resume = Intervention::Resume;
    Ok(Json(operations::intervene(&control, &principal, &id, resume, request_id).await?))
}

/// Ends an operation and undoes it as far as it can be; or leaves one as it is that is stuck past
/// its point of no return.
#[utoipa::path(post, path = "/admin/api/operations/{id}/abort", tag = "operations",
    params(("id" = String, Path)), request_body = AbortBody,
    responses((status = 200, body = OperationView), (status = 409, body = quorate_api::ErrorBody)))]
pub(crate) async fn abort(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(id): Path<String>,
    Idempotency(request_id): Idempotency,
    Body(AbortBody { leave_as_is }): Body<AbortBody>,
) -> Result<Json<OperationView>, Failure> {
    let abort = if leave_as_is { Intervention::Leave } else { Intervention::Abort };
    Ok(Json(operations::intervene(&control, &principal, &id, abort, request_id).await?))
}
