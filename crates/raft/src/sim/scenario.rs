//! The scenario: clients write while messages are lost, links are cut, masters crash, join, leave
//! and hand over the leadership; in the end nothing acknowledged is missing and all masters hold
//! the same bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
    recovery::Recoveries,
    world::{Up, World},
};
use crate::{
    RaftOptions,
    log_store::{LogStore, Threading, failure::Failure},
    node::open::elect_the_only_voter,
    state_machine::{Published, SnapshotFile, StateMachine},
    types::Replicated,
    vault::Vault,
};

/// No fewer voters than this remain when one is removed.
const VOTERS_LEAST: usize = 3;
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
    /// How often a majority is lost for good, the survivors go on without it, and it comes back.
    pub recoveries: u64,
    /// How many masters there are in the beginning: three or five, by chance, where it is 0.
    pub masters: u64,
    /// A snapshot is made after so many entries.
    pub snapshot_after_entries: u64,
}

impl Scenario {
    /// One in which the membership changes all the time.
    #[must_use]
    pub fn of_changes() -> Self {
        Self { clients: 2, crashes: 0, changes: 6, ..Self::default() }
    }

    /// One in which a majority is lost for good, twice, and the masters become three or five again.
    #[must_use]
    pub fn of_recoveries() -> Self {
        Self { clients: 2, crashes: 0, recoveries: 2, masters: 0, ..Self::default() }
    }

    /// One in which everything happens that can.
    #[must_use]
    pub fn of_everything() -> Self {
        Self { clients: 2, crashes: 1, changes: 2, recoveries: 1, masters: 0, ..Self::default() }
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            clients: 4,
            crashes: 3,
            changes: 0,
            loss_permille: 20,
            recoveries: 0,
            masters: 3,
            snapshot_after_entries: 50,
        }
    }
}

/// One master that is up.
pub(super) struct Master {
    store: LogStore<C>,
    pub(super) published: Published,
}

/// The acknowledged writes: key, value, and the log index of each.
type Acknowledged = Arc<Mutex<BTreeMap<String, (String, u64)>>>;

/// A panic while it was held leaves the map whole.
pub(super) fn locked(
    acknowledged: &Acknowledged,
) -> MutexGuard<'_, BTreeMap<String, (String, u64)>> {
    acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One run of a scenario.
pub(super) struct Run {
    scenario: Scenario,
    pub(super) world: World,
    pub(super) folder: std::path::PathBuf,
    pub(super) cluster: ClusterId,
    pub(super) keyring: Keyring,
    pub(super) masters: BTreeMap<u64, Master>,
    /// Ids are never used again.
    pub(super) next_id: u64,
    changes: (u64, u64, u64),
    pub(super) acknowledged: Acknowledged,
    stop: Arc<std::sync::atomic::AtomicBool>,
    /// What is written beside each master's disk about epochs.
    pub(super) epochs: BTreeMap<u64, OwnEpoch>,
    pub(super) recoveries: Recoveries,
}

/// The epoch that a master's disk is in, and whom it knows to be dead since that began.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnEpoch {
    pub(super) epoch: Epoch,
    pub(super) written_off: BTreeSet<NodeId>,
}

impl Scenario {
    /// Runs it from a seed, with its files in `folder`, which must be empty.
    ///
    /// # Errors
    /// The first property that did not hold.
    pub fn run(self, seed: u64, folder: &Path) -> Result<SimReport, Violation> {
        let violation = |what: String, trace: Vec<u8>| Violation { seed, what, trace };
        let cluster = ClusterId::from_parts(seed, 1);
        let (keyring, _) = Keyring::create(&RootKey::generate(), cluster)
            .map_err(|error| violation(error.to_string(), Vec::new()))?;
        let mut runtime = SimRuntime::with_seed(seed);
        runtime.block_on(async {
            let mut run = Run {
                scenario: self,
                world: World::new(seed, self.loss_permille),
                folder: folder.to_owned(),
                cluster,
                keyring,
                masters: BTreeMap::new(),
                next_id: 1,
                changes: (0, 0, 0),
                acknowledged: Arc::default(),
                stop: Arc::default(),
                epochs: BTreeMap::new(),
                recoveries: Recoveries::default(),
            };
            let played = run.play().await;
            let acknowledged = locked(&run.acknowledged).len() as u64;
            let changes = run.changes;
            let Recoveries { made, lost_writes, told, .. } = run.recoveries;
            let (trace, leaders, messages) = run.world.into_parts();
            if let Err(what) = played {
                return Err(violation(what, trace));
            }
            let recoveries = (made, lost_writes, told);
            Ok(SimReport { trace, acknowledged, leaders, messages, changes, recoveries })
        })
    }
}

