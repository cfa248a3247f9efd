//! Recovery from lost quorum, on real processes: collected, planned, applied, verified, and the
//! masters that were written off come back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use quorate_testkit::{ClusterBuilder, NodeHandle, ProcessCluster, eventually, files_below};
use reqwest::Method;
use serde_json::{Value, json};

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");
/// How many settings are written before masters are lost.
const WRITTEN: u64 = 40;

fn words(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A command that must be refused with this code and exit.
#[track_caller]
fn refused(node: &NodeHandle, args: &[&str], code: &str, exit: i32) {
    let output = node.call(args);
    let said = words(&output);
    assert_eq!(output.status.code(), Some(exit), "{args:?}: {said}");
    assert!(said.contains(code), "{args:?}: {said}");
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

async fn write(cluster: &ProcessCluster, from: u64, to: u64) {
    for number in from..to {
        let path = format!("/admin/api/settings/k{number}");
        let answer =
            cluster.call_somewhere(Method::PUT, &path, Some(json!({ "value": number })), &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

/// Everything that was acknowledged is read back, linearizably.
async fn read(cluster: &ProcessCluster, to: u64) {
    for number in 0..to {
        let path = format!("/admin/api/settings/k{number}");
        let answer = cluster.call_somewhere(Method::GET, &path, None, &[]).await;
        assert_eq!(answer.body["value"], json!(number), "{}", answer.body);
    }
}

/// Waits until every master that is to survive has applied what was acknowledged.
async fn level(cluster: &ProcessCluster) {
    for master in &cluster.masters {
        eventually("every master to hold what was written", Duration::from_secs(30), || async {
            let path = format!("/admin/api/settings/k{}?consistency=stale", WRITTEN - 1);
            let answer = cluster.rest.get(&master.url(), &path).await;
            answer.is_ok_and(|answer| answer.status == 200)
        })
        .await;
    }
}

/// Stops the survivors, collects their reports and plans; returns the plan's file.
fn planned(cluster: &mut ProcessCluster, survivors: &[usize]) -> PathBuf {
    let mut reports = Vec::new();
    for index in survivors {
        let master = &mut cluster.masters[*index];
        if master.pid().is_some() {
            assert!(master.stop().success(), "{}", master.log());
        }
        let report = master.root.join("report.json");
        let raft = master.root.join("lib/raft");
        let before = files_below(&raft);
        let _ = master.must(&["recover", "collect", "--out", &text(&report)]);
        assert!(before == files_below(&raft), "collecting has changed the folder");
        let held = std::fs::read_to_string(&report).unwrap();
        assert!(!held.contains(&cluster.root_key), "a report holds no secret");
        reports.push(text(&report));
    }
    let first = &cluster.masters[survivors[0]];
    let plan = first.root.join("plan.json");
    let mut args = vec!["recover", "plan", "--out"];
    let file = text(&plan);
    args.push(&file);
    args.extend(reports.iter().map(String::as_str));
    let said = first.must(&args);
    for promised in ["What is kept, what may be lost", "May be lost", "What to do next"] {
        assert!(said.contains(promised), "{said}");
    }
    plan
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The positions of the master that goes on, and of those that come back as learners.
fn parts(cluster: &ProcessCluster, plan: &Path) -> (usize, Vec<usize>) {
    let plan = json_of(plan);
    let position = |survivor: &Value| {
        let name = survivor["name"].as_str().unwrap();
        cluster.masters.iter().position(|master| master.name == name).unwrap()
    };
    let rejoin = plan["rejoin"].as_array().unwrap().iter().map(position).collect();
    (position(&plan["keeper"]), rejoin)
}

fn apply(master: &NodeHandle, plan: &Path) -> Value {
    let hash = json_of(plan)["hash"].as_str().unwrap().to_owned();
    let said = master.must(&["recover", "apply", &text(plan), "--confirm", &hash, "-o", "json"]);
    serde_json::from_str(&said).unwrap()
}

/// A master that was written off ends by itself and says why.
fn ends_written_off(master: &mut NodeHandle) {
    let status = master.await_end();
    let log = master.log();
    assert_eq!(status.code(), Some(3), "{log}");
    assert!(log.contains("Q2129") && log.contains("join anew"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_of_five_lost_then_recovered_and_the_lost_ones_come_back_and_join_anew() {
    let mut cluster = ClusterBuilder::new(QUORATE).calm().masters(5).node_managers(1).start().await;
    write(&cluster, 0, WRITTEN).await;
    level(&cluster).await;
    // The leader is among the lost.
    let leader = cluster.leader().await;
    let mut lost = vec![leader];
    lost.extend((0..5).filter(|index| *index != leader).take(2));
    let survivors: Vec<usize> = (0..5).filter(|index| !lost.contains(index)).collect();
    for index in &lost {
        cluster.masters[*index].kill();
    }
    let running = &cluster.masters[survivors[0]];
    refused(running, &["recover", "collect"], "Q1012", 1);

    let plan = planned(&mut cluster, &survivors);
    what_does_not_fit_is_refused(&mut cluster, &plan, survivors[0], &lost);
    let (keeper, rejoin) = parts(&cluster, &plan);
    for index in [keeper, rejoin[0]] {
        let applied = apply(&cluster.masters[index], &plan);
        assert_eq!(applied["wasApplied"], false);
        assert_eq!(apply(&cluster.masters[index], &plan)["wasApplied"], true, "twice is once");
    }
    let file = text(&plan);
    refused(&cluster.masters[keeper], &["recover", "verify", &file], "Q1022", 4);
    for index in [keeper, rejoin[0]] {
        cluster.masters[index].start();
    }
    let _ = cluster.masters[keeper].must(&["recover", "verify", &file, "--wait", "90s"]);
    read(&cluster, WRITTEN).await;
    write(&cluster, WRITTEN, WRITTEN + 5).await;
    cluster.await_managers().await;

    all_of_them_come_back_at_once(&mut cluster, &lost, keeper).await;
    read(&cluster, WRITTEN + 5).await;
    hosts_join_anew(&mut cluster, &lost[..2], keeper).await;
    cluster.await_voters(3).await;
    let _ = cluster.masters[keeper].must(&["recover", "verify", &file, "--wait", "90s"]);
    read(&cluster, WRITTEN + 5).await;
    let audit = cluster.read("/admin/api/audit?limit=1000").await;
    let recovered = audit.as_array().unwrap().iter().find(|it| it["action"] == "cluster.recover");
    let hash = json_of(&plan)["hash"].as_str().unwrap().to_owned();
    assert!(recovered.unwrap()["target"].as_str().unwrap().contains(&hash), "{recovered:?}");
}

fn what_does_not_fit_is_refused(
    cluster: &mut ProcessCluster,
    plan: &Path,
    survivor: usize,
    lost: &[usize],
) {
    let file = text(plan);
    let hash = json_of(plan)["hash"].as_str().unwrap().to_owned();
    let node = &cluster.masters[survivor];
    let lib = node.root.join("lib");
    let before = files_below(&lib);
    refused(node, &["recover", "apply", &file], "Q4001", 2);
    refused(node, &["recover", "apply", &file, "--confirm", "01234567"], "Q2123", 3);
    refused(node, &["recover", "apply", &file, "--confirm", &hash[..4]], "Q2123", 3);
    let tampered = node.root.join("tampered.json");
    let mut edited = json_of(plan);
    edited["writtenOff"].as_array_mut().unwrap().pop();
    std::fs::write(&tampered, edited.to_string()).unwrap();
    refused(node, &["recover", "apply", &text(&tampered), "--confirm", &hash], "Q2123", 3);
    let written_off = &cluster.masters[lost[1]];
    refused(written_off, &["recover", "apply", &file, "--confirm", &hash], "Q2129", 3);
    // One that lives is never written off.
    cluster.masters[lost[1]].start();
    let port = cluster.masters[lost[1]].internal_port;
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let node = &cluster.masters[survivor];
        let output = node.call(&["recover", "apply", &file, "--confirm", "01234567"]);
        let said = words(&output);
        if said.contains("Q2126") {
            assert_eq!(output.status.code(), Some(3), "{said}");
            break;
        }
        assert!(std::time::Instant::now() < deadline, "port {port}: {said}");
    }
    cluster.masters[lost[1]].kill();
    assert!(before == files_below(&lib), "what was refused has changed nothing");
}

/// They are a majority of the voters that they know. One survivor that they reach is enough.
async fn all_of_them_come_back_at_once(
    cluster: &mut ProcessCluster,
    lost: &[usize],
    keeper: usize,
) {
    let before = cluster.read("/admin/api/status").await;
    for index in lost {
        cluster.masters[*index].start();
    }
    for index in lost {
        ends_written_off(&mut cluster.masters[*index]);
    }
    let after = cluster.read("/admin/api/status").await;
    for same in ["term", "leader", "epoch", "voters"] {
        assert_eq!(before[same], after[same], "nobody disturbed the survivors");
    }
    assert_eq!(after["epoch"], 1);
    assert_eq!(after["tombstones"].as_array().unwrap().len(), 3);
    // They stay stopped, though nobody is there to tell them.
    cluster.masters[keeper].signal(rustix::process::Signal::STOP);
    for index in lost {
        cluster.masters[*index].start();
        ends_written_off(&mut cluster.masters[*index]);
    }
    cluster.masters[keeper].signal(rustix::process::Signal::CONT);
}

/// The hosts are wiped, and join as new nodes under their old names.
async fn hosts_join_anew(cluster: &mut ProcessCluster, hosts: &[usize], keeper: usize) {
    for index in hosts {
        let token = cluster.masters[keeper].must(&[
            "token",
            "create",
            "--role",
            "master",
            "--auto-approve",
        ]);
        let host = &mut cluster.masters[*index];
        std::fs::rename(host.root.join("lib"), host.root.join("lib.old")).unwrap();
        std::fs::remove_dir_all(host.root.join("etc")).unwrap();
        let (admin, internal) =
            (format!("127.0.0.1:{}", host.admin_port), format!("127.0.0.1:{}", host.internal_port));
        let name = host.name.clone();
        let addrs = ["--admin-addr", &admin, "--internal-addr", &internal];
        let _ = host.must(&[&["join", &token, "--name", &name][..], &addrs[..]].concat());
        host.start();
    }
}

/// How often the masters that are written off later gave a host its orders.
fn welcomed_by_the_lost(log: &str) -> usize {
    ["n1", "n2"]
        .map(|lost| log.matches(&format!("has welcomed this node master={lost}")).count())
        .iter()
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_three_lost_and_they_elect_a_leader_while_nobody_can_tell_them() {
    let mut cluster = ClusterBuilder::new(QUORATE).calm().node_managers(1).start().await;
    // An operation holds the masters: paused while it counts the quorum, before it touches any.
    let body = Some(json!({ "masters": true }));
    let restart = cluster.call_somewhere(Method::POST, "/admin/api/nodes/restart", body, &[]).await;
    assert_eq!(restart.status, 202, "{}", restart.body);
    let operation = format!("/admin/api/operations/{}", restart.body["id"].as_str().unwrap());
    let pause = format!("{operation}/pause");
    let paused = cluster.call_somewhere(Method::POST, &pause, None, &[]).await;
    assert_eq!(paused.status, 200, "{}", paused.body);
    write(&cluster, 0, WRITTEN).await;
    level(&cluster).await;
    for index in [0, 1] {
        cluster.masters[index].kill();
    }
    let plan = planned(&mut cluster, &[2]);
    apply(&cluster.masters[2], &plan);
    cluster.masters[2].start();
    let _ = cluster.masters[2].must(&["recover", "verify", &text(&plan), "--wait", "90s"]);
    cluster.await_managers().await;
    read(&cluster, WRITTEN).await;
    // It counted on those that are lost, and would hold the masters for ever.
    let ended = cluster.read(&operation).await;
    assert_eq!(ended["status"], "aborted", "{ended:#}");
    assert!(ended["transcript"].to_string().contains("ended by the recovery"), "{ended:#}");
    let _ = cluster.masters[2].must(&["node", "restart", "m3", "--accept-interruption", "--plan"]);

    // While the survivor is away, the other two are a majority of all that they know.
    let welcomes = welcomed_by_the_lost(&cluster.managers[0].log());
    assert!(cluster.masters[2].stop().success());
    eventually("the host to miss its masters", Duration::from_secs(60), || async {
        cluster.managers[0].log().contains("the instances are kept as last ordered")
    })
    .await;
    for index in [0, 1] {
        cluster.masters[index].start();
    }
    cluster.leader().await;
    // As soon as the survivor is back, they are told.
    cluster.masters[2].start();
    for index in [0, 1] {
        ends_written_off(&mut cluster.masters[index]);
    }
    cluster.await_voters(1).await;
    cluster.await_managers().await;
    // The host that has obeyed the new epoch followed nobody of the old one.
    assert_eq!(welcomed_by_the_lost(&cluster.managers[0].log()), welcomes);
    read(&cluster, WRITTEN).await;
    // And they stay away.
    cluster.masters[0].start();
    ends_written_off(&mut cluster.masters[0]);

    // A survivor that was started since its report makes the plan unfit for a second cluster.
    let file = text(&plan);
    assert!(cluster.masters[2].stop().success());
    assert_eq!(apply(&cluster.masters[2], &plan)["wasApplied"], true);
    let report = cluster.masters[2].root.join("later.json");
    let _ = cluster.masters[2].must(&["recover", "collect", "--out", &text(&report)]);
    assert_eq!(json_of(&report)["epoch"], 1);
    refused(&cluster.masters[2], &["recover", "plan", &text(&report)], "Q2121", 3);
    refused(&cluster.masters[2], &["recover", "verify", &file], "Q1022", 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_that_is_killed_anywhere_is_repeated_to_the_same_end() {
    let mut cluster = ClusterBuilder::new(QUORATE).calm().masters(5).start().await;
    write(&cluster, 0, WRITTEN).await;
    level(&cluster).await;
    for index in [0, 1, 2] {
        cluster.masters[index].kill();
    }
    let plan = planned(&mut cluster, &[3, 4]);
    let hash = json_of(&plan)["hash"].as_str().unwrap().to_owned();
    let (keeper, rejoin) = parts(&cluster, &plan);
    for (index, is_keeper) in [(keeper, true), (rejoin[0], false)] {
        let master = &cluster.masters[index];
        let lib = master.root.join("lib");
        let mut ends = Vec::new();
        for step in 0..8 {
            let copy = master.root.join(format!("step-{step}"));
            let copied = Command::new("cp").arg("-a").arg(&lib).arg(&copy).status().unwrap();
            assert!(copied.success());
            let data = text(&copy);
            let args = ["recover", "apply", &text(&plan), "--confirm", &hash, "--data-dir", &data];
            let mut command = master.command(&args);
            command.env("QUORATE_ROOT_KEY", &cluster.root_key);
            command.env("QUORATE_RECOVER_FAILPOINT", step.to_string());
            let output = command.output().unwrap();
            assert_eq!(output.status.signal(), Some(9), "step {step}: {}", words(&output));
            if (1..7).contains(&step) {
                refused(master, &["run", "--data-dir", &data], "Q2127", 3);
                refused(master, &["recover", "collect", "--data-dir", &data], "Q2127", 3);
            }
            let _ = master.must(&args);
            let twice = master.must(&[&args[..], &["-o", "json"]].concat());
            assert_eq!(serde_json::from_str::<Value>(&twice).unwrap()["wasApplied"], true);
            assert!(!copy.join("raft.new").exists() && copy.join("raft.before-epoch-1").exists());
            let held = master.must(&["recover", "collect", "--data-dir", &data, "-o", "json"]);
            let held: Value = serde_json::from_str(&held).unwrap();
            assert_eq!(held["epoch"], 1);
            if is_keeper {
                assert_eq!(held["state"]["settings"], WRITTEN);
                assert_eq!(held["voters"].as_array().unwrap()[0].as_array().unwrap().len(), 1);
            }
            ends.push((held["lastLog"].clone(), held["vote"].clone()));
            std::fs::remove_dir_all(&copy).unwrap();
        }
        assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
    }
}
