//! Masters as real processes: let in, promoted, demoted, preferred, found at new addresses.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs::File,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use quorate_testkit::{
    Answer, ClusterBuilder, NodeHandle, ProcessCluster, eventually, eventually_some, free_port,
};
use reqwest::Method;
use serde_json::{Value, json};

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
    let right = post(&cluster, &approve, Some(json!({ "keySha256": seen["keySha256"] }))).await;
    assert_eq!(right.status, 204, "{}", right.body);
    assert!(joiner.end().await, "{}", joiner.node.log());
    let kept = joiner.node.root.join("lib/.joining");
    assert!(!kept.exists(), "the key of a whole node is in its identity only");

    // Somebody who is turned away is told so.
    let token = cautious_token(&cluster).await;
    let mut unwanted = Joiner::start(cluster.new_node("unwanted"), &token, &cluster.root_key);
    let seen = at_the_door(&cluster, "unwanted").await;
    let refuse = format!("enrolments/{}/refuse", seen["id"].as_str().unwrap());
    assert_eq!(post(&cluster, &refuse, None).await.status, 204);
    assert!(!unwanted.end().await);
    assert!(unwanted.node.log().contains("turned its bearer away"), "{}", unwanted.node.log());
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

    let votes = |nodes: Value, votes: bool, even: Option<&str>| {
        let body =
            json!({ "nodes": nodes, "votes": votes, "reason": "tried", "evenBecause": even });
        put(&cluster, "masters/votes", body)
    };
    let even = votes(json!(["m5"]), false, None).await;
    assert_eq!((even.status, &even.body["code"]), (409, &json!("Q2109")), "{}", even.body);
    assert_eq!(votes(json!(["m5"]), false, Some("a host is on loan")).await.status, 204);
    cluster.await_voters(4).await;
    let seen = status(&cluster).await;
    assert_eq!(seen["evenVoters"]["reason"], "a host is on loan");
    assert_eq!(of_name(&seen, "m5")["learnerOnly"]["reason"], "tried");
    // Withdrawn, the number is made odd again once the fifth may vote.
    assert_eq!(votes(json!(["m5"]), true, None).await.status, 204);
    assert_eq!(put(&cluster, "masters/policy", json!({ "evenVoters": "" })).await.status, 200);
    cluster.await_voters(5).await;
    // A leader that shall not vote hands over first.
    let leader = cluster.masters[cluster.leader().await].name.clone();
    let other = if leader == "m1" { "m2" } else { "m1" };
    assert_eq!(votes(json!([leader, other]), false, None).await.status, 204);
    cluster.await_voters(3).await;
    assert_eq!(votes(json!([leader, other]), true, None).await.status, 204);
    cluster.await_voters(5).await;

    // Two that fall silent for too long lose their votes, and are removed.
    let policy = json!({ "cleanupAfterMs": 30_000, "cleanupFloor": 3 });
    assert_eq!(put(&cluster, "masters/policy", policy).await.status, 200);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_far_behind_catches_up_by_a_snapshot() {
    let mut cluster = ClusterBuilder::new(QUORATE).masters(1).start().await;
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
    cluster.add_master().await;
    cluster.add_master().await;
    cluster.await_voters(3).await;
    // By itself it makes one after many more entries than there are.
    let snapshot = cluster.masters[1].root.join("lib/raft/snapshot.bin");
    assert!(snapshot.exists(), "it did not come by a snapshot: {}", cluster.masters[1].log());
    for n in [0, 1_500, 2_999] {
        let path = format!("/admin/api/settings/k{n}");
        let answer = cluster.rest.get(&cluster.masters[2].url(), &path).await.unwrap();
        assert_eq!(answer.body["value"], json!(n));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preferred_master_leads_again_after_the_window_and_a_flap_begins_it_anew() {
    const WINDOW: Duration = Duration::from_secs(6);
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let policy = json!({ "failBackMs": WINDOW.as_millis() as u64 });
    assert_eq!(put(&cluster, "masters/policy", policy).await.status, 200);
    let preferred = (cluster.leader().await + 1) % 3;
    let name = cluster.masters[preferred].name.clone();
    let priority = json!({ "priority": 10 });
    assert_eq!(put(&cluster, &format!("nodes/{name}/priority"), priority).await.status, 204);
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
    alone.add_master().await;
    alone.await_voters(3).await;
}
