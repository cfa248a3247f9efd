//! Measures three masters in this process over loopback: replicated writes, linearizable reads,
//! transfer, failover. `cargo run --release -p quorate-raft --example throughput 1 64 256`
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring tool")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use support::{World, leader_of, put, put_once};

#[tokio::main]
async fn main() {
    let world = World::new();
    let mut masters = world.start_three().await;
    let value = "v".repeat(200);
    let clients: Vec<usize> =
        std::env::args().skip(1).map(|count| count.parse().unwrap()).collect();
    for clients in clients {
        for (what, through) in [("leader", 0), ("follower", 1)] {
            let begun = Instant::now();
            let until = begun + Duration::from_secs(4);
            let mut tasks = tokio::task::JoinSet::new();
            for client in 0..clients {
                let (node, value) = (masters[through].node.clone(), value.clone());
                tasks.spawn(async move {
                    let mut latencies = Vec::new();
                    while Instant::now() < until {
                        let at = Instant::now();
                        let key = format!("c{client}-{}", latencies.len() % 100);
                        node.propose(put(&key, &value)).await.unwrap().unwrap();
                        latencies.push(at.elapsed());
                    }
                    latencies
                });
            }
            let mut latencies: Vec<Duration> = tasks.join_all().await.concat();
            latencies.sort();
            println!(
                "{clients:4} clients through the {what}: {:.0} writes/s, p50 {:?}, p99 {:?}",
                latencies.len() as f64 / begun.elapsed().as_secs_f64(),
                latencies[latencies.len() / 2],
                latencies[latencies.len() * 99 / 100],
            );
        }
    }
    println!("term after the writes (1: no false election): {}", masters[1].node.status().term);
    for through in [0, 1] {
        let begun = Instant::now();
        let until = begun + Duration::from_secs(2);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let node = masters[through].node.clone();
            tasks.spawn(async move {
                let mut count = 0_u64;
                while Instant::now() < until {
                    node.linearize().await.unwrap();
                    count += 1;
                }
                count
            });
        }
        let count: u64 = tasks.join_all().await.into_iter().sum();
        println!(
            "64 readers through n{}: {:.0} reads/s",
            through + 1,
            count as f64 / begun.elapsed().as_secs_f64()
        );
    }
    let leader = leader_of(&masters.iter().collect::<Vec<_>>()).await;
    let to = masters[(leader + 1) % 3].node.id();
    println!("transfer: {:?}", masters[leader].node.transfer_leader(to).await);

    let mut gaps = Vec::new();
    for round in 0..9 {
        let leader = leader_of(&masters.iter().collect::<Vec<_>>()).await;
        let (node, addr) = (masters[leader].node.id(), masters[leader].addr);
        let lost = Instant::now();
        masters.remove(leader).stop().await;
        let again = put_once(&format!("round-{round}"), "failover", &round.to_string());
        while let Err(error) = masters[0].node.propose(again.clone()).await {
            println!("round {round}: {error}; {:?}", masters[0].node.status());
        }
        gaps.push(lost.elapsed());
        println!("round {round}: {node} crashed, {:?}", lost.elapsed());
        masters.push(world.start_at(node.0, addr).await);
        for master in &masters {
            master.node.linearize().await.unwrap();
        }
    }
    gaps.sort();
    println!(
        "failover, first write after a crash: median {:?}, all {gaps:?}",
        gaps[gaps.len() / 2]
    );
    for master in masters {
        master.stop().await;
    }
}
