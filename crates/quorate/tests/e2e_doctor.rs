//! `status` and `doctor` on real processes: what a cron line and a person at night rely on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Stdio},
    sync::mpsc,
    time::Duration,
};

use quorate_testkit::{ClusterBuilder, NodeHandle, ProcessCluster, eventually, eventually_some};
use serde_json::Value;

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");
const SOON: Duration = Duration::from_secs(60);
const MIB: usize = 1024 * 1024;

/// What `quorate doctor` on a node says: exit code and report.
fn doctor(node: &NodeHandle, args: &[&str]) -> (Option<i32>, Value) {
    let output = node.call(&[&["doctor", "--output", "json"], args].concat());
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&output.stderr).into_owned()));
    (output.status.code(), report)
}

fn status_code(node: &NodeHandle) -> Option<i32> {
    node.call(&["status"]).status.code()
}

/// The findings of one check, as `severity: seen`.
fn of(report: &Value, id: &str) -> Vec<String> {
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    findings
        .iter()
        .filter(|finding| finding["id"] == id)
        .map(|it| format!("{}: {}", it["severity"].as_str().unwrap(), it["seen"].as_str().unwrap()))
        .collect()
}

/// Waits until the doctor on a node ends with this code and its report is as wanted.
async fn until(node: &NodeHandle, what: &str, code: i32, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually_some(what, SOON, || async {
        let (ended, report) = doctor(node, &[]);
        (ended == Some(code) && wanted(&report)).then_some(report)
    })
    .await
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn has(found: &[String], words: &[&str]) -> bool {
    found.iter().any(|it| words.iter().all(|word| it.contains(word)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_is_content_with_a_healthy_cluster_and_names_each_death() {
    let mut cluster = ClusterBuilder::new(QUORATE).node_managers(1).start().await;
    let well = |report: &Value| {
        ["masters-answer", "masters-agree", "state-equal", "ports", "clocks", "node-managers"]
            .iter()
            .all(|id| has(&of(report, id), &["ok: "]))
    };
    for master in &cluster.masters {
        until(master, "a healthy report", 0, well).await;
        // A busy machine may hold another election in between.
        let what = format!("status of {} is well", master.name);
        eventually(&what, SOON, || async { status_code(master) == Some(0) }).await;
    }
    mends_permissions(&cluster).await;
    let mut watched = Watched::start(&cluster.masters[0]);
    watched.line("healthy:").await;
    let mut states = WatchedStates::start(&cluster.masters[0]);
    states.state("healthy", |status| status["healthy"] == true && status["voters"] == 3).await;

    cluster.masters[2].kill();
    // Asked, it is silent at once; it counts as dead after five seconds of silence.
    until(&cluster.masters[0], "one dead master", 1, |report| {
        has(&of(report, "masters-answer"), &["problem: ", "m3 does not answer"])
            && has(&of(report, "quorum"), &["warning: ", "none may fail"])
    })
    .await;
    eventually("status says so", SOON, || async { status_code(&cluster.masters[1]) == Some(1) })
        .await;
    watched.line("not healthy:").await;
    states
        .state("one dead master", |status| {
            status["healthy"] == false
                && status["failureTolerance"] == 0
                && status["problems"].to_string().contains("master m3 is not ready")
        })
        .await;

    cluster.masters[1].kill();
    let report = until(&cluster.masters[0], "a lost quorum", 4, |report| {
        has(&of(report, "quorum"), &["problem: ", "no quorum"])
            && ["m2", "m3"].iter().all(|dead| has(&of(report, "masters-answer"), &[*dead]))
    })
    .await;
    assert_eq!(report["quorate"], false, "{report:#}");
    eventually("status says so", SOON, || async { status_code(&cluster.masters[0]) == Some(4) })
        .await;
    watched.line("no quorum").await;
    let alone = &cluster.masters[0];
    eventually("the missing are named, and nobody is said to lead", SOON, || async {
        let output = alone.call(&["status", "--output", "json"]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let masters = status["masters"].as_array().cloned().unwrap_or_default();
        let problems = status["problems"].to_string();
        status["leader"].is_null()
            && masters.len() == 3
            && masters.iter().all(|it| it["isLeader"] == false && it["ready"] == false)
            && ["m2 at", "m3 at"].iter().all(|missing| problems.contains(missing))
            && status["toDo"].to_string().contains("quorate recover collect")
    })
    .await;

    // A master that is started anew has never been ready, and must say it all the same.
    cluster.masters[0].kill();
    assert_eq!(doctor(&cluster.masters[0], &[]).0, Some(4), "nothing runs here");
    assert_eq!(status_code(&cluster.masters[0]), Some(4), "nothing runs here");
    cluster.masters[0].start();
    until(&cluster.masters[0], "the dead are named by one that was never ready", 4, |report| {
        ["m2", "m3"].iter().all(|dead| has(&of(report, "masters-answer"), &[*dead]))
    })
    .await;
    assert_eq!(status_code(&cluster.masters[0]), Some(4), "never ready");
    let told =
        || String::from_utf8_lossy(&cluster.masters[0].call(&["status"]).stdout).into_owned();
    let way_out = format!("--root {} recover collect", cluster.masters[0].root.display());
    eventually("the host names the missing and the way out", SOON, || async {
        let told = told();
        told.contains("not reached from this master") && told.contains(&way_out)
    })
    .await;

    // All are back: a cron line hears of it.
    cluster.masters[1].start();
    cluster.masters[2].start();
    until(&cluster.masters[2], "all is well again", 0, well).await;
}

async fn mends_permissions(cluster: &ProcessCluster) {
    let master = &cluster.masters[1];
    let folder = master.root.join("lib");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    // Any master finds it, and only its own host can mend it.
    let elsewhere = &cluster.masters[0];
    until(elsewhere, "an open folder", 1, |report| {
        has(&of(report, "permissions"), &["problem: ", "m2: everybody", "0755"])
    })
    .await;
    doctor(elsewhere, &["--fix"]);
    assert_eq!(mode(&folder), 0o755, "that was another host");
    let planned = master.call(&["doctor", "--fix", "--plan"]);
    assert!(String::from_utf8_lossy(&planned.stderr).contains("would do: chmod 0700"));
    assert_eq!(mode(&folder), 0o755, "a plan changes nothing");
    let mended = master.call(&["doctor", "--fix"]);
    assert!(String::from_utf8_lossy(&mended.stderr).contains("done: chmod 0700"), "{mended:?}");
    assert_eq!(mode(&folder), 0o700);
    until(elsewhere, "a closed folder", 0, |report| has(&of(report, "permissions"), &["ok: "]))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_differ_are_found_on_masters_and_node_managers() {
    let mut cluster = ClusterBuilder::new(QUORATE).node_managers(1).start().await;
    let skew = |node: &mut NodeHandle, seconds: &str| {
        node.stop();
        node.set_env("QUORATE_CLOCK_OFFSET", seconds);
        node.start();
    };
    skew(&mut cluster.masters[1], "2");
    cluster.await_voters(3).await;
    let master = &cluster.masters[0];
    until(master, "a clock two seconds off", 0, |report| {
        has(&of(report, "clocks"), &["warning: ", "clock of m2", "s ahead of"])
            || has(&of(report, "clocks"), &["warning: ", "s behind that of m2"])
    })
    .await;
    assert_eq!(doctor(master, &["--strict"]).0, Some(1), "a warning counts when it shall");

    skew(&mut cluster.managers[0], "-3600");
    cluster.await_managers().await;
    until(&cluster.masters[0], "a clock an hour off", 1, |report| {
        has(&of(report, "clocks"), &["problem: ", "clock of nm1 is 3", "s behind"])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_cut_one_way_a_filling_disk_a_shared_zone_and_an_even_number_are_found() {
    // Nothing is written to most of such a disk, so it takes no memory.
    let builder = ClusterBuilder::new(QUORATE).calm().on_own_hosts().master_disk(1100);
    let mut cluster = builder.start().await;
    for index in 0..3 {
        let config = cluster.masters[index].root.join("etc/quorate.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, text.replacen("[node]", "[node]\nzone = \"east\"", 1)).unwrap();
        cluster.masters[index].stop();
        cluster.masters[index].start();
        cluster.await_voters(3).await;
    }
    let leader = cluster.leader().await;
    let (one, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let master = &cluster.masters[leader];
    let name = |index: usize| cluster.masters[index].name.clone();
    let report = until(master, "sound links and disks", 0, |report| {
        has(&of(report, "ports"), &["ok: "]) && has(&of(report, "disk-space"), &["ok: "])
    })
    .await;
    let zones = of(&report, "zones");
    assert!(has(&zones, &["warning: ", "all 3 voters stand in the zone east"]), "{zones:?}");
    assert_eq!(of(&report, "voters-odd"), ["ok: 3 voters"]);

    // What one sends to the other is lost, so neither reaches the other, and each says so.
    let hosts = cluster.hosts.as_ref().unwrap();
    hosts.cut(one, other);
    until(master, "the link is named from both its ends", 1, |report| {
        let ports = of(report, "ports");
        [(one, other), (other, one)].into_iter().all(|(from, to)| {
            let words = format!("{} cannot reach the internal port of {}", name(from), name(to));
            has(&ports, &["problem: ", &words])
        })
    })
    .await;
    hosts.heal(one, other);
    until(master, "the link is whole", 0, |report| has(&of(report, "ports"), &["ok: "])).await;

    let filler = cluster.masters[one].root.join("filler");
    std::fs::write(&filler, vec![1; 100 * MIB]).unwrap();
    let words = format!("{}: ", name(one));
    until(master, "a disk that fills", 0, |report| {
        has(&of(report, "disk-space"), &["warning: ", &words, "of 1100 MiB", "data folder"])
    })
    .await;
    std::fs::remove_file(&filler).unwrap();
    until(master, "space again", 0, |report| has(&of(report, "disk-space"), &["ok: "])).await;

    let even = ["--allow-even", "a host is on loan"];
    let _ = master.must(&[&["node", "demote", &name(other)][..], &even].concat());
    until(master, "two voters", 0, |report| {
        let words = ["warning: ", "2 voters survive no more deaths than 1", "a host is on loan"];
        has(&of(report, "voters-odd"), &words)
    })
    .await;
    let _ = master.must(&["node", "promote", &name(other)]);
    until(master, "three voters", 0, |report| of(report, "voters-odd") == ["ok: 3 voters"]).await;
}

/// `quorate status --watch` without a terminal.
fn watch(node: &NodeHandle, more: &[&str]) -> Child {
    let mut command = node.command(&[&["status", "--watch"], more].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// What it prints for people: a line for each change.
struct Watched {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Watched {
    fn start(node: &NodeHandle) -> Self {
        let mut child = watch(node, &[]);
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Waits for a line that says this; each change is one line.
    async fn line(&mut self, words: &str) {
        let lines = &self.lines;
        eventually(&format!("a line with `{words}`"), SOON, || async {
            lines.try_iter().any(|line| {
                assert!(line.starts_with("20"), "each line has its time: {line}");
                line.contains(words)
            })
        })
        .await;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What it prints for programs: the whole state at each change.
struct WatchedStates {
    child: Child,
    states: mpsc::Receiver<Value>,
}

impl WatchedStates {
    fn start(node: &NodeHandle) -> Self {
        let mut child = watch(node, &["--output", "json"]);
        let (sender, states) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            let states = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>();
            for state in states.map_while(Result::ok) {
                if sender.send(state).is_err() {
                    return;
                }
            }
        });
        Self { child, states }
    }

    /// Waits for a state that is as wanted.
    async fn state(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) {
        let states = &self.states;
        eventually(&format!("a state: {what}"), SOON, || async {
            states.try_iter().any(|state| wanted(&state))
        })
        .await;
    }
}

impl Drop for WatchedStates {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
