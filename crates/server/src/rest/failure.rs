//! The one error answer of REST.

use axum::{
    Json,
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use quorate_api::{ErrorBody, http_status};
use quorate_model::{IdSource, OperationId, Refusal, codes};
use tracing::{info, warn};

/// A request that was not fulfilled: one or more refusals.
#[derive(Debug, Clone)]
pub(crate) struct Failure(Vec<Refusal>);

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self(vec![refusal])
    }
}

impl From<Vec<Refusal>> for Failure {
    fn from(refusals: Vec<Refusal>) -> Self {
        Self(refusals)
    }
}

impl IntoResponse for Failure {
    /// The body is written by [`with_request_id`], which knows the request's id.
    fn into_response(self) -> Response {
        let code = self.0.first().map_or(codes::INTERNAL, |refusal| refusal.code);
        let status =
            StatusCode::from_u16(http_status(code)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Names the request, answers with that name, and writes the body of a failure.
pub(crate) async fn with_request_id(request: Request, next: Next) -> Response {
    let id = request_id();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    if let Some(Failure(refusals)) = response.extensions_mut().remove::<Failure>() {
        let status = response.status();
        log_failure(&id, &method, &path, status, &refusals);
        let body = ErrorBody::of_all(refusals, id.as_str());
        let headers = std::mem::take(response.headers_mut());
        response = (status, Json(body)).into_response();
        keep(headers, &mut response);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert("www-authenticate", HeaderValue::from_static("Bearer"));
        }
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        // An answer that was passed on bears the name under which the leader logged the request.
        response.headers_mut().entry("x-request-id").or_insert(value);
    }
    response
}

/// Gives a failure's answer the headers it was refused with, such as `Retry-After`, but for those
/// that describe the body it had then.
fn keep(headers: HeaderMap, response: &mut Response) {
    for (name, value) in &headers {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            response.headers_mut().append(name, value.clone());
        }
    }
}

/// Request ids are operation-id shaped, so that they sort by time in a log.
fn request_id() -> String {
    let at_ms = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
    OperationId::from_parts(at_ms, quorate_keyring::OsIdSource.random()).to_string()
}

fn log_failure(
    id: &str,
    method: &axum::http::Method,
    path: &str,
    status: StatusCode,
    refusals: &[Refusal],
) {
    let Some(refusal) = refusals.first() else { return };
    if status.is_server_error() {
        warn!(request = id, %method, path, code = %refusal.code, "{refusal}");
    } else {
        info!(request = id, %method, path, code = %refusal.code, "{refusal}");
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn, routing::get};
    use tower::ServiceExt;

    use super::*;

    async fn answer(path: &str) -> Response {
        let refused = || async {
            let mut response =
                Failure::from(Refusal::new(codes::NOT_READY, "not yet")).into_response();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        };
        let router = Router::new()
            .route("/refused", get(refused))
            .route("/passed-on", get(|| async { [("x-request-id", "the-leaders")] }))
            .layer(from_fn(with_request_id));
        router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_refusal_keeps_the_headers_it_was_made_with() {
        let response = answer("/refused").await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let types: Vec<_> = response.headers().get_all(header::CONTENT_TYPE).iter().collect();
        assert_eq!(types, ["application/json"]);
    }

    #[tokio::test]
    async fn an_answer_that_was_passed_on_keeps_the_leaders_name_for_it() {
        assert_eq!(answer("/passed-on").await.headers()["x-request-id"], "the-leaders");
    }
}
