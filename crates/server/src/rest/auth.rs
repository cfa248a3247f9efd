//! `/admin/api/auth`: logging in and out.

use axum::{Json, extract::State, http::StatusCode};
use quorate_api::rest::{ChangePassword, Login, LoginAnswer, WhoAmI};
use quorate_control::{Control, use_cases::access};

use super::{
    context::{Body, Caller, Token},
    failure::Failure,
};

/// Begins a session.
#[utoipa::path(post, path = "/admin/api/auth/login", tag = "auth", request_body = Login,
    responses((status = 200, body = LoginAnswer), (status = 401, body = quorate_api::ErrorBody)))]
pub(crate) async fn login(
    State(control): State<Control>,
    Body(body): Body<Login>,
) -> Result<Json<LoginAnswer>, Failure> {
    Ok(Json(access::login(&control, &body).await?))
}

/// Ends the session.
#[utoipa::path(post, path = "/admin/api/auth/logout", tag = "auth",
    responses((status = 204)))]
pub(crate) async fn logout(
    State(control): State<Control>,
    Caller(principal): Caller,
    token: Option<Token>,
) -> Result<StatusCode, Failure> {
    if let Some(Token(token)) = token {
        access::logout(&control, &principal, &token).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Changes one's own password; every session of the user ends.
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
