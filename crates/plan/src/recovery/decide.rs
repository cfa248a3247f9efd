//! From the survivors' reports to one plan, or to the reasons why there is none.

use std::collections::{BTreeMap, BTreeSet};

use quorate_model::{Generation, NodeId, Refusal, codes, majority};

use super::{LogPosition, RECOVERY_FORMAT, RecoveryPlan, RecoveryReport, Survivor, WrittenOff};

/// Ids that lost masters may have given out are jumped over up to the next multiple of this.
const NODE_IDS: u64 = 100;
/// As many generations as no master gives out between two breaths.
const GENERATIONS: u64 = 1_000_000;

/// Decides how the cluster goes on from what the survivors hold.
///
/// # Errors
/// Every reason why the reports do not make a recovery: a majority survives, or they are damaged,
/// of different clusters or epochs, of one node twice, or contradict each other.
pub fn decide(reports: &[RecoveryReport]) -> Result<RecoveryPlan, Vec<Refusal>> {
    let refusals = unfit(reports);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let Some((keeper, last)) = most_advanced(reports) else {
        return Err(vec![
            refusal("no report holds any log: there is nothing to go on from")
                .hint("restore the cluster from a backup, or begin anew"),
        ]);
    };
    let refusals = contradictions(reports, keeper, last);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let present: BTreeSet<NodeId> = reports.iter().map(|report| report.node).collect();
    if keeper.voters.iter().all(|voters| survives(voters, &present)) {
        return Err(vec![not_needed(keeper, &present)]);
    }
    Ok(plan(reports, keeper, last, &present).sealed())
}

fn refusal(message: impl Into<String>) -> Refusal {
    Refusal::new(codes::RECOVERY_REPORTS_UNFIT, message)
}

/// What is wrong with the reports by themselves.
fn unfit(reports: &[RecoveryReport]) -> Vec<Refusal> {
    let Some(first) = reports.first() else {
        return vec![refusal("there is no report to plan from").hint(
            "make one on every surviving master, stopped: quorate recover collect --out FILE",
        )];
    };
    let mut refusals = Vec::new();
    let mut seen = BTreeSet::new();
    for report in reports {
        let node = report.node;
        if report.format > RECOVERY_FORMAT {
            refusals.push(
                Refusal::new(
                    codes::FORMAT_TOO_NEW,
                    format!("the report of {node} has format {}", report.format),
                )
                .hint(format!("plan with the binary that made it, {}", report.version)),
            );
            continue;
        }
        if !report.is_whole() {
            refusals.push(
                refusal(format!("the report of {node} is damaged"))
                    .cause("its content is not what its digest was made of")
                    .hint(format!("copy it again from {}, or collect it again there", report.name)),
            );
        }
        if report.cluster != first.cluster {
            refusals.push(
                refusal(format!("{node} is of another cluster than {}", first.node))
                    .cause(format!("{} and {}", report.cluster, first.cluster))
                    .hint("plan each cluster by itself"),
            );
        }
        if report.epoch != first.epoch {
            refusals.push(
                refusal(format!(
                    "{node} is in epoch {}, but {} is in epoch {}",
                    report.epoch, first.node, first.epoch
                ))
                .cause("a recovery was applied on one of them and not on the other")
                .hint("finish that recovery first; leave out a master that it wrote off"),
            );
        }
        if !seen.insert(node) {
            refusals.push(
                refusal(format!("there are two reports of {node}"))
                    .hint("give the newest report of each surviving master, once"),
            );
        }
    }
    refusals
}

/// The most advanced log, compared as in an election. Equal logs: a voter before a learner, then
/// who knows more to be committed, then the lowest id.
fn most_advanced(reports: &[RecoveryReport]) -> Option<(&RecoveryReport, LogPosition)> {
    reports.iter().filter_map(|report| Some((report, report.last_log?))).max_by_key(
        |(report, last)| {
            let votes = report.voters.iter().any(|voters| voters.contains(&report.node));
            (*last, votes, report.committed, std::cmp::Reverse(report.node))
        },
    )
}

