//! What reads: tables for people, JSON and YAML for programs, exit codes for cron.

use quorate_model::codes;
use serde_json::{Value, json};

use crate::{
    fake::{Fake, status},
    run::World,
};

#[tokio::test]
async fn status_exits_so_that_a_cron_line_can_trust_it() {
    for (quorate, healthy, code) in [(true, true, 0), (true, false, 1), (false, false, 4)] {
        let fake = Fake::default().on("GET status", 200, status(quorate, healthy));
        let ran = World::with(&fake).quorate(&["status"]).await;
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.stdout.starts_with("cluster 01J8CLUSTER: "), "{ran:?}");
        assert_eq!(ran.stderr, "");
    }
    let fake = Fake::default().refuses("GET status", codes::NO_LEADER, "there is no leader");
    let ran = World::with(&fake).quorate(&["status"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (4, ""));
}

#[tokio::test]
async fn status_without_a_login_is_no_word_about_the_quorum() {
    let fake = Fake::default().on("GET status", 200, status(true, true));
    let server = fake.start().await;
    let ran = World::new().quorate(&["--server", &server, "status"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.contains("Q3001") && ran.stderr.contains("quorate login"), "{ran:?}");
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn an_answer_is_json_or_yaml_when_asked_for() {
    let fake = Fake::default().on("GET status", 200, status(true, true));
    let world = World::with(&fake);
    let json = world.quorate(&["status", "--output", "json"]).await;
    let shown: Value = serde_json::from_str(&json.stdout).unwrap();
    // What a master did not say is shown as not known, beside all that it said.
    for (name, said) in status(true, true).as_object().unwrap() {
        assert_eq!(&shown[name], said, "{name}");
    }
    let yaml = world.quorate(&["-o", "yaml", "status"]).await;
    assert!(yaml.stdout.contains("\nterm: 2\n"), "{}", yaml.stdout);
}

#[tokio::test]
async fn a_setting_is_printed_alone() {
    let view = json!({"key": "a/b", "value": "some text", "revision": 3});
    let path = "GET settings/a/b?consistency=stale";
    let fake = Fake::default().on(path, 200, view);
    let ran = World::with(&fake).quorate(&["setting", "get", "a/b", "--stale"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "some text\n"));
}

#[tokio::test]
async fn without_a_leader_a_read_names_the_flag_that_reads_all_the_same() {
    let fake = Fake::default().refuses(
        "GET settings/a/b?consistency=linearizable",
        codes::NO_LEADER,
        "no leader",
    );
    let ran = World::with(&fake).quorate(&["setting", "get", "a/b"]).await;
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.stderr.contains("--stale"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_log_is_printed_as_it_is() {
    let path = "GET components/orders/instances/orders-1/log?maxBytes=10";
    let fake = Fake::default().on(path, 200, json!("one\ntwo"));
    let args = ["component", "logs", "orders", "orders-1", "--bytes", "10"];
    let ran = World::with(&fake).quorate(&args).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "one\ntwo"));
}

#[tokio::test]
async fn what_needs_no_node_works_without_one() {
    let world = World::new();
    let page = world.quorate(&["help", "Q2104"]).await;
    assert!(page.stdout.starts_with("# Q2104: "), "{page:?}");
    assert_eq!(world.quorate(&["explain", "q2104"]).await.stdout, page.stdout);
    let help = world.quorate(&["help", "component", "restart"]).await;
    assert!(help.stdout.contains("Usage: quorate component restart"), "{help:?}");
    let script = world.quorate(&["completions", "bash"]).await;
    assert!(script.stdout.contains("component"), "{}", script.code);
    let version = world.quorate(&["version", "-o", "json"]).await;
    assert!(serde_json::from_str::<Value>(&version.stdout).unwrap()["version"].is_string());
    let (first, second) =
        (world.quorate(&["keygen"]).await.stdout, world.quorate(&["keygen"]).await.stdout);
    assert!(first.starts_with("qrk1-") && first.lines().count() == 1);
    assert_ne!(first, second);
}

fn component(instances: &[&str]) -> Value {
    let instances: Vec<Value> = instances
        .iter()
        .map(|name| {
            json!({
                "name": name, "node": "n1", "nodeName": "db-1", "desired": "running",
                "process": "running", "pid": 7, "startedAt": null, "starts": 1, "ready": true,
                "reason": "", "role": null, "memberId": null, "appliedIndex": null,
                "version": null, "seenMs": 1, "generation": 1,
            })
        })
        .collect();
    json!({
        "name": "orders", "pack": "etcd", "revision": 1, "verdict": "up", "reason": "",
        "failureTolerance": 1, "instances": instances, "operation": null, "settings": {},
    })
}

#[tokio::test]
async fn logs_need_no_instance() {
    let log = |instance| format!("GET components/orders/instances/{instance}/log?maxBytes=65536");
    let fake = Fake::default().on("GET components/orders", 200, component(&["orders-1"])).on(
        &log("orders-1"),
        200,
        json!("one\ntwo\n"),
    );
    let ran = World::with(&fake).quorate(&["component", "logs", "orders"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "one\ntwo\n"), "{ran:?}");

    let fake = Fake::default()
        .on("GET components/orders", 200, component(&["orders-1", "orders-22", "x"]))
        .on(&log("orders-1"), 200, json!("one\ntwo\n"))
        .refuses(&log("orders-22"), codes::NODE_SILENT, "it does not answer")
        .on(&log("x"), 200, json!("three"));
    let ran = World::with(&fake).quorate(&["component", "logs", "orders"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    insta::assert_snapshot!(ran.stdout, @r"
    orders-1  | one
    orders-1  | two
    x         | three
    ");
    assert!(ran.stderr.contains("orders-22 | cannot be read"), "{}", ran.stderr);
    assert!(ran.stderr.contains("Q6003"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_new_key_and_an_explanation_are_json_when_asked_for() {
    let world = World::new();
    let key = world.quorate(&["keygen", "-o", "json"]).await;
    let key: Value = serde_json::from_str(&key.stdout).unwrap();
    assert!(key["rootKey"].as_str().unwrap().len() > 40, "{key}");
    for args in [["explain", "Q2104", "-o", "json"], ["help", "Q2104", "-o", "json"]] {
        let page = world.quorate(&args).await;
        let page: Value = serde_json::from_str(&page.stdout).unwrap();
        assert_eq!(page["code"], "Q2104");
        assert_eq!(page["title"], "The component would lose its quorum");
        assert!(page["page"].as_str().unwrap().contains("## What to do"));
    }
}
