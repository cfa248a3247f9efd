//! Writers of settings that retry once, as a client does, and count what failed even then.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::{NodeHandle, ProcessCluster, Rest};

/// Writes settings through all masters in turn, with one retry at the next master.
#[derive(Debug)]
pub struct SettingsWriters {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Vec<(String, u64)>>>,
    /// How many writes failed even after the retry.
    pub failed: Arc<AtomicU64>,
    /// How long the longest took with its retry, in milliseconds.
    pub longest: Arc<AtomicU64>,
}

impl SettingsWriters {
    /// Starts three of them.
    #[must_use]
    pub fn start(cluster: &ProcessCluster) -> Self {
        let urls: Vec<String> = cluster.masters.iter().map(NodeHandle::url).collect();
        let writers = Self {
            stop: Arc::default(),
            tasks: Vec::new(),
            failed: Arc::default(),
            longest: Arc::default(),
        };
        let tasks = (0..3).map(|writer| {
            let (urls, rest, stop) =
                (urls.clone(), cluster.rest.clone(), Arc::clone(&writers.stop));
            let (failed, longest) = (Arc::clone(&writers.failed), Arc::clone(&writers.longest));
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                let mut number = 0_u64;
                while !stop.load(Ordering::SeqCst) {
                    number += 1;
                    let key = format!("w{writer}-{}", number % 50);
                    let begun = Instant::now();
                    if write(&rest, &urls, writer, number, &key).await {
                        acknowledged.push((key, number));
                    } else {
                        failed.fetch_add(1, Ordering::SeqCst);
                    }
                    let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
                    longest.fetch_max(took, Ordering::SeqCst);
                }
                acknowledged
            })
        });
        let tasks = tasks.collect();
        Self { tasks, ..writers }
    }

    /// Stops; the newest acknowledged value of every key, and how many writes there were.
    ///
    /// # Panics
    /// When a writer has panicked.
    pub async fn stop(self) -> (BTreeMap<String, u64>, usize) {
        self.stop.store(true, Ordering::SeqCst);
        let (mut newest, mut count) = (BTreeMap::new(), 0);
        for task in self.tasks {
            for (key, value) in task.await.unwrap() {
                newest.insert(key, value);
                count += 1;
            }
        }
        (newest, count)
    }
}

/// One write and one retry of it, by the same idempotency key, at the next master.
async fn write(rest: &Rest, urls: &[String], writer: usize, number: u64, key: &str) -> bool {
    let path = format!("/admin/api/settings/{key}");
    let once = format!("w{writer}-{number}");
    for attempt in 0..2 {
        let url = &urls[(writer + usize::try_from(number).unwrap() + attempt) % urls.len()];
        let headers = [("idempotency-key", once.as_str())];
        let body = Some(json!({ "value": number }));
        if let Ok(answer) = rest.call(url, Method::PUT, &path, body, &headers).await
            && answer.status == 200
        {
            return true;
        }
    }
    false
}