impl Run {
    async fn play(&mut self) -> Result<(), String> {
        let masters = match self.scenario.masters {
            0 => self.three_or_five(),
            masters => masters,
        };
        let nodes = 1..=masters;
        self.next_id = masters + 1;
        for node in nodes.clone() {
            self.start(node).await?;
        }
        let members: BTreeMap<u64, BasicNode> =
            nodes.map(|node| (node, BasicNode::new(format!("n{node}")))).collect();
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
        for _ in 0..self.scenario.recoveries {
            C::sleep(self.world.delay(500_000, 2_000_000)).await;
            self.recover().await?;
        }
        C::sleep(Duration::from_secs(1)).await;
        self.stop.store(true, std::sync::atomic::Ordering::SeqCst);
        self.world.stop_losing();
        self.settle().await?;
        self.check()?;
        self.check_recovered()?;
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
        let wish = self.some_wish(&voters).await?;
        let operating =
            SimRuntime::spawn(operator::fulfil(self.world.clone(), wish, operator::PATIENCE));
        self.fault().await?;
        let mut done = operating.await.map_err(|error| error.to_string())?;
        // A master is in it to the end or gone, before its process is left to itself or ended for
        // ever: what was given up is tried again, without faults.
        if !done && !matches!(wish, Wish::Transfer(_)) {
            done = operator::fulfil(self.world.clone(), wish, operator::PATIENCE).await;
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

    /// Any change that is possible now; the process of one that joins is started.
    pub(super) async fn some_wish(&mut self, voters: &[u64]) -> Result<Wish, String> {
        let any = voters[usize::try_from(self.world.roll(voters.len() as u64)).unwrap_or(0)];
        let wish = match self.world.roll(3) {
            0 if self.masters.len() < MASTERS_MAX => Wish::Join(self.next_id),
            1 if voters.len() > VOTERS_LEAST => Wish::Remove(any),
            _ => Wish::Transfer(any),
        };
        if let Wish::Join(_) = wish {
            self.start_new().await?;
        }
        self.world.note(format_args!("{wish:?} with {voters:?}"));
        Ok(wish)
    }

    /// Starts a master that has nothing yet, in the newest epoch, as one that is let in is.
    pub(super) async fn start_new(&mut self) -> Result<u64, String> {
        let node = self.next_id;
        self.next_id += 1;
        let own = OwnEpoch {
            epoch: self.world.epoch(),
            written_off: self.recoveries.written_off.clone(),
        };
        self.epochs.insert(node, own);
        self.start(node).await?;
        Ok(node)
    }

    /// A master crashes, is cut off, or hears or is heard by nobody, for a while.
    pub(super) async fn fault(&mut self) -> Result<(), String> {
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
        self.world.cut(BTreeSet::new());
        Ok(())
    }

    pub(super) async fn start(&mut self, node: u64) -> Result<(), String> {
        let folder = self.folder.join(format!("n{node}"));
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let own = self.epochs.get(&node).cloned().unwrap_or_default();
        let mut options = RaftOptions::new(self.cluster, own.epoch, NodeId(node), &folder);
        options.snapshot_after_entries = self.scenario.snapshot_after_entries;
        options.keep_entries = self.scenario.snapshot_after_entries / 4;
        let mut config = options.config().map_err(|error| error.to_string())?;
        // As in the product: not before the others were asked for their epoch.
        config.enable_elect = false;
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
        let up = Up {
            raft: raft.clone(),
            published: restored.published.clone(),
            epoch: own.epoch,
            written_off: own.written_off,
        };
        self.world.set_up(node, up);
        elect_the_only_voter(&raft).await;
        // The task runs without its handle.
        drop(SimRuntime::spawn(super::recovery::elect_when_asked(self.world.clone(), raft)));
        self.masters.insert(node, Master { store, published: restored.published });
        Ok(())
    }

    /// Everything in memory is gone. What the store acknowledged is on disk.
    pub(super) async fn crash(&mut self, node: u64) {
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
                // While links are cut, two may say that they lead; both are asked.
                let leaders = world.leaders();
                let which = usize::try_from(world.roll(leaders.len() as u64)).unwrap_or(0);
                let Some((epoch, raft)) = leaders.get(which) else { continue };
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
                        if world.acknowledges(*raft.node_id(), *epoch) {
                            locked(&acknowledged).insert(key.clone(), (count.to_string(), index));
                            format!("acknowledged at {index}")
                        } else {
                            format!("acknowledged at {index} in epoch {epoch}, which has ended")
                        }
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
        let acknowledged = locked(&self.acknowledged);
        for (key, (value, _)) in &*acknowledged {
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
        allowed_after: None,
    })
    .ok()
}
