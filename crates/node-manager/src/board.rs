//! What is seen of the instances now; actors and probers write it, the session reports it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quorate_model::{
    Clock, DesiredInstance, InstanceName, InstanceObservation, ProcessState, Readiness, Timestamp,
    UnmanagedInstance,
};
use quorate_pack::MemberView;
use tokio::sync::watch;

use crate::instance::History;

/// Tells one process of an instance from its next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunKey {
    pub(crate) pid: u32,
    pub(crate) started_at: Timestamp,
}

impl RunKey {
    pub(crate) fn of(process: &ProcessState) -> Option<Self> {
        match process {
            ProcessState::Running { pid, started_at, .. } => {
                Some(Self { pid: *pid, started_at: *started_at })
            }
            ProcessState::Absent | ProcessState::Exited { .. } | ProcessState::Failed { .. } => {
                None
            }
        }
    }
}

/// What is seen of every kept instance.
pub(crate) struct Board {
    entries: Mutex<BTreeMap<InstanceName, InstanceObservation>>,
    unmanaged: Mutex<BTreeMap<InstanceName, UnmanagedInstance>>,
    changes: watch::Sender<u64>,
    clock: Arc<dyn Clock>,
}

impl Board {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            entries: Mutex::default(),
            unmanaged: Mutex::default(),
            changes: watch::Sender::new(0),
            clock,
        }
    }

    /// The present moment, by this host's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Says what the process of an instance is doing. What a former process answered is
    /// forgotten: it says nothing about this one.
    pub(crate) fn set_process(
        &self,
        desired: &DesiredInstance,
        process: ProcessState,
        history: &History,
    ) {
        let mut entries = self.entries();
        let former = entries.get(&desired.instance);
        let run = RunKey::of(&process);
        let (readiness, member) = match former {
            Some(former) if run.is_some() && run == RunKey::of(&former.process) => {
                (former.readiness.clone(), former.member.clone())
            }
            _ if run.is_some() => (unknown("it has just been started or found"), None),
            _ => (Readiness::NotReady { reason: "its process does not run".to_owned() }, None),
        };
        let seen = InstanceObservation {
            component: desired.component.name.clone(),
            instance: desired.instance.clone(),
            generation: desired.generation,
            process,
            readiness,
            member,
            starts: history.starts,
            last_end: history.last_end.clone(),
            at: self.clock.now(),
        };
        let changed = former.is_none_or(|former| !same_facts(former, &seen));
        entries.insert(desired.instance.clone(), seen);
        drop(entries);
        self.announce(changed);
    }

    /// Says what a probe of a process saw; nothing when another process runs by now.
    pub(crate) fn set_view(&self, instance: &InstanceName, run: RunKey, view: MemberView) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(instance) else { return };
        if RunKey::of(&entry.process) != Some(run) {
            return;
        }
        let former = entry.clone();
        entry.readiness = view.readiness;
        entry.member = view.member;
        entry.at = self.clock.now();
        let changed = !same_facts(&former, entry);
        drop(entries);
        self.announce(changed);
    }

    /// The instance is reported no more.
    pub(crate) fn remove(&self, instance: &InstanceName) {
        let removed = self.entries().remove(instance);
        self.announce(removed.is_some());
    }

    /// Says what runs of an instance that was let go, or that nothing does.
    pub(crate) fn set_unmanaged(&self, instance: &InstanceName, left: Option<UnmanagedInstance>) {
        let mut unmanaged = self.unmanaged.lock().unwrap_or_else(PoisonError::into_inner);
        let former = match left.clone() {
            Some(left) => unmanaged.insert(instance.clone(), left),
            None => unmanaged.remove(instance),
        };
        drop(unmanaged);
        self.announce(former != left);
    }

    /// What runs of instances that were let go.
    pub(crate) fn unmanaged(&self) -> Vec<UnmanagedInstance> {
        let unmanaged = self.unmanaged.lock().unwrap_or_else(PoisonError::into_inner);
        unmanaged.values().cloned().collect()
    }

    /// All that is seen now.
    pub(crate) fn observations(&self) -> Vec<InstanceObservation> {
        self.entries().values().cloned().collect()
    }

    /// Follows changes; a repeated observation of the same facts is none.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn announce(&self, changed: bool) {
        if changed {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<InstanceName, InstanceObservation>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A readiness that could not be asked for.
pub(crate) fn unknown(reason: impl Into<String>) -> Readiness {
    Readiness::Unknown { reason: reason.into() }
}

fn same_facts(one: &InstanceObservation, other: &InstanceObservation) -> bool {
    InstanceObservation { at: other.at, ..one.clone() } == *other
}

#[cfg(test)]
mod tests {
    use quorate_model::{ComponentSpec, Epoch, Generation, ManualClock, RunState, Term};

    use super::*;

    fn desired() -> DesiredInstance {
        DesiredInstance {
            instance: "db-1".parse().unwrap(),
            component: ComponentSpec {
                name: "db".parse().unwrap(),
                pack: "process".parse().unwrap(),
                instances: Vec::new(),
                settings: BTreeMap::new(),
            },
            addresses: BTreeMap::new(),
            run: RunState::Running,
            generation: Generation(3),
            start_generation: Generation(3),
            first_generation: Generation(0),
            epoch: Epoch(1),
            term: Term(1),
        }
    }

    fn running(pid: u32) -> ProcessState {
        ProcessState::Running { pid, started_at: Timestamp(5), start_generation: Generation(3) }
    }

    const HISTORY: History = History { starts: 1, last_end: None };
    const READY: MemberView = MemberView { readiness: Readiness::Ready, member: None };

    fn run(pid: u32) -> RunKey {
        RunKey { pid, started_at: Timestamp(5) }
    }

    #[test]
    fn what_a_former_process_answered_is_never_said_of_its_successor() {
        let board = Board::new(Arc::new(ManualClock::default()));
        let name = desired().instance;
        board.set_process(&desired(), running(7), &HISTORY);
        board.set_view(&name, run(7), READY);
        assert!(board.observations()[0].is_ready());
        board.set_process(&desired(), running(7), &HISTORY);
        assert!(board.observations()[0].is_ready(), "the same process");

        board.set_process(&desired(), running(8), &HISTORY);
        assert!(!board.observations()[0].is_ready(), "another process");
        board.set_view(&name, run(7), READY);
        assert!(!board.observations()[0].is_ready(), "a late answer of the former");
        board.set_view(&name, run(8), READY);
        assert!(board.observations()[0].is_ready());
        board.set_process(&desired(), ProcessState::Absent, &HISTORY);
        assert!(!board.observations()[0].is_ready());
    }

    #[test]
    fn the_same_facts_seen_later_are_no_change() {
        let clock = Arc::new(ManualClock::default());
        let board = Board::new(Arc::clone(&clock) as _);
        let mut changes = board.changes();
        board.set_process(&desired(), running(7), &HISTORY);
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        clock.advance(std::time::Duration::from_secs(1));
        board.set_process(&desired(), running(7), &HISTORY);
        assert!(!changes.has_changed().unwrap());
        assert_eq!(board.observations()[0].at, Timestamp(1000), "yet it was seen now");
        board.remove(&desired().instance);
        assert!(changes.has_changed().unwrap() && board.observations().is_empty());
    }
}
