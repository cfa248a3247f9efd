//! Calls, clocks, callers: what happens between hosts.

use quorate_model::{NodeId, Trouble, TroubleKind};

use super::{
    DoctorFacts, Finding,
    finding::{CLOCKS, NODE_MANAGERS, PROPOSALS, REMOVED_NODES, REPLICATION},
};

/// A clock that differs by more than this is worth a look, in milliseconds: NTP keeps hosts within
/// a few, and half a second is what a person notices in the order of log lines.
const CLOCK_WARNING_MS: u64 = 500;
/// A clock that differs by more than this is wrong, in milliseconds: no daemon keeps it. Tokens
/// and certificates begin to be judged differently on different hosts.
const CLOCK_PROBLEM_MS: u64 = 5000;

/// What is to be done with a removed node that calls.
const AS_REMOVED: &str = "stop it on its host; to use that host again, move its folders aside and \
                          join anew: quorate join TOKEN";
/// What is to be done with a node that was given up in a recovery and calls.
const AS_WRITTEN_OFF: &str = "nothing is to be stopped: it is told so and stops by itself; keep its \
                              data folder, which may hold changes that no survivor has (see: quorate \
                              explain Q2129); to use its host again, move that folder aside and join \
                              anew with another: quorate join TOKEN";

pub(super) fn findings(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let mut findings = troubles(facts);
    findings.extend(clocks(facts));
    findings.extend(node_managers(facts));
    findings
}

/// How long ago something was, in the words of findings.
pub(super) fn ago(ms: u64) -> String {
    match ms / 1000 {
        0..=89 => format!("{} s ago", ms / 1000),
        seconds => format!("{} min ago", seconds / 60),
    }
}

