//! Whether the masters have a quorum, agree with each other, and would survive.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use quorate_model::{MasterCheckup, NodeId, has_quorum, majority, next_odd};

use super::{
    DoctorFacts, Finding, Severity,
    finding::{
        LAG, LEADERSHIP, LEARNERS, MASTERS_AGREE, MASTERS_ANSWER, QUORUM, STATE_EQUAL, VOTERS_ODD,
        ZONES,
    },
};
use crate::lost_quorum::next_steps;

/// A master that is further behind than this is slow, in entries.
const LAG_MAX: u64 = crate::nodes::LEVEL_LAG;
/// More elections than this in ten minutes are not those of one death, one hand-over or one rolling
/// restart.
const ELECTIONS_MAX: u64 = 5;
/// A learner that waits for longer than this is stuck rather than catching up.
const LEARNER_PATIENCE_MS: u64 = 10 * 60 * 1000;

pub(super) fn findings(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let mut findings = quorum(facts);
    findings.extend(answers(facts));
    findings.extend(agreement(facts));
    findings.extend(leadership(facts));
    findings.extend(states(facts));
    findings.extend(lag(facts));
    findings.extend(odd(facts));
    findings.extend(zones(facts));
    findings.extend(learners(facts));
    findings
}

/// The voters, by the master that asked, or else by any that answered.
fn voters<'a>(facts: &'a DoctorFacts<'_>) -> &'a [NodeId] {
    let of = |id: NodeId| {
        let answer = facts.masters.get(&id)?.as_ref().ok()?;
        answer.checkup.master.as_ref().map(|master| master.voters.as_slice())
    };
    of(facts.asked_by).or_else(|| facts.masters.keys().find_map(|id| of(*id))).unwrap_or_default()
}

fn master_answers<'a>(
    facts: &'a DoctorFacts<'_>,
) -> impl Iterator<Item = (NodeId, &'a MasterCheckup)> {
    facts.answers().filter_map(|(id, answer)| Some((id, answer.checkup.master.as_ref()?)))
}

/// The voters that did not answer, with where they were asked.
fn silent_voters(facts: &DoctorFacts<'_>) -> Vec<String> {
    let is_silent = |id: &&NodeId| facts.masters.get(id).is_none_or(Result::is_err);
    let silent = voters(facts).iter().filter(is_silent);
    silent
        .map(|id| match facts.state.metadata.nodes.get(id) {
            Some(node) => format!("{} at {}", node.name, node.internal_addr),
            None => id.to_string(),
        })
        .collect()
}

fn quorum(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let voters = voters(facts).len();
    let finding = match (facts.quorate, facts.failure_tolerance) {
        (true, Some(0)) if voters == 1 => QUORUM.warning(
            "",
            "a single master acts: its death stops all changes",
            "add two masters: quorate token create --role master; on each host: quorate join TOKEN",
        ),
        (true, Some(0)) => QUORUM.warning(
            "",
            format!("a quorum of {voters} voters acts, and none may fail: one more death stops all changes"),
            "bring back the masters that are missing: quorate status",
        ),
        (true, Some(spare)) => {
            let seen = format!("a quorum of {voters} voters acts; {spare} may fail");
            QUORUM.finding(Severity::Ok, seen)
        }
        _ => {
            let silent = silent_voters(facts);
            let mut seen = "no quorum acts: nothing can be changed".to_owned();
            if voters > 1 {
                let _ = write!(seen, "; of {voters} voters {} are needed", majority(voters));
            }
            if !silent.is_empty() {
                let _ = write!(seen, "; no answer from {}", silent.join(", "));
            }
            QUORUM.problem("", seen, &next_steps(voters, &silent).join("; "))
        }
    };
    vec![finding]
}

