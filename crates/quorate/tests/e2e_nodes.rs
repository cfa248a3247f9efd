//! Operations on Quorate's own nodes as real processes: the rolling restart under writers, with the
//! leader killed at every step boundary, and where it stops; removing and replacing masters, dead
//! and alive, and what becomes of whoever holds a removed node's certificate.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use quorate_testkit::{
    ClusterBuilder, NodeCaller, NodeConnection, NodeHandle, ProcessCluster, SettingsWriters,
    eventually, eventually_some,
};
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

/// What a command on a node ends with and says: its exit code, stdout, stderr.
fn run(node: &NodeHandle, args: &[&str]) -> (Option<i32>, String, String) {
    let output = node.call(args);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The titles of the steps of a plan that was printed as JSON.
fn titles(plan: &str) -> Vec<String> {
    let plan: Value = serde_json::from_str(plan).unwrap_or_else(|error| panic!("{error}: {plan}"));
    let steps = plan["steps"].as_array().unwrap();
    steps.iter().map(|step| step["title"].as_str().unwrap().to_owned()).collect()
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
async fn no_master_is_taken_while_one_is_down_and_a_restart_stops_at_the_first_that_stays_away() {
    // Less than the two minutes that a plan gives a master to come back.
    let builder = ClusterBuilder::new(QUORATE).calm();
    let mut cluster = builder.master_env("QUORATE_STEP_DEADLINE_MS", "30000").start().await;
    let leader = cluster.leader().await;
    let down = (leader + 1) % 3;
    cluster.masters[down].kill();
    eventually("a refusal", Duration::from_secs(60), || async {
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
    let restart = ["node", "restart", "--masters", "--yes"];
    let (code, _, said) = run(&cluster.masters[leader], &restart);
    assert_eq!(code, Some(3), "{said}");

    // Of the two that would be left, one is dead.
    let living = cluster.masters[(leader + 2) % 3].name.clone();
    let remove = ["node", "remove", &living, "--allow-even", "a test"];
    for how in ["--plan", "--yes"] {
        let (code, _, said) = run(&cluster.masters[leader], &[&remove[..], &[how]].concat());
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("error[Q2104]"), "{said}");
        let down = &cluster.masters[down].name;
        assert!(said.contains(&format!("`{down}` does not count")), "{said}");
    }
    let status = cluster.read("/admin/api/status").await;
    assert_eq!((&status["voters"], &status["tombstones"]), (&json!(3), &json!([])), "{status:#}");
    assert_eq!(cluster.read("/admin/api/operations").await, json!([]));
    cluster.masters[down].start();
    cluster.await_voters(3).await;
    assert_eq!(restarts(&cluster.masters), [0, 0, 0]);

    // The first that is restarted finds a configuration that it cannot read.
    let leader = cluster.leader().await;
    let first = (0..3).find(|index| *index != leader).unwrap();
    let config = cluster.masters[first].root.join("etc/quorate.toml");
    let sound = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{sound}\nspoiled")).unwrap();
    eventually_planned(&cluster, "/admin/api/nodes/restart", &json!({ "masters": true })).await;
    let (code, _, said) = run(&cluster.masters[leader], &restart);
    assert_eq!(code, Some(1), "{said}");
    let away = format!("`{}` has not come back from its restart", cluster.masters[first].name);
    assert!(said.contains("error[Q2004]") && said.contains(&away), "{said}");
    assert!(!cluster.masters[first].await_end().success());
    let mut only_the_first = [0; 3];
    only_the_first[first] = 1;
    assert_eq!(restarts(&cluster.masters), only_the_first, "the others are not touched");
    let operation = cluster.read("/admin/api/operations").await[0].clone();
    assert_eq!(operation["status"], "stuck", "{operation:#}");

    // It is back, and what was begun goes on to its end.
    std::fs::write(&config, sound).unwrap();
    cluster.masters[first].start();
    cluster.await_voters(3).await;
    let resume = ["operation", "resume", operation["id"].as_str().unwrap()];
    let (code, _, said) = run(&cluster.masters[leader], &resume);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(restarts(&cluster.masters), [1, 1, 1]);
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
        let names: Vec<&str> =
            masters.as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
        let took_the_name = names.contains(&name.as_str()) && !names.contains(&joiner);
        assert_eq!(took_the_name, verb == "replace", "{masters:#}");
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

/// What a master's certificate is good for.
const AS_MASTER: [&str; 12] = [
    "Epoch",
    "Append",
    "PreVote",
    "Vote",
    "TransferLeader",
    "InstallSnapshot",
    "Forward",
    "ReadIndex",
    "Call",
    "Announce",
    "ReadBinary",
    "RenewNode",
];
/// What a node manager's certificate is good for.
const AS_NODE_MANAGER: [&str; 4] = ["ReadBinary", "Session", "SignCertificate", "RenewNode"];

/// Somebody who has copied a node's certificate and key, and is connected to masters already.
struct Thief {
    caller: NodeCaller,
    connections: Vec<(usize, NodeConnection)>,
    epoch: u64,
}

impl Thief {
    async fn with_identity_of(
        node: &NodeHandle,
        cluster: &ProcessCluster,
        masters: &[usize],
    ) -> Self {
        let epoch = cluster.read("/admin/api/status").await["epoch"].as_u64().unwrap();
        let caller = NodeCaller::copy_of(node);
        let mut connections = Vec::new();
        for index in masters {
            let connection = caller.connect(&cluster.masters[*index], epoch).await;
            connections.push((*index, connection));
        }
        Self { caller, connections, epoch }
    }

    /// Every master lets it in to these calls and to no others.
    async fn is_let_in_to(&self, calls: &[&str]) {
        for (index, connection) in &self.connections {
            assert_eq!(connection.let_in().await, calls, "by m{}", index + 1);
        }
    }

    /// No master lets it in to anything, neither on a connection of before nor on a new one.
    async fn is_refused_everywhere(&self, cluster: &ProcessCluster) {
        for (index, before) in &self.connections {
            let master = &cluster.masters[*index];
            // Once it has answered this, it has applied all that was committed before.
            eventually("a linearizable read", Duration::from_secs(60), || async {
                let read = cluster.rest.get(&master.url(), "/admin/api/settings").await;
                read.is_ok_and(|answer| answer.status == 200)
            })
            .await;
            let anew = self.caller.connect(master, self.epoch).await;
            for connection in [before, &anew] {
                assert_eq!(connection.let_in().await, [""; 0], "by {}", master.name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_node_stops_says_why_is_refused_by_every_node_at_once_and_cannot_come_back() {
    let mut cluster = ClusterBuilder::new(QUORATE).node_managers(1).calm().start().await;
    let leader = cluster.leader().await;
    let name = format!("m{}", leader + 1);
    let others: Vec<usize> = (0..3).filter(|index| *index != leader).collect();
    let by = others[0];
    let thief = Thief::with_identity_of(&cluster.masters[leader], &cluster, &others).await;
    thief.is_let_in_to(&AS_MASTER).await;

    // Two would remain: that needs a reason.
    let remove = ["node", "remove", &name];
    let (code, _, said) = run(&cluster.masters[by], &[&remove[..], &["--yes"]].concat());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("error[Q2109]"), "{said}");
    let remove = [&remove[..], &["--allow-even", "a test"]].concat();
    let plan = [&remove[..], &["--plan", "--output", "json"]].concat();
    let plan = titles(&cluster.masters[by].must(&plan));
    let place = |title: &str| plan.iter().position(|it| it.starts_with(title)).unwrap();
    let demote = place(&format!("Take the vote of `{name}`"));
    assert!(place(&format!("Move the leadership away from `{name}`")) < demote, "{plan:?}");
    assert!(demote < place(&format!("Remove `{name}`")), "{plan:?}");
    thief.is_let_in_to(&AS_MASTER).await;

    // The leader itself, asked there: leadership moves, its vote goes, it is dead, it says so. Whoever
    // waits there is told how it goes on, unless the end was heard of just before.
    let (code, _, said) = run(&cluster.masters[leader], &[&remove[..], &["--yes"]].concat());
    let told = said.contains("was removed") && said.contains("quorate operation watch");
    assert!(code == Some(0) || (code == Some(5) && told), "{code:?} {said}");
    eventually("the removal to end", Duration::from_secs(60), || async {
        let operations = cluster.read("/admin/api/operations").await;
        operations[0]["status"] == "succeeded"
    })
    .await;
    let status = cluster.read("/admin/api/status").await;
    assert_eq!(status["evenVoters"]["reason"], "a test", "{status:#}");
    thief.is_refused_everywhere(&cluster).await;
    assert!(!cluster.masters[leader].await_end().success());
    let log = cluster.masters[leader].log();
    assert!(log.contains("Q3012"), "{log}");
    cluster.masters[leader].start();
    assert_eq!(cluster.masters[leader].await_end().code(), Some(3), "its old disk cannot rejoin");
    let doctor = cluster.read("/admin/api/doctor").await["findings"].to_string();
    assert!(doctor.contains(&format!("the removed node {name} (n{}) called", leader + 1)));

    // A node manager that is away when it is removed learns of it when it comes back.
    cluster.managers[0].stop();
    let thief = Thief::with_identity_of(&cluster.managers[0], &cluster, &others).await;
    thief.is_let_in_to(&AS_NODE_MANAGER).await;
    let leads = cluster.leader().await;
    let of_leader = thief.connections.iter().find(|(index, _)| *index == leads);
    let mut session = of_leader.unwrap().1.session().await.unwrap();
    let (code, _, said) = run(&cluster.masters[by], &["node", "remove", "nm1", "--yes"]);
    assert_eq!(code, Some(0), "{said}");
    thief.is_refused_everywhere(&cluster).await;
    let ended = async { while let Ok(Some(_)) = session.message().await {} };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("the session ends");
    cluster.managers[0].start();
    assert_eq!(cluster.managers[0].await_end().code(), Some(3));
    let log = cluster.managers[0].log();
    assert!(log.contains("Q3012") && log.contains("quorate join"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_master_is_replaced_by_one_that_joined_and_keeps_its_own_name() {
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let dead = (cluster.leader().await + 1) % 3;
    cluster.masters[dead].kill();
    cluster.join_master("m4").await;
    let old = format!("m{}", dead + 1);
    let by = (dead + 1) % 3;
    let replace = ["node", "replace", &old, "--with", "m4"];
    let plan = eventually_some("m4 has caught up", Duration::from_secs(60), || async {
        let how = ["--plan", "--output", "json"];
        let (code, plan, said) = run(&cluster.masters[by], &[&replace[..], &how].concat());
        assert!(matches!(code, Some(0 | 3)), "{said}");
        (code == Some(0)).then_some(plan)
    })
    .await;
    let plan = titles(&plan);
    assert!(plan.contains(&format!("Give the vote of `{old}` to `m4`")), "{plan:?}");
    assert!(!plan.iter().any(|title| title.contains("the name")), "{plan:?}");
    let (code, _, said) = run(&cluster.masters[by], &[&replace[..], &["--yes"]].concat());
    assert_eq!(code, Some(0), "{said}");
    let masters = cluster.read("/admin/api/nodes/masters").await;
    let masters = masters.as_array().unwrap();
    assert_eq!(masters.len(), 3, "{masters:#?}");
    assert!(masters.iter().all(|it| it["role"] == "voter"), "{masters:#?}");
    assert!(masters.iter().any(|it| it["name"] == "m4" && it["id"] == "n4"), "{masters:#?}");
    assert!(masters.iter().all(|it| it["name"] != old.as_str()), "{masters:#?}");
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
