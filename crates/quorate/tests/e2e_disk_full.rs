//! A master whose disk is full says so to whoever asks, loses nothing acknowledged, and recovers by
//! itself, alone, following or leading.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use quorate_testkit::{ClusterBuilder, ProcessCluster, eventually, eventually_some};
use reqwest::Method;
use serde_json::{Value, json};

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");

/// Takes all space but a little, so that some writes go on until the disk is full under them.
fn fill(root: &Path) -> PathBuf {
    let filler = root.join("filler");
    let free = {
        let stat = rustix::fs::statvfs(root).unwrap();
        stat.f_bavail * stat.f_frsize
    };
    std::fs::write(&filler, vec![0; usize::try_from(free.saturating_sub(1 << 20)).unwrap()])
        .unwrap();
    filler
}

fn large() -> Value {
    json!("v".repeat(20_000))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_writes_loses_nothing_and_recovers_when_space_returns() {
    let cluster = ClusterBuilder::new(QUORATE).masters(1).master_disk(24).start().await;
    let (url, root) = (cluster.masters[0].url(), cluster.masters[0].root.clone());
    let filler = fill(&root);
    let mut acknowledged = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    let refused = loop {
        let key = format!("k{}", acknowledged.len());
        match cluster.rest.put_setting(&url, &key, &large()).await {
            Ok(answer) if answer.status == 200 => acknowledged.push(key),
            other => break other,
        }
        assert!(Instant::now() < deadline, "the disk was never full");
    };
    println!("{} writes before the disk was full; then {refused:?}", acknowledged.len());
    // For several seconds, in which the folder is opened again and again: whoever asks is answered.
    let (mut told, mut answers, mut well) = (0, 0, 0);
    let until = Instant::now() + Duration::from_secs(6);
    while Instant::now() < until {
        match cluster.rest.put_setting(&url, "late", &large()).await {
            Ok(answer) => {
                answers += 1;
                assert_eq!(answer.status, 503, "{}", answer.body);
                if answer.body["code"] == "Q5001" {
                    told += 1;
                    assert!(!answer.body["hint"].as_str().unwrap().is_empty(), "{}", answer.body);
                }
            }
            // A call that was being answered when the master closed its folder.
            Err(error) => assert!(!error.contains("refused"), "{error}"),
        }
        match cluster.rest.get(&url, "/healthz").await {
            Ok(answer) => {
                well += 1;
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
            Err(error) => assert!(!error.contains("refused"), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("{told} of {answers} answers named the full disk");
    assert!(told > 0, "nobody was told that the disk is full");
    assert!(well > answers / 2, "{well} of the times it was asked the process said that it lives");
    let not_ready = eventually_some("what is missing", Duration::from_secs(10), || async {
        let answer = cluster.rest.get(&url, "/readyz").await.ok()?;
        answer.body.to_string().contains("is full").then_some(answer)
    })
    .await;
    assert_eq!((not_ready.status, &not_ready.body["ready"]), (503, &json!(false)));
    assert!(cluster.masters[0].log().contains("Q5001"));

    std::fs::remove_file(&filler).unwrap();
    eventually("writes again", Duration::from_secs(60), || async {
        cluster.rest.put_setting(&url, "after", &json!(1)).await.is_ok_and(|a| a.status == 200)
    })
    .await;
    for key in acknowledged {
        let path = format!("/admin/api/settings/{key}");
        let answer = cluster.rest.get(&url, &path).await.unwrap();
        assert_eq!(answer.status, 200, "{key} was acknowledged and is gone");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_masters_one_may_run_full_whether_it_follows_or_leads() {
    let cluster = ClusterBuilder::new(QUORATE).master_disk(24).start().await;
    let mut written = 0;
    for leads in [false, true] {
        let leader = cluster.leader().await;
        let full = if leads { leader } else { (leader + 1) % 3 };
        let url = cluster.masters[full].url();
        let filler = fill(&cluster.masters[full].root);
        let deadline = Instant::now() + Duration::from_secs(60);
        let told = || async {
            let answer = cluster.rest.get(&url, "/admin/api/settings/k0").await.ok()?;
            (answer.body["code"] == "Q5001").then_some(answer)
        };
        while told().await.is_none() {
            write(&cluster, written).await;
            written += 1;
            assert!(Instant::now() < deadline, "the disk of {} was never full", url);
        }
        // The others go on without it.
        for _ in 0..5 {
            write(&cluster, written).await;
            written += 1;
        }
        std::fs::remove_file(&filler).unwrap();
        cluster.await_voters(3).await;
    }
    for number in 0..written {
        let path = format!("/admin/api/settings/k{number}");
        let answer = cluster.call_somewhere(Method::GET, &path, None, &[]).await;
        assert_eq!(answer.status, 200, "k{number} was acknowledged and is gone");
    }
}

/// Writes through any master until it is acknowledged.
async fn write(cluster: &ProcessCluster, number: usize) {
    let path = format!("/admin/api/settings/k{number}");
    let key = format!("write-{number}");
    let body = Some(json!({ "value": large() }));
    let headers = [("idempotency-key", key.as_str())];
    let answer = cluster.call_somewhere(Method::PUT, &path, body, &headers).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}
