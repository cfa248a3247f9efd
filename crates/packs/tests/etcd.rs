//! The etcd pack against real clusters of Debian's etcd.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use quorate_model::{InstanceName, MemberRole, PackName, Readiness};
use quorate_pack::{
    DriverError, PackDriver,
    conformance::{ConformanceEnvironment as _, check_driver},
};
use quorate_packs::DriverCatalog;
use serde_json::json;
use support::{Processes, component, free_ports};

fn cluster(members: usize) -> Processes {
    let missing: Vec<&str> = ["etcd", "etcdctl"]
        .into_iter()
        .filter(|program| Command::new(program).arg("--help").output().is_err())
        .collect();
    assert!(
        missing.is_empty(),
        "{missing:?} not found; this test needs it: apt-get install etcd-server etcd-client"
    );
    let ports = free_ports(2 * members);
    let instances = ports.chunks(2).map(|pair| {
        BTreeMap::from([
            ("client_port".to_owned(), json!(pair[0])),
            ("peer_port".to_owned(), json!(pair[1])),
        ])
    });
    Processes::new(component("orders", "etcd", BTreeMap::new(), instances))
}

fn driver() -> Arc<dyn PackDriver> {
    DriverCatalog::default().get(&PackName::new("etcd").unwrap()).unwrap().clone()
}

