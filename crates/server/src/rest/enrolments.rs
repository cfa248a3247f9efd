//! `/admin/api/enrolments`: joiners that wait for a person's approval.

use axum::{Json, extract::State, http::StatusCode};
use quorate_api::rest::{ApproveBody, EnrolmentView};
use quorate_control::{Control, use_cases::enrolment};

use super::{
    context::{Body, Caller, Idempotency, Path},
    failure::Failure,
};

/// The joiners that wait, or were approved and have not come in yet.
#[utoipa::path(get, path = "/admin/api/enrolments", tag = "enrolments",
    responses((status = 200, body = Vec<EnrolmentView>)))]
pub(crate) async fn list(
    State(control): State<Control>,
    Caller(principal): Caller,
) -> Result<Json<Vec<EnrolmentView>>, Failure> {
    Ok(Json(enrolment::list(&control, &principal)?))
}

/// Lets in the joiner whose key was compared.
#[utoipa::path(post, path = "/admin/api/enrolments/{id}/approve", tag = "enrolments",
    params(("id" = String, Path)), request_body = ApproveBody,
    responses((status = 204), (status = 404, body = quorate_api::ErrorBody)))]
pub(crate) async fn approve(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(id): Path<String>,
    Idempotency(request_id): Idempotency,
    Body(body): Body<ApproveBody>,
) -> Result<StatusCode, Failure> {
    enrolment::approve(&control, &principal, &id, &body, request_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Turns a joiner away.
#[utoipa::path(post, path = "/admin/api/enrolments/{id}/refuse", tag = "enrolments",
    params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = quorate_api::ErrorBody)))]
pub(crate) async fn refuse(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(id): Path<String>,
    Idempotency(request_id): Idempotency,
) -> Result<StatusCode, Failure> {
    enrolment::refuse(&control, &principal, &id, request_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
