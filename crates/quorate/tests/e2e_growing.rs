//! Masters as real processes: let in, promoted, demoted, preferred, found at new addresses.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs::File,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use quorate_testkit::{
    Answer, ClusterBuilder, NodeHandle, ProcessCluster, eventually, eventually_some, free_port,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");
const SOON: Duration = Duration::from_secs(60);

async fn put(cluster: &ProcessCluster, path: &str, body: Value) -> Answer {
    cluster.call_somewhere(Method::PUT, &format!("/admin/api/{path}"), Some(body), &[]).await
}

async fn post(cluster: &ProcessCluster, path: &str, body: Option<Value>) -> Answer {
    cluster.call_somewhere(Method::POST, &format!("/admin/api/{path}"), body, &[]).await
}

async fn status(cluster: &ProcessCluster) -> Value {
    eventually_some("a status", SOON, || cluster.get_somewhere("/admin/api/status")).await
}

/// What a command on a node ends with and says: its exit code, stdout, stderr.
fn run(node: &NodeHandle, args: &[&str]) -> (Option<i32>, String, String) {
    let output = node.call(args);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// What a command on a node, which must succeed, prints as JSON.
fn json_of(node: &NodeHandle, args: &[&str]) -> Value {
    let text = node.must(&[args, &["--output", "json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn of_name<'a>(status: &'a Value, name: &str) -> &'a Value {
    status["masters"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap()
}

/// `join` as a process that may wait; its words go to a file.
struct Joiner {
    child: Child,
    node: NodeHandle,
}

impl Joiner {
    fn start(node: NodeHandle, token: &str, root_key: &str) -> Self {
        let (admin, internal) = (node.admin_port, node.internal_port);
        let log = File::options().create(true).append(true).open(node.log_path()).unwrap();
        let child = node
            .command(&[
                "join",
                token,
                "--name",
                &node.name,
                "--admin-addr",
                &format!("127.0.0.1:{admin}"),
                "--internal-addr",
                &format!("127.0.0.1:{internal}"),
            ])
            .env("QUORATE_ROOT_KEY", root_key)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, node }
    }

    fn interrupt(mut self) -> NodeHandle {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.node
    }

    async fn end(&mut self) -> bool {
        let mut ended = None;
        let deadline = Instant::now() + SOON;
        while ended.is_none() {
            assert!(Instant::now() < deadline, "join goes on: {}", self.node.log());
            ended = self.child.try_wait().unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        ended.unwrap().success()
    }
}

async fn cautious_token(cluster: &ProcessCluster) -> String {
    let answer = post(cluster, "tokens", Some(json!({ "role": "master", "ttlMs": 600_000 }))).await;
    answer.body["token"].as_str().unwrap().to_owned()
}

async fn at_the_door(cluster: &ProcessCluster, name: &str) -> Value {
    eventually_some("a joiner at the door", SOON, || async {
        let all = cluster.get_somewhere("/admin/api/enrolments").await?;
        all.as_array()?.iter().find(|it| it["name"] == name).cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_waits_with_its_key_shown_on_both_sides_until_a_person_lets_it_in() {
    let cluster = ClusterBuilder::new(QUORATE).masters(1).start().await;
    let token = cautious_token(&cluster).await;
    let joiner = Joiner::start(cluster.new_node("m2"), &token, &cluster.root_key);
    let seen = at_the_door(&cluster, "m2").await;
    let fingerprint = seen["fingerprint"].as_str().unwrap().to_owned();
    eventually("the joiner says its key", SOON, || async {
        joiner.node.log().contains(&fingerprint)
    })
    .await;
    assert_eq!(status(&cluster).await["enrolmentsWaiting"], 1);

    // Interrupted and repeated, it is the same joiner.
    let mut joiner = Joiner::start(joiner.interrupt(), &token, &cluster.root_key);
    assert_eq!(at_the_door(&cluster, "m2").await["fingerprint"], seen["fingerprint"]);
    // Another host that has the token is not.
    let mut thief = Joiner::start(cluster.new_node("thief"), &token, &cluster.root_key);
    assert!(!thief.end().await, "the token was claimed");
    assert!(thief.node.log().contains("Q1020"), "{}", thief.node.log());

    let approve = format!("enrolments/{}/approve", seen["id"].as_str().unwrap());
    let wrong = post(&cluster, &approve, Some(json!({ "keySha256": "00" }))).await;
    assert_eq!((wrong.status, &wrong.body["code"]), (412, &json!("Q4012")));
    let master = &cluster.masters[0];
    let waiting = json_of(master, &["enrolment", "list"]);
    assert_eq!((&waiting[0]["name"], &waiting[0]["status"]), (&json!("m2"), &json!("waits")));
    assert!(master.must(&["enrolment", "list"]).contains(&fingerprint));
    // Nobody is let in whom nobody has looked at.
    let (code, _, said) = run(master, &["enrolment", "approve", "m2"]);
    assert!(code == Some(2) && said.contains("no terminal to ask"), "{said}");
    let (code, _, said) = run(master, &["enrolment", "approve", "m2", "--key", "another"]);
    assert!(code == Some(2) && said.contains(&fingerprint), "{said}");
    let (code, _, said) = run(master, &["enrolment", "approve", "m3", "--yes"]);
    assert!(code == Some(2) && said.contains("nobody waits as `m3`"), "{said}");
    let (code, _, said) = run(master, &["enrolment", "approve", "--key", &fingerprint]);
    assert!(code == Some(0) && said.contains("m2 is let in"), "{said}");
    assert!(joiner.end().await, "{}", joiner.node.log());
    let kept = joiner.node.root.join("lib/.joining");
    assert!(!kept.exists(), "the key of a whole node is in its identity only");

    // Somebody who is turned away is told so.
    let token = cautious_token(&cluster).await;
    let mut unwanted = Joiner::start(cluster.new_node("unwanted"), &token, &cluster.root_key);
    let seen = at_the_door(&cluster, "unwanted").await;
    assert_eq!(json_of(&cluster.masters[0], &["enrolment", "list"])[0]["id"], seen["id"]);
    let (code, _, said) = run(&cluster.masters[0], &["enrolment", "refuse", "unwanted"]);
    assert!(code == Some(0) && said.contains("unwanted is turned away"), "{said}");
    assert!(!unwanted.end().await);
    assert!(unwanted.node.log().contains("turned its bearer away"), "{}", unwanted.node.log());
    assert_eq!(json_of(&cluster.masters[0], &["enrolment", "list"]), json!([]));
}

fn policy_of(master: &NodeHandle) -> Value {
    json_of(master, &["master", "autopilot", "show"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_become_five_and_never_four_and_votes_are_given_and_taken() {
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let fourth = cluster.add_master().await;
    // A fourth alone stays a learner, and the status says what it waits for.
    eventually("autopilot waits for a fifth", SOON, || async {
        let status = status(&cluster).await;
        assert_eq!(status["voters"], 3);
        status["autopilotWaits"].as_str().unwrap().contains("another is needed")
    })
    .await;
    // A learner that is not heard from is reported.
    let policy = json!({ "stallAfterMs": 1_000 });
    assert_eq!(put(&cluster, "masters/policy", policy).await.status, 200);
    cluster.masters[fourth].kill();
    eventually("the learner is reported as stalled", SOON, || async {
        let problems = status(&cluster).await["problems"].to_string();
        problems.contains("master m4 is stalled") && problems.contains("not been heard from")
    })
    .await;
    cluster.masters[fourth].start();
    cluster.add_master().await;
    eventually("five voters", SOON, || async {
        let voters = status(&cluster).await["voters"].as_u64().unwrap();
        assert!(voters == 3 || voters == 5, "{voters} voters");
        voters == 5
    })
    .await;
    cluster.await_voters(5).await;

    let master = &cluster.masters[0];
    let (code, _, said) = run(master, &["node", "demote", "m5"]);
    assert!(code == Some(3) && said.contains("error[Q2109]"), "{said}");
    let even = ["--allow-even", "a host is on loan"];
    let demote = ["node", "demote", "m5", "--reason", "tried"];
    let (code, _, said) = run(master, &[&demote[..], &even].concat());
    assert!(code == Some(0) && said.contains("m5: learner"), "{said}");
    cluster.await_voters(4).await;
    let seen = status(&cluster).await;
    assert_eq!(seen["evenVoters"]["reason"], "a host is on loan");
    assert_eq!(of_name(&seen, "m5")["learnerOnly"]["reason"], "tried");
    assert_eq!(policy_of(master)["evenVoters"]["reason"], "a host is on loan");
    // Withdrawn, the number is made odd again once the fifth may vote.
    let (code, _, said) = run(master, &["node", "promote", "m5", "--detach"]);
    assert!(code == Some(5) && said.contains("once autopilot has"), "{said}");
    let _ = master.must(&["master", "autopilot", "set", "--withdraw-even"]);
    assert_eq!(policy_of(master)["evenVoters"], Value::Null);
    cluster.await_voters(5).await;
    // A leader that shall not vote hands over first.
    let leader = cluster.masters[cluster.leader().await].name.clone();
    let other = if leader == "m1" { "m2" } else { "m1" };
    let (code, _, said) = run(master, &["node", "demote", &leader, other]);
    assert_eq!(code, Some(0), "{said}");
    cluster.await_voters(3).await;
    let (code, _, said) = run(master, &["node", "promote", &leader, other]);
    assert_eq!(code, Some(0), "{said}");
    cluster.await_voters(5).await;

    // Two that fall silent for too long lose their votes, and are removed.
    let clean_up = ["master", "autopilot", "set", "--cleanup-after", "30s", "--floor", "3"];
    let policy = json_of(master, &clean_up);
    assert_eq!((&policy["cleanupAfterMs"], &policy["cleanupFloor"]), (&json!(30_000), &json!(3)));
    assert_eq!(policy["stallAfterMs"], 1_000, "what was not given stays: {policy}");
    let shown = master.must(&["master", "autopilot", "show"]);
    assert!(shown.contains("30s in silence, down to 3 voters"), "{shown}");
    let leader = cluster.leader().await;
    let silent: Vec<usize> = (0..5).filter(|index| *index != leader).take(2).collect();
    for index in &silent {
        cluster.masters[*index].kill();
    }
    eventually("the silent are removed", SOON, || async {
        let status = status(&cluster).await;
        status["voters"] == 3 && status["tombstones"].as_array().unwrap().len() == 2
    })
    .await;
    // By operations, which are in the audit trail.
    let operations = cluster.read("/admin/api/operations").await;
    let audit = cluster.read("/admin/api/audit").await.to_string();
    for index in &silent {
        let title = format!("node remove {}", cluster.masters[*index].name);
        let of = |it: &&Value| it["title"] == title.as_str();
        let removal = operations.as_array().unwrap().iter().find(of).unwrap();
        assert_eq!(removal["requestedBy"], "system:autopilot", "{removal}");
        assert!(audit.contains(removal["id"].as_str().unwrap()), "{audit}");
        cluster.masters[*index].start();
        assert_eq!(cluster.masters[*index].await_end().code(), Some(3));
        assert!(cluster.masters[*index].log().contains("Q3012"));
    }
    // Below the floor nobody is touched, however long it is silent.
    let leader = cluster.leader().await;
    let living = |index: &usize| *index != leader && !silent.contains(index);
    let third = (0..5).find(living).unwrap();
    cluster.masters[third].kill();
    eventually("autopilot says why it does nothing", SOON, || async {
        let waits = status(&cluster).await["autopilotWaits"].to_string();
        waits.contains("floor of 3") && waits.contains("keeps the vote")
    })
    .await;
    assert_eq!(status(&cluster).await["voters"], 3);
    cluster.masters[third].start();
    cluster.await_voters(3).await;
}

/// How many voters there were at any look, many times a second.
struct VotersSeen(tokio::task::JoinHandle<BTreeSet<u64>>, watch::Sender<Option<u64>>);

impl VotersSeen {
    /// Looks at the first master, which leads meanwhile.
    fn begin(cluster: &ProcessCluster) -> Self {
        let (rest, url) = (cluster.rest.clone(), cluster.masters[0].url());
        let (end, wanted) = watch::channel(None);
        let looking = tokio::spawn(async move {
            let mut seen = BTreeSet::new();
            let mut last = None;
            while last.is_none() || last != *wanted.borrow() {
                if let Ok(answer) = rest.get(&url, "/admin/api/status").await
                    && answer.status == 200
                {
                    last = answer.body["voters"].as_u64();
                    seen.extend(last);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            seen
        });
        Self(looking, end)
    }

    /// All that was seen, once so many are.
    async fn until(self, voters: u64) -> BTreeSet<u64> {
        self.1.send_replace(Some(voters));
        tokio::time::timeout(SOON, self.0).await.unwrap().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_master_becomes_three_and_never_two_and_those_that_join_catch_up_by_a_snapshot() {
    let mut cluster = ClusterBuilder::new(QUORATE).masters(1).node_managers(1).start().await;
    assert!(cluster.masters[0].stop().success());
    let config = cluster.masters[0].root.join("etc/quorate.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("[master]", "[master]\nsnapshot_after_entries = 100"))
        .unwrap();
    cluster.masters[0].start();
    cluster.await_voters(1).await;
    // More than the log keeps behind a snapshot.
    let url = cluster.masters[0].url();
    let writes = (0..3_000_u32).map(|n| {
        let (rest, url) = (&cluster.rest, &url);
        async move { rest.put_setting(url, &format!("k{n}"), &json!(n)).await.unwrap().status }
    });
    use futures_util::StreamExt as _;
    let written = futures_util::stream::iter(writes).buffer_unordered(64);
    assert!(written.all(|status| async move { status == 200 }).await);
    let seen = VotersSeen::begin(&cluster);
    cluster.add_master().await;
    cluster.add_master().await;
    cluster.await_voters(3).await;
    assert_eq!(seen.until(3).await, BTreeSet::from([1, 3]), "it was one joint change");
    // By itself it makes one after many more entries than there are.
    let snapshot = cluster.masters[1].root.join("lib/raft/snapshot.bin");
    assert!(snapshot.exists(), "it did not come by a snapshot: {}", cluster.masters[1].log());
    for n in [0, 1_500, 2_999] {
        let path = format!("/admin/api/settings/k{n}");
        let answer = cluster.rest.get(&cluster.masters[2].url(), &path).await.unwrap();
        assert_eq!(answer.body["value"], json!(n));
    }
    // The node manager joined when there was but one to tell it of, and has been with it since.
    assert_eq!(cluster.leader().await, 0);
    cluster.masters[0].kill();
    cluster.await_managers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preferred_master_leads_again_after_the_window_and_a_flap_begins_it_anew() {
    const WINDOW: Duration = Duration::from_secs(6);
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let window = format!("{}s", WINDOW.as_secs());
    let policy =
        json_of(&cluster.masters[0], &["master", "autopilot", "set", "--fail-back", &window]);
    assert_eq!(policy["failBackMs"], json!(WINDOW.as_millis() as u64), "{policy}");
    let preferred = (cluster.leader().await + 1) % 3;
    let name = cluster.masters[preferred].name.clone();
    let (code, _, said) = run(&cluster.masters[0], &["node", "priority", &name, "10"]);
    assert!(code == Some(0) && said.contains("has the priority 10"), "{said}");
    let (code, _, said) = run(&cluster.masters[0], &["node", "priority", "nobody", "10"]);
    assert!(code == Some(1) && said.contains("nobody"), "{said}");
    let leads = async |cluster: &ProcessCluster| {
        let status = status(cluster).await;
        of_name(&status, &name)["isLeader"] == true
    };
    eventually("the preferred master leads", SOON, || leads(&cluster)).await;

    cluster.masters[preferred].kill();
    eventually("another leads", SOON, || async { !leads(&cluster).await }).await;
    cluster.masters[preferred].start();
    let counting = async |cluster: &ProcessCluster| {
        eventually("the window runs", SOON, || async {
            let preferred = status(cluster).await["preferredLeader"].clone();
            preferred["takesOverInMs"].is_u64()
        })
        .await;
    };
    counting(&cluster).await;
    // A flap in the middle of it.
    cluster.masters[preferred].kill();
    cluster.masters[preferred].start();
    let flapped = Instant::now();
    eventually("the preferred master leads again", SOON, || leads(&cluster)).await;
    let after = flapped.elapsed();
    assert!(after >= WINDOW, "it led {after:?} after the flap, within the window");
    // On a planned stop the one with the highest priority takes over.
    let heir = (preferred + 1) % 3;
    let heir_name = cluster.masters[heir].name.clone();
    let priority = json!({ "priority": 5 });
    assert_eq!(put(&cluster, &format!("nodes/{heir_name}/priority"), priority).await.status, 204);
    assert!(cluster.masters[preferred].stop().success());
    let leader = cluster.leader().await;
    assert_eq!(cluster.masters[leader].name, heir_name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masters_are_found_at_new_addresses_followers_and_leaders_alike() {
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let leader = cluster.leader().await;
    for index in [(leader + 1) % 3, leader] {
        let master = &mut cluster.masters[index];
        master.stop();
        master.internal_port = free_port();
        let addr = format!("127.0.0.1:{}", master.internal_port);
        master.set_env("QUORATE_INTERNAL_ADDR", &addr);
        master.start();
        let name = master.name.clone();
        cluster.await_voters(3).await;
        eventually("its new address is recorded", SOON, || async {
            of_name(&status(&cluster).await, &name)["internalAddr"] == addr.as_str()
        })
        .await;
        // Only what the membership holds is known to the next leader.
        let says_so = |line: &str| line.contains("recorded a new address") && line.contains(&addr);
        eventually("the membership holds it", SOON, || async {
            cluster.masters.iter().any(|master| master.log().lines().any(says_so))
        })
        .await;
    }
    // Two of three move at once. The leader hands over to the one that stays, which then may have
    // the longest log and must lead: it finds them only because they tell it where they are.
    let leader = cluster.leader().await;
    let moving = [(leader + 1) % 3, leader];
    for index in moving {
        cluster.masters[index].stop();
    }
    for index in moving {
        let master = &mut cluster.masters[index];
        master.internal_port = free_port();
        let addr = format!("127.0.0.1:{}", master.internal_port);
        master.set_env("QUORATE_INTERNAL_ADDR", &addr);
        master.start();
    }
    cluster.await_voters(3).await;
    for index in moving {
        let (name, addr) = (&cluster.masters[index].name, cluster.masters[index].internal_addr());
        eventually("both new addresses are recorded", SOON, || async {
            of_name(&status(&cluster).await, name)["internalAddr"] == addr.as_str()
        })
        .await;
    }
    // The only master of a cluster is found by those that join it.
    let mut alone = ClusterBuilder::new(QUORATE).masters(1).start().await;
    alone.masters[0].stop();
    let addr = format!("127.0.0.1:{}", free_port());
    alone.masters[0].set_env("QUORATE_INTERNAL_ADDR", &addr);
    alone.masters[0].start();
    alone.await_voters(1).await;
    eventually("its new address is recorded", SOON, || async {
        of_name(&status(&alone).await, "m1")["internalAddr"] == addr.as_str()
    })
    .await;
    alone.add_master().await;
    // One that has only just joined is found where it starts, too.
    let mut third = alone.joined_master("m3").await;
    third.internal_port = free_port();
    third.set_env("QUORATE_INTERNAL_ADDR", &format!("127.0.0.1:{}", third.internal_port));
    third.start();
    let book = third.root.join("lib/node-manager/masters.json");
    assert!(book.exists(), "the join leaves it whom to tell");
    alone.masters.push(third);
    alone.await_voters(3).await;
    eventually("nothing stays that nobody keeps true", SOON, || async { !book.exists() }).await;
}
