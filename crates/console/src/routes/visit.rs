//! A request of somebody who is logged in, and a form that one of the console's pages sent.

use axum::{
    Form,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, Method, request::Parts},
    response::{IntoResponse, Response},
};
use quorate_model::{Refusal, codes};
use serde::{Deserialize, de::DeserializeOwned};

use super::Failure;
use crate::{
    UseCases, Visitor,
    pages::{self, Chrome, Main},
    session,
};

/// A request of somebody who is logged in.
pub(crate) struct Visit<U: UseCases> {
    /// Who.
    pub(crate) visitor: Visitor<U::Who>,
    /// The access token.
    pub(crate) token: String,
    /// The frame of the page that answers.
    pub(crate) chrome: Chrome,
}

impl<U: UseCases> Visit<U> {
    /// Lets through whoever may see more than the change of the password.
    async fn of(parts: &Parts, use_cases: &U) -> Result<Self, Failure> {
        let is_partial = pages::wants_partial(&parts.headers);
        let path = match parts.method {
            Method::GET => parts.uri.path_and_query().map_or("/", |it| it.as_str()).to_owned(),
            _ => "/".to_owned(),
        };
        let Some(token) = session::token(&parts.headers) else {
            if is_link_from_elsewhere(parts) {
                return Err(Failure::OpenFromHere { path });
            }
            return Err(Failure::LoginNeeded { path, is_partial });
        };
        let visitor = match use_cases.authenticate(&token).await {
            Ok(visitor) => visitor,
            Err(_) => return Err(Failure::LoginNeeded { path, is_partial }),
        };
        let chrome = Chrome {
            is_partial,
            ..Chrome::new(&visitor.username, &visitor.role, &token, use_cases.node())
        };
        Ok(Self { visitor, token, chrome })
    }

    /// Answers with a page.
    pub(crate) fn page(&self, main: &impl Main) -> Response {
        pages::page(axum::http::StatusCode::OK, &self.chrome, main)
    }

    /// Shows a refusal inside this visitor's frame.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Failure {
        Failure::refused(refusal, &self.chrome)
    }
}

/// A `SameSite=Strict` cookie does not come along with a link from a chat or an alert.
fn is_link_from_elsewhere(parts: &Parts) -> bool {
    let is = |name: &str, value: &str| parts.headers.get(name).is_some_and(|it| it == value);
    parts.method == Method::GET
        && (is("sec-fetch-site", "cross-site") || is("sec-fetch-site", "same-site"))
        && is("sec-fetch-mode", "navigate")
}

impl<U: UseCases> FromRequestParts<U> for Visit<U> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, use_cases: &U) -> Result<Self, Failure> {
        let visit = Self::of(parts, use_cases).await?;
        let is_way_out = matches!(parts.uri.path(), "/password" | "/logout");
        if visit.visitor.must_change_password && !is_way_out {
            return Err(Failure::PasswordNeeded);
        }
        Ok(visit)
    }
}

/// A form that one of this session's own pages sent.
pub(crate) struct SignedForm<U: UseCases, T> {
    /// Who sent it.
    pub(crate) visit: Visit<U>,
    /// What it says.
    pub(crate) form: T,
}

#[derive(Deserialize)]
struct WithToken<T> {
    #[serde(default)]
    csrf: String,
    #[serde(flatten)]
    form: T,
}

impl<U: UseCases, T: DeserializeOwned + Send> FromRequest<U> for SignedForm<U, T> {
    type Rejection = Response;

    async fn from_request(request: Request, use_cases: &U) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, use_cases)
            .await
            .map_err(IntoResponse::into_response)?;
        let request = Request::from_parts(parts, body);
        let Form(WithToken { csrf, form }) = Form::<WithToken<T>>::from_request(request, use_cases)
            .await
            .map_err(|error| malformed(&visit, &error.to_string()).into_response())?;
        if !session::is_form_token(&visit.token, &csrf) {
            return Err(forged(&visit).into_response());
        }
        Ok(Self { visit, form })
    }
}

fn malformed<U: UseCases>(visit: &Visit<U>, cause: &str) -> Failure {
    let refusal =
        Refusal::new(codes::REQUEST_MALFORMED, "the form cannot be read").cause(cause.to_owned());
    visit.refuse(refusal)
}

fn forged<U: UseCases>(visit: &Visit<U>) -> Failure {
    let refusal = Refusal::new(codes::FORBIDDEN, "this form does not belong to your session")
        .cause("its token is absent or of another login")
        .hint("go back, reload the page, and send the form again");
    visit.refuse(refusal)
}

/// Whether cookies must be kept to https.
pub(crate) fn is_secure(headers: &HeaderMap) -> bool {
    session::is_https(headers)
}