/// What the reports say of each other that cannot be.
fn contradictions(
    reports: &[RecoveryReport],
    keeper: &RecoveryReport,
    last: LogPosition,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if keeper.voters.iter().all(BTreeSet::is_empty) {
        refusals.push(
            refusal(format!("the log of {} names no voters", keeper.node))
                .hint("restore the cluster from a backup, or begin anew"),
        );
    }
    for report in reports {
        let node = report.node;
        if let Some(known) = report.committed.filter(|known| *known > last) {
            refusals.push(
                refusal(format!(
                    "{node} knows entry {} as acknowledged, but no log reaches it",
                    known.index
                ))
                .cause(format!("the most advanced log, of {}, ends at {}", keeper.node, last.index))
                .hint("a log has lost entries that were on disk: look at the disks, and restore from a backup"),
            );
        }
        if report.last_log == keeper.last_log && report.state.sha256 != keeper.state.sha256 {
            refusals.push(
                refusal(format!("{node} and {} hold equal logs and different states", keeper.node))
                    .cause("one of their snapshots is damaged, or their binaries differ")
                    .hint(format!(
                        "leave out {node} to go on from {}, or the other way round",
                        keeper.node
                    )),
            );
        }
        if keeper.state.tombstones.contains(&node) {
            refusals.push(
                refusal(format!("{node} was removed from the cluster"))
                    .cause(format!("{} knows so", keeper.node))
                    .hint(format!("leave its report out; to use the host of {node} again, wipe it and join anew")),
            );
        } else if !keeper.members.contains_key(&node) && !keeper.state.masters.contains_key(&node) {
            refusals.push(
                refusal(format!("{node} is no master of the cluster as {} knows it", keeper.node))
                    .cause("it joined in entries that no surviving log holds")
                    .hint(format!("leave its report out; to use the host of {node} again, wipe it and join anew")),
            );
        }
    }
    refusals
}

fn survives(voters: &BTreeSet<NodeId>, present: &BTreeSet<NodeId>) -> bool {
    voters.intersection(present).count() >= majority(voters.len())
}

fn not_needed(keeper: &RecoveryReport, present: &BTreeSet<NodeId>) -> Refusal {
    let voters: BTreeSet<NodeId> = keeper.voters.iter().flatten().copied().collect();
    let alive = voters.intersection(present).count();
    Refusal::new(
        codes::RECOVERY_NOT_NEEDED,
        format!(
            "{alive} of {} voters survive: that is a majority, and nothing is lost",
            voters.len()
        ),
    )
    .cause(format!("{} have reported", listed(voters.intersection(present))))
    .hint("start them: they elect a leader by themselves (quorate run, or their service)")
}

fn listed<'a>(nodes: impl Iterator<Item = &'a NodeId>) -> String {
    nodes.map(NodeId::to_string).collect::<Vec<_>>().join(", ")
}

fn plan(
    reports: &[RecoveryReport],
    keeper: &RecoveryReport,
    last: LogPosition,
    present: &BTreeSet<NodeId>,
) -> RecoveryPlan {
    let survivor = |report: &RecoveryReport| Survivor {
        node: report.node,
        name: report.name.clone(),
        addr: known_addr(keeper, report.node),
        vote: report.vote,
        last_log: report.last_log,
    };
    let rejoin = reports.iter().filter(|report| report.node != keeper.node);
    let mut rejoin: Vec<Survivor> = rejoin.map(survivor).collect();
    rejoin.sort_by_key(|survivor| survivor.node);
    let written_off = written_off(reports, keeper, present);
    // While a change of voters is under way, one set is enough: the new voters may have finished
    // the change and acknowledged more by themselves, and the old ones may never have heard of it.
    let may_lose = keeper.voters.iter().any(|voters| {
        let gone = voters.difference(present).count();
        gone >= majority(voters.len())
    });
    let last_node_id = keeper.state.last_node_id;
    let last_generation = keeper.state.last_generation;
    let highest_term = reports
        .iter()
        .flat_map(|report| [Some(report.vote.term), report.last_log.map(|last| last.term)])
        .flatten()
        .max()
        .unwrap_or_default();
    RecoveryPlan {
        format: RECOVERY_FORMAT,
        cluster: keeper.cluster,
        ends: keeper.epoch,
        begins: keeper.epoch.next(),
        term: highest_term.next(),
        keeper: survivor(keeper),
        rejoin,
        voters_before: keeper.voters.iter().map(BTreeSet::len).max().unwrap_or_default(),
        last_node_id: if may_lose {
            NodeId(last_node_id.0.div_ceil(NODE_IDS) * NODE_IDS)
        } else {
            last_node_id
        },
        last_generation: if may_lose {
            Generation(last_generation.0 + GENERATIONS)
        } else {
            last_generation
        },
        may_lose,
        loss: loss(reports, keeper, last, &written_off, may_lose),
        written_off,
        hash: String::new(),
    }
}

