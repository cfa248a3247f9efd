//! Operations on Quorate's own nodes as real processes: the rolling restart under writers, with the
//! leader killed at every step boundary; removing and replacing masters, dead and alive.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use quorate_testkit::{ClusterBuilder, NodeHandle, ProcessCluster, SettingsWriters, eventually};
use reqwest::Method;
use serde_json::{Value, json};

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");
/// An operation on three masters takes some seconds; a busy machine takes many.
const OPERATION: Duration = Duration::from_secs(240);
/// No operation here has more steps; places beyond the last step are never reached.
const MOST_STEPS: usize = 16;

async fn submit(cluster: &ProcessCluster, path: &str, body: Value) -> String {
    let answer = cluster.call_somewhere(Method::POST, path, Some(body), &[]).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.body["id"].as_str().unwrap().to_owned()
}

async fn done(cluster: &ProcessCluster, id: &str) -> Value {
    let operation = cluster.await_operation(id, OPERATION).await;
    assert_eq!(operation["status"], "succeeded", "{operation:#}");
    operation
}

/// How often each node began anew because it was ordered to.
fn restarts(nodes: &[NodeHandle]) -> Vec<usize> {
    nodes.iter().map(|node| node.log().matches("restarting, as ordered").count()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masters_and_node_managers_restart_one_by_one_and_no_write_is_lost_or_fails() {
    let cluster = ClusterBuilder::new(QUORATE).node_managers(1).start().await;
    cluster
        .create_component(json!({
            "name": "sleeper", "pack": "process",
            "instances": [{ "node": "nm1" }], "settings": { "command": ["sleep", "100000"] },
        }))
        .await;
    let instances = cluster.pids("sleeper").await;
    let pids: Vec<Option<u32>> = cluster.masters.iter().map(NodeHandle::pid).collect();
    let leader = cluster.leader().await;

    let plan = cluster.masters[0].must(&["node", "restart", "--all", "--plan"]);
    let place = |name: &str| plan.find(&format!("Restart `{name}`")).unwrap();
    let last = format!("m{}", leader + 1);
    for name in ["nm1", "m1", "m2", "m3"].into_iter().filter(|name| **name != last) {
        assert!(place(name) < place(&last), "{plan}");
    }
    assert_eq!(restarts(&cluster.masters), [0, 0, 0]);

    let writers = SettingsWriters::start(&cluster);
    let begun = Instant::now();
    let id = submit(&cluster, "/admin/api/nodes/restart", json!({ "all": true })).await;
    done(&cluster, &id).await;
    let took = begun.elapsed();
    let (failed, longest) = (Arc::clone(&writers.failed), Arc::clone(&writers.longest));
    let (newest, count) = writers.stop().await;
    println!(
        "restarted in {took:?}; {count} writes, the longest took {} ms",
        longest.load(Ordering::SeqCst)
    );
    assert_eq!(failed.load(Ordering::SeqCst), 0, "no request fails after the client's own retry");
    assert!(count > 100, "{count}");
    for (key, value) in &newest {
        let path = format!("/admin/api/settings/{key}");
        let answer = cluster.call_somewhere(Method::GET, &path, None, &[]).await;
        assert_eq!(answer.body["value"], json!(value), "{key}");
    }
    assert_eq!(restarts(&cluster.masters), [1, 1, 1]);
    assert_eq!(restarts(&cluster.managers), [1]);
    let after: Vec<Option<u32>> = cluster.masters.iter().map(NodeHandle::pid).collect();
    assert_eq!(pids, after, "each began anew in place");
    assert_eq!(cluster.pids("sleeper").await, instances, "no instance was touched");
    assert_eq!(cluster.starts("sleeper").await.values().copied().max(), Some(1));

    // What began anew in place buries the shims it has inherited.
    let manager = cluster.managers[0].pid().unwrap();
    assert_eq!(children(manager).len(), 1, "the shim");
    let pid = i32::try_from(instances["sleeper-1"]).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    eventually("a new process and no zombie", Duration::from_secs(30), || async {
        let children = children(manager);
        cluster.starts("sleeper").await["sleeper-1"] == 2
            && children.len() == 1
            && !children.contains(&'Z')
    })
    .await;
}

/// The states of a process's children, as `/proc` has them.
fn children(parent: u32) -> Vec<char> {
    let mut states = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let mut fields = rest.split(' ');
        let state = fields.next().and_then(|state| state.chars().next());
        if fields.next() == Some(&parent.to_string()) {
            states.extend(state);
        }
    }
    states
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_refused_while_a_master_is_down_and_stops_at_the_first_that_stays_away() {
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let leader = cluster.leader().await;
    let down = (leader + 1) % 3;
    cluster.masters[down].kill();
    eventually("a refusal", Duration::from_secs(20), || async {
        let answer = cluster
            .call_somewhere(
                Method::POST,
                "/admin/api/nodes/restart?plan=true",
                Some(json!({ "masters": true })),
                &[],
            )
            .await;
        answer.status == 409 && answer.body["code"] == "Q2107"
    })
    .await;
    let output = cluster.masters[leader].call(&["node", "restart", "--masters", "--yes"]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    cluster.masters[down].start();
    cluster.await_voters(3).await;
    assert_eq!(restarts(&cluster.masters), [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_process_restarts_twice_when_the_leader_is_killed_at_any_boundary() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let path = "/admin/api/nodes/restart";
    let body = json!({ "masters": true });
    let steps = eventually_planned(&cluster, path, &body).await;
    for boundary in ["begun", "acted", "finished"] {
        let spec: Vec<String> = (0..steps)
            .map(|step| {
                let mark = folder.path().join(format!("{boundary}-{step}"));
                format!("{boundary}:{step}:{}", mark.display())
            })
            .collect();
        run_with_kills(&mut cluster, &spec.join(","), path, body.clone()).await;
    }
    let restarts = restarts(&cluster.masters);
    // One that is killed between writing its order down and saying so says nothing.
    assert!(restarts.iter().all(|count| (1..=3).contains(count)), "{restarts:?}");
    assert!(restarts.iter().sum::<usize>() >= 6, "{restarts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_leader_finishes_a_removal_and_a_replacement_at_whatever_step_one_dies() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    for (verb, joiner) in [("remove", "m4"), ("replace", "m5")] {
        // It waits for a vote: a removal gives it the one that goes.
        cluster.join_master(joiner).await;
        let leader = cluster.leader().await;
        let goes = (leader + 1) % cluster.masters.len();
        let goes = if cluster.masters[goes].name == joiner { leader } else { goes };
        let name = cluster.masters[goes].name.clone();
        let path = format!("/admin/api/nodes/{name}/{verb}");
        let body = match verb {
            "replace" => json!({ "with": joiner, "takeName": true }),
            _ => json!({}),
        };
        eventually_planned(&cluster, &path, &body).await;
        // How many steps it has depends on who leads when it is submitted.
        let marks: Vec<String> = (0..MOST_STEPS)
            .flat_map(|step| ["begun", "acted", "finished"].map(|it| format!("{it}:{step}")))
            .collect();
        let mark_of = |place: &str| folder.path().join(format!("{verb}-{place}"));
        let failpoints: Vec<String> =
            marks.iter().map(|place| format!("{place}:{}", mark_of(place).display())).collect();
        let begun = Instant::now();
        let steps = run_with_kills(&mut cluster, &failpoints.join(","), &path, body).await;
        let killed = marks.iter().filter(|place| mark_of(place).exists()).count();
        println!("{verb}: {killed} kills in {:?}", begun.elapsed());
        assert_eq!(killed, 3 * steps, "a leader died at every boundary");

        assert!(!cluster.masters.remove(goes).await_end().success(), "it was told");
        let masters = cluster.read("/admin/api/nodes/masters").await;
        let votes: Vec<&Value> = masters.as_array().unwrap().iter().map(|it| &it["role"]).collect();
        assert_eq!(votes, ["voter"; 3], "{masters:#}");
        let operations = cluster.read("/admin/api/operations").await;
        let id = operations[0]["id"].as_str().unwrap().to_owned();
        let path = format!("/admin/api/operations/{id}");
        let operation = cluster.read(&path).await;
        let list = operation["stepList"].as_array().unwrap();
        assert!(list.iter().all(|step| step["status"] == "finished"), "{operation:#}");
        let audit = cluster.read("/admin/api/audit?steps=true&limit=1000").await;
        for step in 0..steps {
            let target = format!("{id}/{step}");
            let ends =
                |it: &&Value| it["action"] == "operation.step.finish" && it["refused"].is_null();
            let count = audit.as_array().unwrap().iter().filter(ends);
            let count = count.filter(|it| it["target"] == target.as_str()).count();
            assert_eq!(count, 1, "step {step} was finished once: {audit:#}");
        }
    }
    let status = cluster.read("/admin/api/status").await;
    assert_eq!(status["tombstones"].as_array().unwrap().len(), 2, "{status:#}");
}

/// Waits until it can be planned: until those that joined have caught up and all answer. Returns
/// how many steps it has now.
async fn eventually_planned(cluster: &ProcessCluster, path: &str, body: &Value) -> usize {
    let path = format!("{path}?plan=true");
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = cluster.call_somewhere(Method::POST, &path, Some(body.clone()), &[]).await;
        if answer.status == 200 {
            return answer.body["steps"].as_array().unwrap().len();
        }
        assert!(Instant::now() < deadline, "{}", answer.body);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Runs an operation; every master kills itself where `failpoints` says, each place once. Returns
/// how many steps it had.
async fn run_with_kills(
    cluster: &mut ProcessCluster,
    failpoints: &str,
    path: &str,
    body: Value,
) -> usize {
    for index in 0..cluster.masters.len() {
        cluster.masters[index].set_env("QUORATE_FAILPOINT", failpoints);
        cluster.masters[index].kill();
        cluster.masters[index].start();
        cluster.await_voters(3).await;
    }
    let mut kills = 0;
    let boundary = failpoints.split(':').next().unwrap();
    let key = format!("{boundary}{}", path.replace('/', "-"));
    let id = eventually_submitted(cluster, path, body, &key, &mut kills).await;
    let deadline = Instant::now() + Duration::from_secs(500);
    let steps = loop {
        kills += cluster.start_what_ended();
        let operation = cluster.get_somewhere(&format!("/admin/api/operations/{id}")).await;
        let status = operation.as_ref().and_then(|it| it["status"].as_str().map(str::to_owned));
        match status.as_deref() {
            Some("succeeded") => break operation.unwrap()["stepList"].as_array().unwrap().len(),
            Some("stuck" | "aborted") => panic!("{:#}", operation.unwrap()),
            _ => {}
        }
        assert!(Instant::now() < deadline, "after {kills} kills: {operation:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    // The last boundary lies after the operation's end: whoever dies there may be about to.
    let last = format!("finished:{}:", steps - 1);
    let last = failpoints.split(',').find_map(|one| one.strip_prefix(&last)).map(Path::new);
    loop {
        kills += cluster.start_what_ended();
        let reached = failpoints.split(',').filter(|one| mark_in(one).exists()).count();
        if kills == reached && last.is_none_or(Path::exists) {
            break;
        }
        assert!(Instant::now() < deadline, "{kills} kills, {reached} marks");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(kills > 0);
    cluster.await_voters(3).await;
    steps
}

/// The file that says that a failpoint was reached.
fn mark_in(failpoint: &str) -> &Path {
    Path::new(failpoint.splitn(3, ':').last().unwrap())
}

/// Submits once the leader sees all masters well again. The leader may be killed before it
/// answers: the same key then finds the operation that was begun.
async fn eventually_submitted(
    cluster: &mut ProcessCluster,
    path: &str,
    body: Value,
    key: &str,
    kills: &mut usize,
) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let headers = [("Idempotency-Key", key)];
        // Two of three may die meanwhile, so that nobody answers before they are started again.
        let answer = cluster.call_each(Method::POST, path, Some(body.clone()), &headers).await;
        *kills += cluster.start_what_ended();
        if let Some(answer) = &answer
            && answer.status == 202
        {
            return answer.body["id"].as_str().unwrap().to_owned();
        }
        assert!(Instant::now() < deadline, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_moves_to_the_master_that_is_asked_for() {
    let cluster = ClusterBuilder::new(QUORATE).start().await;
    let to = (cluster.leader().await + 1) % 3;
    let name = format!("m{}", to + 1);
    let command = ["master", "transfer-leader", "--to", &name, "--yes"];
    let output = cluster.masters[0].call(&command);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&format!("`{name}` leads")), "{said}");
    assert_eq!(cluster.leader().await, to);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_node_stops_says_why_and_cannot_come_back() {
    let mut cluster = ClusterBuilder::new(QUORATE).node_managers(1).start().await;
    let leader = cluster.leader().await;
    let name = format!("m{}", leader + 1);
    let path = format!("/admin/api/nodes/{name}/remove");

    // Two would remain: that needs a reason.
    let answer = cluster.call_somewhere(Method::POST, &path, Some(json!({})), &[]).await;
    assert_eq!((answer.status, &answer.body["code"]), (409, &json!("Q2109")), "{}", answer.body);

    // The leader itself: leadership moves, its vote goes, it is dead, it says so.
    let id = submit(&cluster, &path, json!({ "allowEven": "a test" })).await;
    done_elsewhere(&cluster, leader, &id).await;
    assert!(!cluster.masters[leader].await_end().success());
    let log = cluster.masters[leader].log();
    assert!(log.contains("Q3012"), "{log}");
    cluster.masters[leader].start();
    assert_eq!(cluster.masters[leader].await_end().code(), Some(3), "its old disk cannot rejoin");

    // A node manager that is away when it is removed learns of it when it comes back.
    cluster.managers[0].stop();
    let answer =
        eventually_submitted_elsewhere(&cluster, leader, "/admin/api/nodes/nm1/remove").await;
    done_elsewhere(&cluster, leader, &answer).await;
    cluster.managers[0].start();
    assert_eq!(cluster.managers[0].await_end().code(), Some(3));
    let log = cluster.managers[0].log();
    assert!(log.contains("Q3012") && log.contains("quorate join"), "{log}");
}

async fn done_elsewhere(cluster: &ProcessCluster, except: usize, id: &str) {
    let path = format!("/admin/api/operations/{id}");
    let status = std::sync::Mutex::new(Value::Null);
    eventually(&format!("the end of {id}"), OPERATION, || async {
        for (index, master) in cluster.masters.iter().enumerate() {
            if index != except
                && let Ok(answer) = cluster.rest.get(&master.url(), &path).await
                && answer.status == 200
            {
                let ended = ["succeeded", "stuck"].map(|word| answer.body["status"] == word);
                *status.lock().unwrap() = answer.body;
                return ended.contains(&true);
            }
        }
        false
    })
    .await;
    let operation = status.into_inner().unwrap();
    assert_eq!(operation["status"], "succeeded", "{operation:#}");
}

async fn eventually_submitted_elsewhere(
    cluster: &ProcessCluster,
    except: usize,
    path: &str,
) -> String {
    let url = cluster.masters[(except + 1) % cluster.masters.len()].url();
    let answer = cluster.rest.call(&url, Method::POST, path, Some(json!({})), &[]).await.unwrap();
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.body["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_master_is_replaced_by_one_that_joined_and_takes_its_name() {
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let dead = (cluster.leader().await + 1) % 3;
    cluster.masters[dead].kill();
    cluster.join_master("m4").await;
    let (old, url) = (format!("m{}", dead + 1), cluster.masters[(dead + 1) % 3].url());
    let path = format!("/admin/api/nodes/{old}/replace");
    let body = json!({ "with": "m4", "takeName": true });
    let deadline = Instant::now() + Duration::from_secs(60);
    let id = loop {
        let call = cluster.rest.call(&url, Method::POST, &path, Some(body.clone()), &[]);
        let answer = call.await.unwrap();
        if answer.status == 202 {
            break answer.body["id"].as_str().unwrap().to_owned();
        }
        // It may not have caught up yet.
        assert!(Instant::now() < deadline, "{}", answer.body);
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    done_elsewhere(&cluster, dead, &id).await;
    let masters = cluster.rest.get(&url, "/admin/api/nodes/masters").await.unwrap().body;
    let masters = masters.as_array().unwrap();
    assert_eq!(masters.len(), 3, "{masters:#?}");
    assert!(masters.iter().all(|it| it["role"] == "voter"), "{masters:#?}");
    assert!(masters.iter().any(|it| it["name"] == old && it["id"] == "n4"), "{masters:#?}");
    // The dead one comes back with its old disk: it asks, is told, and stops.
    cluster.masters[dead].start();
    assert_eq!(
        cluster.masters[dead].await_end().code(),
        Some(3),
        "{}",
        cluster.masters[dead].log()
    );
    assert!(cluster.masters[dead].log().contains("Q3012"));
}
