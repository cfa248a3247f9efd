//! Links: which ports every master reaches, and every node manager reached when it last looked.
//!
//! A node manager's look is from before this examination. It counts only as far as its age does not
//! explain it: a master may have died, or come back, since.

use std::{collections::BTreeSet, time::Duration};

use quorate_model::{NodeId, TroubleKind};

use super::{Answer, DoctorFacts, Finding, Severity, finding::PORTS, look::Look};

/// A master is away for a little longer than others see it: between the last call that failed and
/// the first that did not, or between its start and the word of it.
const GRACE: Duration = Duration::from_secs(5);

pub(super) fn findings(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let silent: BTreeSet<NodeId> =
        facts.masters.iter().filter(|(_, answer)| answer.is_err()).map(|(id, _)| *id).collect();
    let (mut found, tried) = tried_ports(facts, &silent);
    found.extend(silent.iter().filter_map(|gone| broken_link(facts, *gone)));
    match tried {
        0 if !found.is_empty() => found,
        0 if facts.masters.len() > 1 => PORTS.unknown("no link between masters was tried"),
        0 => vec![PORTS.finding(Severity::Ok, "there is no link between masters to try")],
        _ => PORTS.or_ok(found, format!("{tried} ports were tried from every side and answered")),
    }
}

/// What every node says of the others' ports, and how many tries count. A master that does not answer
/// this one is told of once, not by everybody again; unless others do reach it.
fn tried_ports(facts: &DoctorFacts<'_>, silent: &BTreeSet<NodeId>) -> (Vec<Finding>, usize) {
    let mut found = Vec::new();
    let mut tried = 0;
    for (id, answer) in facts.everybody() {
        let name = facts.name(id);
        let look = facts.look(id);
        // A node manager looked some time ago: what it tried may have been removed since.
        let stays = |node: &NodeId| facts.state.metadata.nodes.contains_key(node);
        for reach in answer.checkup.reaches.iter().filter(|reach| stays(&reach.node)) {
            if reach.error.is_empty() || silent.contains(&reach.node) {
                tried += 1;
                continue;
            }
            let other = facts.name(reach.node);
            let (port, addr, error) = (&reach.port, &reach.addr, &reach.error);
            if let Some(look) = look
                && let Some(because) = explained(facts, look, reach.node)
            {
                let seen = format!(
                    "{name} did not reach the {port} port of {other} at {addr} when it looked, {}: {error}; {because}",
                    look.ago()
                );
                let fix = if look.is_stale() {
                    format!("see whether {name} runs: on {name}: quorate start")
                } else {
                    let seconds = look.again_in_s();
                    format!(
                        "ask again in {seconds} s, when {name} has looked again: quorate doctor"
                    )
                };
                let unknown = PORTS.finding(Severity::Unknown, seen);
                found.push(Finding { about: name.clone(), fix, ..unknown });
                continue;
            }
            tried += 1;
            let seen = match look {
                Some(look) => format!(
                    "{name} cannot reach the {port} port of {other} at {addr}, as it saw {}: {error}",
                    look.ago()
                ),
                None => {
                    format!("{name} cannot reach the {port} port of {other} at {addr}: {error}")
                }
            };
            let number = addr.rsplit_once(':').map_or("", |(_, number)| number);
            let fix = format!(
                "let {name} through the firewall of {other}, port {number}; see who listens there: ss -ltn"
            );
            found.push(if port == "internal" {
                PORTS.problem(&name, seen, &fix)
            } else {
                PORTS.warning(&name, seen, &fix)
            });
        }
    }
    (found, tried)
}

/// Why a look that did not reach a master, which answers now, says nothing of now.
fn explained(facts: &DoctorFacts<'_>, look: Look, master: NodeId) -> Option<String> {
    if look.is_stale() {
        return Some("that is too long ago to say anything of now".to_owned());
    }
    // What is known of when it was last away: calls of masters that failed, and its start.
    let failed = facts.answers().flat_map(|(_, answer)| failed_calls(answer, master)).min();
    let node = facts.state.metadata.nodes.get(&master);
    let started = node.and_then(|node| node.started_at.or(Some(node.joined_at)));
    let began = started.map(|at| Duration::from_millis(facts.now.0.saturating_sub(at.0)));
    let is_since = |moment: &Duration| look.at_most + GRACE >= *moment;
    let name = facts.name(master);
    if let Some(failed) = failed.filter(is_since) {
        return Some(format!("calls of masters to {name} failed until {} s ago", failed.as_secs()));
    }
    let began = began.filter(is_since)?;
    Some(format!("{name} began {} s ago", began.as_secs()))
}

/// How long ago calls of that master to the other one last failed.
fn failed_calls(answer: &Answer, other: NodeId) -> impl Iterator<Item = Duration> {
    let troubles = answer.checkup.master.iter().flat_map(|master| &master.troubles);
    troubles
        .filter(move |it| it.kind == TroubleKind::Replication && it.node == Some(other))
        .map(|it| Duration::from_millis(it.last_ago_ms))
}

/// A master that does not answer this one and is reached by others: the link is what is broken.
fn broken_link(facts: &DoctorFacts<'_>, gone: NodeId) -> Option<Finding> {
    let mut reached_by = Vec::new();
    for (id, answer) in facts.everybody() {
        let mut reaches = answer.checkup.reaches.iter();
        if !reaches.any(|it| it.node == gone && it.port == "internal" && it.error.is_empty()) {
            continue;
        }
        // When this master reaches it as well, its link is sound and it only did not answer.
        if id == facts.asked_by {
            return None;
        }
        match facts.look(id) {
            None => reached_by.push(facts.name(id)),
            // It may have died since, unless it was silent here before that look.
            Some(look) if is_after(facts, look, gone) => {
                reached_by.push(format!("{} (as it saw {})", facts.name(id), look.ago()));
            }
            Some(_) => {}
        }
    }
    if reached_by.is_empty() {
        return None;
    }
    let (gone, here) = (facts.name(gone), facts.name(facts.asked_by));
    let seen = format!("{gone} is reached by {}, and not by {here}", reached_by.join(", "));
    let fix = format!("see what is between {here} and {gone}: a firewall, a route");
    Some(PORTS.problem(&gone, seen, &fix))
}

/// Whether a node manager looked after the master had fallen silent.
fn is_after(facts: &DoctorFacts<'_>, look: Look, gone: NodeId) -> bool {
    let silent_for = facts.silent_for.get(&gone);
    !look.is_stale() && silent_for.is_some_and(|silent| *silent > look.at_most + GRACE)
}
