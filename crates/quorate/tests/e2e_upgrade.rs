//! The rolling upgrade of Quorate itself on real processes: under writers, of some masters only,
//! with binaries that never become ready, crash, or are too old, and with the leader killed in the
//! middle.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::Ordering,
    time::Duration,
};

use quorate_testkit::{
    ClusterBuilder, NodeHandle, ProcessCluster, SettingsWriters, eventually, eventually_some,
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");
/// An upgrade of three masters takes some seconds; a busy machine takes many.
const OPERATION: Duration = Duration::from_secs(300);

/// Binaries that pretend to be other ones: copies without debug information, with a mark at the end.
struct Binaries {
    folder: TempDir,
}

impl Binaries {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bare = folder.path().join("bare");
        let stripped = Command::new("strip").arg("-o").arg(&bare).arg(QUORATE).status();
        if !stripped.is_ok_and(|status| status.success()) {
            fs::copy(QUORATE, &bare).unwrap();
        }
        Self { folder }
    }

    fn make(&self, name: &str, mark: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        let mut bytes = fs::read(self.folder.path().join("bare")).unwrap();
        bytes.extend_from_slice(format!("\nquorate-test: {mark}\n").as_bytes());
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

fn upgrade(
    cluster: &ProcessCluster,
    binary: &Path,
    more: &[&str],
) -> (Option<i32>, String, String) {
    let binary = binary.to_str().unwrap();
    let args = [&["node", "upgrade", "--binary", binary], more].concat();
    let output = cluster.masters[0].call(&args);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The id of the newest operation.
async fn newest(cluster: &ProcessCluster) -> String {
    eventually_some("an operation", OPERATION, || async {
        let operations = cluster.get_somewhere("/admin/api/operations").await?;
        operations[0]["id"].as_str().map(str::to_owned)
    })
    .await
}

async fn versions(cluster: &ProcessCluster) -> Vec<String> {
    let mut versions = Vec::new();
    for path in ["/admin/api/nodes/masters", "/admin/api/nodes/node-managers"] {
        let nodes = cluster.get_somewhere(path).await.unwrap_or_default();
        for node in nodes.as_array().cloned().unwrap_or_default() {
            versions.push(node["version"].as_str().unwrap_or_default().to_owned());
        }
    }
    versions
}

async fn level(cluster: &ProcessCluster) -> u64 {
    let status = cluster.read("/admin/api/status").await;
    status["featureLevel"].as_u64().unwrap()
}

/// Every file below a folder with its content.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.push((path.clone(), fs::read(&path).unwrap_or_default()));
        }
    }
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_are_upgraded_no_write_is_lost_or_fails_and_the_level_rises_at_the_end() {
    let binaries = Binaries::new();
    let new = binaries.make("new", "version=0.9.1 level=2");
    let mut cluster = ClusterBuilder::new(QUORATE).node_managers(1).start().await;
    cluster
        .create_component(json!({
            "name": "sleeper", "pack": "process",
            "instances": [{ "node": "nm1" }], "settings": { "command": ["sleep", "100000"] },
        }))
        .await;
    let instances = cluster.pids("sleeper").await;
    let pids: Vec<Option<u32>> = cluster.masters.iter().map(NodeHandle::pid).collect();
    assert_eq!(level(&cluster).await, 1);

    // The leader last, the level after it; and the plan changes nothing.
    let leader = cluster.leader().await;
    let (code, plan, said) = upgrade(&cluster, &new, &["--all", "--plan"]);
    assert_eq!(code, Some(0), "{said}");
    let place = |words: &str| plan.find(words).unwrap_or_else(|| panic!("{words}: {plan}"));
    let last = place(&format!("Upgrade `m{}` to 0.9.1", leader + 1));
    for name in ["nm1", "m1", "m2", "m3"].into_iter().filter(|it| *it != format!("m{}", leader + 1))
    {
        assert!(place(&format!("Await that `{name}` holds")) < place("Upgrade `nm1`"), "{plan}");
        assert!(place(&format!("Upgrade `{name}` to")) < last, "{plan}");
    }
    assert!(last < place("Raise the feature level from 1 to 2"), "{plan}");
    assert!(versions(&cluster).await.iter().all(|it| it != "0.9.1"));

    let writers = SettingsWriters::start(&cluster);
    let begun = std::time::Instant::now();
    let (code, _, said) = upgrade(&cluster, &new, &["--all", "--yes"]);
    println!("upgraded in {:?}", begun.elapsed());
    assert_eq!(code, Some(0), "{said}");
    let (failed, longest) = (writers.failed.clone(), writers.longest.clone());
    let (newest, count) = writers.stop().await;
    println!("{count} writes, the longest took {} ms", longest.load(Ordering::SeqCst));
    assert_eq!(failed.load(Ordering::SeqCst), 0, "no request fails after the client's own retry");
    assert!(count > 50, "{count}");
    for (key, value) in &newest {
        let path = format!("/admin/api/settings/{key}");
        let answer = cluster.call_somewhere(Method::GET, &path, None, &[]).await;
        assert_eq!(answer.body["value"], json!(value), "{key}");
    }
    assert_eq!(versions(&cluster).await, ["0.9.1"; 4]);
    assert_eq!(level(&cluster).await, 2);
    let after: Vec<Option<u32>> = cluster.masters.iter().map(NodeHandle::pid).collect();
    assert_eq!(pids, after, "each went on in place");
    assert_eq!(cluster.pids("sleeper").await, instances, "no instance was touched");
    assert_eq!(cluster.starts("sleeper").await.values().copied().max(), Some(1));

    // Whoever starts the installed file gets the binary of the record.
    let follower = (cluster.leader().await + 1) % 3;
    cluster.masters[follower].stop();
    cluster.masters[follower].start();
    cluster.await_voters(3).await;
    assert_eq!(versions(&cluster).await, ["0.9.1"; 4]);
    // So does an order to restart, once the leader sees everybody well again.
    eventually("a restart of all nodes", OPERATION, || async {
        let output = cluster.masters[0].call(&["node", "restart", "--all", "--yes"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // A master that has just begun anew has no socket yet.
        let is_early = ["Q2107", "Q6003", "Q1022"];
        let is_early = is_early.iter().any(|code| said.contains(&format!("error[{code}]")));
        assert!(output.status.success() || is_early, "{said}");
        output.status.success()
    })
    .await;
    assert_eq!(versions(&cluster).await, ["0.9.1"; 4]);

    // Without its record the old binary itself would run: it refuses, and changes nothing.
    cluster.managers[0].stop();
    cluster.masters[follower].stop();
    for node in [&mut cluster.masters[follower], &mut cluster.managers[0]] {
        let data = node.root.join("lib");
        fs::remove_dir_all(data.join("binaries")).unwrap();
        fs::remove_file(data.join("upgrade.json")).unwrap();
        let before = contents(&data);
        node.start();
        assert_eq!(node.await_end().code(), Some(3), "{}", node.log());
        assert!(node.log().contains("Q1030"), "{}", node.log());
        assert!(contents(&data) == before, "something on the disk of {} has changed", node.name);
    }
    // Where that was not written down, the log says it.
    let node = &mut cluster.masters[follower];
    fs::remove_file(node.root.join("lib/feature-level.json")).unwrap();
    node.start();
    assert_eq!(node.await_end().code(), Some(3), "{}", node.log());
    assert_eq!(node.log().matches("error[Q1030]").count(), 2, "{}", node.log());
}

/// Writes a setting through every master, and reads each at the next one.
async fn write_through_all(cluster: &ProcessCluster, round: &str) {
    let urls: Vec<String> = cluster.masters.iter().map(NodeHandle::url).collect();
    for (index, url) in urls.iter().enumerate() {
        let (key, value) = (format!("{round}-{index}"), json!(round));
        // Sent again, it is the same write: a master may have no leader for a moment.
        eventually(&format!("a write of {round} through {url}"), OPERATION, || async {
            let written = cluster.rest.put_setting(url, &key, &value).await;
            written.is_ok_and(|answer| answer.status == 200)
        })
        .await;
        let (next, path) = (&urls[(index + 1) % 3], format!("/admin/api/settings/{key}"));
        eventually(&format!("{key} at {next}"), OPERATION, || async {
            let read = cluster.rest.get(next, &path).await;
            read.is_ok_and(|answer| answer.body["value"] == value)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masters_of_two_versions_work_together_and_the_level_rises_with_the_last_one() {
    let binaries = Binaries::new();
    let new = binaries.make("new", "version=0.9.5 level=2");
    let cluster = ClusterBuilder::new(QUORATE).calm().start().await;
    let last = cluster.leader().await;
    let name = |index: usize| format!("m{}", index + 1);
    let (one, other) = (name((last + 1) % 3), name((last + 2) % 3));
    let before = versions(&cluster).await[last].clone();
    let (code, _, said) = upgrade(&cluster, &new, &[&one, &other, "--yes"]);
    assert_eq!(code, Some(0), "{said}");
    let mut mixed = vec!["0.9.5".to_owned(); 3];
    mixed[last].clone_from(&before);
    assert_eq!(versions(&cluster).await, mixed);
    assert_eq!(level(&cluster).await, 1, "one of them cannot read another");
    assert_eq!(cluster.leader().await, last, "the old version leads, the new one follows");
    write_through_all(&cluster, "old-leads").await;

    // The leader begins anew as the old version, and one of the new version leads meanwhile and
    // after that.
    cluster.await_voters(3).await;
    let restart = cluster.masters[0].call(&["node", "restart", &name(last), "--yes"]);
    assert!(restart.status.success(), "{}", String::from_utf8_lossy(&restart.stderr));
    cluster.await_voters(3).await;
    assert_ne!(cluster.leader().await, last);
    write_through_all(&cluster, "new-leads").await;
    assert_eq!(versions(&cluster).await, mixed);
    assert_eq!(level(&cluster).await, 1);

    let (code, _, said) = upgrade(&cluster, &new, &[&name(last), "--yes"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(versions(&cluster).await, ["0.9.5"; 3]);
    assert_eq!(level(&cluster).await, 2);
    write_through_all(&cluster, "all-new").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_fit_is_refused_before_anything_stops_and_what_fails_is_rolled_back() {
    let binaries = Binaries::new();
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let before = versions(&cluster).await;
    let pids: Vec<Option<u32>> = cluster.masters.iter().map(NodeHandle::pid).collect();

    // Too old, and no binary at all.
    let old = binaries.make("old", "version=0.0.1 level=0");
    let (code, _, said) = upgrade(&cluster, &old, &["--masters", "--yes"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("Q2142") && said.contains("feature level 1"), "{said}");
    let text = binaries.folder.path().join("text");
    fs::write(&text, "not a binary").unwrap();
    let (code, _, said) = upgrade(&cluster, &text, &["--masters", "--yes"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("Q2142") && said.contains("no program"), "{said}");
    assert!(cluster.read("/admin/api/operations").await[0].is_null());

    // Never ready: the first follower goes back, the others are not touched.
    let lazy = binaries.make("lazy", "version=0.9.2 level=1 behaviour=never-ready");
    let more = ["--masters", "--yes", "--ready-within", "4s"];
    let (code, _, said) = upgrade(&cluster, &lazy, &more);
    assert_ne!(code, Some(0), "{said}");
    assert!(said.contains("Q2141") && said.contains("not ready within 4 s"), "{said}");
    cluster.await_voters(3).await;
    assert_eq!(versions(&cluster).await, before);
    let ordered = |node: &&NodeHandle| node.log().contains("upgrading, as ordered");
    assert_eq!(cluster.masters.iter().filter(ordered).count(), 1, "the others are not touched");
    let after: Vec<Option<u32>> = cluster.masters.iter().map(NodeHandle::pid).collect();
    assert_eq!(pids, after, "it went back in place");
    let id = newest(&cluster).await;
    let stuck = cluster.await_operation(&id, OPERATION).await;
    assert_eq!((&stuck["status"], &stuck["refusal"]["code"]), (&json!("stuck"), &json!("Q2141")));
    abort(&cluster, &id).await;

    // A crash at the start: whoever starts the node again gets the binary of before.
    let crashing = binaries.make("crashing", "version=0.9.3 level=1 behaviour=crash");
    let (code, _, said) = upgrade(&cluster, &crashing, &["--masters", "--yes", "--detach"]);
    assert_eq!(code, Some(5), "{said}");
    eventually("a crash", Duration::from_secs(120), || {
        let ended = cluster.masters.iter_mut().any(NodeHandle::has_ended);
        async move { ended }
    })
    .await;
    let crashed = cluster.masters.iter_mut().position(NodeHandle::has_ended).unwrap();
    cluster.masters[crashed].await_end();
    cluster.masters[crashed].start();
    let id = newest(&cluster).await;
    let stuck = cluster.await_operation(&id, OPERATION).await;
    assert_eq!((&stuck["status"], &stuck["refusal"]["code"]), (&json!("stuck"), &json!("Q2141")));
    assert!(stuck["refusal"]["cause"].as_str().unwrap().contains("ended before"), "{stuck:#}");
    cluster.await_voters(3).await;
    assert_eq!(versions(&cluster).await, before);
    abort(&cluster, &id).await;
    assert_eq!(level(&cluster).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_goes_on_when_the_leader_is_killed_in_the_middle_and_nothing_is_done_twice() {
    let binaries = Binaries::new();
    let new = binaries.make("new", "version=0.9.4 level=1");
    let marks = tempfile::tempdir().unwrap();
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let (_, plan, said) = upgrade(&cluster, &new, &["--masters", "--plan", "--output", "json"]);
    let plan: Value = serde_json::from_str(&plan).unwrap_or_else(|error| panic!("{error}: {said}"));
    let titles: Vec<&str> =
        plan["steps"].as_array().unwrap().iter().filter_map(|it| it["title"].as_str()).collect();
    // In the middle of staging, and around the first upgrade and the wait for it.
    let first = titles.iter().position(|title| title.starts_with("Upgrade ")).unwrap();
    let places = [("begun", 1), ("acted", 3), ("acted", first), ("begun", first + 1)];
    let failpoints: Vec<String> = places
        .iter()
        .map(|(boundary, step)| {
            let mark = marks.path().join(format!("{boundary}-{step}"));
            format!("{boundary}:{step}:{}", mark.display())
        })
        .collect();
    // The one that is asked last, so that it does not lead: should the leader die before it has
    // answered, this one finds the next.
    for index in [1, 2, 0] {
        cluster.masters[index].set_env("QUORATE_FAILPOINT", &failpoints.join(","));
        cluster.masters[index].stop();
        cluster.masters[index].start();
        cluster.await_voters(3).await;
    }
    // The binary is on one master's disk only, and no other is asked to plan.
    let (code, _, said) = upgrade(&cluster, &new, &["--masters", "--yes", "--detach"]);
    assert_eq!(code, Some(5), "{said}");
    let (mut kills, deadline) = (0, std::time::Instant::now() + OPERATION);
    let id = loop {
        kills += cluster.start_what_ended();
        if let Some(all) = cluster.get_somewhere("/admin/api/operations").await
            && let Some(newest) = all.as_array().and_then(|all| all.first())
            && newest["title"].as_str().is_some_and(|it| it.starts_with("node upgrade"))
        {
            break newest["id"].as_str().unwrap().to_owned();
        }
        assert!(std::time::Instant::now() < deadline, "after {kills} kills");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let path = format!("/admin/api/operations/{id}");
    loop {
        kills += cluster.start_what_ended();
        let operation = cluster.get_somewhere(&path).await;
        let status = operation.as_ref().and_then(|it| it["status"].as_str());
        match status {
            Some("succeeded") => break,
            Some("stuck" | "aborted") => panic!("{:#}", operation.unwrap()),
            _ => {}
        }
        assert!(std::time::Instant::now() < deadline, "after {kills} kills: {operation:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(kills, places.len(), "each place once");
    cluster.await_voters(3).await;
    assert_eq!(versions(&cluster).await, ["0.9.4"; 3]);
    for master in &cluster.masters {
        assert_eq!(master.log().matches("the upgrade is confirmed").count(), 1, "{}", master.name);
        assert_eq!(master.log().matches("upgrading, as ordered").count(), 1, "{}", master.name);
    }
}

async fn abort(cluster: &ProcessCluster, id: &str) {
    let path = format!("/admin/api/operations/{id}/abort");
    let answer = cluster.call_somewhere(Method::POST, &path, None, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let operation: Value = cluster.await_operation(id, OPERATION).await;
    assert_eq!(operation["status"], "aborted", "{operation:#}");
}

/// A node that runs as a daemon of its own; it ends with the test.
struct Daemon<'a>(&'a NodeHandle);

impl Daemon<'_> {
    fn pid(&self) -> Option<i32> {
        let runs = fs::read_dir(self.0.root.join("run")).ok()?;
        let mut files = runs.flatten().map(|entry| entry.path());
        let file = files.find(|path| path.extension().is_some_and(|it| it == "pid"))?;
        fs::read_to_string(file).ok()?.lines().next()?.parse().ok()
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _stopped = self.0.call(&["stop"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_whose_new_binary_crashes_or_hangs_goes_on_with_the_binary_of_before() {
    let binaries = Binaries::new();
    let mut cluster = ClusterBuilder::new(QUORATE).masters(1).start().await;
    let before = versions(&cluster).await;
    assert!(cluster.masters[0].stop().success());
    let _started = cluster.masters[0].must(&["start", "--timeout", "60s"]);
    let daemon = Daemon(&cluster.masters[0]);
    let first = daemon.pid().unwrap();

    let crashing = binaries.make("crashing", "version=0.9.3 level=1 behaviour=crash");
    let more = ["--masters", "--yes", "--detach", "--accept-interruption"];
    let (code, _, said) = upgrade(&cluster, &crashing, &more);
    assert_eq!(code, Some(5), "{said}");
    let id = newest(&cluster).await;
    let stuck = cluster.await_operation(&id, OPERATION).await;
    assert_eq!((&stuck["status"], &stuck["refusal"]["code"]), (&json!("stuck"), &json!("Q2141")));
    assert!(stuck["refusal"]["cause"].as_str().unwrap().contains("ended before"), "{stuck:#}");
    let second = daemon.pid().unwrap();
    assert_ne!(first, second, "it did not crash");
    assert_eq!(versions(&cluster).await, before);
    abort(&cluster, &id).await;

    // It does not even notice that its time is over.
    let hanging = binaries.make("hanging", "version=0.9.5 level=1 behaviour=hang");
    let more = ["--masters", "--yes", "--detach", "--accept-interruption", "--ready-within", "3s"];
    let (code, _, said) = upgrade(&cluster, &hanging, &more);
    assert_eq!(code, Some(5), "{said}");
    let id = newest(&cluster).await;
    let stuck = cluster.await_operation(&id, OPERATION).await;
    assert_eq!((&stuck["status"], &stuck["refusal"]["code"]), (&json!("stuck"), &json!("Q2141")));
    let hung = second;
    let second = daemon.pid().unwrap();
    assert_ne!(hung, second, "it did not hang");
    assert_eq!(versions(&cluster).await, before);
    abort(&cluster, &id).await;

    // One that is well leaves no guard behind, and what is stopped stays so.
    let good = binaries.make("good", "version=0.9.4 level=1");
    let more = ["--masters", "--yes", "--accept-interruption"];
    let (code, _, said) = upgrade(&cluster, &good, &more);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(daemon.pid(), Some(second));
    let root = cluster.masters[0].root.to_str().unwrap().to_owned();
    let processes = || {
        let lines = fs::read_dir("/proc").unwrap().flatten();
        let lines = lines.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
        let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
        lines.filter(|line| line.contains("--background") && line.contains(&root)).count()
    };
    eventually("no guard", OPERATION, || async { processes() == 1 }).await;
    let _stopped = cluster.masters[0].must(&["stop"]);
    assert_eq!(processes(), 0);
}