fn answers(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (id, answer) in &facts.masters {
        let name = facts.name(*id);
        let addr = facts.state.metadata.nodes.get(id).map(|node| node.internal_addr.as_str());
        match answer {
            Err(error) => found.push(MASTERS_ANSWER.problem(
                &name,
                format!("{} does not answer at {}: {error}", name, addr.unwrap_or("its address")),
                &format!(
                    "on {name}: quorate start, if it does not run; if it runs and hangs: quorate \
                     stop, or in the end kill -9 as Q1041 says, then quorate start; and see that \
                     its internal port is reachable"
                ),
            )),
            Ok(answer) => {
                let failed =
                    answer.checkup.master.as_ref().and_then(|it| it.storage_failure.as_ref());
                if let Some(failure) = failed {
                    found.push(MASTERS_ANSWER.problem(
                        &name,
                        format!("{name} has stopped taking part: {failure}"),
                        &format!("free or mend the disk of {name}; it goes on by itself"),
                    ));
                }
            }
        }
    }
    let count = facts.masters.len();
    if count == 0 {
        return MASTERS_ANSWER.unknown("no master is known here");
    }
    let seen = if count == 1 {
        "the only master answers".to_owned()
    } else {
        format!("all {count} masters answer")
    };
    MASTERS_ANSWER.or_ok(found, seen)
}

/// What is said by most of those who answered.
fn usual<T: Ord + Clone>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts = BTreeMap::<T, usize>::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(value, _)| value)
}

fn agreement(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let leader_of = |it: &MasterCheckup| it.leader.map_or("nobody".to_owned(), |id| facts.name(id));
    let list = |ids: &[NodeId]| {
        let names: Vec<String> = ids.iter().map(|id| facts.name(*id)).collect();
        names.join(", ")
    };
    let mut differ = |what: &str, of: &dyn Fn(&MasterCheckup) -> String| {
        let Some(most) = usual(master_answers(facts).map(|(_, it)| of(it))) else { return };
        for (id, it) in master_answers(facts).filter(|(_, it)| of(it) != most) {
            let name = facts.name(id);
            let seen = format!("{name} has {what} {}, the others {most}", of(it));
            let fix = format!("ask it itself, and compare: quorate status (on {name})");
            found.push(MASTERS_AGREE.problem(&name, seen, &fix));
        }
    };
    differ("the leader", &leader_of);
    differ("the term", &|it| it.term.to_string());
    differ("the voters", &|it| list(&it.voters));
    differ("the epoch", &|it| it.epoch.to_string());
    differ("the feature level", &|it| it.feature_level.to_string());
    let leaders: BTreeSet<NodeId> =
        master_answers(facts).filter(|(_, it)| it.role == "leader").map(|(id, _)| id).collect();
    if leaders.len() > 1 {
        let names: Vec<String> = leaders.iter().map(|id| facts.name(*id)).collect();
        let seen = format!("{} each take themselves for the leader", names.join(" and "));
        found.push(MASTERS_AGREE.problem("", seen, "ask again in a second: quorate doctor"));
    }
    let Some((id, it)) = master_answers(facts).next() else {
        return MASTERS_AGREE.unknown("nobody answered");
    };
    if facts.masters.len() > 1 && master_answers(facts).count() == 1 {
        let name = facts.name(id);
        let seen = format!("only {name} answered: there is nobody to compare it with");
        return MASTERS_AGREE.unknown(seen);
    }
    let leader = match it.leader {
        Some(leader) => format!("have the leader {}", facts.name(leader)),
        None => "know of no leader".to_owned(),
    };
    let seen = format!(
        "all that answered {leader}, term {}, epoch {}, {} voters, feature level {}",
        it.term,
        it.epoch,
        it.voters.len(),
        it.feature_level
    );
    MASTERS_AGREE.or_ok(found, seen)
}

