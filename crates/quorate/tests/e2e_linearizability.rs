//! Ten clients read and write settings while the leader is killed five times; every history must
//! be linearizable.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use quorate_testkit::{
    ClusterBuilder, Rest, eventually,
    history::{Call, Operation, check},
};
use reqwest::Method;
use serde_json::json;

const CLIENTS: u64 = 10;
const KILLS: u32 = 5;
const KEYS: u64 = 5;
/// So many writes are tried at least.
const WRITES: u64 = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_stay_linearizable_while_the_leader_is_killed_five_times() {
    let seed = std::env::var("QUORATE_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()));
    println!("QUORATE_TEST_SEED={seed}");
    let mut cluster = ClusterBuilder::new(env!("CARGO_BIN_EXE_quorate")).start().await;
    let urls: Arc<Vec<String>> = Arc::new(cluster.masters.iter().map(|m| m.url()).collect());
    let stop = Arc::new(AtomicBool::new(false));
    let (values, begun) = (Arc::new(AtomicU64::new(1)), Instant::now());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let client = Client {
                rest: cluster.rest.clone(),
                urls: Arc::clone(&urls),
                stop: Arc::clone(&stop),
                values: Arc::clone(&values),
                begun,
                random: seed.wrapping_add(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
                number,
            };
            tokio::spawn(client.run())
        })
        .collect();
    for _ in 0..KILLS {
        let leader = cluster.leader().await;
        cluster.masters[leader].kill();
        cluster.leader().await;
        cluster.masters[leader].start();
        cluster.await_voters(3).await;
    }
    // On a slow machine the kills are over before much has happened.
    eventually("enough operations", Duration::from_secs(60), || {
        let enough = values.load(Ordering::SeqCst) > WRITES;
        async move { enough }
    })
    .await;
    stop.store(true, Ordering::SeqCst);
    let mut history = Vec::new();
    for client in clients {
        history.extend(client.await.unwrap());
    }
    let known = history.iter().filter(|operation| operation.returned_at.is_some()).count();
    println!("{} operations, {} with a known outcome", history.len(), known);
    assert!(known > 400, "too little happened: {known} operations");
    check(&history).unwrap();
}

struct Client {
    rest: Rest,
    urls: Arc<Vec<String>>,
    stop: Arc<AtomicBool>,
    values: Arc<AtomicU64>,
    begun: Instant,
    random: u64,
    number: u64,
}

impl Client {
    async fn run(mut self) -> Vec<Operation> {
        let mut history = Vec::new();
        while !self.stop.load(Ordering::SeqCst) {
            let key = format!("register-{}", self.below(KEYS));
            let master = usize::try_from(self.below(3)).unwrap();
            let url = self.urls[master].clone();
            let operation = if self.below(2) == 0 {
                self.write(key, &url).await
            } else {
                self.read(key, &url).await
            };
            let failed = operation.is_none();
            history.extend(operation);
            // Bounded: a few thousand operations show as much as a million.
            let pause = if failed { 50 } else { 5 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        history
    }

    /// Every value is written once, so a read tells which write it saw.
    async fn write(&mut self, key: String, url: &str) -> Option<Operation> {
        let value = self.values.fetch_add(1, Ordering::SeqCst);
        let path = format!("/admin/api/settings/{key}");
        let called_at = self.now();
        let answer =
            self.rest.call(url, Method::PUT, &path, Some(json!({ "value": value })), &[]).await;
        let returned_at = match answer {
            Ok(answer) if answer.status == 200 => Some(self.now()),
            // Certainly not done: no leader took it, or the master is starting.
            Ok(answer) if answer.body["code"] == "Q4504" || answer.body["code"] == "Q4503" => {
                return None;
            }
            // A refused connection never carried the request.
            Err(error) if error.contains("ConnectionRefused") => return None,
            Ok(_) | Err(_) => None,
        };
        Some(Operation { key, call: Call::Write(value), called_at, returned_at })
    }

    async fn read(&mut self, key: String, url: &str) -> Option<Operation> {
        let path = format!("/admin/api/settings/{key}");
        let called_at = self.now();
        let answer = self.rest.get(url, &path).await.ok()?;
        let seen = match answer.status {
            200 => Some(answer.body["value"].as_u64().unwrap()),
            404 => None,
            _ => return None,
        };
        Some(Operation { key, call: Call::Read(seen), called_at, returned_at: Some(self.now()) })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap()
    }

    /// xorshift64*: enough to spread clients, repeatable from the printed seed.
    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random = self.random.wrapping_add(self.number);
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}
