//! A request that is not answered with what it asked for.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use quorate_api::http_status;
use quorate_model::{Code, Refusal, codes};

use crate::pages::{self, Chrome, Login, Opening, ProblemMain};

/// Why a request is not answered with what it asked for.
pub(crate) enum Failure {
    /// Nobody is logged in; the page that was asked for comes after the login.
    LoginNeeded {
        /// The page.
        path: String,
        /// Only its `main` part was wanted.
        is_partial: bool,
    },
    /// The browser kept the session back because the link came from another site.
    OpenFromHere {
        /// The page.
        path: String,
    },
    /// The first password was not changed yet.
    PasswordNeeded,
    /// The use case said no.
    Refused {
        /// Every reason.
        refusals: Vec<Refusal>,
        /// The frame, when somebody is logged in.
        chrome: Option<Chrome>,
    },
}

impl Failure {
    /// A refusal inside the frame of a visitor.
    pub(crate) fn refused(refusal: Refusal, chrome: &Chrome) -> Self {
        Self::Refused { refusals: vec![refusal], chrome: Some(chrome.clone()) }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { refusals: vec![refusal], chrome: None }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::LoginNeeded { is_partial: true, .. } => StatusCode::UNAUTHORIZED.into_response(),
            Self::LoginNeeded { path, .. } if path == "/" => Redirect::to("/login").into_response(),
            Self::LoginNeeded { path, .. } => {
                Redirect::to(&format!("/login?next={}", encoded(&path))).into_response()
            }
            Self::OpenFromHere { path } => pages::html(StatusCode::OK, &Opening { path }),
            Self::PasswordNeeded => Redirect::to("/password").into_response(),
            Self::Refused { refusals, chrome } => refused(refusals, chrome.as_ref()),
        }
    }
}

/// The HTTP status for the first of several refusals.
pub(crate) fn status_of(refusals: &[Refusal]) -> StatusCode {
    let code = refusals.first().map_or(codes::INTERNAL, |refusal| refusal.code);
    StatusCode::from_u16(http_status(code)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn refused(refusals: Vec<Refusal>, chrome: Option<&Chrome>) -> Response {
    let status = status_of(&refusals);
    let first = refusals.first().map_or(codes::INTERNAL, |refusal| refusal.code);
    match chrome {
        Some(chrome) => {
            let main = ProblemMain { headline: headline(first), refusals };
            pages::page(status, chrome, &main)
        }
        None => pages::html(
            status,
            &Login {
                next: "/".to_owned(),
                username: String::new(),
                refusal: refusals.into_iter().next(),
                notice: "",
            },
        ),
    }
}

const fn headline(code: Code) -> &'static str {
    match code.0 {
        4004 => "There is no such thing",
        3000..=3999 => "You may not do this",
        4503..=4599 | 5000..=5999 | 6003 => "This cannot be answered now",
        9000..=9999 => "This is a bug in Quorate",
        _ => "This was refused",
    }
}

/// A path as the value of a query: everything but the plainest characters is percent-encoded.
fn encoded(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
        text
    })
}
