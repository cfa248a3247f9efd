//! `/admin/api/audit`: who changed what.

use axum::{Json, extract::State};
use quorate_api::rest::AuditView;
use quorate_control::{Control, use_cases::audit};
use serde::Deserialize;

use super::{
    context::{Caller, Query},
    failure::Failure,
};

/// How many entries are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditOptions {
    #[serde(default = "default_limit")]
    limit: usize,
    #[serde(default)]
    steps: bool,
}

const fn default_limit() -> usize {
    100
}

/// The newest changes and refused attempts, newest first. The single steps of operations are left
/// out unless `steps=true`; the chain of hashes runs through them all the same.
#[utoipa::path(get, path = "/admin/api/audit", tag = "audit",
    params(("limit" = Option<usize>, Query), ("steps" = Option<bool>, Query)),
    responses((status = 200, body = Vec<AuditView>)))]
pub(crate) async fn list(
    State(control): State<Control>,
    Caller(principal): Caller,
    Query(options): Query<AuditOptions>,
) -> Result<Json<Vec<AuditView>>, Failure> {
    Ok(Json(audit::list(&control, &principal, options.limit, options.steps)?))
}
