//! Whether a recovery is complete, judged by what the masters say after the start.

use std::collections::{BTreeMap, BTreeSet};

use quorate_model::{Epoch, NodeId};

use super::RecoveryPlan;

/// What the masters say of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecoverySeen {
    /// The cluster's id.
    pub cluster: String,
    /// The epoch.
    pub epoch: Epoch,
    /// Whether a quorum acts.
    pub quorate: bool,
    /// Who leads.
    pub leader: Option<NodeId>,
    /// The hash of the last plan that was applied.
    pub plan_sha256: Option<String>,
    /// Ids that are dead for ever.
    pub tombstones: BTreeSet<NodeId>,
    /// Every master: whether it votes, and why it is not ready, if so.
    pub masters: BTreeMap<NodeId, (bool, Option<String>)>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is as it should be.
    pub good: bool,
    /// What was seen, in words.
    pub what: String,
    /// What to do about it; empty when it is good.
    pub todo: String,
}

/// Judges. Without a plan, only what holds after every recovery is looked at.
#[must_use]
pub fn verify(plan: Option<&RecoveryPlan>, seen: &RecoverySeen) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |good: bool, what: String, todo: &str| {
        let todo = if good { String::new() } else { todo.to_owned() };
        findings.push(Finding { good, what, todo });
    };
    find(
        seen.quorate && seen.leader.is_some(),
        match (seen.quorate, seen.leader) {
            (true, Some(leader)) => format!("a quorum acts, and {leader} leads"),
            _ => "no quorum of masters acts".to_owned(),
        },
        "start the master that goes on, and look at its log",
    );
    if let Some(plan) = plan {
        find(
            seen.cluster == plan.cluster.to_string(),
            format!("the cluster is {}", seen.cluster),
            "the plan is of another cluster: ask its masters (--root, --server)",
        );
        find(
            seen.epoch == plan.begins,
            format!("the epoch is {}", seen.epoch),
            "the plan is not applied on the master that answered: quorate recover apply",
        );
        find(
            seen.plan_sha256.as_deref() == Some(&plan.hash),
            match &seen.plan_sha256 {
                Some(hash) => format!("the plan applied last is {}", hash.get(..8).unwrap_or(hash)),
                None => "no recovery was ever applied".to_owned(),
            },
            "it is not the plan given: another one was applied",
        );
        for gone in &plan.written_off {
            find(
                seen.tombstones.contains(&gone.node) && !seen.masters.contains_key(&gone.node),
                format!("{} ({}) is written off", gone.node, gone.name),
                "it is not: the plan is not applied",
            );
        }
        for survivor in std::iter::once(&plan.keeper).chain(&plan.rejoin) {
            let known = seen.masters.get(&survivor.node);
            let unready = match known {
                None => Some("it is no master any more".to_owned()),
                Some((_, unready)) => unready.clone(),
            };
            find(
                unready.is_none(),
                match unready {
                    None => format!("{} ({}) is back", survivor.node, survivor.name),
                    Some(reason) => {
                        format!("{} ({}) is not back: {reason}", survivor.node, survivor.name)
                    }
                },
                "apply the plan there, then start it",
            );
        }
    } else {
        find(
            seen.plan_sha256.is_some(),
            format!("the epoch is {}", seen.epoch),
            "no recovery was ever applied here",
        );
    }
    let voters = seen.masters.values().filter(|(voter, _)| *voter).count();
    let masters = seen.masters.len();
    // Of two masters one votes: with two votes, either death would stop everything.
    let wanted = if masters.is_multiple_of(2) { masters.saturating_sub(1) } else { masters };
    find(
        voters == wanted && voters % 2 == 1,
        format!("{voters} of {masters} masters vote"),
        "wait: autopilot gives each its vote when it has caught up (quorate status)",
    );
    findings
}
