//! A client that writes to a managed etcd without a pause and remembers every failure.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{Certificate, Client, Identity};
use serde_json::json;
use tokio::task::JoinHandle;

/// One attempt may take this long; the endpoints are tried in turn.
const ATTEMPT: Duration = Duration::from_millis(700);

/// What the writer saw.
#[derive(Debug, Clone, Default)]
pub struct WriterReport {
    /// Acknowledged writes.
    pub written: u64,
    /// Writes that no endpoint took, with the moment since the start and the last reason.
    pub failed: Vec<(Duration, String)>,
    /// The longest time between two acknowledged writes.
    pub longest_gap: Duration,
}

/// A running writer.
#[derive(Debug)]
pub struct EtcdWriter {
    stop: Arc<AtomicBool>,
    task: JoinHandle<WriterReport>,
}

impl EtcdWriter {
    /// Starts writing a key every ten milliseconds through etcd's own HTTPS gateway, with the
    /// client certificate in `tls`. All endpoints are known to the client, as etcd's clients are
    /// set up: a write has failed only when none of them took it.
    ///
    /// # Panics
    /// When the certificates cannot be read.
    #[must_use]
    pub fn start(endpoints: Vec<String>, tls: &Path) -> Self {
        crate::cluster::install_tls_provider();
        let read = |name: &str| std::fs::read(tls.join(name)).unwrap();
        let mut pem = read("client.crt");
        pem.extend(read("client.key"));
        let client = Client::builder()
            .tls_certs_only([Certificate::from_pem(&read("ca.crt")).unwrap()])
            .identity(Identity::from_pem(&pem).unwrap())
            .timeout(ATTEMPT)
            .build()
            .unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(write(client, endpoints, Arc::clone(&stop)));
        Self { stop, task }
    }

    /// Stops writing and says what was seen.
    ///
    /// # Panics
    /// When the writer itself failed.
    pub async fn stop(self) -> WriterReport {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap()
    }
}

async fn write(client: Client, endpoints: Vec<String>, stop: Arc<AtomicBool>) -> WriterReport {
    let begun = Instant::now();
    let mut report = WriterReport::default();
    let mut last = Instant::now();
    let mut preferred = 0;
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !stop.load(Ordering::SeqCst) {
        ticks.tick().await;
        // "writer" in base64, as the gateway wants it.
        let body = json!({ "key": "d3JpdGVy", "value": "d3JpdGVy" });
        let mut reason = String::new();
        let mut done = false;
        for turn in 0..endpoints.len() {
            let index = (preferred + turn) % endpoints.len();
            let url = format!("{}/v3/kv/put", endpoints[index]);
            match client.post(url).json(&body).send().await {
                Ok(answer) if answer.status().is_success() => {
                    preferred = index;
                    done = true;
                    break;
                }
                Ok(answer) => {
                    reason =
                        format!("{}: {}", answer.status(), answer.text().await.unwrap_or_default())
                }
                Err(error) => reason = format!("{error:?}"),
            }
        }
        if done {
            report.written += 1;
            report.longest_gap = report.longest_gap.max(last.elapsed());
            last = Instant::now();
        } else {
            report.failed.push((begun.elapsed(), reason));
        }
    }
    report
}
