//! What nobody learns or gets who has no business with it: values of confidential settings, and
//! certificates for other names than one's own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use http_body_util::BodyExt;
use quorate_control::use_cases::certificates;
use quorate_keyring::identity::{CertificateNames, NodeKey};
use quorate_model::{InstanceName, NodeId, codes};
use quorate_testkit::{FakeNodeManager, InProcessMaster};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

async fn call(
    master: &InProcessMaster,
    method: &str,
    path: &str,
    token: &str,
    body: Value,
) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).header("authorization", token);
    let request = request.body(Body::from(body.to_string())).unwrap();
    let response = master.router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

async fn login(master: &InProcessMaster, user: &str) -> String {
    let body = json!({ "username": user, "password": user });
    let (status, body) = call(master, "POST", "/admin/api/auth/login", "", body).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    format!("Bearer {}", body["accessToken"].as_str().unwrap())
}

/// Creates a component, and waits until it is known; nobody needs it to run.
async fn create(master: &InProcessMaster, spec: Value) {
    let operator = login(master, "operator").await;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        // Only once the node managers have reported can anything be placed on them.
        let path = "/admin/api/components";
        let (status, body) = call(master, "POST", path, &operator, spec.clone()).await;
        if status == StatusCode::ACCEPTED {
            break;
        }
        assert!(Instant::now() < deadline, "{body}");
        sleep(Duration::from_millis(20)).await;
    }
    while master.control.state().metadata.components.is_empty() {
        assert!(Instant::now() < deadline, "no component");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_sees_the_names_in_an_environment_and_not_its_values() {
    let master = InProcessMaster::start(1).await;
    let _manager = FakeNodeManager::start(master.control.clone(), NodeId(2));
    create(
        &master,
        json!({
            "name": "web", "pack": "process", "instances": [{ "node": "nm1" }],
            "settings": { "command": ["sleep", "60"], "env": { "PASSWORD": "hunter2" } },
        }),
    )
    .await;
    for (user, value) in [("viewer", "(hidden)"), ("operator", "hunter2"), ("admin", "hunter2")] {
        let token = login(&master, user).await;
        for path in ["/admin/api/components/web", "/admin/api/components"] {
            let (_, body) = call(&master, "GET", path, &token, Value::Null).await;
            let view = if body.is_array() { &body[0] } else { &body };
            assert_eq!(view["settings"]["env"]["PASSWORD"], value, "{user} {path}: {body}");
            assert_eq!(view["settings"]["command"][0], "sleep");
        }
    }
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_manager_gets_certificates_for_its_own_instances_names_only() {
    let master = InProcessMaster::start(2).await;
    let _managers = [2, 3].map(|node| FakeNodeManager::start(master.control.clone(), NodeId(node)));
    create(
        &master,
        json!({
            "name": "orders", "pack": "etcd",
            "instances": [{ "node": "nm1" }],
        }),
    )
    .await;
    let csr = NodeKey::generate().unwrap().csr_pem().unwrap();
    let instance = InstanceName::new("orders-1").unwrap();
    let sign = |node, common_name: &str, names: &[&str]| {
        let names = CertificateNames {
            common_name: common_name.to_owned(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        certificates::sign_instance(&master.control, NodeId(node), &instance, &names, &csr)
    };
    let state = master.control.state();
    let address = state.metadata.nodes[&NodeId(2)].address.clone();
    let mut own = vec![address.as_str()];
    own.extend(["localhost", "127.0.0.1", "orders-1"].iter().filter(|it| **it != address));
    sign(2, "orders-1", &own).unwrap();
    for (node, common_name, names) in [
        (3, "orders-1", own.as_slice()),
        (2, "payments-1", &own),
        (2, "orders-1", &["payments-1"]),
        (2, "root", &["root"]),
    ] {
        let refusal = sign(node, common_name, names).unwrap_err();
        assert_eq!(refusal.code, codes::NODE_NOT_AUTHORIZED, "{common_name} {names:?}");
    }
    master.stop().await;
}
