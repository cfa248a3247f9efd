//! What the leader observes: the newest report of every node manager, in memory only.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use quorate_model::{ActionId, ActionOutcome, NodeId, NodeReport, OperationId};
use quorate_operations::Waiting;
use quorate_plan::{Observations, Observed, PROBE_SPREAD};
use tokio::sync::watch;

/// How far back reports are kept: twice what comparing members needs.
const LOOK_BACK: Duration = PROBE_SPREAD.saturating_mul(2);
/// A node that reports every change of a busy component reports often; this many are kept.
const REPORTS_KEPT: usize = 64;

/// The newest reports, with the moment each arrived by this host's monotonic clock: a node's own
/// clock is never trusted for freshness.
#[derive(Debug)]
pub struct Inventory {
    inner: Mutex<Inner>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The newest report first, and those of the last seconds after it.
    reports: BTreeMap<NodeId, VecDeque<(NodeReport, Instant)>>,
    actions: BTreeMap<ActionId, ActionOutcome>,
    waiting: BTreeMap<OperationId, Waiting>,
}

impl Default for Inventory {
    fn default() -> Self {
        Self { inner: Mutex::default(), changes: watch::Sender::new(0) }
    }
}

impl Inventory {
    /// Takes in a report.
    pub(crate) fn report(&self, node: NodeId, report: NodeReport, now: Instant) {
        {
            let mut inner = self.lock();
            for action in &report.actions {
                inner.actions.insert(action.id, action.outcome.clone());
            }
            let reports = inner.reports.entry(node).or_default();
            reports.push_front((report, now));
            // One that is older than the look back is kept, so that there is always one.
            while reports.len() > 2
                && reports
                    .get(reports.len() - 2)
                    .is_some_and(|(_, at)| now.saturating_duration_since(*at) > LOOK_BACK)
                || reports.len() > REPORTS_KEPT
            {
                reports.pop_back();
            }
        }
        self.changed();
    }

    /// Forgets the actions and waits of operations that have ended.
    pub(crate) fn forget_ended(&self, goes_on: impl Fn(OperationId) -> bool) {
        let mut inner = self.lock();
        inner.actions.retain(|id, _| goes_on(id.operation));
        inner.waiting.retain(|operation, _| goes_on(*operation));
    }

    /// Forgets everything: a new term begins with no observations, because they were made for
    /// another leader.
    pub(crate) fn clear(&self) {
        *self.lock() = Inner::default();
        self.changed();
    }

    /// Everything observed, with ages as of `now`.
    #[must_use]
    pub fn observations(&self, now: Instant) -> Observations {
        let inner = self.lock();
        let mut observations = Observations::default();
        for (node, reports) in &inner.reports {
            for (position, (report, at)) in reports.iter().enumerate() {
                let age = now.saturating_duration_since(*at);
                if position == 0 {
                    observations.nodes.insert(*node, age);
                    observations.obeyed.insert(*node, report.obeyed);
                }
                for instance in &report.instances {
                    let seen = Observed { observation: instance.clone(), age };
                    let name = instance.instance.clone();
                    if position == 0 {
                        observations.instances.insert(name, seen);
                    } else {
                        observations.earlier.entry(name).or_default().push(seen);
                    }
                }
            }
        }
        observations
    }

    /// The version a node manager reported.
    #[must_use]
    pub fn version_of(&self, node: NodeId) -> Option<String> {
        self.lock().reports.get(&node)?.front().map(|(report, _)| report.version.clone())
    }

    /// The outcome of an action, once its node manager has reported it.
    pub(crate) fn action(&self, id: &ActionId) -> Option<ActionOutcome> {
        self.lock().actions.get(id).cloned()
    }

    pub(crate) fn forget_action(&self, id: &ActionId) {
        self.lock().actions.remove(id);
    }

    pub(crate) fn set_waiting(&self, waiting: Waiting) {
        let is_new = {
            let mut inner = self.lock();
            inner.waiting.insert(waiting.operation, waiting.clone()) != Some(waiting)
        };
        if is_new {
            self.changed();
        }
    }

    /// What an operation's started step waits for.
    #[must_use]
    pub fn waiting(&self, operation: OperationId) -> Option<Waiting> {
        self.lock().waiting.get(&operation).cloned()
    }

    /// Rises whenever anything was observed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// A panic while holding the lock leaves maps whole, so the poison says nothing.
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
