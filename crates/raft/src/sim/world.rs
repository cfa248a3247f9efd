//! What the simulated masters share: who is up, the dice, and the record of what happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use openraft::{
    AsyncRuntime, Instant as _, async_runtime::watch::WatchReceiver, type_config::TypeConfigExt,
    type_config::alias::InstantOf,
};

use openraft_rt_sim::SimRuntime;
use quorate_model::{Epoch, NodeId};

use super::{Leaders, SimConfig, SimRaft};
use crate::{
    network::epoch::{OtherEpoch, judge},
    state_machine::Published,
};

/// A master that is up.
#[derive(Clone)]
pub(super) struct Up {
    pub(super) raft: SimRaft,
    pub(super) published: Published,
    /// The epoch its disk is in, and whom it knows to be dead since that began.
    pub(super) epoch: Epoch,
    pub(super) written_off: BTreeSet<NodeId>,
}

/// Clones are the same world.
#[derive(Clone)]
pub(super) struct World(Arc<Mutex<Inner>>);

struct Inner {
    begun: InstantOf<SimConfig>,
    dice: u64,
    loss_permille: u64,
    up: BTreeMap<u64, Up>,
    /// Ways on which nothing arrives, by sender and receiver.
    cut: BTreeSet<(u64, u64)>,
    walls: BTreeSet<(u64, u64)>,
    trace: String,
    leaders: Leaders,
    /// The newest epoch there is.
    epoch: Epoch,
    /// Those that were told that their epoch has ended.
    ended: BTreeSet<u64>,
    /// Those that must neither lead nor acknowledge anything.
    powerless: BTreeSet<u64>,
    violation: Option<String>,
    sent: u64,
    lost: u64,
}

