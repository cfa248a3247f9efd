//! What the node managers saw, with its age, as one value.

use std::{collections::BTreeMap, time::Duration};

use quorate_model::{
    Generation, InstanceName, InstanceObservation, NodeId, OrderReport, UnmanagedInstance,
};

use crate::MastersObserved;

/// An observation older than this says nothing about now. Node managers report every second.
pub const FRESH_FOR: Duration = Duration::from_secs(5);

/// Members are probed and reported once a second, each at its own moment. What a member has
/// applied is compared with what its leader had committed this much earlier: then the leader was
/// certainly asked before the member was, and a stream of writes does not look like a lag.
pub const PROBE_SPREAD: Duration = Duration::from_millis(1200);

/// One observation and its age, measured from its arrival at the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// What was seen.
    pub observation: InstanceObservation,
    /// How long ago it arrived.
    pub age: Duration,
}

/// Everything observed, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observations {
    /// The newest, by instance.
    pub instances: BTreeMap<InstanceName, Observed>,
    /// Those before it, newest first, as far back as comparing members needs.
    pub earlier: BTreeMap<InstanceName, Vec<Observed>>,
    /// How long ago each node reported.
    pub nodes: BTreeMap<NodeId, Duration>,
    /// The newest order that each node manager has obeyed.
    pub obeyed: BTreeMap<NodeId, Generation>,
    /// What each node manager says of the newest order it took up.
    pub orders: BTreeMap<NodeId, OrderReport>,
    /// What each node manager sees run of instances that were let go.
    pub unmanaged: BTreeMap<NodeId, Vec<UnmanagedInstance>>,
    /// The masters.
    pub masters: MastersObserved,
}

impl Observations {
    /// The observation of an instance, unless it is too old.
    ///
    /// # Errors
    /// Why nothing is known, in words.
    pub fn fresh(&self, instance: &InstanceName) -> Result<&InstanceObservation, String> {
        match self.instances.get(instance) {
            None => Err("it was never reported to this leader".to_owned()),
            Some(seen) if seen.age > FRESH_FOR => {
                Err(format!("it was last reported {} ago", in_words(seen.age)))
            }
            Some(seen) => Ok(&seen.observation),
        }
    }

    /// The newest observation of `leader` that was certainly made before the one of `member`; the
    /// oldest there is when none is old enough.
    #[must_use]
    pub fn before(
        &self,
        leader: &InstanceName,
        member: &InstanceName,
    ) -> Option<&InstanceObservation> {
        let asked = self.instances.get(member).map_or(Duration::ZERO, |seen| seen.age);
        let newest = self.instances.get(leader)?;
        let mut chosen = newest;
        for seen in self.earlier.get(leader).into_iter().flatten() {
            if chosen.age >= asked + PROBE_SPREAD {
                break;
            }
            chosen = seen;
        }
        Some(&chosen.observation)
    }

    /// The age of the oldest word of a node that counts, as master and as node manager.
    #[must_use]
    pub fn age_of_node(&self, node: NodeId) -> Duration {
        let heard = self.masters.members.get(&node).and_then(|seen| seen.heard_ago);
        let reported = self.nodes.get(&node).copied();
        let counted = heard.into_iter().chain(reported).filter(|age| *age <= FRESH_FOR);
        counted.max().unwrap_or_default()
    }

    /// Whether a node has reported lately.
    #[must_use]
    pub fn is_reporting(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|age| *age <= FRESH_FOR)
    }
}

/// A duration as people say it.
pub(crate) fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=59 => format!("{:.1} s", duration.as_secs_f64()),
        60..=3599 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use quorate_model::{
        ComponentName, Generation, MemberObservation, MemberRole, ProcessState, Readiness,
        Timestamp,
    };

    use super::*;

    fn seen(name: &str, committed_index: u64, age_ms: u64) -> Observed {
        let member = MemberObservation {
            member_id: name.to_owned(),
            role: MemberRole::Leader,
            leader_id: None,
            term: 1,
            committed_index,
            applied_index: committed_index,
            version: String::new(),
            voters: 3,
        };
        Observed {
            observation: InstanceObservation {
                component: ComponentName::new("orders").unwrap(),
                instance: InstanceName::new(name).unwrap(),
                generation: Generation(1),
                process: ProcessState::Absent,
                readiness: Readiness::Ready,
                member: Some(member),
                starts: 1,
                last_end: None,
                at: Timestamp(0),
            },
            age: Duration::from_millis(age_ms),
        }
    }

    #[test]
    fn a_member_is_compared_with_what_its_leader_had_committed_before_the_member_was_asked() {
        let name = |text| InstanceName::new(text).unwrap();
        let mut all = Observations::default();
        all.instances.insert(name("a"), seen("a", 300, 100));
        all.instances.insert(name("b"), seen("b", 180, 400));
        let index = |all: &Observations| {
            let before = all.before(&name("a"), &name("b")).unwrap();
            before.member.as_ref().unwrap().committed_index
        };
        assert_eq!(index(&all), 300, "the only one there is");
        all.earlier.insert(name("a"), vec![seen("a", 200, 1100), seen("a", 100, 2100)]);
        assert_eq!(index(&all), 100, "the newest that is old enough");
        all.instances.insert(name("a"), seen("a", 300, 1700));
        assert_eq!(index(&all), 300, "the newest itself is old enough");
    }
}
