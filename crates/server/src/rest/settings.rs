//! `/admin/api/settings`: the linearizable key-value space.

use axum::{Json, extract::State};
use quorate_api::rest::{SettingBody, SettingView, SettingWritten};
use quorate_control::{
    Control,
    use_cases::settings::{self, Consistency},
};
use quorate_model::{Refusal, codes};
use serde::Deserialize;

use super::{
    context::{Body, Caller, Expected, Idempotency, Path, Query},
    failure::Failure,
};

/// How to read.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadOptions {
    #[serde(default)]
    consistency: Option<String>,
    #[serde(default)]
    prefix: String,
}

impl ReadOptions {
    fn consistency(&self) -> Result<Consistency, Refusal> {
        match self.consistency.as_deref() {
            None | Some("linearizable") => Ok(Consistency::Linearizable),
            Some("stale") => Ok(Consistency::Stale),
            Some(other) => Err(Refusal::new(
                codes::REQUEST_MALFORMED,
                format!("`{other}` is not a consistency"),
            )
            .hint("use consistency=linearizable (the default) or consistency=stale")),
        }
    }
}

/// All settings, or those whose keys begin with a prefix.
#[utoipa::path(get, path = "/admin/api/settings", tag = "settings",
    params(("prefix" = Option<String>, Query), ("consistency" = Option<String>, Query)),
    responses((status = 200, body = Vec<SettingView>)))]
pub(crate) async fn list(
    State(control): State<Control>,
    Caller(principal): Caller,
    Query(options): Query<ReadOptions>,
) -> Result<Json<Vec<SettingView>>, Failure> {
    let consistency = options.consistency()?;
    Ok(Json(settings::list(&control, &principal, &options.prefix, consistency).await?))
}

/// One setting.
#[utoipa::path(get, path = "/admin/api/settings/{key}", tag = "settings",
    params(("key" = String, Path), ("consistency" = Option<String>, Query)),
    responses((status = 200, body = SettingView), (status = 404, body = quorate_api::ErrorBody)))]
pub(crate) async fn get(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(key): Path<String>,
    Query(options): Query<ReadOptions>,
) -> Result<Json<SettingView>, Failure> {
    let consistency = options.consistency()?;
    Ok(Json(settings::get(&control, &principal, &key, consistency).await?))
}

/// Sets a setting. `If-Match: REVISION` makes it conditional; 0 means that it must not exist.
#[utoipa::path(put, path = "/admin/api/settings/{key}", tag = "settings",
    params(("key" = String, Path), ("If-Match" = Option<u64>, Header),
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = SettingBody,
    responses((status = 200, body = SettingWritten), (status = 412, body = quorate_api::ErrorBody)))]
pub(crate) async fn put(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(key): Path<String>,
    Expected(expected): Expected,
    Idempotency(request_id): Idempotency,
    Body(body): Body<SettingBody>,
) -> Result<Json<SettingWritten>, Failure> {
    let written =
        settings::put(&control, &principal, &key, &body.value, expected, request_id).await?;
    Ok(Json(written))
}

/// Deletes a setting.
#[utoipa::path(delete, path = "/admin/api/settings/{key}", tag = "settings",
    params(("key" = String, Path), ("If-Match" = Option<u64>, Header),
        ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = SettingWritten), (status = 404, body = quorate_api::ErrorBody)))]
pub(crate) async fn delete(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(key): Path<String>,
    Expected(expected): Expected,
    Idempotency(request_id): Idempotency,
) -> Result<Json<SettingWritten>, Failure> {
    Ok(Json(settings::delete(&control, &principal, &key, expected, request_id).await?))
}
