//! The answers of a master whose storage has failed: it lives, it is not ready, and every call is
//! refused with the reason.

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::get,
};
use quorate_api::rest::{Precondition, ReadinessView};
use quorate_model::Refusal;
use tokio::sync::watch;

use crate::rest::{failure, healthz};

type Why = watch::Receiver<Refusal>;

/// Answers everything with the newest of these refusals.
pub fn out_of_service_router(why: watch::Receiver<Refusal>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .fallback(refuse)
        .with_state(why)
        .layer(from_fn(failure::with_request_id))
}

async fn readyz(State(why): State<Why>) -> Response {
    let unmet = Precondition { name: "storage".to_owned(), unmet: why.borrow().to_string() };
    let view = ReadinessView { ready: false, unmet: vec![unmet] };
    (StatusCode::SERVICE_UNAVAILABLE, Json(view)).into_response()
}

async fn refuse(State(why): State<Why>, request: Request) -> Response {
    let refusal = why.borrow().clone();
    let mut response = if request.uri().path().starts_with(quorate_api::BASE_PATH) {
        failure::Failure::from(refusal).into_response()
    } else {
        // A person with a browser.
        (StatusCode::SERVICE_UNAVAILABLE, format!("{refusal}\n")).into_response()
    };
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    response
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use quorate_api::ErrorBody;
    use quorate_model::codes;
    use tower::ServiceExt;

    use super::*;

    async fn answer(router: &Router, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn whoever_asks_a_master_without_storage_is_told_why() {
        let (why, refusal) = watch::channel(Refusal::new(codes::DISK_FULL, "the disk is full"));
        let router = out_of_service_router(refusal);
        assert_eq!(answer(&router, "/healthz").await, (200, "ok\n".to_owned()));
        let (status, body) = answer(&router, "/readyz").await;
        assert!(status == 503 && body.contains("Q5001"), "{body}");
        let (status, body) = answer(&router, "/admin/api/settings/k").await;
        let error: ErrorBody = serde_json::from_str(&body).unwrap();
        assert_eq!((status, error.code), (503, codes::DISK_FULL));
        assert!(!error.request_id.is_empty());
        assert_eq!(answer(&router, "/components").await.0, 503);
        why.send_replace(Refusal::new(codes::STORAGE_FAILED, "the device is gone"));
        assert!(answer(&router, "/admin/api/status").await.1.contains("Q5005"));
    }
}
