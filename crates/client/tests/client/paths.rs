//! Each method calls what the contract says, over TCP and over the unix socket.

use quorate_api::rest::{
    ChangePassword, ComponentSpecBody, CreateTokenBody, Login, MasterPolicyBody, RemoveNodeBody,
    ReplaceNodeBody, ResetBody, RestartBody, RestartNodesBody, TransferLeaderBody,
    UpgradeNodesBody, VotesBody,
};
use quorate_client::{Client, ClientError, Consistency};
use serde_json::Value;

use crate::fake::{Asked, Fake};

/// The contract, as it is published.
const OPENAPI: &str = include_str!("../../../../docs/openapi.json");
/// What only masters ask, of each other.
const BETWEEN_MASTERS: [&str; 1] = ["GET /admin/api/doctor/node"];

#[tokio::test]
async fn every_method_calls_its_path_and_every_path_has_a_method() {
    let fake = Fake::default();
    let client = fake.client().await;
    ask_about_contents(&client).await;
    ask_about_nodes(&client).await;
    let asked = fake.asked();
    let lines: Vec<&str> = asked.iter().map(|one| one.line.as_str()).collect();
    assert_eq!(lines, [&CONTENTS[..], &NODES[..]].concat());
    for one in &asked {
        let changes = !one.line.starts_with("GET") && !one.line.contains("plan=true");
        assert_eq!(one.key.is_some(), changes, "{}", one.line);
    }
    let body_of = |line: &str| &asked.iter().find(|one| one.line == line).unwrap().body;
    assert_eq!(
        body_of("POST /admin/api/components/orders/restart"),
        r#"{"acceptInterruption":true}"#
    );
    assert_eq!(body_of("PUT /admin/api/nodes/m1/priority"), r#"{"priority":7}"#);
    assert_eq!(body_of("POST /admin/api/enrolments/T1/approve"), r#"{"keySha256":"ab"}"#);

    let contract: Value = serde_json::from_str(OPENAPI).unwrap();
    for (path, methods) in contract["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let line = format!("{} {path}", method.to_uppercase());
            let is_asked = |one: &Asked| fits(&line, &one.line);
            let is_for_clients = !BETWEEN_MASTERS.contains(&line.as_str());
            assert_eq!(asked.iter().any(is_asked), is_for_clients, "{line}");
        }
    }
}

/// Whether a line that was asked is of a path of the contract, such as `GET /x/{id}`.
fn fits(contract: &str, asked: &str) -> bool {
    let asked = asked.split('?').next().unwrap_or_default();
    let (wanted, parts) = (contract.split('/'), asked.split('/'));
    wanted.clone().count() == parts.clone().count()
        && wanted.zip(parts).all(|(wanted, part)| wanted == part || wanted.starts_with('{'))
}

/// Every answer is a 500 without a body: only the questions matter.
async fn ask_about_contents(client: &Client) {
    let spec = ComponentSpecBody {
        name: "orders".to_owned(),
        pack: "etcd".to_owned(),
        instances: Vec::new(),
        settings: std::collections::BTreeMap::new(),
    };
    let token = CreateTokenBody { role: "master".to_owned(), ttl_ms: 1, auto_approve: true };
    let how = RestartBody { accept_interruption: true };
    let login = Login { username: "ann".to_owned(), password: "p".to_owned() };
    let change = ChangePassword { current: "p".to_owned(), new: "q".to_owned() };
    let _ = client.login(&login).await;
    let _ = client.change_password(&change).await;
    let _ = client.who_am_i().await;
    let _ = client.logout().await;
    let _ = client.status().await;
    let _ = client.doctor().await;
    let _ = client.events().await;
    let _ = client.settings("a/", Consistency::Linearizable).await;
    let _ = client.setting("k", Consistency::Stale).await;
    let _ = client.set_setting("k", Value::Null, None).await;
    let _ = client.delete_setting("k", None).await;
    let _ = client.delete_setting("a/b c", Some(1)).await;
    let _ = client.components().await;
    let _ = client.component("orders").await;
    let _ = client.plan_component_create(&spec).await;
    let _ = client.component_create(&spec).await;
    let _ = client.plan_component_restart("orders", &how).await;
    let _ = client.component_restart("orders", &how).await;
    let _ = client.plan_component_remove("orders").await;
    let _ = client.component_remove("orders").await;
    let _ = client.instance_log("orders", "orders-1", Some(9)).await;
    let _ = client.operations().await;
    let _ = client.operation("O1").await;
    let _ = client.operation_pause("O1").await;
    let _ = client.operation_resume("O1").await;
    let _ = client.operation_abort("O1").await;
    let _ = client.operation_leave("O1").await;
    let _ = client.tokens().await;
    let _ = client.token_create(&token).await;
    let _ = client.token_revoke("T1").await;
    let _ = client.audit(5, true).await;
    let _ = client.healthz().await;
    let _ = client.readyz().await;
    let _ = client.metrics().await;
}

const CONTENTS: [&str; 34] = [
    "POST /admin/api/auth/login",
    "POST /admin/api/auth/password",
    "GET /admin/api/auth/me",
    "POST /admin/api/auth/logout",
    "GET /admin/api/status",
    "GET /admin/api/doctor",
    "GET /admin/api/events",
    "GET /admin/api/settings?prefix=a%2F&consistency=linearizable",
    "GET /admin/api/settings/k?consistency=stale",
    "PUT /admin/api/settings/k",
    "DELETE /admin/api/settings/k",
    "DELETE /admin/api/settings/a/b%20c",
    "GET /admin/api/components",
    "GET /admin/api/components/orders",
    "POST /admin/api/components?plan=true",
    "POST /admin/api/components",
    "POST /admin/api/components/orders/restart?plan=true",
    "POST /admin/api/components/orders/restart",
    "DELETE /admin/api/components/orders?plan=true",
    "DELETE /admin/api/components/orders",
    "GET /admin/api/components/orders/instances/orders-1/log?maxBytes=9",
    "GET /admin/api/operations",
    "GET /admin/api/operations/O1",
    "POST /admin/api/operations/O1/pause",
    "POST /admin/api/operations/O1/resume",
    "POST /admin/api/operations/O1/abort",
    "POST /admin/api/operations/O1/abort",
    "GET /admin/api/tokens",
    "POST /admin/api/tokens",
    "DELETE /admin/api/tokens/T1",
    "GET /admin/api/audit?limit=5&steps=true",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
];

async fn ask_about_nodes(client: &Client) {
    let restart = RestartNodesBody::default();
    let upgrade = UpgradeNodesBody {
        nodes: Vec::new(),
        masters: true,
        all: false,
        sha256: "ab".to_owned(),
        ready_within_ms: 1,
        accept_interruption: false,
    };
    let remove = RemoveNodeBody::default();
    let replace = ReplaceNodeBody { with: "m4".to_owned(), take_name: true };
    let transfer = TransferLeaderBody::default();
    let votes = VotesBody {
        nodes: vec!["m1".to_owned()],
        votes: false,
        reason: "tried".to_owned(),
        even_because: None,
    };
    let _ = client.masters().await;
    let _ = client.node_managers().await;
    let _ = client.plan_node_restart(&restart).await;
    let _ = client.node_restart(&restart).await;
    let _ = client.plan_node_upgrade(&upgrade).await;
    let _ = client.node_upgrade(&upgrade).await;
    let _ = client.plan_node_remove("m1", &remove).await;
    let _ = client.node_remove("m1", &remove).await;
    let _ = client.plan_node_replace("m1", &replace).await;
    let _ = client.node_replace("m1", &replace).await;
    let _ = client.plan_transfer_leader(&transfer).await;
    let _ = client.transfer_leader(&transfer).await;
    let _ = client.node_priority("m1", 7).await;
    let _ = client.master_policy().await;
    let _ = client.master_policy_set(&MasterPolicyBody::default()).await;
    let _ = client.master_votes(&votes).await;
    let _ = client.enrolments().await;
    let _ = client.enrolment_approve("T1", "ab").await;
    let _ = client.enrolment_refuse("T1").await;
    let _ = client.binary("ab").await;
    let _ = client.put_binary("ab", 1, 2, vec![3]).await;
    let _ = client.plan_reset().await;
    let _ = client.reset(&ResetBody::default()).await;
}

const NODES: [&str; 23] = [
    "GET /admin/api/nodes/masters",
    "GET /admin/api/nodes/node-managers",
    "POST /admin/api/nodes/restart?plan=true",
    "POST /admin/api/nodes/restart",
    "POST /admin/api/nodes/upgrade?plan=true",
    "POST /admin/api/nodes/upgrade",
    "POST /admin/api/nodes/m1/remove?plan=true",
    "POST /admin/api/nodes/m1/remove",
    "POST /admin/api/nodes/m1/replace?plan=true",
    "POST /admin/api/nodes/m1/replace",
    "POST /admin/api/nodes/masters/transfer-leader?plan=true",
    "POST /admin/api/nodes/masters/transfer-leader",
    "PUT /admin/api/nodes/m1/priority",
    "GET /admin/api/masters/policy",
    "PUT /admin/api/masters/policy",
    "PUT /admin/api/masters/votes",
    "GET /admin/api/enrolments",
    "POST /admin/api/enrolments/T1/approve",
    "POST /admin/api/enrolments/T1/refuse",
    "GET /admin/api/binaries/ab",
    "PUT /admin/api/binaries/ab?offset=1&size=2",
    "POST /admin/api/reset?plan=true",
    "POST /admin/api/reset",
];

#[tokio::test]
async fn a_name_that_would_leave_its_path_is_refused_before_it_is_sent() {
    let fake = Fake::default();
    let client = fake.client().await;
    for name in ["", ".", ".."] {
        let error = client.component_remove(name).await.unwrap_err();
        assert!(matches!(error, ClientError::Invalid { .. }), "{error:?}");
    }
    let error = client.delete_setting("a/../../components/x", None).await.unwrap_err();
    assert!(matches!(error, ClientError::Invalid { .. }), "{error:?}");
    assert_eq!(fake.asked(), []);
}

#[tokio::test]
async fn the_unix_socket_answers_like_a_url() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::default().says(r#"{"username":"root@local","role":"admin"}"#);
    let endpoint = fake.start_on_socket(&folder.path().join("admin.sock"));
    let me = Client::new(endpoint).unwrap().who_am_i().await.unwrap();
    assert_eq!(me.username, "root@local");
    assert_eq!(fake.asked()[0].line, "GET /admin/api/auth/me");
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let error = Client::new(quorate_client::Endpoint::Unix(path.clone()))
        .unwrap()
        .status()
        .await
        .unwrap_err();
    let ClientError::Unreachable { what, .. } = &error else { panic!("{error:?}") };
    assert_eq!(what, &path.display().to_string());
}

#[tokio::test]
async fn an_https_server_is_accepted_as_an_endpoint() {
    let endpoint = "https://127.0.0.1:1".parse().unwrap();
    let error = Client::new(endpoint).unwrap().status().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}
