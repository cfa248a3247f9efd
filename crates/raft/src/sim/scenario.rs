//! The scenario: clients write while messages are lost, links are cut, masters crash, join, leave
//! and hand over the leadership; in the end nothing acknowledged is missing and all masters hold
//! the same bytes.

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
use quorate_state::{Command, FEATURE_LEVEL, Proposal};

use super::{
    SimConfig as C, SimRaft, SimReport, Violation,
    network::Network,
    operator::{self, Wish},
    world::World,
};
use crate::{
    RaftOptions,
    log_store::{LogStore, Threading, failure::Failure},
    state_machine::{Published, SnapshotFile, StateMachine},
    types::Replicated,
    vault::Vault,
};

/// The masters in the beginning.
const NODES: [u64; 3] = [1, 2, 3];
/// No more masters than this at a time.
const MASTERS_MAX: usize = 7;
/// How long the masters have to become level when the faults are over.
const SETTLE: Duration = Duration::from_secs(60);

/// What shall happen in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scenario {
    /// How many clients write at the same time.
    pub clients: u64,
    /// How often the leader crashes and comes back.
    pub crashes: u64,
    /// How often a master joins, leaves, or is given the leadership, with a fault meanwhile.
    pub changes: u64,
    /// How many of a thousand messages are lost.
    pub loss_permille: u64,
    /// A snapshot is made after so many entries.
    pub snapshot_after_entries: u64,
}

impl Scenario {
    /// One in which the membership changes all the time.
    #[must_use]
    pub fn of_changes() -> Self {
        Self { clients: 2, crashes: 0, changes: 6, ..Self::default() }
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self { clients: 4, crashes: 3, changes: 0, loss_permille: 20, snapshot_after_entries: 50 }
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
    /// Ids are never used again.
    next_id: u64,
    changes: (u64, u64, u64),
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
                next_id: NODES.len() as u64 + 1,
                changes: (0, 0, 0),
                acknowledged: Arc::default(),
                stop: Arc::default(),
            };
            run.play().await.map_err(violation)?;
            let acknowledged =
                run.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
            let changes = run.changes;
            let (trace, leaders, messages) = run.world.into_parts();
            Ok(SimReport { trace, acknowledged, leaders, messages, changes })
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
        for _ in 0..self.scenario.changes {
            self.change().await?;
        }
        C::sleep(Duration::from_secs(1)).await;
        self.stop.store(true, std::sync::atomic::Ordering::SeqCst);
        self.world.stop_losing();
        self.settle().await?;
        self.check()?;
        let nodes: Vec<u64> = self.masters.keys().copied().collect();
        for node in nodes {
            self.crash(node).await;
        }
        self.world.violation().map_or(Ok(()), Err)
    }

    /// One change of who is a master or who leads, and a fault while it is made.
    async fn change(&mut self) -> Result<(), String> {
        let Some(leader) = self.world.leader() else {
            C::sleep(Duration::from_secs(1)).await;
            return Ok(());
        };
        let voters = operator::members(&leader).voters;
        let any = voters[usize::try_from(self.world.roll(voters.len() as u64)).unwrap_or(0)];
        let wish = match self.world.roll(3) {
            0 if self.masters.len() < MASTERS_MAX => Wish::Join(self.next_id),
            1 if voters.len() > NODES.len() => Wish::Remove(any),
            _ => Wish::Transfer(any),
        };
        if let Wish::Join(node) = wish {
            self.next_id += 1;
            self.start(node).await?;
        }
        self.world.note(format_args!("{wish:?} with {voters:?}"));
        let operating = SimRuntime::spawn(operator::fulfil(self.world.clone(), wish));
        self.fault().await?;
        let mut done = operating.await.map_err(|error| error.to_string())?;
        // A master is in it to the end or gone, before its process is left to itself or ended for
        // ever: what was given up is tried again, without faults.
        if !done && !matches!(wish, Wish::Transfer(_)) {
            done = operator::fulfil(self.world.clone(), wish).await;
            if !done {
                return Err(format!("{wish:?} is not possible though nothing is wrong"));
            }
        }
        match wish {
            Wish::Join(_) => self.changes.0 += 1,
            Wish::Transfer(_) => self.changes.2 += u64::from(done),
            Wish::Remove(node) => {
                self.changes.1 += 1;
                self.crash(node).await;
            }
        }
        Ok(())
    }

    /// A master crashes, is cut off, or hears or is heard by nobody, for a while.
    async fn fault(&mut self) -> Result<(), String> {
        let nodes: Vec<u64> = self.masters.keys().copied().collect();
        let one = nodes[usize::try_from(self.world.roll(nodes.len() as u64)).unwrap_or(0)];
        let others = nodes.iter().filter(|&&other| other != one);
        C::sleep(self.world.delay(10_000, 500_000)).await;
        let kind = self.world.roll(5);
        if kind == 0 {
            return Ok(());
        }
        if kind == 1 {
            self.crash(one).await;
            C::sleep(self.world.delay(300_000, 2_000_000)).await;
            return self.start(one).await;
        }
        let away = others.clone().map(|&other| (one, other));
        let back = others.clone().map(|&other| (other, one));
        let ways = match kind {
            2 => away.collect(),
            3 => back.collect(),
            _ => away.chain(back).collect(),
        };
        self.world.cut(ways);
        C::sleep(self.world.delay(300_000, 3_000_000)).await;
        self.world.cut(std::collections::BTreeSet::new());
        Ok(())
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
        let restored = StateMachine::restore(snapshots, failure, Threading::Inline, FEATURE_LEVEL)
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
                // While links are cut, two may say that they lead; both are asked.
                let leaders: Vec<_> = nodes.iter().filter(|raft| raft.is_leader()).collect();
                let which = usize::try_from(world.roll(leaders.len() as u64)).unwrap_or(0);
                let Some(raft) = leaders.get(which) else { continue };
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
                if all && self.leader().is_some() && ends.len() == self.masters.len() {
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
        let names: Vec<u64> = self.masters.keys().copied().collect();
        if let Some(other) = bytes.iter().position(|encoded| *encoded != bytes[0]) {
            return Err(format!("the states of n{} and n{} differ", names[0], names[other]));
        }
        // Whoever joined to the end is a member, and nobody else than those who run.
        let members = self.world.nodes().first().map(operator::members).unwrap_or_default();
        let strangers = members.voters.iter().chain(&members.learners);
        if let Some(gone) = strangers.clone().find(|node| !self.masters.contains_key(node)) {
            return Err(format!("n{gone} is gone and still a member: {members:?}"));
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
        digest: None,
    })
    .ok()
}
