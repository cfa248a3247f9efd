//! Login, logout, change of password.

use std::net::SocketAddr;

use axum::{
    Extension, Form,
    extract::{ConnectInfo, Query, State},
    http::{HeaderMap, StatusCode, header::SET_COOKIE},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use quorate_api::rest;
use quorate_model::{Refusal, codes};
use serde::Deserialize;

use super::{SignedForm, Visit, failure::status_of, visit::is_secure};
use crate::{
    UseCases,
    pages::{self, Login, Password},
    session,
};

#[derive(Deserialize)]
pub(crate) struct LoginQuery {
    next: Option<String>,
    notice: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct LoginForm {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    next: Option<String>,
}

pub(crate) async fn show_login(Query(query): Query<LoginQuery>) -> Response {
    let notice = match query.notice.as_deref() {
        Some("password") => "Your password is changed. Log in with the new one.",
        Some("logout") => "You are logged out.",
        _ => "",
    };
    let next = session::local_path(query.next.as_deref()).to_owned();
    let page = Login { next, username: String::new(), refusal: None, notice };
    pages::html(StatusCode::OK, &page)
}

pub(crate) async fn login<U: UseCases>(
    State(use_cases): State<U>,
    address: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    Form(form): Form<LoginForm>,
) -> Response {
    let next = session::local_path(form.next.as_deref()).to_owned();
    let login = rest::Login { username: form.username.trim().to_owned(), password: form.password };
    let from = address.map_or_else(
        || "an unknown address".to_owned(),
        |Extension(ConnectInfo(address))| address.to_string(),
    );
    match use_cases.login(&login, &from).await {
        Ok(answer) => {
            let cookie = session::begin(&answer.access_token, is_secure(&headers));
            let to = if answer.must_change_password { "/password" } else { &next };
            (AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to(to)).into_response()
        }
        Err(refusal) => {
            let status = status_of(std::slice::from_ref(&refusal));
            let page = Login { next, username: login.username, refusal: Some(refusal), notice: "" };
            pages::html(status, &page)
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Nothing {}

pub(crate) async fn logout<U: UseCases>(
    State(use_cases): State<U>,
    headers: HeaderMap,
    SignedForm { visit, .. }: SignedForm<U, Nothing>,
) -> Response {
    // Without a leader the session cannot be ended for all; this browser forgets it all the same.
    if let Err(refusal) = use_cases.logout(&visit.visitor.who, &visit.token).await {
        tracing::warn!(user = %visit.visitor.username, %refusal, "a session could not be ended");
    }
    let cookie = session::end(is_secure(&headers));
    (AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to("/login?notice=logout")).into_response()
}

#[derive(Deserialize)]
pub(crate) struct PasswordForm {
    current: String,
    new: String,
    again: String,
}

pub(crate) async fn show_password<U: UseCases>(visit: Visit<U>) -> Response {
    pages::html(StatusCode::OK, &password_page(&visit, None))
}

pub(crate) async fn password<U: UseCases>(
    State(use_cases): State<U>,
    headers: HeaderMap,
    SignedForm { visit, form }: SignedForm<U, PasswordForm>,
) -> Response {
    let changed = if form.new == form.again {
        use_cases.change_password(&visit.visitor.who, form.current, form.new).await
    } else {
        Err(Refusal::new(codes::REQUEST_MALFORMED, "the two new passwords differ")
            .hint("type the new password twice"))
    };
    match changed {
        Ok(()) => {
            let cookie = session::end(is_secure(&headers));
            let to = Redirect::to("/login?notice=password");
            (AppendHeaders([(SET_COOKIE, cookie)]), to).into_response()
        }
        Err(refusal) => {
            let status = status_of(std::slice::from_ref(&refusal));
            pages::html(status, &password_page(&visit, Some(refusal)))
        }
    }
}

fn password_page<U: UseCases>(visit: &Visit<U>, refusal: Option<Refusal>) -> Password {
    Password {
        username: visit.visitor.username.clone(),
        form_token: visit.chrome.form_token.clone(),
        is_first: visit.visitor.must_change_password,
        refusal,
    }
}
