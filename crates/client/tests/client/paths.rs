//! Each method calls what the contract says, over TCP and over the unix socket.

use quorate_api::rest::{ComponentSpecBody, CreateTokenBody, RestartBody};
use quorate_client::{Client, ClientError, Consistency};

use crate::fake::Fake;

#[tokio::test]
async fn every_method_calls_its_path() {
    let fake = Fake::default();
    let client = fake.client().await;
    let spec = ComponentSpecBody {
        name: "orders".to_owned(),
        pack: "etcd".to_owned(),
        instances: Vec::new(),
        settings: std::collections::BTreeMap::new(),
    };
    let token = CreateTokenBody { role: "master".to_owned(), ttl_ms: 1, auto_approve: true };
    let how = RestartBody { accept_interruption: true };
    // Every answer is a 500 without a body: only the questions matter.
    let _ = client.logout().await;
    let _ = client.status().await;
    let _ = client.masters().await;
    let _ = client.node_managers().await;
    let _ = client.settings("a/", Consistency::Linearizable).await;
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
    let _ = client.tokens().await;
    let _ = client.token_create(&token).await;
    let _ = client.token_revoke("T1").await;
    let _ = client.audit(5, true).await;
    let _ = client.healthz().await;
    let _ = client.metrics().await;
    let asked = fake.asked();
    let lines: Vec<&str> = asked.iter().map(|one| one.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /admin/api/auth/logout",
            "GET /admin/api/status",
            "GET /admin/api/nodes/masters",
            "GET /admin/api/nodes/node-managers",
            "GET /admin/api/settings?prefix=a%2F&consistency=linearizable",
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
            "GET /admin/api/tokens",
            "POST /admin/api/tokens",
            "DELETE /admin/api/tokens/T1",
            "GET /admin/api/audit?limit=5&steps=true",
            "GET /healthz",
            "GET /metrics",
        ]
    );
    for one in &asked {
        let changes = !one.line.starts_with("GET") && !one.line.contains("plan=true");
        assert_eq!(one.key.is_some(), changes, "{}", one.line);
    }
    assert_eq!(asked[11].body, r#"{"acceptInterruption":true}"#);
}

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
