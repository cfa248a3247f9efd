//! `/admin/api/components`: looking, creating, restarting, removing.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use quorate_api::rest::{ComponentSpecBody, ComponentView, OperationView, PlanView, RestartBody};
use quorate_control::{Control, use_cases::components};
use serde::Deserialize;

use super::{
    context::{Body, Caller, Idempotency, Path, Query},
    failure::Failure,
};

/// Whether only the plan is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanOption {
    #[serde(default)]
    pub(super) plan: bool,
}

/// An operation was accepted; it goes on by itself.
pub(super) fn accepted(operation: OperationView) -> Response {
    let location = format!("/admin/api/operations/{}", operation.summary.id);
    (StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(operation)).into_response()
}

/// All components.
#[utoipa::path(get, path = "/admin/api/components", tag = "components",
    responses((status = 200, body = Vec<ComponentView>)))]
pub(crate) async fn list(
    State(control): State<Control>,
    Caller(principal): Caller,
) -> Result<Json<Vec<ComponentView>>, Failure> {
    Ok(Json(components::list(&control, &principal)?))
}

/// One component.
#[utoipa::path(get, path = "/admin/api/components/{name}", tag = "components",
    params(("name" = String, Path)),
    responses((status = 200, body = ComponentView), (status = 404, body = quorate_api::ErrorBody)))]
pub(crate) async fn show(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(name): Path<String>,
) -> Result<Json<ComponentView>, Failure> {
    Ok(Json(components::show(&control, &principal, &name)?))
}

/// Creates a component, or shows the plan for it.
#[utoipa::path(post, path = "/admin/api/components", tag = "components",
    params(("plan" = Option<bool>, Query), ("Idempotency-Key" = Option<String>, Header)),
    request_body = ComponentSpecBody,
    responses((status = 200, body = PlanView), (status = 202, body = OperationView),
        (status = 409, body = quorate_api::ErrorBody), (status = 422, body = quorate_api::ErrorBody)))]
pub(crate) async fn create(
    State(control): State<Control>,
    Caller(principal): Caller,
    Query(option): Query<PlanOption>,
    Idempotency(request_id): Idempotency,
    Body(body): Body<ComponentSpecBody>,
) -> Result<Response, Failure> {
    if option.plan {
        let plan = components::plan_create(&control, &principal, &body).await?;
        return Ok(Json(plan).into_response());
    }
    Ok(accepted(components::create(&control, &principal, &body, request_id).await?))
}

/// Restarts a component member by member, or shows the plan for it.
#[utoipa::path(post, path = "/admin/api/components/{name}/restart", tag = "components",
    params(("name" = String, Path), ("plan" = Option<bool>, Query),
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = RestartBody,
    responses((status = 200, body = PlanView), (status = 202, body = OperationView),
        (status = 409, body = quorate_api::ErrorBody)))]
pub(crate) async fn restart(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(name): Path<String>,
    Query(option): Query<PlanOption>,
    Idempotency(request_id): Idempotency,
    Body(body): Body<RestartBody>,
) -> Result<Response, Failure> {
    if option.plan {
        let plan = components::plan_restart(&control, &principal, &name, &body).await?;
        return Ok(Json(plan).into_response());
    }
    Ok(accepted(components::restart(&control, &principal, &name, &body, request_id).await?))
}

/// Removes a component, or shows the plan for it; its data folders stay.
#[utoipa::path(delete, path = "/admin/api/components/{name}", tag = "components",
    params(("name" = String, Path), ("plan" = Option<bool>, Query),
        ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = PlanView), (status = 202, body = OperationView),
        (status = 409, body = quorate_api::ErrorBody)))]
pub(crate) async fn remove(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(name): Path<String>,
    Query(option): Query<PlanOption>,
    Idempotency(request_id): Idempotency,
) -> Result<Response, Failure> {
    if option.plan {
        let plan = components::plan_remove(&control, &principal, &name).await?;
        return Ok(Json(plan).into_response());
    }
    Ok(accepted(components::remove(&control, &principal, &name, request_id).await?))
}

/// How much of a log is wanted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LogOptions {
    #[serde(default = "default_log_bytes")]
    max_bytes: u64,
}

const fn default_log_bytes() -> u64 {
    64 * 1024
}

/// The most of a log that is sent at once, in bytes.
const LARGEST_LOG: u64 = 1024 * 1024;

/// The end of an instance's log.
#[utoipa::path(get, path = "/admin/api/components/{name}/instances/{instance}/log",
    tag = "components",
    params(("name" = String, Path), ("instance" = String, Path),
        ("maxBytes" = Option<u64>, Query)),
    responses((status = 200, body = String, content_type = "text/plain"),
        (status = 404, body = quorate_api::ErrorBody)))]
pub(crate) async fn log(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path((name, instance)): Path<(String, String)>,
    Query(options): Query<LogOptions>,
) -> Result<Response, Failure> {
    let max_bytes = options.max_bytes.min(LARGEST_LOG);
    let log = components::logs(&control, &principal, &name, &instance, max_bytes).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], log).into_response())
}
