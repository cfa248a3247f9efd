//! Clients that read and write settings through every master and write down what they saw.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::{
    Dice, Rest,
    history::{Call, Operation},
};

/// An operation and the master it was asked of.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The position of the master.
    pub master: usize,
    /// What was asked and answered.
    pub operation: Operation,
}

/// What clients do.
#[derive(Debug, Clone)]
pub struct Workload {
    /// A caller that is logged in.
    pub rest: Rest,
    /// The masters.
    pub urls: Vec<String>,
    /// The settings they share, so many, with this in front of their names.
    pub prefix: String,
    /// How many settings.
    pub keys: u64,
    /// How many clients.
    pub clients: u64,
    /// How long each one rests between two operations.
    pub pause: Duration,
}

/// Clients at work.
#[derive(Debug)]
pub struct SettingsClients {
    one: Client,
    tasks: Vec<JoinHandle<Vec<Seen>>>,
}

impl SettingsClients {
    /// Starts them. The clock is that of all histories that are to be judged together.
    #[must_use]
    pub fn start(workload: &Workload, begun: Instant, dice: &mut Dice) -> Self {
        let one = Client {
            workload: workload.clone(),
            stop: Arc::default(),
            values: Arc::new(AtomicU64::new(1)),
            writes: Arc::default(),
            begun,
            dice: dice.split(),
        };
        let tasks = (0..workload.clients)
            .map(|_| tokio::spawn(Client { dice: dice.split(), ..one.clone() }.run()))
            .collect();
        Self { one, tasks }
    }

    /// How many writes were acknowledged.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.one.writes.load(Ordering::SeqCst)
    }

    /// Stops them, reads every setting through every master, and returns what was seen.
    ///
    /// # Panics
    /// When a client has panicked.
    pub async fn stop(self) -> Vec<Seen> {
        self.one.stop.store(true, Ordering::SeqCst);
        let mut history = Vec::new();
        for task in self.tasks {
            history.extend(task.await.expect("a client lives"));
        }
        for key in 0..self.one.workload.keys {
            for master in 0..self.one.workload.urls.len() {
                history.extend(self.one.read(self.one.key(key), master).await);
            }
        }
        history
    }
}

#[derive(Debug, Clone)]
struct Client {
    workload: Workload,
    stop: Arc<AtomicBool>,
    /// Every value is written once, so that a read tells which write it saw.
    values: Arc<AtomicU64>,
    writes: Arc<AtomicU64>,
    begun: Instant,
    dice: Dice,
}

impl Client {
    async fn run(mut self) -> Vec<Seen> {
        let mut history = Vec::new();
        while !self.stop.load(Ordering::SeqCst) {
            let number = self.dice.below(self.workload.keys);
            let key = self.key(number);
            let master = self.dice.position(self.workload.urls.len());
            let seen = if self.dice.below(2) == 0 {
                self.write(key, master).await
            } else {
                self.read(key, master).await
            };
            history.extend(seen);
            tokio::time::sleep(self.workload.pause).await;
        }
        history
    }

    fn key(&self, number: u64) -> String {
        format!("{}-{number}", self.workload.prefix)
    }

    /// `None` when it was certainly not done.
    async fn write(&self, key: String, master: usize) -> Option<Seen> {
        let value = self.values.fetch_add(1, Ordering::SeqCst);
        let path = format!("/admin/api/settings/{key}");
        let (url, body) = (&self.workload.urls[master], Some(json!({ "value": value })));
        let called_at = self.now();
        let returned_at = match self.workload.rest.call(url, Method::PUT, &path, body, &[]).await {
            Ok(answer) if answer.status == 200 => {
                self.writes.fetch_add(1, Ordering::SeqCst);
                Some(self.now())
            }
            // No leader took it, or the master is starting.
            Ok(answer) if answer.body["code"] == "Q4504" || answer.body["code"] == "Q4503" => {
                return None;
            }
            // A refused connection never carried the request.
            Err(error) if error.contains("ConnectionRefused") => return None,
            Ok(_) | Err(_) => None,
        };
        let operation = Operation { key, call: Call::Write(value), called_at, returned_at };
        Some(Seen { master, operation })
    }

    async fn read(&self, key: String, master: usize) -> Option<Seen> {
        let path = format!("/admin/api/settings/{key}");
        let called_at = self.now();
        let answer = self.workload.rest.get(&self.workload.urls[master], &path).await.ok()?;
        let value = match answer.status {
            200 => Some(answer.body["value"].as_u64().expect("only numbers are written")),
            404 => None,
            _ => return None,
        };
        let (call, returned_at) = (Call::Read(value), Some(self.now()));
        Some(Seen { master, operation: Operation { key, call, called_at, returned_at } })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
