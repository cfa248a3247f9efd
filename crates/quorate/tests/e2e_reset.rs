//! The reset with real processes: what goes and what runs on, a master that was away, the leader
//! killed at every step boundary, and everything that refuses it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::PathBuf,
    process::Output,
    time::{Duration, Instant},
};

use quorate_testkit::{
    ClusterBuilder, NodeHandle, ProcessCluster, Rest, eventually, eventually_some,
};
use reqwest::Method;
use serde_json::{Value, json};

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");
/// A reset of three masters takes some seconds; a busy machine takes many.
const OPERATION: Duration = Duration::from_secs(500);
const SOON: Duration = Duration::from_secs(60);

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The plan as that master sees it.
fn plan_of(master: &NodeHandle) -> Value {
    let text = master.must(&["reset", "--plan", "--output", "json"]);
    serde_json::from_str(&text).unwrap()
}

fn one_time_password(said: &str) -> String {
    let password = said.split("one-time password ").nth(1).unwrap_or_else(|| panic!("{said}"));
    password.split_whitespace().next().unwrap().to_owned()
}

/// Chooses a password with the one-time one, and logs the cluster's caller in with it.
async fn log_in_anew(cluster: &mut ProcessCluster, one_time: &str) {
    let url = cluster.masters[0].url();
    let chosen = "correct horse battery";
    let first = eventually_some("the first login", SOON, || async {
        Rest::new().login(&url, "admin", one_time).await.ok()
    })
    .await;
    let path = "/admin/api/settings/a";
    let early = first.get(&url, path).await.unwrap();
    assert_eq!((early.status, &early.body["code"]), (403, &json!("Q3004")), "{}", early.body);
    let body = json!({ "current": one_time, "new": chosen });
    let changed =
        first.call(&url, Method::POST, "/admin/api/auth/password", Some(body), &[]).await.unwrap();
    assert!(changed.status < 300, "{}", changed.body);
    cluster.rest = Rest::new().login(&url, "admin", chosen).await.unwrap();
}

/// What a master itself holds of the settings, as text.
async fn stale_settings(cluster: &ProcessCluster, index: usize) -> Option<String> {
    let url = cluster.masters[index].url();
    let answer = cluster.rest.get(&url, "/admin/api/settings?consistency=stale").await.ok()?;
    (answer.status == 200).then(|| answer.body.to_string())
}

fn raft_folder(master: &NodeHandle) -> PathBuf {
    master.root.join("lib/raft")
}

fn lives(pid: u64) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

