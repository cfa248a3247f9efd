//! Ten clients read and write settings while the leader is killed five times; every history must
//! be linearizable.

use std::time::{Duration, Instant};

use quorate_testkit::{
    ClusterBuilder, Dice, NodeHandle, SettingsClients, Workload, eventually, history::check,
};

const KILLS: u32 = 5;
/// So many writes are acknowledged at least.
const WRITES: u64 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_stay_linearizable_while_the_leader_is_killed_five_times() {
    let mut dice = Dice::new(Dice::seed());
    let mut cluster = ClusterBuilder::new(env!("CARGO_BIN_EXE_quorate")).start().await;
    let workload = Workload {
        rest: cluster.rest.clone(),
        urls: cluster.masters.iter().map(NodeHandle::url).collect(),
        prefix: "register".to_owned(),
        keys: 5,
        clients: 10,
        pause: Duration::from_millis(5),
    };
    let clients = SettingsClients::start(&workload, Instant::now(), &mut dice);
    for _ in 0..KILLS {
        let leader = cluster.leader().await;
        cluster.masters[leader].kill();
        cluster.leader().await;
        cluster.masters[leader].start();
        cluster.await_voters(3).await;
    }
    // On a slow machine the kills are over before much has happened.
    eventually("enough writes", Duration::from_secs(60), || {
        let enough = clients.writes() > WRITES;
        async move { enough }
    })
    .await;
    let history: Vec<_> = clients.stop().await.into_iter().map(|seen| seen.operation).collect();
    let known = history.iter().filter(|operation| operation.returned_at.is_some()).count();
    println!("{} operations, {} with a known outcome", history.len(), known);
    assert!(known > 400, "too little happened: {known} operations");
    check(&history).unwrap();
}
