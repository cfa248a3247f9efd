//! What goes wrong is told on stderr, with a code, and stdout stays empty.

use quorate_model::codes;
use serde_json::Value;

use crate::{fake::Fake, run::World};

const RESTART: &str = "POST components/orders/restart";

fn refusing() -> Fake {
    Fake::default().refuses(RESTART, codes::QUORUM_WOULD_BE_LOST, "`orders` would lose its quorum")
}

#[tokio::test]
async fn a_refusal_is_told_in_full_and_exits_with_3() {
    let fake = refusing();
    let ran = World::with(&fake).quorate(&["component", "restart", "orders", "--yes"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
    insta::assert_snapshot!(ran.stderr, @r"
    error[Q2104]: `orders` would lose its quorum
      cause: it is so
      hint:  do so
      request 01J8REQ  ·  quorate help Q2104
    ");
}

#[tokio::test]
async fn a_program_gets_the_error_as_json_on_stderr() {
    let fake = refusing();
    let args = ["component", "restart", "orders", "--yes", "-o", "json"];
    let ran = World::with(&fake).quorate(&args).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
    let error: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error["code"], "Q2104");
    assert_eq!(error["requestId"], "01J8REQ");
}

#[tokio::test]
async fn a_wrong_flag_is_plain_text_and_a_wrong_value_is_data() {
    let world = World::new();
    let flag = world.quorate(&["status", "--output", "json", "--colour"]).await;
    assert_eq!(flag.code, 2, "{flag:?}");
    assert!(flag.stderr.starts_with("error: unexpected argument"), "{}", flag.stderr);
    let value = world.quorate(&["--server", "db-1:8080", "status", "--output", "json"]).await;
    assert_eq!(value.code, 2, "{value:?}");
    assert_eq!(serde_json::from_str::<Value>(&value.stderr).unwrap()["code"], "Q4001");
}

#[tokio::test]
async fn without_a_node_the_error_says_where_to_look() {
    let world = World::new();
    let ran = world.quorate(&["status"]).await;
    assert_eq!(ran.code, 4);
    let stderr = ran.stderr.replace(&world.path().display().to_string(), "ROOT");
    insta::assert_snapshot!(stderr, @r"
    error[Q1022]: there is no running master on this host to ask
      cause: ROOT/run/admin.sock does not exist, or may not be seen by this user
      hint:  no node was made in these folders yet: quorate --root ROOT init, or quorate --root ROOT join TOKEN
             its folder is another one: --root DIR or QUORATE_ROOT
             a master elsewhere: --server http://HOST:8080 or QUORATE_SERVER
      quorate help Q1022
    ");
    assert_eq!(world.quorate(&["node", "list"]).await.code, 1);
}

#[tokio::test]
async fn exit_codes_are_those_of_the_contract() {
    for (code, exit) in [
        (codes::NOT_FOUND, 1),
        (codes::REQUEST_MALFORMED, 2),
        (codes::OPERATION_CONFLICT, 3),
        (codes::NO_LEADER, 4),
        (codes::NOT_READY, 4),
        (codes::INTERNAL, 255),
    ] {
        let fake = Fake::default().refuses("GET nodes/masters", code, "no");
        let ran = World::with(&fake).quorate(&["node", "list"]).await;
        assert_eq!(ran.code, exit, "{code}: {ran:?}");
    }
}

#[tokio::test]
async fn a_wrong_command_line_exits_with_2() {
    let world = World::new();
    for args in [
        &["componet"][..],
        &["component", "restart"],
        &["token", "create", "--role", "king"],
        &["token", "create", "--role", "master", "--ttl", "soon"],
        &["setting", "get", "../a"],
        &["explain", "2104"],
        &["explain", "Q0001"],
        &["help", "component", "explode"],
        &["--server", "db-1:8080", "status"],
        &["component", "create", "-f", "orders.txt"],
        &["component", "create", "-f", "absent.toml"],
        &[],
    ] {
        let ran = world.quorate(args).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?} {}", ran.stderr);
        assert!(!ran.stderr.is_empty());
    }
}