impl World {
    pub(super) fn new(seed: u64, loss_permille: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            begun: SimConfig::now(),
            dice: seed,
            loss_permille,
            up: BTreeMap::new(),
            cut: BTreeSet::new(),
            walls: BTreeSet::new(),
            trace: String::new(),
            leaders: BTreeMap::new(),
            epoch: Epoch::default(),
            ended: BTreeSet::new(),
            powerless: BTreeSet::new(),
            violation: None,
            sent: 0,
            lost: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number below `bound`, the same for the same seed.
    pub(super) fn roll(&self, bound: u64) -> u64 {
        let mut inner = self.lock();
        // SplitMix64: small, and good enough for dice.
        inner.dice = inner.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = inner.dice;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    pub(super) fn delay(&self, least_us: u64, most_us: u64) -> Duration {
        Duration::from_micros(least_us + self.roll(most_us - least_us))
    }

    /// Decides whether a message is lost, and counts it.
    pub(super) fn is_lost(&self, from: u64, to: u64) -> bool {
        let rolled = self.roll(1000);
        let mut inner = self.lock();
        let way = (from, to);
        let is_cut = inner.cut.contains(&way) || inner.walls.contains(&way);
        let lost = is_cut || rolled < inner.loss_permille;
        inner.sent += 1;
        inner.lost += u64::from(lost);
        lost
    }

    pub(super) fn stop_losing(&self) {
        self.lock().loss_permille = 0;
    }

    /// From now on nothing arrives on these ways, and everything on all others.
    pub(super) fn cut(&self, ways: BTreeSet<(u64, u64)>) {
        self.note(format_args!("cut {ways:?}"));
        self.lock().cut = ways;
    }

    /// From now on nothing arrives on these ways, whatever else is cut and healed.
    pub(super) fn wall(&self, ways: BTreeSet<(u64, u64)>) {
        self.note(format_args!("wall {ways:?}"));
        self.lock().walls = ways;
    }

    pub(super) fn set_up(&self, node: u64, up: Up) {
        self.lock().up.insert(node, up);
    }

    pub(super) fn set_down(&self, node: u64) -> Option<SimRaft> {
        let mut inner = self.lock();
        inner.ended.remove(&node);
        inner.up.remove(&node).map(|up| up.raft)
    }

    /// The epoch that acknowledgements count in.
    pub(super) fn epoch(&self) -> Epoch {
        self.lock().epoch
    }

    pub(super) fn begin_epoch(&self, epoch: Epoch) {
        self.lock().epoch = epoch;
    }

    /// The epoch of a master that is up.
    pub(super) fn epoch_of(&self, node: u64) -> Option<Epoch> {
        self.lock().up.get(&node).map(|up| up.epoch)
    }

    /// What `node` makes of a caller in that epoch, by the product's own judgement.
    pub(super) fn judge(&self, node: u64, caller: u64, theirs: Epoch) -> Option<OtherEpoch> {
        let up = self.lock().up.get(&node).cloned()?;
        let caller = NodeId(caller);
        let is_member = || {
            let metrics = up.raft.metrics();
            let metrics = metrics.borrow_watched();
            metrics.membership_config.membership().get_node(&caller.0).is_some()
        };
        let is_dead = || {
            up.written_off.contains(&caller)
                || up.published.current().metadata.tombstones.contains_key(&caller)
        };
        judge(up.epoch, theirs, is_member, is_dead)
    }

    /// `node` was told that this epoch, which it was in, has ended: it stops, and stays stopped.
    pub(super) fn end(&self, node: u64, epoch: Epoch) {
        let mut inner = self.lock();
        if inner.up.get(&node).is_none_or(|up| up.epoch != epoch) {
            return;
        }
        let stopped = inner.up.remove(&node);
        inner.ended.insert(node);
        drop(inner);
        self.note(format_args!("n{node} is told that epoch {epoch} has ended"));
        if let Some(up) = stopped {
            // It ends without anybody waiting for it.
            drop(SimRuntime::spawn(async move { drop(up.raft.shutdown().await) }));
        }
    }

    pub(super) fn has_ended(&self, node: u64) -> bool {
        self.lock().ended.contains(&node)
    }

    /// From now on these must neither lead nor acknowledge anything.
    pub(super) fn set_powerless(&self, nodes: BTreeSet<u64>) {
        self.lock().powerless = nodes;
    }

    /// A client was told by `node`, in that epoch, that its write is done. Whether that counts: a
    /// master whose epoch has ended and who was not told yet acknowledges what nobody else knows.
    pub(super) fn acknowledges(&self, node: u64, epoch: Epoch) -> bool {
        if self.lock().powerless.contains(&node) {
            self.violate(format!("n{node}, written off, has acknowledged a write"));
        }
        epoch == self.epoch()
    }

    pub(super) fn node(&self, node: u64) -> Option<SimRaft> {
        self.lock().up.get(&node).map(|up| up.raft.clone())
    }

    pub(super) fn nodes(&self) -> Vec<SimRaft> {
        self.lock().up.values().map(|up| up.raft.clone()).collect()
    }

    /// Everybody who says that it leads, and the epoch of each.
    pub(super) fn leaders(&self) -> Vec<(Epoch, SimRaft)> {
        let up: Vec<Up> = self.lock().up.values().cloned().collect();
        up.into_iter().filter(|up| up.raft.is_leader()).map(|up| (up.epoch, up.raft)).collect()
    }

    /// Somebody who says that it leads, in the newest epoch and term.
    pub(super) fn leader(&self) -> Option<SimRaft> {
        let term = |raft: &SimRaft| raft.metrics().borrow_watched().current_term;
        let newest = self.leaders().into_iter().max_by_key(|(epoch, raft)| (*epoch, term(raft)));
        newest.map(|(_, raft)| raft)
    }

    /// Since the run began, in microseconds.
    pub(super) fn now_us(&self) -> u128 {
        self.lock().begun.elapsed().as_micros()
    }

    pub(super) fn note(&self, event: std::fmt::Arguments<'_>) {
        let now = self.now_us();
        let mut inner = self.lock();
        // Writing to a string cannot fail.
        let _ = writeln!(inner.trace, "{now} {event}");
    }

    /// `node` acts as the leader of `term` of its epoch: there must be no other.
    pub(super) fn note_leader(&self, term: u64, node: u64) {
        // One that is stopped says nothing any more.
        let Some(epoch) = self.epoch_of(node) else { return };
        let known = self.lock().leaders.insert((epoch.0, term), node);
        if known.is_none() {
            self.note(format_args!("leader n{node} epoch {epoch} term {term}"));
        }
        if self.lock().powerless.contains(&node) {
            self.violate(format!("n{node}, written off, leads in term {term}"));
        }
        if let Some(other) = known.filter(|other| *other != node) {
            self.violate(format!("n{other} and n{node} lead in term {term} of epoch {epoch}"));
        }
    }

    pub(super) fn violate(&self, what: String) {
        self.lock().violation.get_or_insert(what);
    }

    pub(super) fn violation(&self) -> Option<String> {
        self.lock().violation.clone()
    }

    pub(super) fn into_parts(self) -> (Vec<u8>, Leaders, (u64, u64)) {
        let mut inner = self.lock();
        let trace = std::mem::take(&mut inner.trace).into_bytes();
        (trace, inner.leaders.clone(), (inner.sent, inner.lost))
    }
}