fn troubles(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    if facts.answers().next().is_none() {
        let each = [PROPOSALS, REPLICATION, REMOVED_NODES];
        return each.iter().flat_map(|check| check.unknown("no master answered")).collect();
    }
    let is_node = |node: &NodeId| facts.state.metadata.nodes.contains_key(node);
    let (mut proposals, mut replication, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    for (id, answer) in facts.answers() {
        let name = facts.name(id);
        let troubles = answer.checkup.master.iter().flat_map(|master| &master.troubles);
        for Trouble { kind, node, count, last_ago_ms, words } in troubles {
            let last = ago(*last_ago_ms);
            let times = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
            let other = node.map_or_else(|| "another node".to_owned(), |node| facts.name(node));
            match kind {
                TroubleKind::Proposal => proposals.push(PROPOSALS.warning(
                    &name,
                    format!("{name} failed to get a change acknowledged, {times} in ten minutes, last {last}: {words}"),
                    "see that a leader is elected and stays: quorate status --watch",
                )),
                // Calls to a node fail while it is being removed, and nobody shall mend that.
                TroubleKind::Replication if !node.as_ref().is_none_or(is_node) => {}
                TroubleKind::Replication => replication.push(REPLICATION.warning(
                    &name,
                    format!("calls of {name} to {other} failed, {times} in ten minutes, last {last}: {words}"),
                    &format!("if it goes on, look at {other} and at the network between them: quorate status"),
                )),
                // It joined a moment before, and the other had not heard of it yet.
                TroubleKind::RefusedNode if node.as_ref().is_some_and(is_node) => {}
                TroubleKind::RefusedNode => {
                    let (who, fix) = refused(facts, *node);
                    let seen = format!("{who} called {name} and was refused, {times} in ten minutes, last {last}");
                    removed.push(REMOVED_NODES.warning(&name, seen, &fix));
                }
            }
        }
    }
    let mut all = PROPOSALS.or_ok(proposals, "no change failed in the last ten minutes");
    all.extend(
        REPLICATION.or_ok(replication, "no call between masters failed in the last ten minutes"),
    );
    all.extend(REMOVED_NODES.or_ok(removed, "no removed node has called in the last ten minutes"));
    all
}

/// Who was refused, and what is to be done with it. Where a living node has its name, it goes by its
/// id, so that nobody stops the living one.
fn refused(facts: &DoctorFacts<'_>, node: Option<NodeId>) -> (String, String) {
    let metadata = &facts.state.metadata;
    let Some(node) = node else {
        return ("an unknown node".to_owned(), AS_REMOVED.to_owned());
    };
    let Some(tombstone) = metadata.tombstones.get(&node) else {
        return (format!("{node}, which is no node of this cluster,"), AS_REMOVED.to_owned());
    };
    let was = &tombstone.name;
    let namesake = metadata.nodes.iter().find(|(_, living)| living.name == *was);
    let other = namesake
        .map(|(id, _)| format!("; the {was} of now ({id}) is another node, which is to run on"))
        .unwrap_or_default();
    // One that was written off in an earlier recovery than the last counts as removed: nothing says
    // to empty a folder.
    let recovery = metadata.recovery.as_ref().filter(|it| it.written_off.contains(&node));
    match (recovery, namesake) {
        (None, None) => (format!("the removed node {was} ({node})"), AS_REMOVED.to_owned()),
        (None, Some(_)) => {
            (format!("the removed node {node}, once called {was},"), format!("{AS_REMOVED}{other}"))
        }
        (Some(recovery), _) => {
            let who = if namesake.is_some() {
                format!("{node}, once called {was},")
            } else {
                format!("{was} ({node}),")
            };
            let who = format!("{who} written off in the recovery of {},", recovery.at);
            (who, format!("{AS_WRITTEN_OFF}{other}"))
        }
    }
}

fn clocks(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut worst = 0;
    let here = facts.name(facts.asked_by);
    for (id, answer) in facts.everybody() {
        // What the way there and back may have taken is not counted against anybody.
        let off = answer.clock_ahead_ms.unsigned_abs().saturating_sub(answer.clock_doubt_ms);
        worst = worst.max(off);
        if off <= CLOCK_WARNING_MS {
            continue;
        }
        let name = facts.name(id);
        let direction = if answer.clock_ahead_ms > 0 { "ahead of" } else { "behind" };
        let seconds = answer.clock_ahead_ms.unsigned_abs();
        let seen = format!(
            "the clock of {name} is {}.{:03} s {direction} that of {here}",
            seconds / 1000,
            seconds % 1000
        );
        let seen = match facts.look(id) {
            Some(look) => format!("{seen}, as it said {}", look.ago()),
            None => seen,
        };
        let fix = format!(
            "on {name} (or {here}, if it is the one that is wrong): timedatectl set-ntp true"
        );
        found.push(if off > CLOCK_PROBLEM_MS {
            CLOCKS.problem(&name, seen, &fix)
        } else {
            CLOCKS.warning(&name, seen, &fix)
        });
    }
    let others = facts.everybody().len().saturating_sub(1);
    if others == 0 {
        return match facts.state.metadata.nodes.len() {
            0 | 1 => vec![CLOCKS.info("", "there is no other clock to compare with", "")],
            _ => CLOCKS.unknown(format!("no node but {here} said what its clock shows")),
        };
    }
    CLOCKS.or_ok(found, format!("no clock differs by more than {} ms", worst.max(1)))
}

fn node_managers(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let managers = || facts.state.metadata.nodes.iter().filter(|(_, node)| node.roles.node_manager);
    if managers().next().is_none() {
        return Vec::new();
    }
    if !facts.leads {
        let seen = "node managers report to the leader, and this master does not lead";
        return NODE_MANAGERS.unknown(seen);
    }
    let mut found = Vec::new();
    for (id, node) in managers().filter(|(id, _)| !facts.observations.is_reporting(**id)) {
        let seen = match facts.observations.nodes.get(id) {
            Some(age) => format!("{} last reported {} s ago", node.name, age.as_secs()),
            None => format!("{} has not reported to this leader", node.name),
        };
        let fix = format!("on {}: quorate start", node.name);
        found.push(NODE_MANAGERS.problem(node.name.as_str(), seen, &fix));
    }
    let count = managers().count();
    let seen = if count == 1 {
        "the node manager reports".to_owned()
    } else {
        format!("all {count} node managers report")
    };
    NODE_MANAGERS.or_ok(found, seen)
}
