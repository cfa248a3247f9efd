//! Every route is authorized, and the OpenAPI document is whole and current.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use http_body_util::BodyExt;
use quorate_testkit::InProcessMaster;
use serde_json::{Value, json};
use tower::ServiceExt;

async fn call(
    master: &InProcessMaster,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let response = master.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let status = response.status();
    if path.ends_with("/events") && status == StatusCode::OK {
        return (status, Value::Null);
    }
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

async fn login(master: &InProcessMaster, user: &str) -> String {
    let body = json!({ "username": user, "password": user });
    let (status, body) = call(master, "POST", "/admin/api/auth/login", None, Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["accessToken"].as_str().unwrap().to_owned()
}

/// Every (method, path) of the OpenAPI document, with its parameters filled in.
fn routes() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&quorate_server::openapi_document()).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path
            .replace("{key}", "a/b")
            .replace("{name}", "orders")
            .replace("{node}", "n1")
            .replace("{instance}", "orders-1")
            .replace("{sha256}", &"0f".repeat(32))
            .replace("{id}", "01J00000000000000000000000");
        for method in methods.as_object().unwrap().keys() {
            routes.push((method.to_uppercase(), path.clone()));
        }
    }
    assert!(routes.len() > 25, "{routes:?}");
    routes
}

const OPEN: [&str; 3] = ["/admin/api/auth/login", "/healthz", "/readyz"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_but_three_needs_a_login() {
    let master = InProcessMaster::start(0).await;
    for token in [None, Some("qst_forged"), Some("")] {
        for (method, path) in routes() {
            let (status, body) = call(&master, &method, &path, token, None).await;
            if OPEN.contains(&path.as_str()) {
                assert_ne!(status, StatusCode::UNAUTHORIZED.as_u16(), "{method} {path}");
            } else {
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
                assert_eq!(body["code"], "Q3001", "{method} {path}");
            }
        }
    }
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_changes_nothing_and_an_operator_lets_nobody_in() {
    let master = InProcessMaster::start(0).await;
    let viewer = login(&master, "viewer").await;
    let operator = login(&master, "operator").await;
    let changes = [
        ("PUT", "/admin/api/settings/a", Some(json!({ "value": 1 }))),
        ("DELETE", "/admin/api/settings/a", None),
        ("POST", "/admin/api/operations/01J00000000000000000000000/pause", None),
        ("POST", "/admin/api/operations/01J00000000000000000000000/resume", None),
        ("POST", "/admin/api/operations/01J00000000000000000000000/abort", None),
        ("POST", "/admin/api/nodes/restart", Some(json!({ "masters": true }))),
        ("POST", "/admin/api/nodes/upgrade", Some(json!({ "all": true, "sha256": "0f" }))),
        ("GET", "/admin/api/binaries/0f", None),
        ("PUT", "/admin/api/binaries/0f?offset=0&size=1", Some(json!(0))),
        ("POST", "/admin/api/nodes/n1/remove", None),
        ("POST", "/admin/api/nodes/n1/replace", Some(json!({ "with": "n2" }))),
        ("POST", "/admin/api/nodes/masters/transfer-leader", None),
        ("POST", "/admin/api/tokens", Some(json!({ "role": "master" }))),
        ("GET", "/admin/api/tokens", None),
        ("DELETE", "/admin/api/tokens/01J00000000000000000000000", None),
        ("GET", "/admin/api/enrolments", None),
        (
            "POST",
            "/admin/api/enrolments/01J00000000000000000000000/approve",
            Some(json!({ "keySha256": "00" })),
        ),
        ("POST", "/admin/api/enrolments/01J00000000000000000000000/refuse", None),
        ("PUT", "/admin/api/masters/policy", Some(json!({ "failBackMs": 1 }))),
        ("PUT", "/admin/api/masters/votes", Some(json!({ "nodes": ["n1"], "votes": true }))),
        ("PUT", "/admin/api/nodes/n1/priority", Some(json!({ "priority": 1 }))),
        ("GET", "/admin/api/audit", None),
        ("POST", "/admin/api/reset", Some(json!({}))),
        ("POST", "/admin/api/reset?plan=true", Some(json!({}))),
    ];
    for (method, path, body) in changes {
        let (status, answer) = call(&master, method, path, Some(&viewer), body.clone()).await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::FORBIDDEN, &json!("Q3003")),
            "{method} {path}: {answer}"
        );
        let administers = [
            "tokens",
            "audit",
            "enrolments",
            "api/masters/",
            "priority",
            "upgrade",
            "binaries",
            "/remove",
            "/replace",
            "reset",
        ]
        .iter()
        .any(|part| path.contains(part));
        let (status, answer) = call(&master, method, path, Some(&operator), body).await;
        assert_eq!(status == StatusCode::FORBIDDEN, administers, "{method} {path}: {answer}");
    }
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_routed_or_read_is_refused_with_a_code_like_everything_else() {
    let master = InProcessMaster::start(0).await;
    let admin = login(&master, "admin").await;
    for (method, path, status, code) in [
        ("PATCH", "/admin/api/components/orders", 405, "Q4001"),
        ("POST", "/admin/api/status", 405, "Q4001"),
        ("GET", "/admin/api/auth/login", 405, "Q4001"),
        ("GET", "/admin/api/components/%ff", 400, "Q4001"),
        ("DELETE", "/admin/api/tokens/%ff", 400, "Q4001"),
        ("POST", "/admin/api/nodes/%ff/remove", 400, "Q4001"),
    ] {
        let (found, body) = call(&master, method, path, Some(&admin), None).await;
        assert_eq!((found.as_u16(), &body["code"]), (status, &json!(code)), "{method} {path}");
        assert!(!body["requestId"].as_str().unwrap().is_empty(), "{method} {path}: {body}");
    }
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logging_out_ends_the_session_and_a_wrong_password_is_refused() {
    let master = InProcessMaster::start(0).await;
    let token = login(&master, "admin").await;
    let me = call(&master, "GET", "/admin/api/auth/me", Some(&token), None).await;
    assert_eq!(me.1, json!({ "username": "admin", "role": "admin" }));
    let out = call(&master, "POST", "/admin/api/auth/logout", Some(&token), None).await;
    assert_eq!(out.0, StatusCode::NO_CONTENT);
    let me = call(&master, "GET", "/admin/api/auth/me", Some(&token), None).await;
    assert_eq!(me.0, StatusCode::UNAUTHORIZED);
    for (user, password) in [("admin", "wrong"), ("nobody", "admin"), ("No Name", "x")] {
        let body = json!({ "username": user, "password": password });
        let (status, body) = call(&master, "POST", "/admin/api/auth/login", None, Some(body)).await;
        assert_eq!((status, &body["code"]), (StatusCode::UNAUTHORIZED, &json!("Q3002")));
    }
    master.stop().await;
}

#[test]
fn the_committed_openapi_document_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let current = quorate_server::openapi_document();
    if std::env::var_os("QUORATE_UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == current,
        "docs/openapi.json is out of date: QUORATE_UPDATE_OPENAPI=1 cargo test -p quorate-server"
    );
}
