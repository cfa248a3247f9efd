//! Joiners that are refused, and one that refuses: real processes, and somebody in the middle.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    io::Read as _,
    net::TcpListener,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use quorate_keyring::identity::{
    CertificateAuthority, JoinToken, NodeIdentity, NodeKey, ReloadableIdentity, server_tls,
};
use quorate_model::{Clock, ManualClock, NodeId, Timestamp};
use quorate_testkit::{ClusterBuilder, NodeHandle, ProcessCluster, eventually, files_below};
use reqwest::Method;
use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");
/// Seconds by which a node takes its clock to be fast.
const CLOCK: &str = "QUORATE_CLOCK_OFFSET";
const SOON: Duration = Duration::from_secs(30);

/// `join` as a master, to its end.
fn join(node: &NodeHandle, token: &str, root_key: &str, name: &str) -> Output {
    join_command(node, token, root_key, name).output().unwrap()
}

fn join_command(node: &NodeHandle, token: &str, root_key: &str, name: &str) -> Command {
    let (admin, internal) = (node.admin_addr(), node.internal_addr());
    let mut join = node.command(&["join", token, "--name", name]);
    join.args(["--admin-addr", &admin, "--internal-addr", &internal]);
    join.env("QUORATE_ROOT_KEY", root_key);
    join
}

#[track_caller]
fn refused(output: &Output, code: &str, cause: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains(code) && said.contains(cause), "{code} {cause}: {said}");
}

/// A token with its id and its status.
async fn token(cluster: &ProcessCluster, role: &str, ttl_ms: u64) -> (String, String) {
    let body = json!({ "role": role, "ttlMs": ttl_ms, "autoApprove": true });
    let answer = cluster.call_somewhere(Method::POST, "/admin/api/tokens", Some(body), &[]).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let field = |name: &str| answer.body[name].as_str().unwrap().to_owned();
    (field("token"), field("id"))
}

async fn status_of(cluster: &ProcessCluster, id: &str) -> String {
    let tokens = cluster.read("/admin/api/tokens").await;
    let mut tokens = tokens.as_array().unwrap().iter();
    let status = |token: &Value| token["status"].as_str().unwrap().to_owned();
    tokens.find(|token| token["id"] == id).map(status).unwrap_or_default()
}

/// Somebody who was given a place between joiner and cluster, and has made an authority of the
/// same name: a whole TLS server, which counts what it is told.
struct InTheMiddle {
    addr: String,
    came: Arc<AtomicUsize>,
    told: Arc<AtomicUsize>,
}

impl InTheMiddle {
    fn of(token: &JoinToken) -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let now = Timestamp(u64::try_from(since_epoch.as_millis()).unwrap());
        let authority = CertificateAuthority::create(token.cluster, now).unwrap();
        let key = NodeKey::generate().unwrap();
        let day = Duration::from_secs(24 * 3600);
        let csr = key.csr_pem().unwrap();
        let identity = NodeIdentity {
            cluster: token.cluster,
            node: NodeId(1),
            cert_pem: authority.issue_node(NodeId(1), &csr, now, day).unwrap(),
            key_pem: key.key_pem(),
            ca_pem: authority.cert_pem().to_owned(),
        };
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(now));
        let tls = server_tls(&ReloadableIdentity::new(identity).unwrap(), &clock).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let (came, told) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count_came, count_told) = (Arc::clone(&came), Arc::clone(&told));
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                count_came.fetch_add(1, Ordering::SeqCst);
                let connection = ServerConnection::new(Arc::clone(&tls)).unwrap();
                let mut stream = StreamOwned::new(connection, socket.unwrap());
                let mut heard = Vec::new();
                let _ = stream.read_to_end(&mut heard);
                count_told.fetch_add(heard.len(), Ordering::SeqCst);
            }
        });
        Self { addr, came, told }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_joiner_leaves_nothing_behind_and_spends_no_token() {
    let cluster = ClusterBuilder::new(QUORATE).masters(1).start().await;
    let key = cluster.root_key.as_str();
    let host = cluster.new_node("host");
    let nothing_there =
        || assert_eq!(files_below(&host.root), BTreeMap::new(), "something was left");

    // Somebody in the middle with an authority of the same cluster id.
    let (good, good_id) = token(&cluster, "master", 600_000).await;
    let mut elsewhere = JoinToken::parse(&good).unwrap();
    let middle = InTheMiddle::of(&elsewhere);
    elsewhere.addresses = vec![middle.addr.clone()];
    refused(&join(&host, &elsewhere.encode(), key, "m2"), "Q1021", "fingerprint");
    assert!(middle.came.load(Ordering::SeqCst) > 0, "nobody was in the middle");
    assert_eq!(middle.told.load(Ordering::SeqCst), 0, "it was told something");
    nothing_there();

    // Expired.
    let (expired, expired_id) = token(&cluster, "master", 1).await;
    eventually("the token expires", SOON, || async {
        status_of(&cluster, &expired_id).await == "expired"
    })
    .await;
    refused(&join(&host, &expired, key, "m2"), "Q1020", "quorate token create");
    nothing_there();

    // Revoked.
    let (revoked, revoked_id) = token(&cluster, "master", 600_000).await;
    let path = format!("/admin/api/tokens/{revoked_id}");
    let gone = cluster.call_somewhere(Method::DELETE, &path, None, &[]).await;
    assert!(matches!(gone.status, 200 | 204), "{}", gone.body);
    refused(&join(&host, &revoked, key, "m2"), "Q1020", "quorate token create");
    nothing_there();

    // Of the other role.
    let (other, other_id) = token(&cluster, "node-manager", 600_000).await;
    refused(&join(&host, &other, key, "m2"), "Q1020", "not for a master");
    assert_eq!(status_of(&cluster, &other_id).await, "unused");
    nothing_there();

    // Its secret altered.
    let mut guessed = JoinToken::parse(&good).unwrap();
    guessed.secret[0] ^= 1;
    refused(&join(&host, &guessed.encode(), key, "m2"), "Q1020", "quorate token create");
    nothing_there();

    // An address at which another master answers.
    let internal = cluster.masters[0].internal_addr();
    let mut join_there = host.command(&["join", &good, "--name", "m2"]);
    join_there.args(["--admin-addr", &host.admin_addr(), "--internal-addr", &internal]);
    join_there.env("QUORATE_ROOT_KEY", key);
    refused(&join_there.output().unwrap(), "Q1013", "--advertise");
    assert_eq!(status_of(&cluster, &good_id).await, "unused");
    nothing_there();

    // A name that is taken is found out last: nothing secret stays, and the token is still good.
    refused(&join(&host, &good, key, "m1"), "Q4009", "--name");
    let left = files_below(&host.root);
    assert!(left.values().all(Vec::is_empty), "{:?}", left.keys());
    assert_eq!(status_of(&cluster, &good_id).await, "unused");

    let joined = join(&host, &good, key, "m2");
    assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
    // Used.
    let late = cluster.new_node("late");
    refused(&join(&late, &good, key, "m3"), "Q1020", "quorate token create");
    assert_eq!(files_below(&late.root), BTreeMap::new());
    assert_eq!(status_of(&cluster, &good_id).await, "used by m2");
    let masters = cluster.read("/admin/api/nodes/masters").await;
    assert_eq!(masters.as_array().unwrap().len(), 2, "{masters:#}");
}