async fn start_all(processes: &mut Processes, driver: &dyn PackDriver) {
    for instance in processes.instances() {
        processes.start(&instance).await.unwrap();
    }
    let until = Instant::now() + Duration::from_secs(60);
    for instance in processes.instances() {
        loop {
            let view = driver.probe(&processes.context(&instance)).await;
            if view.readiness == Readiness::Ready {
                break;
            }
            assert!(Instant::now() < until, "{instance}: {view:?}\n{}", processes.output());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn leader_of(processes: &Processes, driver: &dyn PackDriver) -> InstanceName {
    for instance in processes.instances() {
        let view = driver.probe(&processes.context(&instance)).await;
        if view.member.is_some_and(|member| member.role == MemberRole::Leader) {
            return instance;
        }
    }
    panic!("nobody leads\n{}", processes.output());
}

/// What etcd's own tool says of each member: its id and its leader's, as it writes them.
fn etcdctl_status(processes: &Processes) -> Vec<(String, String)> {
    let names = processes.instances();
    let endpoints: Vec<String> = names
        .iter()
        .map(|name| format!("https://127.0.0.1:{}", processes.render(name).ports[0]))
        .collect();
    let tls = processes.folder(&names[0]).join("tls");
    let output = Command::new("etcdctl")
        .env("ETCDCTL_API", "3")
        .arg(format!("--endpoints={}", endpoints.join(",")))
        .arg(format!("--cacert={}", tls.join("ca.crt").display()))
        .arg(format!("--cert={}", tls.join("client.crt").display()))
        .arg(format!("--key={}", tls.join("client.key").display()))
        .args(["endpoint", "status", "-w", "json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let members = answer.as_array().unwrap().iter().map(|member| {
        let status = &member["Status"];
        let hex = |id: &serde_json::Value| format!("{:x}", id.as_u64().unwrap());
        (hex(&status["header"]["member_id"]), hex(&status["leader"]))
    });
    members.collect()
}

#[tokio::test]
async fn the_etcd_driver_conforms_on_three_members() {
    let mut processes = cluster(3);
    let held = check_driver(driver().as_ref(), &mut processes)
        .await
        .unwrap_or_else(|violation| panic!("{violation}\n{}", processes.output()));
    for scenario in [
        "leadership moves to the preferred member, through any member",
        "moving leadership twice is moving it once",
        "with the preferred member stopped, leadership moves elsewhere or stays",
    ] {
        assert!(held.contains(&scenario), "{held:#?}");
    }
}

#[tokio::test]
async fn the_etcd_driver_conforms_on_a_single_member() {
    let mut processes = cluster(1);
    check_driver(driver().as_ref(), &mut processes)
        .await
        .unwrap_or_else(|violation| panic!("{violation}\n{}", processes.output()));
}

#[tokio::test]
async fn five_members_serve_and_nobody_without_a_certificate_is_answered() {
    let mut processes = cluster(5);
    start_all(&mut processes, driver().as_ref()).await;
    let members = etcdctl_status(&processes);
    assert_eq!(members.len(), 5);
    assert!(members.iter().all(|(_, leader)| *leader == members[0].1), "{members:?}");

    // Clients and peers alike: the one port asks for a certificate as the other does.
    let names = processes.instances();
    for port in processes.render(&names[0]).ports {
        let stranger = Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .arg(format!("--endpoints=https://127.0.0.1:{port}"))
            .args(["--insecure-skip-tls-verify", "--command-timeout=3s"])
            .args(["put", "key", "value"])
            .output()
            .unwrap();
        assert!(!stranger.status.success(), "a stranger was answered at {port}");
    }
}

#[tokio::test]
async fn etcds_own_tool_sees_the_same_members_and_the_moved_leadership() {
    let mut processes = cluster(3);
    let driver = driver();
    start_all(&mut processes, driver.as_ref()).await;

    let mut ids = BTreeMap::new();
    for instance in processes.instances() {
        let view = driver.probe(&processes.context(&instance)).await;
        let member = view.member.unwrap();
        assert_eq!((member.voters, member.version.starts_with("3.")), (3, true), "{member:?}");
        assert!(member.applied_index <= member.committed_index, "{member:?}");
        ids.insert(instance, member.member_id);
    }
    let leader = leader_of(&processes, driver.as_ref()).await;
    let names = processes.instances();
    let (to, via) = match &names.iter().filter(|name| **name != leader).collect::<Vec<_>>()[..] {
        [to, via] => ((*to).clone(), (*via).clone()),
        _ => panic!("three members"),
    };
    for (id, leader_id) in etcdctl_status(&processes) {
        assert!(ids.values().any(|known| *known == id), "{id} of {ids:?}");
        assert_eq!(leader_id, ids[&leader]);
    }

    let leadership = driver.leadership().unwrap();
    let seen =
        leadership.transfer_leadership(&processes.context(&via), &leader, &to).await.unwrap();
    assert!(seen.starts_with(&format!("leadership moved from {leader} to {to} in ")), "{seen}");
    for (_, leader_id) in etcdctl_status(&processes) {
        assert_eq!(leader_id, ids[&to]);
    }
    let seen =
        leadership.transfer_leadership(&processes.context(&via), &leader, &to).await.unwrap();
    assert_eq!(seen, format!("{leader} does not lead; {to} does"));

    // The preferred member is dead: another takes over, and the answer says why.
    let (leader, dead) = (to, leader);
    processes.kill(&dead).await.unwrap();
    let seen =
        leadership.transfer_leadership(&processes.context(&via), &leader, &dead).await.unwrap();
    assert!(seen.contains(&format!("to {via} in ")), "{seen}");
    assert!(seen.ends_with(&format!("{dead} was preferred, but it does not answer")), "{seen}");
}

#[tokio::test]
async fn a_member_without_a_quorum_is_not_ready_and_leadership_is_refused_in_words() {
    let mut processes = cluster(3);
    let driver = driver();
    start_all(&mut processes, driver.as_ref()).await;
    let names = processes.instances();
    let survivor = &names[0];
    for name in &names[1..] {
        processes.kill(name).await.unwrap();
    }
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let view = driver.probe(&processes.context(survivor)).await;
        let alone = view.member.as_ref().is_some_and(|member| member.leader_id.is_none());
        if alone {
            let Readiness::NotReady { reason } = view.readiness else { panic!("{view:?}") };
            assert!(reason.contains("no leader"), "{reason}");
            break;
        }
        assert!(view.readiness != Readiness::Ready || Instant::now() < until, "{view:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let leadership = driver.leadership().unwrap();
    let answer =
        leadership.transfer_leadership(&processes.context(survivor), survivor, &names[1]).await;
    let Err(DriverError::Refused(refusal)) = answer else { panic!("{answer:?}") };
    let cause = refusal.cause.unwrap();
    assert!(cause.starts_with("1 of 3 members answer, and none of them leads; silent: `orders-2`"));
    assert!(refusal.hint.unwrap().contains("quorate component show orders"));

    processes.kill(survivor).await.unwrap();
    let answer =
        leadership.transfer_leadership(&processes.context(survivor), survivor, &names[1]).await;
    assert!(matches!(answer, Err(DriverError::Unreachable { .. })), "{answer:?}");
}

#[tokio::test]
async fn without_its_certificates_a_member_is_unknown_and_renewed_ones_are_taken_up() {
    let mut processes = cluster(1);
    let driver = driver();
    start_all(&mut processes, driver.as_ref()).await;
    let name = processes.instances().remove(0);
    let context = processes.context(&name);
    let key = processes.folder(&name).join("tls").join("client.key");
    let pem = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let view = driver.probe(&context).await;
    let Readiness::Unknown { reason } = view.readiness else { panic!("{view:?}") };
    assert!(reason.contains("client.key"), "{reason}");

    fs::write(&key, "not a key").unwrap();
    assert!(matches!(driver.probe(&context).await.readiness, Readiness::Unknown { .. }));
    fs::write(&key, pem).unwrap();
    assert_eq!(driver.probe(&context).await.readiness, Readiness::Ready);
}
