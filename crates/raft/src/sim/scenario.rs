//! The scenario: clients write while messages are lost and leaders crash; in the end nothing
//! acknowledged is missing and all masters hold the same bytes.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use openraft::{
    AsyncRuntime, BasicNode, async_runtime::watch::WatchReceiver, type_config::TypeConfigExt,
};
use openraft_rt_sim::SimRuntime;
use quorate_keyring::{Keyring, RootKey};
use quorate_model::{ClusterId, Epoch, NodeId, RequestId, SettingKey, Timestamp};
use quorate_state::{Command, Proposal};

use super::{SimConfig as C, SimRaft, SimReport, Violation, network::Network, world::World};
use crate::{
    RaftOptions,
    log_store::{LogStore, Threading, failure::Failure},
    state_machine::{Published, SnapshotFile, StateMachine},
    types::Replicated,
    vault::Vault,
};

const NODES: [u64; 3] = [1, 2, 3];
/// How long the masters have to become level when the faults are over.
const SETTLE: Duration = Duration::from_secs(60);

/// What shall happen in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scenario {
    /// How many clients write at the same time.
    pub clients: u64,
    /// How often the leader crashes and comes back.
    pub crashes: u64,
    /// How many of a thousand messages are lost.
    pub loss_permille: u64,
    /// A snapshot is made after so many entries.
    pub snapshot_after_entries: u64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self { clients: 4, crashes: 3, loss_permille: 20, snapshot_after_entries: 50 }
    }
}

/// One master that is up.
struct Master {
    store: LogStore<C>,
    published: Published,
}

/// One run of a scenario.
struct Run {
    scenario: Scenario,
    world: World,
    folder: std::path::PathBuf,
    cluster: ClusterId,
    keyring: Keyring,
    masters: BTreeMap<u64, Master>,
    acknowledged: Arc<Mutex<BTreeMap<String, String>>>,
    stop: Arc<std::sync::atomic::AtomicBool>,
}

impl Scenario {
    /// Runs it from a seed, with its files in `folder`, which must be empty.
    ///
    /// # Errors
    /// The first property that did not hold.
    pub fn run(self, seed: u64, folder: &Path) -> Result<SimReport, Violation> {
        let violation = |what: String| Violation { seed, what };
        let cluster = ClusterId::from_parts(seed, 1);
        let (keyring, _) = Keyring::create(&RootKey::generate(), cluster)
            .map_err(|error| violation(error.to_string()))?;
        let mut runtime = SimRuntime::with_seed(seed);
        runtime.block_on(async {
            let mut run = Run {
                scenario: self,
                world: World::new(seed, self.loss_permille),
                folder: folder.to_owned(),
                cluster,
                keyring,
                masters: BTreeMap::new(),
                acknowledged: Arc::default(),
                stop: Arc::default(),
            };
            run.play().await.map_err(violation)?;
            let acknowledged =
                run.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
            let (trace, leaders, messages) = run.world.into_parts();
            Ok(SimReport { trace, acknowledged, leaders, messages })
        })
    }
}

impl Run {
    async fn play(&mut self) -> Result<(), String> {
        for node in NODES {
            self.start(node).await?;
        }
        let members: BTreeMap<u64, BasicNode> =
            NODES.iter().map(|&node| (node, BasicNode::new(format!("n{node}")))).collect();
        let first = self.world.node(1).ok_or("n1 is down")?;
        first.initialize(members).await.map_err(|error| error.to_string())?;
        for client in 0..self.scenario.clients {
            self.spawn_client(client);
        }
        for _ in 0..self.scenario.crashes {
            C::sleep(self.world.delay(1_000_000, 3_000_000)).await;
            if let Some(leader) = self.leader() {
                self.crash(leader).await;
                C::sleep(self.world.delay(300_000, 2_000_000)).await;
                self.start(leader).await?;
            }
        }
        C::sleep(Duration::from_secs(1)).await;
        self.stop.store(true, std::sync::atomic::Ordering::SeqCst);
        self.world.stop_losing();
        self.settle().await?;
        self.check()?;
        for node in NODES {
            self.crash(node).await;
        }
        self.world.violation().map_or(Ok(()), Err)
    }