fn known_addr(keeper: &RecoveryReport, node: NodeId) -> String {
    let announced = keeper.state.masters.get(&node).map(|master| master.addr.clone());
    announced
        .filter(|addr| !addr.is_empty())
        .or_else(|| keeper.members.get(&node).cloned())
        .unwrap_or_default()
}

/// Every master that any survivor knows of and that has not reported.
fn written_off(
    reports: &[RecoveryReport],
    keeper: &RecoveryReport,
    present: &BTreeSet<NodeId>,
) -> Vec<WrittenOff> {
    let mut gone: BTreeMap<NodeId, WrittenOff> = BTreeMap::new();
    // The most advanced log is read first: what it says of a name holds.
    let others = reports.iter().filter(|report| report.node != keeper.node);
    for report in std::iter::once(keeper).chain(others) {
        let named = report.state.masters.iter().map(|(id, it)| (id, &it.name[..], &it.addr));
        let members = report.members.iter().map(|(id, addr)| (id, "", addr));
        for (id, name, addr) in named.chain(members) {
            if present.contains(id) || keeper.state.tombstones.contains(id) {
                continue;
            }
            let known = gone.entry(*id).or_insert_with(|| WrittenOff {
                node: *id,
                name: if name.is_empty() { id.to_string() } else { name.to_owned() },
                addrs: BTreeSet::new(),
            });
            if !addr.is_empty() {
                known.addrs.insert(addr.clone());
            }
        }
    }
    gone.into_values().collect()
}

/// What is kept and what may be lost, in words for whoever has to answer for it.
fn loss(
    reports: &[RecoveryReport],
    keeper: &RecoveryReport,
    last: LogPosition,
    written_off: &[WrittenOff],
    may_lose: bool,
) -> Vec<String> {
    let known = reports.iter().filter_map(|report| report.committed).max();
    let mut said = vec![match keeper.state.newest_change {
        Some(at) => format!(
            "Kept: every entry up to {} (term {}), the end of the log of {}. The newest change in it was made at {at}.",
            last.index, last.term, keeper.node
        ),
        None => format!(
            "Kept: every entry up to {} (term {}), the end of the log of {}.",
            last.index, last.term, keeper.node
        ),
    }];
    let gone = listed(written_off.iter().map(|one| &one.node));
    if !may_lose {
        said.push(format!(
            "Nothing that was acknowledged is lost: every acknowledged change is on the disks of a majority of the voters, and {gone} are too few to be one."
        ));
        return said;
    }
    said.push(match known {
        Some(known) if known.index < last.index => format!(
            "Certain: entries up to {} were acknowledged by a majority. Entries {} to {} may have been; they are kept and take effect.",
            known.index,
            known.index.next(),
            last.index
        ),
        Some(known) => format!("Certain: entries up to {} were acknowledged by a majority.", known.index),
        None => format!(
            "No survivor knows which of these entries were acknowledged; all of them are kept and take effect, up to {}.",
            last.index
        ),
    });
    let after = known.map_or_else(
        || "changes".to_owned(),
        |known| format!("changes in entries after {}", known.index),
    );
    said.push(format!(
        "May be lost: {} that were acknowledged and that only {gone} hold. They were a majority, so they can have acknowledged changes that no survivor has heard of. From here nobody can say whether there are any, how many, or which.",
        after
    ));
    said.push(
        "Among them may be changes of access and orders: a session that was ended or a join token that was spent or revoked may be valid again, and what was ordered last may not have been recorded.".to_owned(),
    );
    said
}
