//! Operations on a real three-member etcd: the rolling restart under a writer, with the leading
//! master killed at every step boundary, refused when it is unsafe, paused, resumed, aborted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, path::PathBuf, process::Command, time::Duration};

use quorate_testkit::{
    ClusterBuilder, EtcdWriter, ProcessCluster, eventually, eventually_some, free_port,
};
use reqwest::Method;
use serde_json::{Value, json};

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");
/// A restart of three members takes about half a minute.
const RESTART: Duration = Duration::from_secs(180);

/// The client ports of `orders-1`, `orders-2`, `orders-3`.
struct Orders {
    ports: Vec<u16>,
    tls: PathBuf,
}

impl Orders {
    async fn create(cluster: &ProcessCluster) -> Self {
        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let instances: Vec<Value> = (0..3)
            .map(|index| {
                json!({
                    "node": format!("nm{}", index + 1),
                    "settings": { "client_port": ports[index], "peer_port": free_port() },
                })
            })
            .collect();
        cluster
            .create_component(json!({ "name": "orders", "pack": "etcd", "instances": instances }))
            .await;
        let tls = cluster.managers[0].instance_folder("orders-1").join("tls");
        Self { ports, tls }
    }

    fn endpoints(&self) -> Vec<String> {
        self.ports.iter().map(|port| format!("https://127.0.0.1:{port}")).collect()
    }

    /// What etcd's own client says of all members.
    fn endpoint_status(&self) -> Vec<Value> {
        let output = Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &self.endpoints().join(",")])
            .arg("--cacert")
            .arg(self.tls.join("ca.crt"))
            .arg("--cert")
            .arg(self.tls.join("client.crt"))
            .arg("--key")
            .arg(self.tls.join("client.key"))
            .args(["endpoint", "status", "-w", "json"])
            .output()
            .expect("etcdctl is installed by `cargo xtask test` (Debian: etcd-client)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// etcd's own client sees three members that agree on one leader and are level.
    fn assert_whole(&self) {
        let status = self.endpoint_status();
        assert_eq!(status.len(), 3, "{status:#?}");
        let leaders: Vec<&Value> = status.iter().map(|one| &one["Status"]["leader"]).collect();
        assert!(leaders.iter().all(|leader| *leader == leaders[0]), "{status:#?}");
        let indexes: Vec<u64> =
            status.iter().map(|one| one["Status"]["raftIndex"].as_u64().unwrap()).collect();
        let spread = indexes.iter().max().unwrap() - indexes.iter().min().unwrap();
        assert!(spread <= 1, "{indexes:?}");
    }
}

async fn submit_restart(cluster: &ProcessCluster) -> String {
    let answer = cluster
        .call_somewhere(Method::POST, "/admin/api/components/orders/restart", Some(json!({})), &[])
        .await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.body["id"].as_str().unwrap().to_owned()
}

/// The instance that leads, as Quorate sees it.
async fn etcd_leader(cluster: &ProcessCluster) -> String {
    let view = cluster.component("orders").await.unwrap();
    let instances = view["instances"].as_array().unwrap().clone();
    instances
        .iter()
        .find(|it| it["role"] == "leader")
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .unwrap()
}

async fn await_up(cluster: &ProcessCluster) {
    await_verdict(cluster, "up").await;
}

async fn await_verdict(cluster: &ProcessCluster, verdict: &str) {
    eventually(&format!("orders to be {verdict}"), Duration::from_secs(60), || async {
        cluster.component("orders").await.is_some_and(|view| view["verdict"] == verdict)
    })
    .await;
}

