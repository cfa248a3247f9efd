//! The doctor: facts become findings, each with what was seen, why it matters and what to do.
//!
//! Everything is judged here, so that each rule is a row of a table in the tests; gathering the
//! facts is left to `control` and to the command line.

mod finding;
mod host;
mod look;
mod network;
mod ports;
mod quorum;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use quorate_model::{HostCheckup, NodeCheckup, NodeId, Timestamp};
use quorate_state::State;

pub use finding::{CHECKS, Check, Finding, Repair, Severity};

use self::{host::Host, look::Look};
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
    /// For how long at least each other master has not answered this one; by the leader only.
    pub silent_for: BTreeMap<NodeId, Duration>,
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

    /// When a node last looked, unless it was asked just now: a master looks when it is asked, a
    /// node manager now and then. A node that is both speaks as a master.
    fn look(&self, node: NodeId) -> Option<Look> {
        if self.masters.get(&node).is_some_and(Result::is_ok) {
            return None;
        }
        self.managers.get(&node).map(|(answer, told_ago)| Look::of(&answer.checkup, *told_ago))
    }

    /// The hosts of all of them.
    fn hosts(&self) -> Vec<Host<'_>> {
        let mut hosts = Vec::new();
        for (id, answer) in self.everybody() {
            let known = self.state.metadata.nodes.get(&id);
            hosts.push(Host {
                name: self.name(id),
                is_master: known.is_some_and(|node| node.roles.master),
                look: self.look(id),
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
    findings.extend(ports::findings(facts));
    findings.extend(work::findings(facts));
    findings.extend(host::findings(facts.now, &facts.hosts()));
    sorted(said_once(findings))
}

/// What is well or unknown is one line for each check and subject: what several looks found goes
/// together, well where one of them is. A check that is not well is never called well beside that.
fn said_once(findings: Vec<Finding>) -> Vec<Finding> {
    let bad: BTreeSet<&str> =
        findings.iter().filter(|it| it.severity.is_bad()).map(|it| it.id).collect();
    let mut once: Vec<Finding> = Vec::new();
    for finding in findings.iter().cloned() {
        let folds = |it: &Finding| matches!(it.severity, Severity::Ok | Severity::Unknown);
        if finding.severity == Severity::Ok && bad.contains(finding.id) {
            continue;
        }
        let same =
            |it: &&mut Finding| folds(it) && it.id == finding.id && it.about == finding.about;
        match once.iter_mut().filter(|_| folds(&finding)).find(same) {
            Some(said) => {
                let (first, then) = match (said.severity, finding.severity) {
                    (Severity::Unknown, Severity::Ok) => (&finding.seen, &said.seen),
                    _ => (&said.seen, &finding.seen),
                };
                said.seen = format!("{first}; {then}");
                said.severity = said.severity.min(finding.severity);
                if said.fix.is_empty() {
                    said.fix.clone_from(&finding.fix);
                }
            }
            None => once.push(finding),
        }
    }
    once
}

/// Judges one host by itself, when no master can be asked.
#[must_use]
pub fn examine_host(
    now: Timestamp,
    name: &str,
    is_master: bool,
    facts: &HostCheckup,
) -> Vec<Finding> {
    let host = Host { name: name.to_owned(), is_master, look: None, facts };
    sorted(host::findings(now, &[host]))
}

/// Worst first; what is equally bad stays in the order of the checklist.
#[must_use]
pub fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    let place = |id: &str| CHECKS.iter().position(|check| check.id == id);
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), place(finding.id)));
    findings
}
