//! The doctor: facts become findings, each with what was seen, why it matters and what to do.
//!
//! Everything is judged here, so that each rule is a row of a table in the tests; gathering the
//! facts is left to `control` and to the command line.

mod finding;
mod host;
mod network;
mod quorum;
mod work;

use std::{collections::BTreeMap, time::Duration};

use quorate_model::{HostCheckup, NodeCheckup, NodeId, Timestamp};
use quorate_state::State;

pub use finding::{CHECKS, Check, Finding, Repair, Severity};

use self::host::Host;
use crate::Observations;

/// What a node answered, and how its clock stands to that of the one who asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// What it said.
    pub checkup: NodeCheckup,
    /// By how much its clock is ahead, in milliseconds; negative when it is behind.
    pub clock_ahead_ms: i64,
    /// How far that may be off, in milliseconds.
    pub clock_doubt_ms: u64,
}

/// Everything the doctor looks at, as one master gathered it.
#[derive(Debug)]
pub struct DoctorFacts<'a> {
    /// The moment.
    pub now: Timestamp,
    /// The master that asked.
    pub asked_by: NodeId,
    /// Whether a quorum of masters acts.
    pub quorate: bool,
    /// What has been decided, as far as this master knows.
    pub state: &'a State,
    /// How many more voters may die.
    pub failure_tolerance: Option<usize>,
    /// What every master answered, or why it did not.
    pub masters: BTreeMap<NodeId, Result<Answer, String>>,
    /// What every node manager said last, and how long ago; by the leader only.
    pub managers: BTreeMap<NodeId, (Answer, Duration)>,
    /// What the node managers reported.
    pub observations: &'a Observations,
    /// Whether this master leads: only the leader hears from node managers.
    pub leads: bool,
    /// When the cluster's authority ends; `None` when that cannot be read.
    pub authority_until: Option<Timestamp>,
    /// Every component's name with its verdict (`up`, `degraded`, `down`, `unknown`) and reason.
    pub components: Vec<(String, String, String)>,
}

impl DoctorFacts<'_> {
    /// A node as people call it.
    fn name(&self, node: NodeId) -> String {
        let known = self.state.metadata.nodes.get(&node);
        known.map_or_else(|| node.to_string(), |known| known.name.to_string())
    }

    /// The masters that answered.
    fn answers(&self) -> impl Iterator<Item = (NodeId, &Answer)> {
        self.masters.iter().filter_map(|(id, answer)| Some((*id, answer.as_ref().ok()?)))
    }

    /// Every node that said something: a node that is both speaks as a master.
    fn everybody(&self) -> BTreeMap<NodeId, &Answer> {
        let managers = self.managers.iter().map(|(id, (answer, _))| (*id, answer));
        managers.chain(self.answers()).collect()
    }

    /// The hosts of all of them.
    fn hosts(&self) -> Vec<Host<'_>> {
        let mut hosts = Vec::new();
        for (id, answer) in self.everybody() {
            let known = self.state.metadata.nodes.get(&id);
            let asked = self.masters.get(&id).is_some_and(Result::is_ok);
            hosts.push(Host {
                name: self.name(id),
                is_master: known.is_some_and(|node| node.roles.master),
                // A master looks when it is asked, a node manager now and then.
                age: match self.managers.get(&id) {
                    Some((_, age)) if !asked => *age,
                    _ => Duration::ZERO,
                },
                facts: &answer.checkup.host,
            });
        }
        hosts
    }
}

/// Judges a whole cluster. What is worst comes first.
#[must_use]
pub fn examine(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let mut findings = quorum::findings(facts);
    findings.extend(network::findings(facts));
    findings.extend(work::findings(facts));
    findings.extend(host::findings(facts.now, &facts.hosts()));
    sorted(findings)
}

/// Judges one host by itself, when no master can be asked.
#[must_use]
pub fn examine_host(
    now: Timestamp,
    name: &str,
    is_master: bool,
    facts: &HostCheckup,
) -> Vec<Finding> {
    let host = Host { name: name.to_owned(), is_master, age: Duration::ZERO, facts };
    sorted(host::findings(now, &[host]))
}

/// Worst first; what is equally bad stays in the order of the checklist.
#[must_use]
pub fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    let place = |id: &str| CHECKS.iter().position(|check| check.id == id);
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), place(finding.id)));
    findings
}