fn states(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    // Another version may write the same state in other bytes, so only equal ones are compared.
    let mut comparable = BTreeMap::<(u64, &str), BTreeMap<&str, Vec<NodeId>>>::new();
    for (id, answer) in facts.answers() {
        let Some(it) = answer.checkup.master.as_ref() else { continue };
        if !it.state_digest.is_empty() {
            let digests = comparable.entry((it.state_index, &answer.checkup.version)).or_default();
            digests.entry(&it.state_digest).or_default().push(id);
        }
    }
    let mut found = Vec::new();
    for ((index, _), digests) in &comparable {
        if digests.len() > 1 {
            let parts: Vec<String> = digests
                .iter()
                .map(|(digest, ids)| {
                    let names: Vec<String> = ids.iter().map(|id| facts.name(*id)).collect();
                    format!("{} has {}", names.join(", "), &digest[..digest.len().min(12)])
                })
                .collect();
            found.push(STATE_EQUAL.problem(
                "",
                format!("at log index {index} the states differ: {}", parts.join("; ")),
                "stop the master that differs from the others, keep its data folder for a report, and let it join anew with an empty one: quorate join TOKEN",
            ));
        }
    }
    if !found.is_empty() {
        return found;
    }
    let compared = comparable.iter().max_by_key(|(_, digests)| digests.values().flatten().count());
    match compared {
        Some(((index, _), digests)) => {
            let same = digests.values().flatten().count();
            let all = facts.answers().count();
            if all == 1 && facts.masters.len() > 1 {
                let seen = "only one master answered: there is nothing to compare its state with";
                return STATE_EQUAL.unknown(seen);
            }
            if same == all {
                let seen =
                    format!("{same} of {all} masters have the same state at log index {index}");
                return vec![STATE_EQUAL.finding(Severity::Ok, seen)];
            }
            let seen = format!(
                "{same} of {all} masters were seen at the same log index ({index}) and with the same version, and have the same state; the others were writing or behind, or run another version"
            );
            vec![STATE_EQUAL.info(
                "",
                seen,
                "ask again when less is written, and no upgrade runs: quorate doctor",
            )]
        }
        None => STATE_EQUAL.unknown("no state was compared: nobody answered"),
    }
}

fn leadership(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    // One that began anew has seen fewer than the others.
    let most = master_answers(facts).max_by_key(|(_, it)| it.elections);
    let Some((id, it)) = most else {
        return LEADERSHIP.unknown("nobody could say how often a leader was elected");
    };
    let (name, term) = (facts.name(id), it.term);
    let found = match it.elections {
        0..=ELECTIONS_MAX => Vec::new(),
        elections => vec![LEADERSHIP.warning(
            "",
            format!("{name} saw {elections} elections in the last ten minutes; the term is {term}"),
            "see who leads, and why it does not stay: quorate status --watch; look at the disks \
             (writes), the links (replication, ports) and the load of the masters; on hosts that \
             are always busy, longer heartbeat_ms, election_min_ms and election_max_ms below \
             [master] in quorate.toml",
        )],
    };
    let seen = match it.elections {
        0 => format!("no election in the last ten minutes; the term is {term}"),
        1 => format!("one election in the last ten minutes; the term is {term}"),
        few => format!("{few} elections in the last ten minutes; the term is {term}"),
    };
    LEADERSHIP.or_ok(found, seen)
}

fn lag(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let newest = master_answers(facts).map(|(_, it)| it.applied_index).max().unwrap_or(0);
    let mut found = Vec::new();
    for (id, it) in master_answers(facts) {
        let behind = newest - it.applied_index;
        if behind > LAG_MAX {
            let name = facts.name(id);
            found.push(LAG.warning(
                &name,
                format!("{name} has applied {} of {newest}: {behind} entries behind", it.applied_index),
                &format!("watch whether it catches up: quorate status --watch; if not, look at the disk and the network of {name}"),
            ));
        }
    }
    match (master_answers(facts).count(), facts.masters.len()) {
        (0, _) => return LAG.unknown("nobody answered"),
        (1, 2..) => {
            return LAG.unknown("only one master answered: there is nobody to compare it with");
        }
        _ => {}
    }
    LAG.or_ok(found, format!("nobody is more than {LAG_MAX} entries behind {newest}"))
}

