//! What the leader observes: the newest report of every node manager, in memory only.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use quorate_model::{
    ActionId, ActionOutcome, NodeCheckup, NodeId, NodeReport, OperationId, Timestamp,
};
use quorate_operations::Waiting;
use quorate_plan::{FRESH_FOR, Observations, Observed, PROBE_SPREAD, doctor::Answer};
use tokio::sync::watch;

/// How far back reports are kept: twice what comparing members needs.
const LOOK_BACK: Duration = PROBE_SPREAD.saturating_mul(2);
/// A node that reports every change of a busy component reports often; this many are kept.
const REPORTS_KEPT: usize = 64;
/// How often the reports of removed nodes are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(1);
/// What a report may take on its way without the clock being blamed, in milliseconds.
const REPORT_ON_ITS_WAY_MS: u64 = 200;

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
    /// Which node manager was asked for an action, and what it said came of it.
    actions: BTreeMap<ActionId, (NodeId, Option<ActionOutcome>)>,
    waiting: BTreeMap<OperationId, Waiting>,
    /// What each node manager last found of itself, how its clock stood, and when that arrived.
    checkups: BTreeMap<NodeId, (Answer, Instant)>,
    /// Since when this is filled: since the term that this master leads in began.
    begun: Option<Instant>,
    /// When the reports of removed nodes were last looked for.
    pruned: Option<Instant>,
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
                // Whoever was not asked has nothing to say about it.
                if let Some((asked, outcome)) = inner.actions.get_mut(&action.id)
                    && *asked == node
                {
                    *outcome = Some(action.outcome.clone());
                }
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

    /// Takes in what a node manager finds of itself. Its clock is compared with `now`, this host's;
    /// what the way here took makes it look behind by as much.
    pub(crate) fn checkup(&self, node: NodeId, checkup: NodeCheckup, now: Timestamp) {
        let ahead = i128::from(checkup.answered_at.0) - i128::from(now.0);
        let clock_ahead_ms = i64::try_from(ahead).unwrap_or(i64::MAX);
        let answer = Answer { checkup, clock_ahead_ms, clock_doubt_ms: REPORT_ON_ITS_WAY_MS };
        self.lock().checkups.insert(node, (answer, Instant::now()));
    }

    /// What every node manager last found of itself, with the age of that.
    pub(crate) fn checkups(&self) -> BTreeMap<NodeId, (Answer, Duration)> {
        let inner = self.lock();
        let aged = |(answer, at): &(Answer, Instant)| (answer.clone(), at.elapsed());
        inner.checkups.iter().map(|(node, checkup)| (*node, aged(checkup))).collect()
    }

    /// Forgets the actions and waits of operations that have ended.
    pub(crate) fn forget_ended(&self, goes_on: impl Fn(OperationId) -> bool) {
        let mut inner = self.lock();
        inner.actions.retain(|id, _| goes_on(id.operation));
        inner.waiting.retain(|operation, _| goes_on(*operation));
    }

    /// Forgets what nodes reported that were removed. Thousands of nodes report every second, so that
    /// all of them are not looked at with every report.
    pub(crate) fn forget_removed(&self, now: Instant, is_node: impl Fn(NodeId) -> bool) {
        let mut inner = self.lock();
        if inner.pruned.is_some_and(|at| now.saturating_duration_since(at) < PRUNE_EVERY) {
            return;
        }
        inner.pruned = Some(now);
        inner.reports.retain(|node, _| is_node(*node));
        inner.checkups.retain(|node, _| is_node(*node));
    }

    /// Forgets everything: a new term begins with no observations, because they were made for
    /// another leader.
    pub(crate) fn clear(&self) {
        *self.lock() = Inner { begun: Some(Instant::now()), ..Inner::default() };
        self.changed();
    }

    /// For how long this has been filled.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.lock().begun.map(|begun| begun.elapsed())
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
                    if let Some(told) = &report.order {
                        observations.orders.insert(*node, told.clone());
                    }
                    if !report.unmanaged.is_empty() && age <= FRESH_FOR {
                        observations.unmanaged.insert(*node, report.unmanaged.clone());
                    }
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

    /// Which binary each node manager runs, by its newest report: its version, and the newest
    /// feature level it reads.
    pub(crate) fn binaries(&self) -> BTreeMap<NodeId, (String, u32)> {
        let inner = self.lock();
        let newest = |(node, reports): (&NodeId, &VecDeque<(NodeReport, Instant)>)| {
            let (report, _) = reports.front()?;
            Some((*node, (report.version.clone(), report.reads_level)))
        };
        inner.reports.iter().filter_map(newest).collect()
    }

    /// The version a node manager reported.
    #[must_use]
    pub fn version_of(&self, node: NodeId) -> Option<String> {
        self.lock().reports.get(&node)?.front().map(|(report, _)| report.version.clone())
    }

    /// From now on this node manager may say what came of an action.
    pub(crate) fn expect_action(&self, id: ActionId, of: NodeId) {
        self.lock().actions.insert(id, (of, None));
    }

    /// The outcome of an action, once the node manager that was asked for it has reported it.
    pub(crate) fn action(&self, id: &ActionId) -> Option<ActionOutcome> {
        self.lock().actions.get(id)?.1.clone()
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

#[cfg(test)]
mod tests {
    use quorate_model::{ActionReport, Term};

    use super::*;

    fn report(actions: Vec<ActionReport>) -> NodeReport {
        NodeReport { actions, ..NodeReport::default() }
    }

    fn done(id: ActionId, seen: &str) -> ActionReport {
        ActionReport { id, outcome: ActionOutcome::Done { seen: seen.to_owned() } }
    }

    #[test]
    fn only_the_node_manager_that_was_asked_says_what_came_of_an_action() {
        let inventory = Inventory::default();
        let operation = OperationId::from_parts(1, 1);
        let id = ActionId { operation, step: 1, term: Term(1), attempt: 1 };
        let now = Instant::now();
        inventory.report(NodeId(2), report(vec![done(id, "before it was asked")]), now);
        inventory.expect_action(id, NodeId(2));
        assert_eq!(inventory.action(&id), None);
        inventory.report(NodeId(3), report(vec![done(id, "forged")]), now);
        assert_eq!(inventory.action(&id), None);
        inventory.report(NodeId(2), report(vec![done(id, "true")]), now);
        assert_eq!(inventory.action(&id), Some(done(id, "true").outcome));
        inventory.forget_action(&id);
        inventory.report(NodeId(2), report(vec![done(id, "again")]), now);
        assert_eq!(inventory.action(&id), None);
    }

    #[test]
    fn of_removed_nodes_nothing_is_kept() {
        let inventory = Inventory::default();
        let now = Instant::now();
        for node in [2, 3] {
            inventory.report(NodeId(node), report(Vec::new()), now);
            inventory.checkup(NodeId(node), NodeCheckup::default(), Timestamp(0));
        }
        let left = || inventory.observations(now).nodes.into_keys().collect::<Vec<NodeId>>();
        inventory.forget_removed(now, |_| true);
        // It is not looked at again with every report, but soon.
        inventory.forget_removed(now, |node| node == NodeId(3));
        assert_eq!(left(), [NodeId(2), NodeId(3)]);
        inventory.forget_removed(now + PRUNE_EVERY, |node| node == NodeId(3));
        assert_eq!(left(), [NodeId(3)]);
        assert_eq!(inventory.checkups().into_keys().collect::<Vec<_>>(), [NodeId(3)]);
    }
}
