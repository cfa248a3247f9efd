//! What callers of the admin port can rely on beyond who may do what: streams end, requests can
//! be repeated, refusals come in our words.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use http_body_util::BodyExt;
use quorate_control::{
    Principal,
    rest::{ChangeEvent, CreateTokenBody, ResetBody},
    use_cases::{access, enrolment, events, reset, tokens},
};
use quorate_keyring::identity::{JoinToken, NodeKey};
use quorate_model::{Generation, NodeId, NodeName, codes};
use quorate_testkit::{FakeNodeManager, InProcessMaster, eventually};
use serde_json::{Value, json};
use tower::ServiceExt;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

async fn call(
    master: &InProcessMaster,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let response = master.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn login(master: &InProcessMaster, user: &str) -> String {
    let body = json!({ "username": user, "password": user });
    let answer = call(master, "POST", "/admin/api/auth/login", &[], Some(body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    format!("Bearer {}", answer.body["accessToken"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_nobody_understands_is_refused_in_our_words() {
    let master = InProcessMaster::start(0).await;
    let token = login(&master, "admin").await;
    for path in [
        "/admin/api/audit?limit=many",
        "/admin/api/audit?limits=1",
        "/admin/api/settings?prefx=a",
        "/admin/api/settings/a?consistncy=stale",
        "/admin/api/components/a/instances/a-1/log?maxbytes=1",
    ] {
        let answer = call(&master, "GET", path, &[("authorization", &token)], None).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (StatusCode::BAD_REQUEST, &json!("Q4001")),
            "{path}: {}",
            answer.body
        );
        assert_eq!(answer.body["requestId"], answer.headers["x-request-id"].to_str().unwrap());
    }
    // A misspelt `plan` must not become the deed itself.
    let remove = "/admin/api/components/a?plann=true";
    let answer = call(&master, "DELETE", remove, &[("authorization", &token)], None).await;
    assert_eq!(answer.body["code"], "Q4001", "{}", answer.body);
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_create_learns_no_names_of_nodes() {
    let master = InProcessMaster::start(0).await;
    let token = login(&master, "viewer").await;
    let body = json!({ "name": "a", "pack": "process", "instances": [{ "node": "guess" }] });
    let headers = [("authorization", token.as_str())];
    let answer = call(&master, "POST", "/admin/api/components", &headers, Some(body)).await;
    assert_eq!((answer.status, &answer.body["code"]), (StatusCode::FORBIDDEN, &json!("Q3003")));
    master.stop().await;
}

/// A component that can be placed on the node manager.
async fn placeable(master: &InProcessMaster, token: &str) -> Value {
    let spec = json!({
        "name": "jobs", "pack": "process", "instances": [{ "node": "nm1" }],
        "settings": { "command": ["/bin/sleep", "1000"] },
    });
    let headers = [("authorization", token)];
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    let plan = "/admin/api/components?plan=true";
    loop {
        // Only once the node manager has reported can anything be placed on it.
        let answer = call(master, "POST", plan, &headers, Some(spec.clone())).await;
        if answer.status == StatusCode::OK {
            return spec;
        }
        assert!(tokio::time::Instant::now() < until, "{}", answer.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_arrives_as_an_event_of_its_operation_and_of_its_component() {
    let master = InProcessMaster::start(1).await;
    let _manager = FakeNodeManager::start(master.control.clone(), NodeId(2));
    let token = login(&master, "operator").await;
    let spec = placeable(&master, &token).await;
    let headers = [("authorization", token.as_str())];
    let request = Request::get("/admin/api/events").header("authorization", &token);
    let request = request.body(Body::empty()).unwrap();
    let mut stream = master.router.clone().oneshot(request).await.unwrap().into_body();
    let before = stream.frame().await.unwrap().unwrap();
    let before = String::from_utf8(before.into_data().unwrap().to_vec()).unwrap();
    assert!(before.starts_with("event: state"), "nothing happened yet: {before}");
    let created = call(&master, "POST", "/admin/api/components", &headers, Some(spec)).await;
    assert_eq!(created.status, StatusCode::ACCEPTED, "{}", created.body);
    let id = created.body["id"].as_str().unwrap();

    let (mut component, mut operation, mut told) = (false, false, String::new());
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    while !(component && operation) {
        let frame = tokio::time::timeout_at(until, stream.frame()).await;
        let frame = frame.unwrap_or_else(|_| panic!("only this was told:\n{told}"));
        let bytes = frame.unwrap().unwrap().into_data().unwrap();
        told.push_str(std::str::from_utf8(&bytes).unwrap());
        let events = told.split("\n\n").filter_map(|event| {
            let (name, data) = event.strip_prefix("event: ")?.split_once("\ndata: ")?;
            Some((name, serde_json::from_str::<Value>(data).ok()?))
        });
        for (name, data) in events {
            component |= name == "component" && data == json!({ "name": "jobs", "removed": false });
            operation |= name == "operation" && data["id"] == id;
        }
    }
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_repeats_of_a_request_make_one_operation() {
    let master = InProcessMaster::start(1).await;
    let _manager = FakeNodeManager::start(master.control.clone(), NodeId(2));
    let token = login(&master, "operator").await;
    let spec = placeable(&master, &token).await;
    let keyed = [("authorization", token.as_str()), ("idempotency-key", "once")];
    let create = || call(&master, "POST", "/admin/api/components", &keyed, Some(spec.clone()));
    let (a, b, c, d) = tokio::join!(create(), create(), create(), create());
    for answer in [&a, &b, &c, &d] {
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
        assert_eq!(answer.body["id"], a.body["id"]);
    }
    let restart = "/admin/api/components/jobs/restart";
    let other = call(&master, "POST", restart, &keyed, Some(json!({}))).await;
    assert_eq!(other.body["code"], "Q4001", "{}", other.body);
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_for_a_token_is_answered_with_the_same_token() {
    let master = InProcessMaster::start(0).await;
    let token = login(&master, "admin").await;
    let keyed = [("authorization", token.as_str()), ("idempotency-key", "once")];
    let body = || Some(json!({ "role": "master", "ttlMs": 60_000 }));
    let create = || call(&master, "POST", "/admin/api/tokens", &keyed, body());
    let (a, b, c) = tokio::join!(create(), create(), create());
    for answer in [&a, &b, &c] {
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        assert_eq!(answer.body, a.body);
    }
    let text = JoinToken::parse(a.body["token"].as_str().unwrap()).unwrap();
    let prepared = enrolment::prepare(&master.control, text.id, text.secret.as_slice()).await;
    assert!(prepared.is_ok(), "{prepared:?}");
    let other = json!({ "role": "node-manager", "ttlMs": 60_000 });
    let other = call(&master, "POST", "/admin/api/tokens", &keyed, Some(other)).await;
    assert_eq!(other.body["code"], "Q4001", "{}", other.body);
    let plain = [("authorization", token.as_str())];
    let unkeyed = call(&master, "POST", "/admin/api/tokens", &plain, body()).await;
    assert_ne!(unkeyed.body["token"], a.body["token"]);
    let list = call(&master, "GET", "/admin/api/tokens", &plain, None).await;
    assert_eq!(list.body.as_array().unwrap().len(), 2, "{}", list.body);

    let path = format!("/admin/api/tokens/{}", a.body["id"].as_str().unwrap());
    let revoke = [("authorization", token.as_str()), ("idempotency-key", "gone")];
    for _ in 0..2 {
        let answer = call(&master, "DELETE", &path, &revoke, None).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.body);
    }
    let answer = call(&master, "DELETE", &path, &plain, None).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.body);
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_logins_are_counted() {
    let master = InProcessMaster::start(0).await;
    for (user, password) in [("admin", "wrong"), ("nobody", "x"), ("No Name", "x")] {
        let body = json!({ "username": user, "password": password });
        let answer = call(&master, "POST", "/admin/api/auth/login", &[], Some(body)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.body);
    }
    login(&master, "admin").await;
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let response = master.router.clone().oneshot(request).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.contains("\nquorate_failed_logins_total 3\n"), "{text}");
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_sort_by_time_whatever_their_keys_and_steps_do_not_bury_the_audit_trail() {
    let master = InProcessMaster::start(1).await;
    let _manager = FakeNodeManager::start(master.control.clone(), NodeId(2));
    let token = login(&master, "admin").await;
    let plain = [("authorization", token.as_str())];
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        let spec = json!({
            "name": name, "pack": "process", "instances": [{ "node": "nm1" }],
            "settings": { "command": ["/bin/sleep", "1000"] },
        });
        let keyed = [("authorization", token.as_str()), ("idempotency-key", name)];
        let until = tokio::time::Instant::now() + Duration::from_secs(20);
        let answer = loop {
            let create = call(&master, "POST", "/admin/api/components", &keyed, Some(spec.clone()));
            let answer = create.await;
            if answer.status == StatusCode::ACCEPTED {
                break answer;
            }
            assert!(tokio::time::Instant::now() < until, "{}", answer.body);
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        ids.push(answer.body["id"].as_str().unwrap().to_owned());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(ids.is_sorted(), "{ids:?}");
    let list = call(&master, "GET", "/admin/api/operations", &plain, None).await;
    let listed: Vec<&str> =
        list.body.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert!(listed.iter().rev().eq(&ids), "{listed:?}");

    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    let is_step = |one: &Value| one["action"].as_str().unwrap().starts_with("operation.step.");
    loop {
        let all = call(&master, "GET", "/admin/api/audit?steps=true", &plain, None).await;
        if all.body.as_array().unwrap().iter().any(is_step) {
            break;
        }
        assert!(tokio::time::Instant::now() < until, "{}", all.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let few = call(&master, "GET", "/admin/api/audit", &plain, None).await;
    assert!(!few.body.as_array().unwrap().iter().any(is_step), "{}", few.body);
    assert!(few.body.as_array().unwrap().iter().any(|one| one["action"] == "operation.submit"));
    assert_eq!(master.control.state().audit.verify(), Ok(()));
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_end_with_the_session_and_with_the_control_plane() {
    let master = InProcessMaster::start(0).await;
    let token = login(&master, "viewer").await;
    let stream = |token: String| {
        let request = Request::get("/admin/api/events").header("authorization", token);
        master.router.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let mut told = stream(token.clone()).await.unwrap().into_body();
    assert!(told.frame().await.unwrap().is_ok(), "it begins with what there is");
    let headers = [("authorization", token.as_str())];
    let out = call(&master, "POST", "/admin/api/auth/logout", &headers, None).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, told.collect()).await.unwrap().unwrap();

    let root = Principal::local_root().unwrap();
    let mut changes = events::follow(&master.control, &root, None).unwrap();
    let first = changes.recv().await.unwrap();
    assert!(matches!(first, ChangeEvent::State { applied_index } if applied_index > 0));
    master.control.close();
    let drained = async { while changes.recv().await.is_some() {} };
    tokio::time::timeout(limit, drained).await.unwrap();
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_that_cannot_succeed_leaves_the_token_unspent_and_a_spent_one_opens_nothing() {
    let master = InProcessMaster::start(0).await;
    let root = Principal::local_root().unwrap();
    let body = CreateTokenBody { role: "master".to_owned(), ttl_ms: 60_000, auto_approve: true };
    let created = tokens::create(&master.control, &root, &body, None).await.unwrap();
    let token = JoinToken::parse(&created.token).unwrap();
    let secret = token.secret.to_vec();
    let whole = enrolment::JoinRequest {
        reads_level: 1,
        token: token.id,
        secret: secret.clone(),
        csr_pem: NodeKey::generate().unwrap().csr_pem().unwrap(),
        name: NodeName::new("m2").unwrap(),
        address: "127.0.0.1".to_owned(),
        internal_addr: "127.0.0.1:2".to_owned(),
        admin_addr: "127.0.0.1:3".to_owned(),
        version: "test".to_owned(),
    };
    let no_request = enrolment::JoinRequest { csr_pem: "no".to_owned(), ..whole.clone() };
    let no_port = enrolment::JoinRequest { internal_addr: "127.0.0.1".to_owned(), ..whole.clone() };
    for broken in [no_request, no_port] {
        let refusal = enrolment::join(&master.control, broken).await.unwrap_err();
        assert_eq!(refusal.code, codes::REQUEST_MALFORMED, "{refusal}");
    }
    let prepared = enrolment::prepare(&master.control, token.id, &secret).await.unwrap();
    assert!(!prepared.sealed_keyring.is_empty());
    let joined = enrolment::join(&master.control, whole.clone()).await.unwrap();
    // The joiner may not have heard the answer.
    let again = enrolment::join(&master.control, whole).await.unwrap();
    assert_eq!(joined.node, again.node);
    let refusal = enrolment::prepare(&master.control, token.id, &secret).await.unwrap_err();
    assert_eq!(refusal.code, codes::JOIN_TOKEN_INVALID);
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_was_looked_at_before_a_reset_lets_nothing_through_after_it() {
    let master = InProcessMaster::start(0).await;
    let token = login(&master, "admin").await;
    let token = token.trim_start_matches("Bearer ");
    let who = access::authenticate(&master.control, token).await.unwrap();
    let root = Principal::local_root().unwrap();
    let plan = reset::plan(&master.control, &root).await.unwrap();
    let body = ResetBody {
        confirm: plan.confirm.unwrap(),
        one_time_password: "twelve letters".to_owned(),
    };
    reset::submit(&master.control, &root, &body, None).await.unwrap();
    eventually("the reset", Duration::from_secs(30), || async {
        master.control.state().metadata.last_reset > Generation(0)
    })
    .await;
    let body = CreateTokenBody { role: "master".to_owned(), ttl_ms: 60_000, auto_approve: true };
    let refused = tokens::create(&master.control, &who, &body, None).await.err().unwrap();
    assert_eq!(refused.code, codes::UNAUTHENTICATED, "{refused}");
    tokens::create(&master.control, &root, &body, None).await.unwrap();
    master.stop().await;
}
