//! A master whose disk is full says so, loses nothing acknowledged, and recovers by itself.

use std::time::{Duration, Instant};

use quorate_testkit::{ClusterBuilder, eventually};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_writes_loses_nothing_and_recovers_when_space_returns() {
    let cluster =
        ClusterBuilder::new(env!("CARGO_BIN_EXE_quorate")).masters(1).master_disk(24).start().await;
    let (url, root) = (cluster.masters[0].url(), cluster.masters[0].root.clone());
    let filler = root.join("filler");
    // Leave a little, so that some writes go on until the disk is full under them.
    let free = {
        let stat = rustix::fs::statvfs(&root).unwrap();
        stat.f_bavail * stat.f_frsize
    };
    std::fs::write(&filler, vec![0; usize::try_from(free.saturating_sub(1 << 20)).unwrap()])
        .unwrap();
    let mut acknowledged = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    let refused = loop {
        let key = format!("k{}", acknowledged.len());
        let value = json!("v".repeat(20_000));
        match cluster.rest.put_setting(&url, &key, &value).await {
            Ok(answer) if answer.status == 200 => acknowledged.push(key),
            other => break other,
        }
        assert!(Instant::now() < deadline, "the disk was never full");
    };
    println!("{} writes before the disk was full; then {refused:?}", acknowledged.len());
    eventually("the reason in the log", Duration::from_secs(20), || async {
        cluster.masters[0].log().contains("Q5001")
    })
    .await;
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
