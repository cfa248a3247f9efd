//! What changes: plan, question, waiting, detaching.

use quorate_model::codes;
use serde_json::{Value, json};

use crate::{
    fake::{Fake, operation, plan},
    run::World,
};

const RESTART: &str = "POST components/orders/restart";
const PLAN: &str = "POST components/orders/restart?plan=true";
const SHOW: &str = "GET operations/01J8OP";

#[tokio::test]
async fn a_plan_is_printed_and_nothing_is_changed() {
    let fake = Fake::default().on(PLAN, 200, plan());
    let ran = World::with(&fake).quorate(&["component", "restart", "orders", "--plan"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!(ran.stdout, @r"
    component restart orders

    1. restart `orders-1`
       It is safe.

    While it runs it holds: orders
    ");
    assert_eq!(fake.lines(), ["POST /admin/api/components/orders/restart?plan=true"]);
}

#[tokio::test]
async fn without_a_terminal_and_without_yes_the_plan_is_shown_and_nothing_is_changed() {
    let fake = Fake::default().on("DELETE components/orders?plan=true", 200, plan());
    let ran = World::with(&fake).quorate(&["component", "remove", "orders"]).await;
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("1. restart `orders-1`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--yes"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`orders`"), "{}", ran.stderr);
    assert_eq!(fake.lines(), ["DELETE /admin/api/components/orders?plan=true"]);
}

#[tokio::test]
async fn what_is_refused_is_refused_before_anybody_is_asked() {
    let fake = Fake::default()
        .refuses(PLAN, codes::QUORUM_WOULD_BE_LOST, "`orders` would lose its quorum")
        .refuses(
            "GET settings/a?consistency=linearizable",
            codes::NOT_FOUND,
            "there is no setting `a`",
        );
    let world = World::with(&fake);
    let ran = world.quorate(&["component", "restart", "orders"]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("Q2104"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("--yes"), "{}", ran.stderr);
    assert_eq!(fake.lines(), ["POST /admin/api/components/orders/restart?plan=true"]);
    let ran = world.quorate(&["setting", "delete", "a"]).await;
    assert!(ran.stderr.contains("there is no setting `a`"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("--yes"), "{}", ran.stderr);
}

#[tokio::test]
async fn without_a_terminal_each_reason_to_wait_is_told_once() {
    let mut waits = operation("running", "started");
    waits["stepList"][0]["seen"] = json!("waiting: `orders-1` is not ready");
    let fake = Fake::default()
        .on(RESTART, 202, operation("running", "pending"))
        .on(SHOW, 200, waits.clone())
        .on(SHOW, 200, waits)
        .on(SHOW, 200, operation("succeeded", "finished"));
    let ran = World::with(&fake).quorate(&["component", "restart", "orders", "--yes"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!(ran.stderr, @r"
    [1/1] started restart `orders-1`  (waiting: `orders-1` is not ready)
    [1/1] finished restart `orders-1`
    ");
}

#[tokio::test]
async fn a_change_is_waited_for_through_a_failover() {
    let fake = Fake::default()
        .on(RESTART, 202, operation("running", "pending"))
        .refuses(SHOW, codes::NO_LEADER, "there is no leader")
        .on(SHOW, 200, operation("running", "started"))
        .on(SHOW, 200, operation("succeeded", "finished"));
    let ran = World::with(&fake).quorate(&["component", "restart", "orders", "--yes"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!(ran.stdout, @"01J8OP succeeded: component restart orders (1 of 1 steps)");
    insta::assert_snapshot!(ran.stderr, @r"
    waiting: [Q4504] there is no leader: it is so
    [1/1] finished restart `orders-1`
    ");
}

#[tokio::test]
async fn an_operation_that_is_stuck_exits_with_1_and_says_why() {
    let mut stuck = operation("stuck", "failed");
    stuck["refusal"] = json!({"code": "Q2104", "message": "`orders` would lose its quorum"});
    let fake =
        Fake::default().on(RESTART, 202, operation("running", "pending")).on(SHOW, 200, stuck);
    let args = ["component", "restart", "orders", "--yes", "--quiet", "-o", "json"];
    let world = World::with(&fake);
    let ran = world.quorate(&args).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["status"], "stuck");
    assert_eq!(serde_json::from_str::<Value>(&ran.stderr).unwrap()["code"], "Q2104");
    let ran = world.quorate(&["operation", "watch", "01J8OP", "--quiet"]).await;
    insta::assert_snapshot!(ran.stderr, @r"
    error[Q2104]: `orders` would lose its quorum
      hint:  quorate operation show 01J8OP
      operation 01J8OP  ·  quorate help Q2104
    ");
}

#[tokio::test]
async fn a_detached_change_prints_its_id_and_exits_with_5() {
    let fake = Fake::default().on(RESTART, 202, operation("running", "pending"));
    let args = ["component", "restart", "orders", "--yes", "--detach"];
    let ran = World::with(&fake).quorate(&args).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (5, "01J8OP\n"));
}

#[tokio::test]
async fn waiting_ends_at_its_timeout_with_5() {
    let fake = Fake::default().on(RESTART, 202, operation("running", "pending")).on(
        SHOW,
        200,
        operation("running", "started"),
    );
    let args = ["component", "restart", "orders", "--yes", "--timeout", "1s"];
    let ran = World::with(&fake).quorate(&args).await;
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.stderr.contains("quorate operation watch 01J8OP"), "{}", ran.stderr);
}

#[tokio::test]
async fn whoever_waits_at_a_master_that_is_removed_is_told_where_it_goes_on() {
    let fake = Fake::default()
        .on(RESTART, 202, operation("running", "pending"))
        .on(SHOW, 200, operation("running", "started"))
        .refuses(SHOW, codes::NODE_REMOVED, "this node, `m1` (n1), was removed from the cluster");
    let ran = World::with(&fake).quorate(&["component", "restart", "orders", "--yes"]).await;
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.stdout.starts_with("01J8OP running"), "{ran:?}");
    for words in ["admin.sock was removed", "the operation goes on", "operation watch 01J8OP"] {
        assert!(ran.stderr.contains(words), "no `{words}` in {}", ran.stderr);
    }
}

#[tokio::test]
async fn an_aborted_operation_was_what_abort_wanted() {
    let fake = Fake::default()
        .on(SHOW, 200, operation("running", "started"))
        .on(SHOW, 200, operation("aborted", "undone"))
        .on("POST operations/01J8OP/abort", 200, operation("aborting", "started"));
    let world = World::with(&fake);
    let ran = world.quorate(&["operation", "abort", "01J8OP", "--yes"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.quorate(&["operation", "watch", "01J8OP"]).await.code, 1);
}

#[tokio::test]
async fn what_is_stuck_past_its_point_of_no_return_is_left_as_it_is_when_asked_so() {
    let fake = Fake::default().on(SHOW, 200, operation("stuck", "failed")).on(
        "POST operations/01J8OP/abort",
        200,
        operation("aborted", "failed"),
    );
    let world = World::with(&fake);
    let args = ["operation", "abort", "01J8OP", "--leave-as-is"];
    let ran = world.quorate(&args).await;
    assert!(ran.code == 2 && ran.stderr.contains("Leave as it is"), "{ran:?}");
    let ran = world.quorate(&["operation", "abort", "01J8OP", "--leave-as-is", "--yes"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(fake.asked().last().unwrap().body, r#"{"leaveAsIs":true}"#);
}

#[tokio::test]
async fn a_component_is_created_from_stdin() {
    let fake = Fake::default().on("POST components", 202, operation("succeeded", "finished"));
    let spec = "name = \"orders\"\npack = \"etcd\"\n[[instances]]\nnode = \"db-1\"\n";
    let args = ["component", "create", "-f", "-", "--yes"];
    let ran = World::with(&fake).quorate_reading(&args, spec).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let body: Value = serde_json::from_str(&fake.asked()[0].body).unwrap();
    assert_eq!(body["instances"][0]["node"], "db-1");
}

#[tokio::test]
async fn a_setting_takes_json_or_text() {
    let written = json!({"key": "a", "revision": 4});
    let fake = Fake::default().on("PUT settings/a", 200, written);
    let world = World::with(&fake);
    for (text, body) in [("-7", r#"{"value":-7}"#), ("x y", r#"{"value":"x y"}"#)] {
        let ran = world.quorate(&["setting", "set", "a", text]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "a is set, revision 4\n"), "{ran:?}");
        assert_eq!(fake.asked().last().unwrap().body, body);
    }
}

#[tokio::test]
async fn the_password_of_a_reset_is_told_once_the_reset_was_accepted() {
    let args = ["reset", "--confirm", "01234567", "--detach"];
    let refused = Fake::default().refuses("POST reset", codes::RESET_NOT_CONFIRMED, "not so");
    let ran = World::with(&refused).quorate(&args).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(!ran.stderr.contains("password"), "{}", ran.stderr);

    let accepted = Fake::default().on("POST reset", 202, operation("running", "pending"));
    let ran = World::with(&accepted).quorate(&args).await;
    let body: Value = serde_json::from_str(&accepted.asked()[0].body).unwrap();
    let password = body["oneTimePassword"].as_str().unwrap();
    let told = format!("after the reset log in as `admin` with the one-time password {password}\n");
    assert!(ran.code == 5 && ran.stderr.contains(&told), "{ran:?}");

    // It may have been accepted by somebody whose words are not understood.
    let unclear = Fake::default().on("POST reset", 202, json!("<html>"));
    let ran = World::with(&unclear).quorate(&args).await;
    let body: Value = serde_json::from_str(&unclear.asked()[0].body).unwrap();
    let password = body["oneTimePassword"].as_str().unwrap();
    assert!(ran.stderr.contains("if the reset has begun all the same"), "{ran:?}");
    assert!(ran.stderr.contains(password), "{ran:?}");
}
