//! `/admin/api/reset`: the reset of the whole cluster.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use quorate_api::rest::{OperationView, PlanView, ResetBody};
use quorate_control::{Control, use_cases::reset};

use super::{
    components::{PlanOption, accepted},
    context::{Body, Caller, Idempotency, Query},
    failure::Failure,
};

/// Brings the cluster back to its first state, or shows the plan with what is lost and the hash
/// that confirms it.
#[utoipa::path(post, path = "/admin/api/reset", tag = "reset",
    params(("plan" = Option<bool>, Query), ("Idempotency-Key" = Option<String>, Header)),
    request_body = ResetBody,
    responses((status = 200, body = PlanView), (status = 202, body = OperationView),
        (status = 409, body = quorate_api::ErrorBody)))]
pub(crate) async fn reset(
    State(control): State<Control>,
    Caller(principal): Caller,
    Query(option): Query<PlanOption>,
    Idempotency(request_id): Idempotency,
    Body(body): Body<ResetBody>,
) -> Result<Response, Failure> {
    if option.plan {
        return Ok(Json(reset::plan(&control, &principal).await?).into_response());
    }
    Ok(accepted(reset::submit(&control, &principal, &body, request_id).await?))
}