fn sleeper() -> Value {
    json!({
        "name": "sleeper", "pack": "process",
        "instances": [{ "node": "nm1" }], "settings": { "command": ["sleep", "100000"] },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_is_lost_but_the_instances_and_a_master_that_was_away_brings_nothing_back() {
    let mut cluster = ClusterBuilder::new(QUORATE).node_managers(1).start().await;
    cluster.create_component(sleeper()).await;
    let pids = cluster.pids("sleeper").await;
    for number in 0..50 {
        let url = cluster.masters[0].url();
        let value = json!("an-old-value".repeat(20));
        let put = cluster.rest.put_setting(&url, &format!("old/{number}"), &value).await.unwrap();
        assert_eq!(put.status, 200, "{}", put.body);
    }
    let leader = cluster.leader().await;
    let (away, other) = ((leader + 1) % 3, (leader + 2) % 3);
    // What a recovery put aside is old, too.
    let aside = cluster.masters[other].root.join("lib/raft.before-epoch-1");
    std::fs::create_dir(&aside).unwrap();
    std::fs::write(aside.join("log.redb"), "old").unwrap();
    cluster.masters[away].kill();
    let away_name = cluster.masters[away].name.clone();
    let plan = eventually_some("a plan without the one that is away", SOON, || async {
        let plan = plan_of(&cluster.masters[leader]);
        plan.to_string().contains(&format!("`{away_name}`, which is away")).then_some(plan)
    })
    .await;
    let loss = plan["steps"][0]["why"].as_str().unwrap();
    for counted in ["1 user ", "50 settings", "1 component with 1 instance", "1 operation,"] {
        assert!(loss.contains(counted), "{counted}: {loss}");
    }

    let hash = plan["confirm"].as_str().unwrap();
    let output = cluster.masters[leader].call(&["reset", "--confirm", &hash[..8]]);
    assert!(output.status.success(), "{}", said(&output));
    let old = cluster.rest.clone();
    let url = cluster.masters[leader].url();
    let refused = eventually_some("an answer", SOON, || async {
        let answer = old.get(&url, "/admin/api/settings").await.ok()?;
        (answer.status != 503).then_some(answer)
    })
    .await;
    assert_eq!(refused.status, 401, "every login has ended: {}", refused.body);
    assert!(Rest::new().login(&url, "admin", "admin").await.is_err());

    // The one that was away comes back, gets the reset, and purges its disk by itself.
    cluster.masters[away].start();
    log_in_anew(&mut cluster, &one_time_password(&said(&output))).await;
    cluster.await_voters(3).await;
    for index in [leader, other, away] {
        let what = format!("the purge of m{}", index + 1);
        eventually(&what, SOON, || async {
            cluster.masters[index].log().contains("is removed from disk")
        })
        .await;
    }
    cluster.await_voters(3).await;
    assert!(!aside.exists(), "what was put aside is gone");
    for index in 0..3 {
        let held = eventually_some("its settings", SOON, || stale_settings(&cluster, index)).await;
        assert_eq!(held, "[]", "m{}", index + 1);
        let log = std::fs::metadata(raft_folder(&cluster.masters[index]).join("log.redb")).unwrap();
        println!("m{}: log {} bytes", index + 1, log.len());
        assert!(!raft_folder(&cluster.masters[index]).join("log.redb.new").exists());
    }
    let audit = cluster.read("/admin/api/audit?limit=100&steps=true").await;
    let audit = audit.to_string();
    assert!(audit.contains("cluster.reset") && audit.contains("root@local"), "{audit}");
    assert!(!audit.contains("setting.put"), "{audit}");
    let components = cluster.read("/admin/api/components").await;
    assert_eq!(components, json!([]));

    // The instance was not touched, and what comes under its name does not touch it either.
    assert!(pids.values().all(|pid| lives(*pid)), "{pids:?}");
    let pid = pids["sleeper-1"];
    eventually("it is told to be unmanaged", SOON, || async {
        let managers = cluster.get_somewhere("/admin/api/nodes/node-managers").await;
        managers.is_some_and(|it| it[0]["unmanaged"][0]["pid"] == json!(pid))
    })
    .await;
    let path = "/admin/api/components";
    let answer = cluster.call_somewhere(Method::POST, path, Some(sleeper()), &[]).await;
    assert_eq!((answer.status, &answer.body["code"]), (409, &json!("Q6004")), "{}", answer.body);
    assert!(lives(pid));
    let killed = std::process::Command::new("kill").arg(pid.to_string()).status().unwrap();
    assert!(killed.success());
    eventually("nothing unmanaged", SOON, || async {
        let managers = cluster.get_somewhere("/admin/api/nodes/node-managers").await;
        managers.is_some_and(|it| it[0].get("unmanaged").is_none())
    })
    .await;
    cluster.create_component(sleeper()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_refused_unconfirmed_and_while_anything_acts() {
    let cluster = ClusterBuilder::new(QUORATE).node_managers(1).start().await;
    let leader = cluster.leader().await;
    let master = &cluster.masters[leader];
    for (args, says) in [
        (&["reset"][..], "no hash was given"),
        (&["reset", "--yes"], "--confirm HASH"),
        (&["reset", "--confirm", "00000000"], "is not the hash of the plan"),
        (&["reset", "--yes", "--confirm", ""], "no hash was given"),
    ] {
        let output = master.call(args);
        assert_eq!(output.status.code(), Some(3), "{args:?}: {}", said(&output));
        assert!(
            said(&output).contains("Q2131") && said(&output).contains(says),
            "{}",
            said(&output)
        );
    }
    let hash = plan_of(master)["confirm"].as_str().unwrap().to_owned();
    let output = master.call(&["reset", "--confirm", &hash[..7]]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let weak = json!({ "confirm": hash, "oneTimePassword": "short" });
    let answer = cluster.call_somewhere(Method::POST, "/admin/api/reset", Some(weak), &[]).await;
    assert_eq!(answer.body["code"], "Q3005", "{}", answer.body);

    // An operation that acts is in the way; one that stands is named, and would end with it.
    let never = json!({
        "name": "never", "pack": "process",
        "instances": [{ "node": "nm1" }], "settings": { "command": ["false"] },
    });
    let path = "/admin/api/components";
    let answer = cluster.call_somewhere(Method::POST, path, Some(never), &[]).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let id = answer.body["id"].as_str().unwrap().to_owned();
    let output = master.call(&["reset", "--plan"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(
        said(&output).contains("Q2001") && said(&output).contains("component create never"),
        "{}",
        said(&output)
    );
    let _ = master.must(&["operation", "abort", &id, "--yes"]);
    let answer = cluster.call_somewhere(Method::POST, path, Some(sleeper()), &[]).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let id = answer.body["id"].as_str().unwrap();
    let pause = format!("/admin/api/operations/{id}/pause");
    let paused = cluster.call_somewhere(Method::POST, &pause, None, &[]).await;
    assert_eq!(paused.status, 200, "{}", paused.body);
    eventually("a plan that names it", SOON, || async {
        let output = master.call(&["reset", "--plan"]);
        String::from_utf8_lossy(&output.stdout).contains("which is paused, ends where it stands")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_that_a_dead_master_has_stopped_is_left_as_it_is_and_done_again() {
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let url = cluster.masters[0].url();
    let put = cluster.rest.put_setting(&url, "old", &json!(1)).await.unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
    let leader = cluster.leader().await;
    // The last of the followers in the plan's order dies after it was planned for, so that the
    // quorum without the first of them is not there.
    let dead = if leader == 2 { 1 } else { 2 };
    let one_time = "correct horse battery";
    let deadline = Instant::now() + OPERATION;
    let id = loop {
        assert!(Instant::now() < deadline, "the plan was never as it had been");
        cluster.await_voters(3).await;
        let hash = plan_of(&cluster.masters[leader])["confirm"].as_str().unwrap().to_owned();
        cluster.masters[dead].kill();
        let body = json!({ "confirm": hash, "oneTimePassword": one_time });
        let url = cluster.masters[leader].url();
        let path = "/admin/api/reset";
        let answer = cluster.rest.call(&url, Method::POST, path, Some(body), &[]).await.unwrap();
        if answer.status == 202 {
            break answer.body["id"].as_str().unwrap().to_owned();
        }
        // It took longer to ask than it takes a leader to miss a master.
        cluster.masters[dead].start();
    };
    let show = |master: &NodeHandle| -> Option<Value> {
        let output = master.call(&["operation", "show", &id, "--output", "json"]);
        serde_json::from_slice(&output.stdout).ok()
    };
    let master = &cluster.masters[leader];
    let stuck = eventually_some("the reset to be stuck", OPERATION, || async {
        show(master).filter(|it| it["status"] == "stuck")
    })
    .await;
    assert_eq!(stuck["canBeLeft"], json!(true), "{stuck:#}");
    let told = master.must(&["operation", "show", &id]);
    assert!(told.contains(&format!("quorate operation abort {id} --leave-as-is")), "{told}");
    assert!(told.contains("reset once more: quorate reset"), "{told}");
    let output = master.call(&["operation", "abort", &id, "--yes"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("Q2003") && said(&output).contains("--leave-as-is"));
    let output = master.call(&["reset", "--plan"]);
    assert!(said(&output).contains("Q2001"), "{}", said(&output));
    let output = master.call(&["operation", "abort", &id, "--leave-as-is", "--yes"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("reset once more: quorate reset"), "{}", said(&output));
    assert_eq!(show(master).unwrap()["status"], "aborted");
    let doctor = master.call(&["doctor"]);
    let doctor = String::from_utf8_lossy(&doctor.stdout);
    assert!(doctor.contains("the last reset did not end"), "{doctor}");

    // Nothing is held any more, and the next one does the rest, the dead one's part as well.
    let hash = plan_of(master)["confirm"].as_str().unwrap().to_owned();
    let output = master.call(&["reset", "--confirm", &hash]);
    assert!(output.status.success(), "{}", said(&output));
    cluster.masters[dead].start();
    log_in_anew(&mut cluster, &one_time_password(&said(&output))).await;
    cluster.await_voters(3).await;
    for index in 0..3 {
        let what = format!("the purge of m{}", index + 1);
        eventually(&what, SOON, || async {
            cluster.masters[index].log().contains("is removed from disk")
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_happens_once_when_the_leader_is_killed_at_any_boundary() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let url = cluster.masters[0].url();
    let put = cluster.rest.put_setting(&url, "old", &json!(1)).await.unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
    let steps = plan_of(&cluster.masters[0])["steps"].as_array().unwrap().len();
    let marks: Vec<PathBuf> = (0..steps)
        .flat_map(|step| ["begun", "acted", "finished"].map(|boundary| (boundary, step)))
        .map(|(boundary, step)| folder.path().join(format!("{boundary}-{step}")))
        .collect();
    let spec: Vec<String> = marks
        .iter()
        .map(|mark| {
            let name = mark.file_name().unwrap().to_str().unwrap();
            let (boundary, step) = name.split_once('-').unwrap();
            format!("{boundary}:{step}:{}", mark.display())
        })
        .collect();
    for index in 0..cluster.masters.len() {
        cluster.masters[index].set_env("QUORATE_FAILPOINT", &spec.join(","));
        cluster.masters[index].kill();
        cluster.masters[index].start();
        cluster.await_voters(3).await;
    }
    let master = cluster.leader().await;
    let hash = plan_of(&cluster.masters[master])["confirm"].as_str().unwrap().to_owned();
    let output = cluster.masters[master].call(&["reset", "--confirm", &hash, "--detach"]);
    let password = one_time_password(&said(&output));

    let deadline = Instant::now() + OPERATION;
    let mut kills = 0;
    let ended = loop {
        kills += cluster.start_what_ended();
        let operation = operation(&cluster);
        match operation.as_ref().and_then(|it| it["status"].as_str()) {
            Some("succeeded") => break operation.unwrap(),
            Some("stuck" | "aborted") => panic!("{:#}", operation.unwrap()),
            _ => {}
        }
        assert!(Instant::now() < deadline, "after {kills} kills: {operation:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    // The last boundary lies after the operation's end: whoever dies there may be about to.
    let last = marks.last().unwrap();
    let reached = loop {
        kills += cluster.start_what_ended();
        let reached = marks.iter().filter(|mark| mark.exists()).count();
        if kills == reached && last.exists() {
            break reached;
        }
        assert!(Instant::now() < deadline, "{kills} kills, {reached} marks");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(reached + 2 >= marks.len());
    println!("{kills} kills in {steps} steps");
    log_in_anew(&mut cluster, &password).await;
    cluster.await_voters(3).await;
    assert!(kills >= steps, "{kills}");
    let audit = cluster.read("/admin/api/audit?limit=500&steps=true").await;
    assert_eq!(audit.to_string().matches("cluster.reset").count(), 1, "{audit:#}");
    let orders: Vec<usize> = cluster
        .masters
        .iter()
        .map(|master| master.log().matches("restarting, as ordered").count())
        .collect();
    // A process that is killed between writing its order down and saying so says nothing.
    assert!(orders.iter().all(|count| *count <= 1), "{orders:?} {ended:#}");
    for index in 0..3 {
        assert!(cluster.masters[index].log().contains("is removed from disk"));
        let held = eventually_some("its settings", SOON, || stale_settings(&cluster, index)).await;
        assert_eq!(held, "[]");
    }
}

/// The reset, as whichever master answers sees it through its own socket.
fn operation(cluster: &ProcessCluster) -> Option<Value> {
    cluster.masters.iter().find_map(|master| {
        let output = master.call(&["operation", "list", "--output", "json"]);
        let all: Value = serde_json::from_slice(&output.stdout).ok()?;
        all.as_array()?.iter().find(|it| it["title"] == "reset").cloned()
    })
}
