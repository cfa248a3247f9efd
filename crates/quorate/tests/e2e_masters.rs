//! Masters as real processes: forming, replicating, failing over, refusing what is wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use quorate_testkit::{ClusterBuilder, Rest, eventually, eventually_some, files_below, free_port};
use reqwest::Method;
use serde_json::{Value, json};

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");

fn quorate(root: &Path, key: Option<&str>, args: &[&str]) -> Output {
    let mut command = Command::new(QUORATE);
    command.args(args).env("QUORATE_ROOT", root).env("NO_COLOR", "1");
    command.env_remove("QUORATE_ROOT_KEY").env_remove("QUORATE_SERVER");
    if let Some(key) = key {
        command.env("QUORATE_ROOT_KEY", key);
    }
    command.output().unwrap()
}

fn keygen() -> String {
    let output = quorate(Path::new("/nonexistent"), None, &["keygen"]);
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_written_and_read_through_any_master() {
    let cluster = ClusterBuilder::new(QUORATE).start().await;
    for (index, writer) in cluster.masters.iter().enumerate() {
        let key = format!("dir/key-{index}");
        let answer =
            cluster.rest.put_setting(&writer.url(), &key, &json!({ "n": index })).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        let revision = answer.body["revision"].as_u64().unwrap();
        // Linearizable: every master answers with what was written, at once.
        for reader in &cluster.masters {
            let path = format!("/admin/api/settings/{key}");
            let answer = cluster.rest.get(&reader.url(), &path).await.unwrap();
            assert_eq!(
                answer.body,
                json!({ "key": key, "value": { "n": index }, "revision": revision })
            );
        }
    }
    conditional_writes(&cluster.rest, &cluster.masters[1].url()).await;
    idempotent_writes(&cluster.rest, &cluster.masters[2].url()).await;
    wrong_requests_are_refused_in_words(&cluster.rest, &cluster.masters[0].url()).await;
    metrics_pass_promtool(&cluster.masters[0].url()).await;
}

async fn conditional_writes(rest: &Rest, url: &str) {
    let path = "/admin/api/settings/guarded";
    let put = |value: u64, expected: &str| {
        let headers = [("if-match", expected.to_owned())];
        async move {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            rest.call(url, Method::PUT, path, Some(json!({ "value": value })), &headers)
                .await
                .unwrap()
        }
    };
    let created = put(1, "0").await;
    assert_eq!(created.status, 200, "{}", created.body);
    let refused = put(2, "0").await;
    assert_eq!((refused.status, &refused.body["code"]), (412, &json!("Q4012")));
    let revision = created.body["revision"].to_string();
    assert_eq!(put(3, &revision).await.status, 200);
}

async fn idempotent_writes(rest: &Rest, url: &str) {
    let path = "/admin/api/settings/once";
    let put = |value: &'static str| async move {
        let key = [("idempotency-key", "the-same")];
        rest.call(url, Method::PUT, path, Some(json!({ "value": value })), &key).await.unwrap()
    };
    let first = put("a").await;
    let again = put("a").await;
    assert_eq!(first.body, again.body, "the same request is applied once");
    let other = put("b").await;
    assert_eq!(other.body["code"], "Q4001", "{}", other.body);
}

async fn wrong_requests_are_refused_in_words(rest: &Rest, url: &str) {
    let table: [(Method, &str, Option<Value>, u16, &str); 6] = [
        (Method::GET, "/admin/api/settings/absent", None, 404, "Q4004"),
        (Method::PUT, "/admin/api/settings/k", Some(json!({ "valeu": 1 })), 400, "Q4001"),
        (
            Method::PUT,
            "/admin/api/settings/k",
            Some(json!({ "value": "x".repeat(70_000) })),
            413,
            "Q4013",
        ),
        (Method::GET, "/admin/api/settings/k?consistency=maybe", None, 400, "Q4001"),
        (Method::POST, "/admin/api/components/absent/restart", None, 404, "Q4004"),
        (Method::GET, "/admin/api/no-such-route", None, 404, "Q4004"),
    ];
    for (method, path, body, status, code) in table {
        let answer = rest.call(url, method, path, body, &[]).await.unwrap();
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{path}");
        assert!(!answer.body["message"].as_str().unwrap().is_empty(), "{path}");
        assert!(!answer.body["requestId"].as_str().unwrap().is_empty(), "{path}");
    }
}

