//! `/admin/api/tokens`: join tokens.

use axum::{Json, extract::State, http::StatusCode};
use quorate_api::rest::{CreateTokenBody, TokenCreated, TokenView};
use quorate_control::{Control, use_cases::tokens};

use super::{
    context::{Body, Caller, Idempotency, Path},
    failure::Failure,
};

/// All join tokens, without their secrets.
#[utoipa::path(get, path = "/admin/api/tokens", tag = "tokens",
    responses((status = 200, body = Vec<TokenView>)))]
pub(crate) async fn list(
    State(control): State<Control>,
    Caller(principal): Caller,
) -> Result<Json<Vec<TokenView>>, Failure> {
    Ok(Json(tokens::list(&control, &principal)?))
}

/// Makes a join token; its text is kept nowhere. A repeat with the same key is answered with the
/// same token, for as long as that is listed.
#[utoipa::path(post, path = "/admin/api/tokens", tag = "tokens", request_body = CreateTokenBody,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = TokenCreated)))]
pub(crate) async fn create(
    State(control): State<Control>,
    Caller(principal): Caller,
    Idempotency(request_id): Idempotency,
    Body(body): Body<CreateTokenBody>,
) -> Result<(StatusCode, Json<TokenCreated>), Failure> {
    let created = tokens::create(&control, &principal, &body, request_id).await?;
    Ok((StatusCode::CREATED, Json(created)))
}

/// Makes a join token unusable.
#[utoipa::path(delete, path = "/admin/api/tokens/{id}", tag = "tokens",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 204), (status = 404, body = quorate_api::ErrorBody)))]
pub(crate) async fn revoke(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(id): Path<String>,
    Idempotency(request_id): Idempotency,
) -> Result<StatusCode, Failure> {
    tokens::revoke(&control, &principal, &id, request_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
