//! Node managers as real processes: their death costs an instance nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, time::Duration};

use quorate_testkit::{ClusterBuilder, ProcessCluster, eventually, free_port};
use serde_json::{Value, json};

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");

/// A service that counts on its output, ends with 7 on request, and serves HTTP.
fn ticker(nodes: usize) -> Value {
    let script = "echo begun; trap 'exit 7' USR1; n=0; \
                  while true; do n=$((n+1)); echo tick $n; sleep 0.2; done";
    let instances: Vec<Value> = (1..=nodes).map(|n| json!({ "node": format!("nm{n}") })).collect();
    json!({
        "name": "ticker",
        "pack": "process",
        "settings": { "command": ["sh", "-c", script] },
        "instances": instances,
    })
}

async fn log(cluster: &ProcessCluster, instance: &str) -> String {
    let path = format!("/admin/api/components/ticker/instances/{instance}/log?maxBytes=500");
    let body = cluster.get_somewhere(&path).await.unwrap_or_default();
    body.as_str().unwrap_or_default().to_owned()
}

fn last_tick(log: &str) -> u64 {
    log.lines().filter_map(|line| line.strip_prefix("tick ")?.parse().ok()).max().unwrap_or(0)
}

async fn assert_ticking(cluster: &ProcessCluster, instance: &str) {
    let before = last_tick(&log(cluster, instance).await);
    eventually("more output", Duration::from_secs(10), || async {
        last_tick(&log(cluster, instance).await) > before
    })
    .await;
}

fn signal(pid: u64, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_survive_the_stop_the_kill_and_the_upgrade_of_their_node_manager() {
    let mut cluster = ClusterBuilder::new(QUORATE).masters(1).node_managers(2).start().await;
    cluster.create_component(ticker(2)).await;
    let pids = cluster.pids("ticker").await;
    assert_ticking(&cluster, "ticker-1").await;

    // Stopped in good order.
    assert!(cluster.managers[0].stop().success());
    cluster.managers[0].start();
    cluster.await_managers().await;
    assert_eq!(cluster.pids("ticker").await, pids);
    assert_ticking(&cluster, "ticker-1").await;

    // Killed; and started again from another file, as an upgrade does.
    let copy = cluster.managers[1].root.join("quorate-new");
    std::fs::copy(QUORATE, &copy).unwrap();
    cluster.managers[1].kill();
    cluster.managers[1].use_binary(&copy);
    cluster.managers[1].start();
    cluster.await_managers().await;
    assert_eq!(cluster.pids("ticker").await, pids);
    assert_ticking(&cluster, "ticker-2").await;
    assert_eq!(cluster.starts("ticker").await, starts(1, 1));

    // An end while nobody watches is still seen with its exit code, and mended.
    cluster.managers[0].kill();
    signal(pids["ticker-1"], rustix::process::Signal::USR1);
    cluster.managers[0].start();
    cluster.await_managers().await;
    eventually("ticker-1 to be started again", Duration::from_secs(20), || async {
        cluster.starts("ticker").await == starts(2, 1)
    })
    .await;
    // The leader has heard of it, although another process was running before it could be told.
    let view = cluster.rest.get(&cluster.masters[0].url(), "/admin/api/components/ticker").await;
    let view = view.unwrap().body;
    let end = view["instances"][0]["lastEnd"].as_str().unwrap_or_default().to_owned();
    assert!(end.starts_with("exit code 7 at "), "{view}");
    assert_ne!(cluster.pids("ticker").await["ticker-1"], pids["ticker-1"]);
}

fn starts(first: u64, second: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([("ticker-1".to_owned(), first), ("ticker-2".to_owned(), second)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_is_created_restarted_and_removed_on_request() {
    let cluster = ClusterBuilder::new(QUORATE).masters(1).node_managers(1).start().await;
    let port = free_port();
    let spec = json!({
        "name": "greeter",
        "pack": "process",
        "settings": {
            "command": [QUORATE, "sample", "--listen", format!("127.0.0.1:{port}"), "--name", "{instance}"],
            "readiness": format!("http://127.0.0.1:{port}/"),
        },
        "instances": [{ "node": "nm1" }],
    });
    cluster.create_component(spec).await;
    let greeting =
        reqwest::get(format!("http://127.0.0.1:{port}/")).await.unwrap().text().await.unwrap();
    assert!(greeting.starts_with("hello from greeter-1"), "{greeting}");

    let master = &cluster.masters[0];
    let refused = master.call(&["component", "restart", "greeter", "--yes"]);
    assert_eq!(refused.status.code(), Some(3), "{}", String::from_utf8_lossy(&refused.stderr));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Q2108"));
    let _ = master.must(&["component", "restart", "greeter", "--yes", "--accept-interruption"]);
    let again =
        reqwest::get(format!("http://127.0.0.1:{port}/")).await.unwrap().text().await.unwrap();
    assert_ne!(again, greeting, "another process answers");

    let _ = master.must(&["component", "remove", "greeter", "--yes"]);
    assert!(reqwest::get(format!("http://127.0.0.1:{port}/")).await.is_err(), "nothing listens");
    assert!(cluster.component("greeter").await.is_none());
    let crashing = json!({
        "name": "crasher", "pack": "process",
        "settings": { "command": ["/no/such/program"] }, "instances": [{ "node": "nm1" }],
    });
    let answer = cluster
        .call_somewhere(reqwest::Method::POST, "/admin/api/components", Some(crashing), &[])
        .await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    eventually("the start failure in words", Duration::from_secs(20), || async {
        cluster.component("crasher").await.is_some_and(|view| {
            let reason = view["instances"][0]["reason"].as_str().unwrap_or_default().to_owned();
            view["instances"][0]["process"] == "failed" && reason.contains("/no/such/program")
        })
    })
    .await;
}
