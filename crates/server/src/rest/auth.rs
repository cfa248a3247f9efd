//! `/admin/api/auth`: logging in and out.

use axum::{Json, extract::State, http::StatusCode};
use quorate_api::rest::{ChangePassword, Login, LoginAnswer, WhoAmI};
use quorate_control::{Control, use_cases::access};

use super::{
    context::{Body, Caller, From, Idempotency, Token},
    failure::Failure,
};

/// Begins a session. Each login is a session of its own, so it takes no key.
#[utoipa::path(post, path = "/admin/api/auth/login", tag = "auth", request_body = Login,
    responses((status = 200, body = LoginAnswer), (status = 401, body = quorate_api::ErrorBody)))]
pub(crate) async fn login(
    State(control): State<Control>,
    From(from): From,
    Body(body): Body<Login>,
) -> Result<Json<LoginAnswer>, Failure> {
    Ok(Json(access::login(&control, &body, &from).await?))
}

/// Ends the session.
#[utoipa::path(post, path = "/admin/api/auth/logout", tag = "auth",
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 204)))]
pub(crate) async fn logout(
    State(control): State<Control>,
    Caller(principal): Caller,
    Idempotency(request_id): Idempotency,
    token: Option<Token>,
) -> Result<StatusCode, Failure> {
    if let Some(Token(token)) = token {
        access::logout(&control, &principal, &token, request_id).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Changes one's own password; every session of the user ends, also that of the caller: a repeat
/// finds itself logged out, so it takes no key.
#[utoipa::path(post, path = "/admin/api/auth/password", tag = "auth",
    request_body = ChangePassword,
    responses((status = 204), (status = 401, body = quorate_api::ErrorBody)))]
pub(crate) async fn password(
    State(control): State<Control>,
    Caller(principal): Caller,
    Body(body): Body<ChangePassword>,
) -> Result<StatusCode, Failure> {
    access::change_password(&control, &principal, &body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is logged in.
#[utoipa::path(get, path = "/admin/api/auth/me", tag = "auth",
    responses((status = 200, body = WhoAmI)))]
pub(crate) async fn me(Caller(principal): Caller) -> Json<WhoAmI> {
    Json(access::who_am_i(&principal))
}
