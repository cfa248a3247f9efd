//! `/admin/api/masters` and the masters' part of `/admin/api/nodes`: votes, priorities, policy.

use axum::{Json, extract::State, http::StatusCode};
use quorate_api::rest::{MasterPolicyBody, MasterPolicyView, PriorityBody, VotesBody};
use quorate_control::{Control, use_cases::masters};

use super::{
    context::{Body, Caller, Idempotency, Path},
    failure::Failure,
};

/// How autopilot and the choice of the leader behave.
#[utoipa::path(get, path = "/admin/api/masters/policy", tag = "masters",
    responses((status = 200, body = MasterPolicyView)))]
pub(crate) async fn policy(
    State(control): State<Control>,
    Caller(principal): Caller,
) -> Result<Json<MasterPolicyView>, Failure> {
    Ok(Json(masters::policy(&control, &principal)?))
}

/// Changes what is given and leaves the rest.
#[utoipa::path(put, path = "/admin/api/masters/policy", tag = "masters",
    request_body = MasterPolicyBody,
    responses((status = 200, body = MasterPolicyView),
        (status = 400, body = quorate_api::ErrorBody)))]
pub(crate) async fn set_policy(
    State(control): State<Control>,
    Caller(principal): Caller,
    Idempotency(request_id): Idempotency,
    Body(body): Body<MasterPolicyBody>,
) -> Result<Json<MasterPolicyView>, Failure> {
    Ok(Json(masters::set_policy(&control, &principal, &body, request_id).await?))
}

/// Lets masters vote or keeps them as learners; autopilot carries it out.
#[utoipa::path(put, path = "/admin/api/masters/votes", tag = "masters", request_body = VotesBody,
    responses((status = 204), (status = 409, body = quorate_api::ErrorBody)))]
pub(crate) async fn set_votes(
    State(control): State<Control>,
    Caller(principal): Caller,
    Idempotency(request_id): Idempotency,
    Body(body): Body<VotesBody>,
) -> Result<StatusCode, Failure> {
    masters::set_votes(&control, &principal, &body, request_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Prefers a master as leader.
#[utoipa::path(put, path = "/admin/api/nodes/{id}/priority", tag = "masters",
    params(("id" = String, Path, description = "Its id or its name")),
    request_body = PriorityBody,
    responses((status = 204), (status = 404, body = quorate_api::ErrorBody)))]
pub(crate) async fn set_priority(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(id): Path<String>,
    Idempotency(request_id): Idempotency,
    Body(body): Body<PriorityBody>,
) -> Result<StatusCode, Failure> {
    masters::set_priority(&control, &principal, &id, &body, request_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
