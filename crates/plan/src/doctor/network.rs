//! Links, clocks, callers: what happens between hosts.

use std::collections::BTreeSet;

use quorate_model::{NodeId, Trouble, TroubleKind};

use super::{
    DoctorFacts, Finding, Severity,
    finding::{CLOCKS, NODE_MANAGERS, PORTS, PROPOSALS, REMOVED_NODES, REPLICATION},
};

/// A clock that differs by more than this is worth a look, in milliseconds: NTP keeps hosts within
/// a few, and half a second is what a person notices in the order of log lines.
const CLOCK_WARNING_MS: u64 = 500;
/// A clock that differs by more than this is wrong, in milliseconds: no daemon keeps it. Tokens
/// and certificates begin to be judged differently on different hosts.
const CLOCK_PROBLEM_MS: u64 = 5000;

pub(super) fn findings(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let mut findings = troubles(facts);
    findings.extend(clocks(facts));
    findings.extend(ports(facts));
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
                    let tombstone = node.and_then(|node| facts.state.metadata.tombstones.get(&node));
                    let who = match (tombstone, node) {
                        (Some(tombstone), Some(node)) => format!("the removed node {} ({node})", tombstone.name),
                        (None, Some(node)) => format!("{node}, which is no node of this cluster,"),
                        _ => "an unknown node".to_owned(),
                    };
                    removed.push(REMOVED_NODES.warning(
                        &name,
                        format!("{who} called {name} and was refused, {times} in ten minutes, last {last}"),
                        "stop it on its host; to use that host again, empty its folders and join anew: quorate join TOKEN",
                    ));
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

fn ports(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut tried = 0;
    // A master that does not answer this one is told of once, not by everybody again; unless
    // others do reach it: then the link is what is broken.
    let silent: BTreeSet<_> =
        facts.masters.iter().filter(|(_, answer)| answer.is_err()).map(|(id, _)| *id).collect();
    for (id, answer) in facts.everybody() {
        let name = facts.name(id);
        // A node manager looked some time ago: what it tried may have been removed since.
        let stays = |node: &NodeId| facts.state.metadata.nodes.contains_key(node);
        for reach in answer.checkup.reaches.iter().filter(|reach| stays(&reach.node)) {
            tried += 1;
            if reach.error.is_empty() || silent.contains(&reach.node) {
                continue;
            }
            let other = facts.name(reach.node);
            let seen = format!(
                "{name} cannot reach the {} port of {other} at {}: {}",
                reach.port, reach.addr, reach.error
            );
            let port = reach.addr.rsplit_once(':').map_or("", |(_, port)| port);
            let fix = format!(
                "let {name} through the firewall of {other}, port {port}; see who listens there: ss -ltn"
            );
            found.push(if reach.port == "internal" {
                PORTS.problem(&name, seen, &fix)
            } else {
                PORTS.warning(&name, seen, &fix)
            });
        }
    }
    for gone in &silent {
        let reached_by: Vec<String> = facts
            .everybody()
            .iter()
            .filter(|(_, answer)| {
                let mut reaches = answer.checkup.reaches.iter();
                reaches.any(|it| it.node == *gone && it.port == "internal" && it.error.is_empty())
            })
            .map(|(id, _)| facts.name(*id))
            .collect();
        // When this master reaches it as well, its link is sound and it only did not answer.
        let by_this_one = reached_by.contains(&facts.name(facts.asked_by));
        if !reached_by.is_empty() && !by_this_one {
            let (gone, here) = (facts.name(*gone), facts.name(facts.asked_by));
            let seen = format!("{gone} is reached by {}, and not by {here}", reached_by.join(", "));
            let fix = format!("see what is between {here} and {gone}: a firewall, a route");
            found.push(PORTS.problem(&gone, seen, &fix));
        }
    }
    match tried {
        0 if facts.masters.len() > 1 => PORTS.unknown("no link between masters was tried"),
        0 => vec![PORTS.finding(Severity::Ok, "there is no link between masters to try")],
        _ => PORTS.or_ok(found, format!("{tried} ports were tried from every side and answered")),
    }
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