async fn metrics_pass_promtool(url: &str) {
    let text = reqwest::get(format!("{url}/metrics")).await.unwrap().text().await.unwrap();
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("promtool is installed by `cargo xtask test` (Debian: prometheus)");
    std::io::Write::write_all(&mut promtool.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{text}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_leaders_are_killed_and_disks_hold_no_clear_text() {
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let mut written = BTreeMap::new();
    for round in 0..4_u64 {
        for step in 0..20_u64 {
            let (key, value) = (format!("plain-key-{step}"), round * 100 + step);
            let answer = cluster
                .call_somewhere(
                    Method::PUT,
                    &format!("/admin/api/settings/{key}"),
                    Some(json!({ "value": format!("plain-value-{value}") })),
                    &[("idempotency-key", &format!("r{round}-{step}"))],
                )
                .await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            written.insert(key, format!("plain-value-{value}"));
        }
        let leader = cluster.leader().await;
        cluster.masters[leader].kill();
        // The rest goes on without it.
        cluster.leader().await;
        cluster.masters[leader].start();
        cluster.await_voters(3).await;
    }
    for (key, value) in &written {
        let path = format!("/admin/api/settings/{key}");
        let answer = cluster.call_somewhere(Method::GET, &path, None, &[]).await;
        assert_eq!(answer.body["value"], json!(value), "{key}");
    }
    // All at once, as after a power cut.
    for master in &mut cluster.masters {
        master.kill();
    }
    for master in &mut cluster.masters {
        master.start();
    }
    cluster.await_voters(3).await;
    for (key, value) in &written {
        let path = format!("/admin/api/settings/{key}");
        let answer = cluster.call_somewhere(Method::GET, &path, None, &[]).await;
        assert_eq!(answer.body["value"], json!(value), "{key} after a restart of all");
    }
    for master in &mut cluster.masters {
        master.kill();
        for (path, bytes) in files_below(&master.root.join("lib")) {
            for secret in ["plain-value", "plain-key", "admin", cluster.root_key.as_str()] {
                assert!(!holds(&bytes, secret), "{} holds `{secret}`", path.display());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_of_anything_in_the_state_is_readable_on_a_masters_disk() {
    let mut cluster = ClusterBuilder::new(QUORATE).masters(1).node_managers(1).start().await;
    cluster.join_master("plain-node-name").await;
    eventually("the node to be known", Duration::from_secs(20), || async {
        let masters = cluster.get_somewhere("/admin/api/nodes/masters").await;
        masters.is_some_and(|masters| masters.to_string().contains("plain-node-name"))
    })
    .await;
    cluster
        .create_component(json!({
            "name": "plain-component",
            "pack": "process",
            "settings": { "command": ["/bin/sleep", "1000"] },
            "instances": [{ "node": "nm1" }],
        }))
        .await;
    let url = cluster.masters[0].url();
    let put = cluster.rest.put_setting(&url, "plain-key", &json!("plain-value")).await.unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
    let names = ["plain-node-name", "plain-component", "plain-key", "plain-value", "user:admin"];
    let master = &mut cluster.masters[0];
    master.kill();
    let files = files_below(&master.root.join("lib"));
    assert!(files.keys().any(|path| path.ends_with("log.redb")), "{:?}", files.keys());
    for (path, bytes) in files {
        for name in names {
            assert!(!holds(&bytes, name), "{} holds `{name}`", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_master_that_missed_more_than_the_log_keeps_catches_up_by_a_snapshot() {
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    // The log keeps 2000 entries behind a snapshot.
    for index in 0..3 {
        cluster.masters[index].kill();
        let path = cluster.masters[index].root.join("etc/quorate.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        let config = config.replace("[master]\n", "[master]\nsnapshot_after_entries = 300\n");
        assert!(config.contains("snapshot_after_entries"), "{config}");
        std::fs::write(&path, config).unwrap();
        cluster.masters[index].start();
        cluster.await_voters(3).await;
    }
    let leader = cluster.leader().await;
    let away = (leader + 1) % 3;
    write_many(&cluster.rest, &cluster.masters[leader].url(), 0..100).await;
    cluster.masters[away].kill();
    write_many(&cluster.rest, &cluster.masters[leader].url(), 100..3500).await;
    cluster.masters[away].start();
    cluster.await_voters(3).await;
    let url = cluster.masters[away].url();
    for number in [0, 99, 100, 3499] {
        assert_eq!(stale(&cluster.rest, &url, number).await, json!(number));
    }
    // It starts again from what it was sent.
    cluster.masters[away].kill();
    cluster.masters[away].start();
    cluster.await_voters(3).await;
    assert_eq!(stale(&cluster.rest, &url, 3499).await, json!(3499));
}

/// What a master holds itself of the setting `many/NUMBER`, once it answers.
async fn stale(rest: &Rest, url: &str, number: u64) -> Value {
    let path = format!("/admin/api/settings/many/{number}?consistency=stale");
    eventually_some("an answer of the master itself", Duration::from_secs(20), || async {
        let answer = rest.get(url, &path).await.ok()?;
        (answer.status == 200).then(|| answer.body["value"].clone())
    })
    .await
}

/// Writes the settings `many/NUMBER`, many at a time, until each is acknowledged.
async fn write_many(rest: &Rest, url: &str, numbers: std::ops::Range<u64>) {
    let mut writers = tokio::task::JoinSet::new();
    for lane in 0..32 {
        let (rest, url, numbers) = (rest.clone(), url.to_owned(), numbers.clone());
        writers.spawn(async move {
            for number in numbers.filter(|number| number % 32 == lane) {
                let key = format!("many/{number}");
                eventually("a write", Duration::from_secs(30), || async {
                    let put = rest.put_setting(&url, &key, &json!(number)).await;
                    put.is_ok_and(|answer| answer.status == 200)
                })
                .await;
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_ends_the_process_with_the_way_to_rebuild_the_node() {
    let mut cluster = ClusterBuilder::new(QUORATE).masters(1).start().await;
    let url = cluster.masters[0].url();
    for number in 0..20 {
        let value = json!("v".repeat(10_000));
        cluster.rest.put_setting(&url, &format!("k{number}"), &value).await.unwrap();
    }
    let master = &mut cluster.masters[0];
    assert!(master.stop().success(), "{}", master.log());
    let files = files_below(&master.root.join("lib"));
    let (path, mut bytes) = files.into_iter().find(|(path, _)| path.ends_with("log.redb")).unwrap();
    // As a failing disk does: here and there a bit, but not where the file begins.
    for place in (4096 + 2000..bytes.len()).step_by(4096) {
        bytes[place] ^= 1;
    }
    std::fs::write(&path, bytes).unwrap();
    master.start();
    let ended = tokio::time::timeout(Duration::from_secs(20), async {
        while !master.has_ended() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(ended.await.is_ok(), "it goes on with a damaged log: {}", master.log());
    assert!(!master.await_end().success());
    let log = master.log();
    assert!(log.contains("Q5003") && log.contains("move the data folder of n1 aside"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_leader_hands_over_first() {
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let leader = cluster.leader().await;
    let status = cluster.masters[leader].stop();
    assert!(status.success(), "{}", cluster.masters[leader].log());
    // On a busy machine another may have come to lead just before: then there is nothing to hand
    // over, and its log tells of no attempt.
    let log = cluster.masters[leader].log();
    let attempted = log.contains("leadership not handed over");
    assert!(log.contains("leadership handed over") || !attempted, "{log}");
    cluster.leader().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_leader_hands_over_to_one_that_lives_though_another_died_a_moment_ago() {
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let leader = cluster.leader().await;
    // Of followers that are equal, the one with the lower id is the first heir.
    let first = (0..3).find(|index| *index != leader).unwrap();
    cluster.masters[first].kill();
    let died = Instant::now();
    // It is silent for longer than heartbeats take, and not for so long that it counts as away.
    eventually("some silence", Duration::from_secs(5), || async {
        died.elapsed() > Duration::from_millis(400)
    })
    .await;
    let status = cluster.masters[leader].stop();
    let log = cluster.masters[leader].log();
    assert!(status.success(), "{log}");
    // On a busy machine the other may have come to lead just before: then there is nothing to hand
    // over, and the log tells of no attempt.
    let attempted = log.contains("leadership not handed over");
    assert!(log.contains("leadership handed over") || !attempted, "{log}");
    cluster.masters[first].start();
    cluster.leader().await;
}

#[test]
fn a_root_key_that_is_absent_malformed_or_wrong_is_refused_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (admin, internal) = (address(), address());
    let init = ["init", "--name", "m1", "--admin-addr", &admin, "--internal-addr", &internal];
    let absent = quorate(root, None, &init);
    assert!(stderr(&absent).contains("Q1001"), "{}", stderr(&absent));
    assert!(files_below(root).is_empty(), "a refused init leaves nothing behind");
    let key = keygen();
    let made = quorate(root, Some(&key), &init);
    assert!(made.status.success(), "{}", stderr(&made));
    let again = quorate(root, Some(&key), &init);
    assert!(stderr(&again).contains("Q1011"), "{}", stderr(&again));

    let before = files_below(root);
    let mut typo = key.clone();
    typo.pop();
    typo.push(if key.ends_with('A') { 'B' } else { 'A' });
    for (key, code) in [
        (None, "Q1001"),
        (Some("hunter2"), "Q1002"),
        (Some(&*typo), "Q1002"),
        (Some(&*keygen()), "Q1003"),
    ] {
        // The quickest of three: what else the machine does at the moment is not Quorate's time.
        let took = (0..3).map(|_| {
            let begun = Instant::now();
            let output = quorate(root, key, &["run"]);
            assert!(!output.status.success());
            assert!(stderr(&output).contains(code), "{code}: {}", stderr(&output));
            begun.elapsed()
        });
        let took = took.min().unwrap();
        assert!(took < Duration::from_secs(1), "{code} took {took:?}");
        assert!(before == files_below(root), "{code}: something on disk changed");
    }
}

fn address() -> String {
    format!("127.0.0.1:{}", free_port())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_at_start_is_said_with_its_code() {
    let cluster = ClusterBuilder::new(QUORATE).masters(1).start().await;
    let first = &cluster.masters[0];
    let key = Some(cluster.root_key.as_str());

    let second = quorate(&first.root, key, &["run"]);
    assert!(stderr(&second).contains("Q1012"), "two on one folder: {}", stderr(&second));

    let elsewhere = tempfile::tempdir().unwrap();
    let empty = quorate(elsewhere.path(), key, &["run"]);
    assert!(stderr(&empty).contains("Q1010"), "no node: {}", stderr(&empty));

    let token = cluster.token("master").await;
    let stranger = keygen();
    let join = |key: &str, token: &str| {
        let args = [
            "join",
            token,
            "--name",
            "m2",
            "--admin-addr",
            &address(),
            "--internal-addr",
            &address(),
        ]
        .map(str::to_owned);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        quorate(elsewhere.path(), Some(key), &args)
    };
    let foreign = join(&stranger, &token);
    assert!(stderr(&foreign).contains("Q1004"), "another root key: {}", stderr(&foreign));
    assert!(files_below(elsewhere.path()).is_empty(), "a refused join leaves nothing behind");
    // The refused attempt did not spend the token.
    let joined = join(&cluster.root_key, &token);
    assert!(joined.status.success(), "{}", stderr(&joined));
    let used = tempfile::tempdir().unwrap();
    let spent = quorate(
        used.path(),
        key,
        &[
            "join",
            &token,
            "--name",
            "m3",
            "--admin-addr",
            &address(),
            "--internal-addr",
            &address(),
        ],
    );
    assert!(stderr(&spent).contains("Q1020"), "a spent token: {}", stderr(&spent));

    for (option, port) in
        [("--admin-addr", first.admin_port), ("--internal-addr", first.internal_port)]
    {
        let busy = quorate(elsewhere.path(), key, &["run", option, &format!("127.0.0.1:{port}")]);
        assert!(!busy.status.success());
        let words = stderr(&busy);
        assert!(words.contains("Q1013") && words.contains(&port.to_string()), "{option}: {words}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_it_is_ready_a_master_answers_503_with_what_is_missing() {
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    for master in &mut cluster.masters {
        master.kill();
    }
    // One of three cannot be ready.
    cluster.masters[0].start();
    let url = cluster.masters[0].url();
    let answer = eventually_some("a 503", Duration::from_secs(10), || async {
        cluster.rest.get(&url, "/admin/api/nodes/masters").await.ok()
    })
    .await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(answer.body["code"], "Q4503");
    assert!(answer.body["cause"].as_str().unwrap().contains("leader"), "{}", answer.body);
    let ready = cluster.rest.get(&url, "/readyz").await.unwrap();
    assert_eq!((ready.status, &ready.body["ready"]), (503, &json!(false)));
    assert_eq!(cluster.rest.get(&url, "/healthz").await.unwrap().status, 200);
    cluster.masters[1].start();
    eventually("ready with two of three", Duration::from_secs(20), || async {
        cluster.rest.get(&url, "/readyz").await.is_ok_and(|answer| answer.status == 200)
    })
    .await;
    assert!(cluster.masters[0].log().contains("Cluster ready"));

    // Without a leader a change is not judged by the master at hand, which sees no node manager.
    cluster.masters[1].kill();
    eventually("no leader", Duration::from_secs(20), || async {
        let path = "/admin/api/components/absent/restart";
        let answer = cluster.rest.call(&url, Method::POST, path, Some(json!({})), &[]).await;
        answer.is_ok_and(|answer| answer.status == 503 && answer.body["code"] == "Q4504")
    })
    .await;
    let status = cluster.rest.get(&url, "/admin/api/status").await.unwrap();
    assert_eq!(status.status, 200, "what it knows it still tells: {}", status.body);
}

/// What `docs/nodes.md` says of a dead host that cannot be removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vote_of_a_dead_master_goes_to_one_that_waits_and_it_comes_back_without() {
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let leader = cluster.leader().await;
    let dead = (leader + 1) % 3;
    let name = cluster.masters[dead].name.clone();
    cluster.masters[dead].kill();
    cluster.add_master().await;
    let demote = ["node", "demote", &name, "--reason", "its host is dead"];
    eventually("the vote is taken", Duration::from_secs(60), || async {
        let output = cluster.masters[leader].call(&demote);
        // Until the new one is level, an even number would be left, which is refused.
        println!("{}: {}", output.status, stderr(&output));
        output.status.success()
    })
    .await;
    cluster.await_voters(3).await;
    cluster.masters[dead].start();
    eventually("it comes back as a learner", Duration::from_secs(60), || async {
        let masters = cluster.read("/admin/api/nodes/masters").await;
        let masters = masters.as_array().unwrap();
        let role = |name: &str| masters.iter().find(|it| it["name"] == name).unwrap();
        assert_eq!(role("m4")["role"], "voter", "{masters:#?}");
        assert_eq!(role(&name)["role"], "learner", "{masters:#?}");
        assert_eq!(role(&name)["learnerOnly"]["reason"], "its host is dead");
        role(&name)["ready"] == true
    })
    .await;
}