    async fn start(&mut self, node: u64) -> Result<(), String> {
        let folder = self.folder.join(format!("n{node}"));
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let mut options = RaftOptions::new(self.cluster, Epoch(1), NodeId(node), &folder);
        options.snapshot_after_entries = self.scenario.snapshot_after_entries;
        options.keep_entries = self.scenario.snapshot_after_entries / 4;
        let config = options.config().map_err(|error| error.to_string())?;
        let vault = Vault::new(self.keyring.clone(), self.cluster, NodeId(node));
        let failure = Failure::new();
        let (store, report) = LogStore::open(
            &folder.join("log.redb"),
            vault.clone(),
            failure.clone(),
            Threading::Inline,
        )
        .map_err(|error| error.to_string())?;
        let snapshots = SnapshotFile::new(&folder, vault);
        let restored = StateMachine::restore(snapshots, failure, Threading::Inline)
            .map_err(|error| error.to_string())?;
        self.world.note(format_args!("start n{node} with {} entries", report.entries));
        let network = Network { world: self.world.clone(), this: node };
        let raft = SimRaft::new(node, Arc::new(config), network, store.clone(), restored.machine)
            .await
            .map_err(|error| error.to_string())?;
        self.world.set_up(node, raft);
        self.masters.insert(node, Master { store, published: restored.published });
        Ok(())
    }

    /// Everything in memory is gone. What the store acknowledged is on disk.
    async fn crash(&mut self, node: u64) {
        self.world.note(format_args!("crash n{node}"));
        let raft = self.world.set_down(node);
        if let Some(master) = self.masters.remove(&node) {
            // Closed first: what the core does while it ends reaches nothing any more.
            master.store.close();
        }
        if let Some(raft) = raft {
            drop(raft.shutdown().await);
        }
    }

    fn leader(&self) -> Option<u64> {
        self.world.nodes().iter().find(|raft| raft.is_leader()).map(|raft| *raft.node_id())
    }

    fn spawn_client(&self, client: u64) {
        let (world, stop) = (self.world.clone(), Arc::clone(&self.stop));
        let acknowledged = Arc::clone(&self.acknowledged);
        let spawned = SimRuntime::spawn(async move {
            let mut count = 0_u64;
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                C::sleep(world.delay(5_000, 60_000)).await;
                let nodes = world.nodes();
                let Some(raft) = nodes.iter().find(|raft| raft.is_leader()) else { continue };
                let key = format!("c{client}-{count}");
                count += 1;
                let Some(replicated) = proposal(&world, &key, count) else {
                    world.violate(format!("the proposal of {key} cannot be made"));
                    return;
                };
                let write = C::timeout(Duration::from_secs(2), raft.client_write(replicated));
                let end = match write.await {
                    Ok(Ok(response)) => {
                        let index = response.log_id.index;
                        acknowledged
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .insert(key.clone(), count.to_string());
                        format!("acknowledged at {index}")
                    }
                    Ok(Err(_)) => "refused".to_owned(),
                    Err(_) => "unknown".to_owned(),
                };
                world.note(format_args!("write {key} {end}"));
            }
        });
        // The task runs without its handle.
        drop(spawned);
    }

    /// Waits until every master has applied the whole of the longest log.
    async fn settle(&self) -> Result<(), String> {
        let level = async {
            loop {
                let ends: Vec<_> = self
                    .world
                    .nodes()
                    .iter()
                    .map(|raft| {
                        let metrics = raft.metrics();
                        let metrics = metrics.borrow_watched();
                        (metrics.last_log_index, metrics.last_applied.map(|id| id.index))
                    })
                    .collect();
                let longest = ends.iter().map(|(last, _)| *last).max().flatten();
                let all = ends.iter().all(|&(last, applied)| last == longest && applied == longest);
                if all && self.leader().is_some() && ends.len() == NODES.len() {
                    return;
                }
                C::sleep(Duration::from_millis(50)).await;
            }
        };
        C::timeout(SETTLE, level).await.map_err(|_| "the masters did not become level".to_owned())
    }

    fn check(&self) -> Result<(), String> {
        let states: Vec<_> =
            self.masters.values().map(|master| master.published.current()).collect();
        let mut bytes = Vec::new();
        for state in &states {
            bytes.push(state.encode().map_err(|error| error.to_string())?);
        }
        if let Some(other) = bytes.iter().position(|encoded| *encoded != bytes[0]) {
            return Err(format!("the states of n1 and n{} differ", other + 1));
        }
        let acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in &*acknowledged {
            let found = states[0]
                .metadata
                .settings
                .iter()
                .find(|(known, _)| known.to_string() == *key)
                .map(|(_, setting)| setting.value.to_string());
            if found.as_deref() != Some(value) {
                return Err(format!("the acknowledged write {key}={value} is lost: {found:?}"));
            }
        }
        self.world.note(format_args!(
            "state of {} bytes, {} writes",
            bytes[0].len(),
            acknowledged.len()
        ));
        Ok(())
    }
}

fn proposal(world: &World, key: &str, value: u64) -> Option<Replicated> {
    let at_ms = u64::try_from(world.now_us() / 1000).ok()?;
    Replicated::new(Proposal {
        request_id: Some(RequestId::new(key).ok()?),
        at: Timestamp(at_ms),
        principal: "user:sim".to_owned(),
        command: Command::PutSetting {
            key: SettingKey::new(key).ok()?,
            value: value.to_string().into(),
            expect: None,
        },
    })
    .ok()
}
