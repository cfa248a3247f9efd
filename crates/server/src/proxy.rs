//! Passing on to the leader what only the leader can answer, so that every master answers alike.

use async_trait::async_trait;
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use quorate_api::internal::{CallRequest, CallResponse, Header};
use quorate_model::{Refusal, codes};

use crate::rest::{Admin, context::LocalRoot, failure::Failure};

/// The longest body that is passed on, in bytes.
pub(crate) const LONGEST_BODY: usize = 1024 * 1024;

/// A way to the leader's admin interface.
#[async_trait]
pub trait LeaderLink: Send + Sync + 'static {
    /// Makes a call there.
    ///
    /// # Errors
    /// When no leader is known or it does not answer.
    async fn call(&self, request: CallRequest) -> Result<CallResponse, Refusal>;
}

/// Marks a request that a follower passed on: it is never passed on again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PassedOn;

/// Whether the master at hand answers this itself, leader or not.
fn is_answered_here(path: &str) -> bool {
    const HERE: [&str; 12] = [
        "/admin/api/auth/",
        "/admin/api/settings",
        "/admin/api/events",
        "/admin/api/openapi.json",
        "/admin/api/doctor/node",
        // A binary lies on the disk of the master that took it.
        "/admin/api/binaries/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/assets/",
        "/events",
        "/login",
    ];
    HERE.iter().any(|prefix| path.starts_with(prefix))
}

/// Answers here when this master leads or may answer; else asks the leader.
pub(crate) async fn pass_on(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let here = is_answered_here(request.uri().path()) || admin.control.leading().is_some();
    if here {
        return next.run(request).await;
    }
    if request.extensions().get::<PassedOn>().is_some() {
        return Failure::from(no_leader("the master asked leads no longer")).into_response();
    }
    if admin.control.raft().status().leader.is_none() {
        if is_change(&request) && admin.control.readiness().is_open() {
            // Whether it can be done is known to a leader alone, which has the observations. Until
            // the cluster has been ready, the gate says more.
            return Failure::from(no_leader("nobody was elected yet")).into_response();
        }
        // Without a leader the master at hand says what it knows: better than nothing at night.
        return next.run(request).await;
    }
    let page = page_request(&request);
    // A leader that has lost its quorum still names itself: to ask it is to ask oneself.
    let names_itself = admin.control.raft().status().leader == Some(admin.control.node());
    if names_itself && page.is_some() {
        return next.run(request).await;
    }
    match (forward(&admin, request).await, page) {
        (Ok(response), _) => response,
        // A person who reads pages gets this master's view rather than a line of JSON.
        (Err(_), Some(page)) => next.run(page).await,
        (Err(refusal), None) => Failure::from(refusal).into_response(),
    }
}

/// A form of the console is none: its page says what is wrong to a person.
fn is_change(request: &Request) -> bool {
    !matches!(*request.method(), Method::GET | Method::HEAD)
        && request.uri().path().starts_with(quorate_api::BASE_PATH)
}

/// A copy of a request that this master can answer by itself when the leader does not: a page of
/// the console, or a question about the state of the quorum. Such a request has no body.
fn page_request(request: &Request) -> Option<Request> {
    const QUESTIONS: [&str; 4] = [
        "/admin/api/status",
        "/admin/api/doctor",
        "/admin/api/nodes/masters",
        "/admin/api/nodes/node-managers",
    ];
    let path = request.uri().path();
    let is_page = request.method() == Method::GET
        && (QUESTIONS.contains(&path) || !path.starts_with(quorate_api::BASE_PATH));
    is_page.then(|| {
        let mut copy = Request::new(Body::empty());
        copy.uri_mut().clone_from(request.uri());
        copy.headers_mut().clone_from(request.headers());
        copy.extensions_mut().clone_from(request.extensions());
        copy
    })
}

async fn forward(admin: &Admin, request: Request) -> Result<Response, Refusal> {
    let local = request.extensions().get::<LocalRoot>().is_some();
    let (parts, body) = request.into_parts();
    let body =
        http_body_util::Limited::new(body, LONGEST_BODY).collect().await.map_err(|error| {
            Refusal::new(codes::VALUE_TOO_LARGE, "the body cannot be read").cause(error.to_string())
        })?;
    let call = CallRequest {
        method: parts.method.to_string(),
        uri: parts.uri.path_and_query().map_or("/", |uri| uri.as_str()).to_owned(),
        headers: end_to_end(&parts.headers),
        body: body.to_bytes().to_vec(),
        local,
    };
    let answer = admin.leader.call(call).await?;
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = u16::try_from(answer.status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok())
        .unwrap_or(StatusCode::BAD_GATEWAY);
    for header in answer.headers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(header.name), HeaderValue::from_bytes(&header.value))
        {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

/// The headers that concern the two ends and not one connection.
pub(crate) fn end_to_end(headers: &axum::http::HeaderMap) -> Vec<Header> {
    const HOP_BY_HOP: [HeaderName; 6] = [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::CONTENT_LENGTH,
    ];
    headers
        .iter()
        .filter(|(name, _)| !HOP_BY_HOP.contains(name))
        .map(|(name, value)| Header { name: name.to_string(), value: value.as_bytes().to_vec() })
        .collect()
}

/// Turns a call that a follower passed on into a request for the admin router.
pub(crate) fn to_request(call: CallRequest) -> Result<Request, Refusal> {
    let malformed = |cause: String| {
        Refusal::new(codes::REQUEST_MALFORMED, "a passed-on call cannot be read").cause(cause)
    };
    let mut builder = Request::builder().method(call.method.as_str()).uri(call.uri.as_str());
    for header in call.headers {
        builder = builder.header(header.name, header.value);
    }
    let mut request = builder
        .body(Body::from(Bytes::from(call.body)))
        .map_err(|error| malformed(error.to_string()))?;
    request.extensions_mut().insert(PassedOn);
    if call.local {
        request.extensions_mut().insert(LocalRoot);
    }
    Ok(request)
}

fn no_leader(cause: &str) -> Refusal {
    Refusal::new(codes::NO_LEADER, "the masters have no leader at this moment")
        .cause(cause)
        .hint("try again in a second; if it lasts: quorate status")
}