/// The first master signs certificates by a clock that is an hour fast. The third is two hours
/// behind it, and must accept what was signed for the second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masters_whose_clocks_are_an_hour_fast_and_slow_join_and_know_each_other() {
    let builder = ClusterBuilder::new(QUORATE).masters(1).master_env(CLOCK, "3600");
    let mut cluster = builder.start().await;
    for (name, offset) in [("m2", "0"), ("m3", "-3600")] {
        let (token, _) = token(&cluster, "master", 600_000).await;
        let mut host = cluster.new_node(name);
        let mut join = join_command(&host, &token, &cluster.root_key, name);
        let joined = join.env(CLOCK, offset).output().unwrap();
        assert!(joined.status.success(), "{name}: {}", String::from_utf8_lossy(&joined.stderr));
        host.set_env(CLOCK, offset);
        host.start();
        cluster.masters.push(host);
    }
    cluster.await_voters(3).await;

    // Without the first, the other two have nobody but each other.
    cluster.masters[0].kill();
    let url = cluster.masters[2].url();
    eventually("a write through the slowest clock", SOON, || async {
        let answer = cluster.rest.put_setting(&url, "clocks", &json!("v")).await;
        answer.is_ok_and(|answer| answer.status == 200)
    })
    .await;
    let masters = cluster.read("/admin/api/nodes/masters").await;
    let masters = masters.as_array().unwrap();
    assert!(masters.iter().any(|it| it["isLeader"] == true && it["name"] != "m1"), "{masters:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masters_that_were_all_away_until_their_certificates_had_ended_meet_again() {
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    for master in &mut cluster.masters {
        master.kill();
    }
    // They live for a year.
    let later = (400 * 86_400).to_string();
    for master in &mut cluster.masters {
        master.set_env(CLOCK, &later);
        master.start();
    }
    // By the local socket, since every login has ended, too.
    eventually("three masters that know each other", SOON, || async {
        cluster.masters.iter().all(|master| master.call(&["status"]).status.success())
    })
    .await;
    for master in &cluster.masters {
        assert!(master.log().contains("this master's certificate was renewed"), "{}", master.log());
    }
    // Those clocks were wrong and are set right: what they signed has not begun.
    for master in &mut cluster.masters {
        master.kill();
    }
    for master in &mut cluster.masters {
        master.set_env(CLOCK, "0");
        master.start();
    }
    eventually("three masters that know each other again", SOON, || async {
        cluster.masters.iter().all(|master| master.call(&["status"]).status.success())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_made_under_clocks_that_were_ahead_meets_again_when_they_are_right() {
    let ahead = (400 * 86_400).to_string();
    let mut cluster = ClusterBuilder::new(QUORATE).master_env(CLOCK, &ahead).start().await;
    for master in &mut cluster.masters {
        master.kill();
    }
    // Its authority and all that it signed begin next year.
    for master in &mut cluster.masters {
        master.set_env(CLOCK, "0");
        master.start();
    }
    eventually("three masters that know each other", SOON, || async {
        cluster.masters.iter().all(|master| master.call(&["status"]).status.success())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_whose_clock_was_reset_to_1970_signs_nothing_and_is_taken_when_it_is_right() {
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let certificate = cluster.masters[2].root.join("lib/identity/node.pem");
    let before = std::fs::read(&certificate).unwrap();
    cluster.masters[2].kill();
    cluster.masters[2].set_env(CLOCK, &format!("-{}", seconds - 1_000));
    cluster.masters[2].start();
    eventually("a word that nothing is signed", SOON, || async {
        let log = cluster.masters[2].log();
        log.contains("certificates are not signed while the clock of this master is wrong")
    })
    .await;
    cluster.masters[2].kill();
    assert_eq!(std::fs::read(&certificate).unwrap(), before);
    cluster.masters[2].set_env(CLOCK, "0");
    cluster.masters[2].start();
    cluster.await_voters(3).await;
}
