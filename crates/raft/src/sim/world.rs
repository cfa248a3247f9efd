//! What the simulated masters share: who is up, the dice, and the record of what happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use openraft::{
    Instant as _, async_runtime::watch::WatchReceiver, type_config::TypeConfigExt,
    type_config::alias::InstantOf,
};

use super::{SimConfig, SimRaft};

/// Clones are the same world.
#[derive(Clone)]
pub(super) struct World(Arc<Mutex<Inner>>);

struct Inner {
    begun: InstantOf<SimConfig>,
    dice: u64,
    loss_permille: u64,
    up: BTreeMap<u64, SimRaft>,
    /// Ways on which nothing arrives, by sender and receiver.
    cut: BTreeSet<(u64, u64)>,
    trace: String,
    leaders: BTreeMap<u64, u64>,
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
            trace: String::new(),
            leaders: BTreeMap::new(),
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
        let lost = rolled < inner.loss_permille || inner.cut.contains(&(from, to));
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

    pub(super) fn set_up(&self, node: u64, raft: SimRaft) {
        self.lock().up.insert(node, raft);
    }

    pub(super) fn set_down(&self, node: u64) -> Option<SimRaft> {
        self.lock().up.remove(&node)
    }

    pub(super) fn node(&self, node: u64) -> Option<SimRaft> {
        self.lock().up.get(&node).cloned()
    }

    pub(super) fn nodes(&self) -> Vec<SimRaft> {
        self.lock().up.values().cloned().collect()
    }

    /// Somebody who says that it leads, in the newest term.
    pub(super) fn leader(&self) -> Option<SimRaft> {
        let term = |raft: &SimRaft| raft.metrics().borrow_watched().current_term;
        self.nodes().into_iter().filter(SimRaft::is_leader).max_by_key(term)
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

    /// `node` acts as the leader of `term`: there must be no other.
    pub(super) fn note_leader(&self, term: u64, node: u64) {
        let known = self.lock().leaders.get(&term).copied();
        match known {
            None => {
                self.lock().leaders.insert(term, node);
                self.note(format_args!("leader n{node} term {term}"));
            }
            Some(leader) if leader != node => {
                self.violate(format!("n{leader} and n{node} both lead in term {term}"));
            }
            Some(_) => {}
        }
    }

    pub(super) fn violate(&self, what: String) {
        self.lock().violation.get_or_insert(what);
    }

    pub(super) fn violation(&self) -> Option<String> {
        self.lock().violation.clone()
    }

    pub(super) fn into_parts(self) -> (Vec<u8>, BTreeMap<u64, u64>, (u64, u64)) {
        let mut inner = self.lock();
        let trace = std::mem::take(&mut inner.trace).into_bytes();
        (trace, inner.leaders.clone(), (inner.sent, inner.lost))
    }
}
