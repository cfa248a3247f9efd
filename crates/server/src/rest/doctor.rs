//! `/admin/api/doctor`: what is wrong, what will be, and what to do.

use axum::{Json, extract::State};
use quorate_api::rest::DoctorView;
use quorate_control::{Control, use_cases};
use quorate_model::NodeCheckup;

use super::{context::Caller, failure::Failure};

/// Examines the cluster: every master is asked itself. Takes a few seconds when one is silent.
#[utoipa::path(get, path = "/admin/api/doctor", tag = "doctor",
    responses((status = 200, body = DoctorView)))]
pub(crate) async fn examine(
    State(control): State<Control>,
    Caller(principal): Caller,
) -> Result<Json<DoctorView>, Failure> {
    Ok(Json(use_cases::doctor::examine(&control, &principal).await?))
}

/// The facts that the master asked gathers of itself and its host, for the doctor of another.
#[utoipa::path(get, path = "/admin/api/doctor/node", tag = "doctor",
    responses((status = 200, body = Object)))]
pub(crate) async fn node(
    State(control): State<Control>,
    Caller(principal): Caller,
) -> Result<Json<NodeCheckup>, Failure> {
    Ok(Json(use_cases::doctor::node(&control, &principal).await?))
}
