//! The pages: each `main` part is a typed struct made from the views of REST by a pure function;
//! [`Page`] puts the frame around it, and a live refresh takes it without.

mod audit;
mod components;
mod doctor;
mod entrance;
mod nodes;
mod operations;
mod overview;
mod parts;
mod problem;

use askama::Template;
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use quorate_model::{Refusal, codes};

pub(crate) use audit::AuditMain;
pub(crate) use components::{ComponentMain, ComponentsMain, LogMain, RestartMain, plan_digest};
pub(crate) use doctor::DoctorMain;
pub(crate) use entrance::{Login, Opening, Password, Splash};
pub(crate) use nodes::NodesMain;
pub(crate) use operations::{OperationMain, OperationsMain};
pub(crate) use overview::OverviewMain;
pub(crate) use problem::ProblemMain;

use crate::{assets, session};

/// The header that asks for the `main` part alone, and marks an answer that is only that.
pub(crate) const PARTIAL: &str = "x-partial";

/// What the frame of a page needs to know of its visitor.
#[derive(Debug, Clone)]
pub(crate) struct Chrome {
    /// The login name; empty when nobody is logged in.
    pub(crate) username: String,
    /// `viewer`, `operator` or `admin`.
    pub(crate) role: String,
    /// Goes into every form.
    pub(crate) form_token: String,
    /// The master that serves this page.
    pub(crate) node: String,
    /// Only the `main` part is wanted.
    pub(crate) is_partial: bool,
}

impl Chrome {
    /// The chrome of a page for somebody who is logged in.
    pub(crate) fn new(username: &str, role: &str, token: &str, node: String) -> Self {
        Self {
            username: username.to_owned(),
            role: role.to_owned(),
            form_token: session::form_token(token),
            node,
            is_partial: false,
        }
    }

    /// Whether the visitor may let nodes in.
    pub(crate) fn may_administer(&self) -> bool {
        self.role == "admin"
    }

    /// Whether the visitor may run operations.
    pub(crate) fn may_operate(&self) -> bool {
        self.role != "viewer"
    }
}

/// The `main` part of a page.
pub(crate) trait Main: Template {
    /// The title, most particular words first.
    fn title(&self) -> String;

    /// The address a live refresh asks for; empty when the page shall stand still.
    fn source(&self) -> String;

    /// The place in the navigation: its path.
    fn place(&self) -> &'static str;
}

/// A whole page: the frame and its `main` part.
#[derive(Template)]
#[template(path = "layout.html")]
struct Page<'a, M: Main> {
    chrome: &'a Chrome,
    part: MainPart<'a, M>,
}

impl<M: Main> Page<'_, M> {
    /// The navigation: path, word.
    fn places(&self) -> Vec<(&'static str, &'static str)> {
        let mut places = vec![
            ("/", "Overview"),
            ("/nodes", "Nodes"),
            ("/components", "Components"),
            ("/operations", "Operations"),
            ("/doctor", "Checklist"),
        ];
        if self.chrome.role == "admin" {
            places.push(("/audit", "Audit"));
        }
        places
    }

    fn asset(&self, name: &str) -> String {
        assets::url(name)
    }
}

/// The `main` element alone.
#[derive(Template)]
#[template(path = "main.html")]
struct MainPart<'a, M: Main> {
    main: &'a M,
}

/// Answers with a page, or with its `main` part when only that is wanted.
pub(crate) fn page<M: Main>(status: StatusCode, chrome: &Chrome, main: &M) -> Response {
    let part = MainPart { main };
    if chrome.is_partial {
        let mut response = html(status, &part);
        response.headers_mut().insert(PARTIAL, HeaderValue::from_static("main"));
        return response;
    }
    html(status, &Page { chrome, part })
}

/// Whether a request wants the `main` part alone.
pub(crate) fn wants_partial(headers: &HeaderMap) -> bool {
    headers.get(PARTIAL).is_some_and(|part| part == "main")
}

/// The page that is shown until the cluster is ready.
pub(crate) fn splash(splash: Splash) -> Response {
    let mut response = html(StatusCode::SERVICE_UNAVAILABLE, &splash);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    response
}

/// Renders a template; one that cannot be rendered is our own bug.
pub(crate) fn html(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page of the console cannot be rendered");
            let refusal = Refusal::new(codes::INTERNAL, "this page cannot be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, refusal.to_string()).into_response()
        }
    }
}
