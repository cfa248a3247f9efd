//! `/admin/api/status`: the state of the quorum.

use axum::{Json, extract::State};
use quorate_api::rest::StatusView;
use quorate_control::{Control, use_cases};

use super::{context::Caller, failure::Failure};

/// The state of the quorum, in one answer.
#[utoipa::path(get, path = "/admin/api/status", tag = "status",
    responses((status = 200, body = StatusView)))]
pub(crate) async fn show(
    State(control): State<Control>,
    Caller(principal): Caller,
) -> Result<Json<StatusView>, Failure> {
    Ok(Json(use_cases::status::show(&control, &principal)?))
}