fn signal(pid: u64, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_goes_followers_first_and_writers_hardly_notice() {
    let cluster = ClusterBuilder::new(QUORATE).node_managers(3).start().await;
    let orders = Orders::create(&cluster).await;
    orders.assert_whole();
    let (before, leader) = (cluster.pids("orders").await, etcd_leader(&cluster).await);

    // The plan is a numbered runbook with reasons, and changes nothing.
    let plan = cluster.masters[1].must(&["component", "restart", "orders", "--plan"]);
    assert!(plan.contains("1.") && plan.contains(&format!("Restart `{leader}`")), "{plan}");
    assert!(
        plan.rfind(&format!("Restart `{leader}`"))
            > plan.rfind("Restart `orders-2`").min(plan.rfind("Restart `orders-1`"))
    );
    assert_eq!(cluster.pids("orders").await, before);

    let writer = EtcdWriter::start(orders.endpoints(), &orders.tls);
    let id = submit_restart(&cluster).await;
    let second = cluster
        .call_somewhere(Method::POST, "/admin/api/components/orders/restart", Some(json!({})), &[])
        .await;
    assert_eq!((second.status, &second.body["code"]), (409, &json!("Q2001")), "{}", second.body);
    assert!(second.body["cause"].as_str().unwrap().contains(&id), "{}", second.body);
    let operation = cluster.await_operation(&id, RESTART).await;
    let report = writer.stop().await;
    assert_eq!(operation["status"], "succeeded", "{operation:#}");
    println!(
        "{} writes, {} failed, longest gap {:?}",
        report.written,
        report.failed.len(),
        report.longest_gap
    );
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    assert!(report.written > 200, "{report:?}");
    // An election of etcd takes one to two seconds; a lost quorum would last a restart.
    assert!(report.longest_gap < Duration::from_secs(4), "{report:?}");

    let after = cluster.pids("orders").await;
    assert!(before.iter().all(|(name, pid)| after[name] != *pid), "{before:?} {after:?}");
    assert_eq!(cluster.starts("orders").await, all(2));
    orders.assert_whole();
    let restarted: Vec<String> = operation["stepList"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|step| {
            Some(
                step["title"].as_str()?.strip_prefix("Restart `")?.trim_end_matches('`').to_owned(),
            )
        })
        .collect();
    assert_eq!(restarted.last(), Some(&leader), "the leader goes last: {restarted:?}");
    assert!(!operation["transcript"].as_array().unwrap().is_empty());
}

fn all(starts: u64) -> BTreeMap<String, u64> {
    (1..=3).map(|n| (format!("orders-{n}"), starts)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_leader_finishes_an_operation_whose_leader_is_killed_at_any_boundary() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = ClusterBuilder::new(QUORATE).node_managers(3).start().await;
    let orders = Orders::create(&cluster).await;
    let steps = {
        let answer = cluster
            .call_somewhere(
                Method::POST,
                "/admin/api/components/orders/restart?plan=true",
                Some(json!({})),
                &[],
            )
            .await;
        answer.body["steps"].as_array().unwrap().len()
    };
    // Each restart of the component takes several kills: one at each boundary of every third
    // step, beginning elsewhere each time, so that all boundaries have their turn.
    let mut rounds = 0;
    let mut boundaries: Vec<String> = ["begun", "acted", "finished"]
        .iter()
        .flat_map(|boundary| (0..steps).map(move |step| format!("{boundary}:{step}")))
        .collect();
    // A sorted list would kill the same step three times in a row; by step it is one after the
    // other, as in a bad night.
    boundaries.sort_by_key(|text| text.split(':').nth(1).unwrap().parse::<usize>().unwrap());
    while !boundaries.is_empty() {
        rounds += 1;
        // One boundary of each step in one operation: the leader dies once per step.
        let mut this_round = BTreeMap::new();
        boundaries.retain(|boundary| {
            let step = boundary.split(':').nth(1).unwrap().to_owned();
            if this_round.contains_key(&step) {
                return true;
            }
            this_round.insert(step, boundary.clone());
            false
        });
        let kills = this_round.len();
        let spec: Vec<String> = this_round
            .values()
            .map(|boundary| {
                format!(
                    "{boundary}:{}",
                    folder
                        .path()
                        .join(format!("{rounds}-{}", boundary.replace(':', "-")))
                        .display()
                )
            })
            .collect();
        let key = format!("round-{rounds}");
        restart_with_kills(&mut cluster, &spec.join(","), kills, &key).await;
        assert_eq!(cluster.starts("orders").await, all(1 + rounds), "round {rounds}");
        orders.assert_whole();
    }
    assert_eq!(rounds, 3);
    println!("{} kills", 3 * steps);
}

/// Runs one restart; every master kills itself where `failpoints` says, each place once.
async fn restart_with_kills(
    cluster: &mut ProcessCluster,
    failpoints: &str,
    kills: usize,
    key: &str,
) {
    for index in 0..cluster.masters.len() {
        cluster.masters[index].set_env("QUORATE_FAILPOINT", failpoints);
        cluster.masters[index].kill();
        cluster.masters[index].start();
        cluster.await_voters(3).await;
    }
    cluster.await_managers().await;
    await_up(cluster).await;
    let (mut seen, deadline) = (0, std::time::Instant::now() + Duration::from_secs(400));
    // Two of three may die while it is submitted, so that nobody answers before they are started
    // again; the key finds the operation that was begun.
    let id = loop {
        let path = "/admin/api/components/orders/restart";
        let key = [("Idempotency-Key", key)];
        let answer = cluster.call_each(Method::POST, path, Some(json!({})), &key).await;
        seen += cluster.start_what_ended();
        match answer {
            Some(answer) if answer.status == 202 => {
                break answer.body["id"].as_str().unwrap().to_owned();
            }
            other => assert!(std::time::Instant::now() < deadline, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let path = format!("/admin/api/operations/{id}");
    loop {
        seen += cluster.start_what_ended();
        let operation = cluster.get_somewhere(&path).await;
        let status = operation
            .as_ref()
            .and_then(|operation| operation["status"].as_str().map(str::to_owned));
        match status.as_deref() {
            Some("succeeded") => break,
            Some("stuck" | "aborted") => panic!("{:#}", operation.unwrap()),
            _ => {}
        }
        assert!(std::time::Instant::now() < deadline, "after {seen} kills: {operation:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The last boundary lies after the operation's end.
    eventually("the last kill", Duration::from_secs(20), || {
        seen += cluster.start_what_ended();
        let done = seen == kills;
        async move { done }
    })
    .await;
    cluster.await_voters(3).await;
    cluster.await_managers().await;
    await_up(cluster).await;
}

/// Once the step in hand has ended, nothing happens to a paused operation, for longer than any
/// wait between two steps.
async fn it_stands_still(cluster: &ProcessCluster, id: &str) {
    let path = format!("/admin/api/operations/{id}");
    let steps = || async {
        let view = cluster.get_somewhere(&path).await?;
        let steps = view["stepList"].as_array()?.iter().map(|step| step["status"].clone());
        Some(steps.collect::<Vec<_>>())
    };
    let at_rest = eventually_some("the step in hand to end", RESTART, || async {
        steps().await.filter(|steps| steps.iter().all(|status| status != "started"))
    })
    .await;
    assert!(at_rest.iter().any(|status| status == "pending"), "{at_rest:?}");
    let starts = cluster.starts("orders").await;
    let until = std::time::Instant::now() + Duration::from_secs(5);
    while std::time::Instant::now() < until {
        if let Some(now) = steps().await {
            assert_eq!(now, at_rest, "a paused operation went on");
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(cluster.starts("orders").await, starts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_refused_while_a_member_is_down_and_can_be_paused_resumed_and_aborted() {
    let mut cluster = ClusterBuilder::new(QUORATE).node_managers(3).start().await;
    let orders = Orders::create(&cluster).await;

    // Paused: it stands between two steps; resumed: it goes on to its end.
    let id = submit_restart(&cluster).await;
    let act = |verb: &str| format!("/admin/api/operations/{id}/{verb}");
    let paused = cluster.call_somewhere(Method::POST, &act("pause"), None, &[]).await;
    assert_eq!(paused.body["status"], "paused", "{}", paused.body);
    it_stands_still(&cluster, &id).await;
    let resumed = cluster.call_somewhere(Method::POST, &act("resume"), None, &[]).await;
    assert_eq!(resumed.body["status"], "running", "{}", resumed.body);
    let operation = cluster.await_operation(&id, RESTART).await;
    assert_eq!(operation["status"], "succeeded", "{operation:#}");
    assert_eq!(cluster.starts("orders").await, all(2));

    // Aborted: it ends, and the lock is gone.
    let id = submit_restart(&cluster).await;
    let abort = format!("/admin/api/operations/{id}/abort");
    let aborted = cluster.call_somewhere(Method::POST, &abort, None, &[]).await;
    assert_eq!(aborted.status, 200, "{}", aborted.body);
    let operation = cluster.await_operation(&id, RESTART).await;
    assert_eq!(operation["status"], "aborted", "{operation:#}");
    await_up(&cluster).await;
    orders.assert_whole();

    // A member stopped by hand: refused, with the reason and the way out.
    let pids = cluster.pids("orders").await;
    signal(pids["orders-3"], rustix::process::Signal::STOP);
    await_verdict(&cluster, "degraded").await;
    let restart = "/admin/api/components/orders/restart";
    let answer = cluster.call_somewhere(Method::POST, restart, Some(json!({})), &[]).await;
    assert_eq!((answer.status, &answer.body["code"]), (409, &json!("Q2104")), "{}", answer.body);
    for part in ["cause", "hint"] {
        assert!(answer.body[part].as_str().unwrap().contains("orders-3"), "{}", answer.body);
    }
    let cli = cluster.masters[0].call(&["component", "restart", "orders", "--yes"]);
    assert_eq!(cli.status.code(), Some(3), "{}", String::from_utf8_lossy(&cli.stderr));
    assert!(String::from_utf8_lossy(&cli.stderr).contains("error[Q2104]"));
    signal(pids["orders-3"], rustix::process::Signal::CONT);
    await_up(&cluster).await;

    // A host that dies unnoticed, a moment before: nobody is taken away on old observations.
    let pids = cluster.pids("orders").await;
    cluster.managers[2].kill();
    signal(pids["orders-3"], rustix::process::Signal::KILL);
    let answer = cluster.call_somewhere(Method::POST, restart, Some(json!({})), &[]).await;
    if answer.status == 202 {
        let id = answer.body["id"].as_str().unwrap();
        let operation = cluster.await_operation(id, RESTART).await;
        assert_eq!(operation["status"], "stuck", "{operation:#}");
    }
    let view = cluster.component("orders").await.unwrap();
    for instance in &view["instances"].as_array().unwrap()[..2] {
        let name = instance["name"].as_str().unwrap();
        assert_eq!(instance["pid"].as_u64(), Some(pids[name]), "{name} was not touched");
    }
}
