//! What needs no login: liveness, readiness, metrics, the OpenAPI document.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use quorate_api::rest::ReadinessView;
use quorate_control::Control;
use quorate_model::{Refusal, codes};

use super::{Admin, failure::Failure};
use crate::{metrics, openapi};

/// The process lives.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = String)))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether this master can serve, with what is missing.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses((status = 200, body = ReadinessView), (status = 503, body = ReadinessView)))]
pub(crate) async fn readyz(State(control): State<Control>) -> Response {
    let live = control.readiness().live();
    let status = if live.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(live)).into_response()
}

/// Metrics in the Prometheus text format.
pub(crate) async fn metrics(State(admin): State<Admin>) -> Result<Response, Failure> {
    let text = metrics::render(&admin.control, &admin.metrics).map_err(|error| {
        Refusal::new(codes::INTERNAL, format!("metrics cannot be written: {error}"))
    })?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

/// The OpenAPI document.
pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi::document()).into_response()
}