fn odd(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let count = voters(facts).len();
    let finding = match count {
        0 => return VOTERS_ODD.unknown("nobody could say who votes"),
        _ if count == next_odd(count) => {
            let word = if count == 1 { "voter" } else { "voters" };
            VOTERS_ODD.finding(Severity::Ok, format!("{count} {word}"))
        }
        _ if let Some(even) = &facts.state.metadata.even_voters => VOTERS_ODD.warning(
            "",
            format!(
                "{count} voters survive no more deaths than {}; that was accepted by {}: {}",
                count - 1,
                even.by,
                even.reason
            ),
            "once the reason has gone, add or remove a master, then: quorate master autopilot set \
             --withdraw-even",
        ),
        _ => VOTERS_ODD.warning(
            "",
            format!("{count} voters survive no more deaths than {}", count - 1),
            "add a master: quorate token create --role master; on its host: quorate join TOKEN",
        ),
    };
    vec![finding]
}

fn zones(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let voters = voters(facts);
    if voters.len() < 2 {
        return Vec::new();
    }
    let mut by_zone = BTreeMap::<&str, Vec<NodeId>>::new();
    for (id, answer) in facts.answers().filter(|(id, _)| voters.contains(id)) {
        by_zone.entry(answer.checkup.zone.as_str()).or_default().push(id);
    }
    if let Some(without) = by_zone.get("") {
        let names: Vec<String> = without.iter().map(|id| facts.name(*id)).collect();
        let seen =
            format!("no zone is set for {}, so a shared fate cannot be seen", names.join(", "));
        let fix = "say what fails together (a rack, a room): zone = \"NAME\" below [node] in quorate.toml, then restart the node";
        return vec![ZONES.info("", seen, fix)];
    }
    let silent = voters.len() - by_zone.values().flatten().count();
    let fix = "move a master to another zone: add one there, then remove one here";
    let found: Vec<Finding> = by_zone
        .iter()
        .filter(|(_, here)| !has_quorum(voters.len() - here.len(), voters.len()))
        .map(|(zone, here)| {
            let seen = if here.len() == voters.len() {
                format!("all {} voters stand in the zone {zone}", here.len())
            } else {
                format!(
                    "{} of {} voters stand in the zone {zone}: without it there is no majority",
                    here.len(),
                    voters.len()
                )
            };
            ZONES.warning("", seen, fix)
        })
        .collect();
    if found.is_empty() && silent > 0 {
        let seen =
            format!("{silent} of {} voters did not say in which zone they stand", voters.len());
        return ZONES.unknown(seen);
    }
    ZONES.or_ok(found, format!("the loss of any one of {} zones leaves a majority", by_zone.len()))
}

fn learners(facts: &DoctorFacts<'_>) -> Vec<Finding> {
    let voters: BTreeSet<NodeId> = voters(facts).iter().copied().collect();
    if voters.is_empty() {
        return LEARNERS.unknown("nobody could say who votes");
    }
    let newest = master_answers(facts).map(|(_, it)| it.applied_index).max().unwrap_or(0);
    let mut found = Vec::new();
    for (id, node) in facts.state.metadata.nodes.iter().filter(|(_, node)| node.roles.master) {
        if voters.contains(id) {
            continue;
        }
        let name = &node.name;
        let waited_ms = facts.now.0.saturating_sub(node.joined_at.0);
        let reason = match facts.masters.get(id) {
            Some(Ok(answer)) => {
                let applied = answer.checkup.master.as_ref().map_or(0, |it| it.applied_index);
                match newest.saturating_sub(applied) {
                    0..=1 => "level with the others; it waits until the number of voters stays odd with it".to_owned(),
                    behind => format!("{behind} entries behind"),
                }
            }
            _ => "it does not answer".to_owned(),
        };
        let minutes = waited_ms / 60_000;
        let seen = format!("{name} joined {minutes} min ago and has no vote yet: {reason}");
        let fix = format!("see why: quorate status; is it running? on {name}: quorate start");
        found.push(if waited_ms > LEARNER_PATIENCE_MS {
            LEARNERS.warning(name.as_str(), seen, &fix)
        } else {
            LEARNERS.info(name.as_str(), seen, "")
        });
    }
    LEARNERS.or_ok(found, "no learner has waited for long")
}
