//! Recovery from lost quorum: what is decided from which reports.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use quorate_model::{ClusterId, Epoch, Generation, LogIndex, NodeId, Term, Timestamp, codes};
use quorate_plan::recovery::{
    LogPosition, MasterNamed, Part, RECOVERY_FORMAT, RecoveryPlan, RecoveryReport, RecoverySeen,
    StateSummary, VoteSeen, decide, verify,
};

use super::golden::{compare, refused};

/// What is wrong with a report.
type Edit = Box<dyn Fn(&mut RecoveryReport)>;

fn position(term: u64, index: u64) -> LogPosition {
    LogPosition { term: Term(term), index: LogIndex(index) }
}

/// A master of a cluster of so many voters whose log ends there.
fn report(node: u64, voters: u64, term: u64, last: u64, committed: u64) -> RecoveryReport {
    let ids = || (1..=voters).map(NodeId);
    let addr = |id: NodeId| format!("10.0.0.{}:9901", id.0);
    RecoveryReport {
        format: RECOVERY_FORMAT,
        cluster: ClusterId::from_parts(1_700_000_000_000, 7),
        node: NodeId(node),
        name: format!("m{node}"),
        epoch: Epoch(0),
        version: "0.1.0".to_owned(),
        vote: VoteSeen { term: Term(term), node: NodeId(1), elected: true },
        last_log: Some(position(term, last)),
        committed: Some(position(term, committed)),
        applied: Some(LogIndex(committed)),
        snapshot: None,
        voters: vec![ids().collect()],
        members: ids().map(|id| (id, addr(id))).collect(),
        state: StateSummary {
            masters: ids()
                .map(|id| (id, MasterNamed { name: format!("m{}", id.0), addr: addr(id) }))
                .collect(),
            last_node_id: NodeId(voters),
            last_generation: Generation(4),
            newest_change: Some(Timestamp(1_700_000_123_456)),
            nodes: 5,
            settings: 3,
            sha256: format!("{term}-{last}"),
            ..StateSummary::default()
        },
        digest: String::new(),
    }
    .sealed()
}

fn changed(mut report: RecoveryReport, change: impl FnOnce(&mut RecoveryReport)) -> RecoveryReport {
    change(&mut report);
    report.sealed()
}

#[track_caller]
fn golden(name: &str, reports: &[RecoveryReport]) {
    let text = match decide(reports) {
        Ok(plan) => plan.render("plan.json"),
        Err(refusals) => refused(&refusals),
    };
    compare(&format!("recovery-{name}"), &text);
}

#[test]
fn three_of_five_lost_as_an_operator_reads_it() {
    golden("3-of-5-lost", &[report(1, 5, 4, 1530, 1528), report(4, 5, 4, 1532, 1530)]);
}

#[test]
fn two_of_three_lost_as_an_operator_reads_it() {
    golden("2-of-3-lost", &[report(2, 3, 7, 90, 90)]);
}

#[test]
fn two_of_four_lost_loses_nothing_that_was_acknowledged() {
    let reports = [report(1, 4, 4, 10, 9), report(2, 4, 4, 11, 10)];
    golden("2-of-4-lost", &reports);
    assert!(!decide(&reports).unwrap().may_lose);
}

#[test]
fn what_is_wrong_with_reports_as_an_operator_reads_it() {
    golden("majority-refused", &[report(1, 3, 4, 10, 9), report(3, 3, 4, 9, 9)]);
    golden("no-reports-refused", &[]);
    let table: [(&str, Edit); 5] = [
        ("cluster", Box::new(|it| it.cluster = ClusterId::from_parts(5, 5))),
        ("epoch", Box::new(|it| it.epoch = Epoch(1))),
        ("node-twice", Box::new(|it| it.node = NodeId(1))),
        ("format", Box::new(|it| it.format = RECOVERY_FORMAT + 1)),
        ("lost-entries", Box::new(|it| it.committed = Some(position(4, 11)))),
    ];
    for (name, change) in table {
        let other = changed(report(2, 5, 4, 9, 9), change);
        golden(&format!("{name}-refused"), &[report(1, 5, 4, 10, 9), other]);
    }
    let mut edited = report(2, 5, 4, 9, 9);
    edited.last_log = Some(position(9, 999));
    golden("edited-refused", &[report(1, 5, 4, 10, 9), edited]);
}

#[test]
fn equal_logs_with_different_states_are_refused() {
    let other = changed(report(2, 5, 4, 10, 9), |it| it.state.sha256 = "else".to_owned());
    let refusals = decide(&[report(1, 5, 4, 10, 9), other]).unwrap_err();
    assert!(refusals[0].message.contains("equal logs and different states"), "{refusals:?}");
}

#[test]
fn a_removed_master_and_a_stranger_are_refused() {
    let keeper = changed(report(1, 5, 4, 10, 9), |it| {
        it.members.remove(&NodeId(2));
        it.state.masters.remove(&NodeId(2));
        it.voters = vec![[1, 3, 4, 5].map(NodeId).into()];
    });
    let refusals = decide(&[keeper.clone(), report(2, 5, 3, 9, 9)]).unwrap_err();
    assert!(refusals[0].message.contains("no master of the cluster"), "{refusals:?}");
    let keeper = changed(keeper, |it| {
        it.state.tombstones.insert(NodeId(2));
    });
    let refusals = decide(&[keeper, report(2, 5, 3, 9, 9)]).unwrap_err();
    assert!(refusals[0].message.contains("was removed"), "{refusals:?}");
}

#[test]
fn logs_are_compared_by_term_and_then_by_index_as_in_an_election() {
    // node, term and end of two logs, and whose goes on
    let table =
        [((1, 4, 10), (2, 5, 3), 2), ((1, 4, 10), (2, 4, 11), 2), ((1, 4, 9), (2, 3, 99), 1)];
    for ((one, term, last), (other, other_term, other_last), keeper) in table {
        let reports = [report(one, 5, term, last, 2), report(other, 5, other_term, other_last, 2)];
        let plan = decide(&reports).unwrap();
        assert_eq!(plan.keeper.node, NodeId(keeper));
        assert_eq!(plan.term, Term(term.max(other_term) + 1), "higher than any known");
    }
}

#[test]
fn of_equal_logs_a_voter_goes_on_before_a_learner() {
    let learner = |it: &mut RecoveryReport| it.voters = vec![[2, 3, 4, 5].map(NodeId).into()];
    let reports =
        [changed(report(1, 5, 4, 10, 9), learner), changed(report(2, 5, 4, 10, 9), learner)];
    assert_eq!(decide(&reports).unwrap().keeper.node, NodeId(2));
}

#[test]
fn a_majority_of_both_sets_of_an_unfinished_change_is_needed() {
    // From 1, 2, 3 to 1, 4, 5: 1 and 2 are a majority of the old voters only.
    let joint = |it: &mut RecoveryReport| {
        it.voters = vec![[1, 2, 3].map(NodeId).into(), [1, 4, 5].map(NodeId).into()];
    };
    let reports = [changed(report(1, 5, 4, 10, 9), joint), changed(report(2, 5, 4, 10, 9), joint)];
    let plan = decide(&reports).unwrap();
    assert!(plan.may_lose, "4 and 5 may have finished the change and gone on by themselves");
    let three = [reports[0].clone(), reports[1].clone(), changed(report(5, 5, 4, 10, 9), joint)];
    assert_eq!(decide(&three).unwrap_err()[0].code, codes::RECOVERY_NOT_NEEDED);
}

#[test]
fn an_unfinished_change_loses_nothing_when_no_majority_of_either_set_is_gone() {
    // From 1, 2, 3 to 1, 2, 3, 4: two of four are half, and no majority.
    let joint = |it: &mut RecoveryReport| {
        it.voters = vec![[1, 2, 3].map(NodeId).into(), [1, 2, 3, 4].map(NodeId).into()];
    };
    let of = |node| changed(report(node, 4, 4, 10, 9), joint);
    assert!(!decide(&[of(1), of(2)]).unwrap().may_lose, "3 and 4 cannot acknowledge anything");
    // 2 and 3 may never have heard of the change: then they were a majority.
    assert!(decide(&[of(1), of(4)]).unwrap().may_lose);
}

#[test]
fn masters_that_any_survivor_knows_of_and_that_did_not_report_are_written_off() {
    // n1 was there before n5 joined; n6 has joined and is no member yet.
    let behind = changed(report(1, 4, 3, 5, 5), |_| {});
    let ahead = changed(report(2, 5, 4, 10, 9), |it| {
        it.state.masters.insert(
            NodeId(6),
            MasterNamed { name: "new".to_owned(), addr: "10.0.0.6:9901".to_owned() },
        );
        it.state.tombstones.insert(NodeId(3));
        it.members.remove(&NodeId(3));
        it.state.masters.remove(&NodeId(3));
        it.voters = vec![[1, 2, 4, 5, 7].map(NodeId).into()];
        it.members.insert(NodeId(7), "10.0.0.7:9901".to_owned());
    });
    let plan = decide(&[behind, ahead]).unwrap();
    let gone: Vec<(u64, &str)> =
        plan.written_off.iter().map(|it| (it.node.0, it.name.as_str())).collect();
    // n3 is dead already; n7's name nobody knows.
    assert_eq!(gone, [(4, "m4"), (5, "m5"), (6, "new"), (7, "n7")]);
}

#[test]
fn ids_that_lost_masters_may_have_given_out_are_jumped_over() {
    let plan = decide(&[report(2, 3, 7, 90, 90)]).unwrap();
    assert_eq!((plan.last_node_id, plan.last_generation), (NodeId(100), Generation(1_000_004)));
}

#[test]
fn a_plan_fits_who_reported_and_nobody_else() {
    let (one, two) = (report(1, 5, 4, 10, 9), report(2, 5, 4, 11, 9));
    let plan = decide(&[one.clone(), two.clone()]).unwrap();
    assert_eq!(plan.fits(&two), Ok(Part::Keeper));
    assert_eq!(plan.fits(&one), Ok(Part::Rejoin));
    let refused = |fresh: &RecoveryReport| plan.fits(fresh).unwrap_err().code;
    assert_eq!(refused(&report(3, 5, 4, 10, 9)), codes::NODE_WRITTEN_OFF);
    assert_eq!(refused(&report(9, 9, 4, 10, 9)), codes::RECOVERY_PLAN_INVALID);
    assert_eq!(refused(&report(1, 5, 4, 12, 9)), codes::RECOVERY_NODE_CHANGED);
    let voted = changed(one.clone(), |it| it.vote.term = Term(5));
    assert_eq!(refused(&voted), codes::RECOVERY_NODE_CHANGED);
    let later = changed(one.clone(), |it| it.epoch = Epoch(1));
    assert_eq!(refused(&later), codes::RECOVERY_CONFLICT);
    let other = changed(one, |it| it.cluster = ClusterId::from_parts(5, 5));
    assert_eq!(refused(&other), codes::RECOVERY_PLAN_INVALID);
}

#[test]
fn a_plan_that_was_edited_in_any_place_is_refused() {
    let plan = decide(&[report(1, 5, 4, 10, 9), report(2, 5, 4, 11, 9)]).unwrap();
    plan.check().unwrap();
    let json = serde_json::to_value(&plan).unwrap();
    let fields: Vec<String> = json.as_object().unwrap().keys().cloned().collect();
    let mut edited = 0;
    for field in fields {
        let mut copy = json.clone();
        let value = &mut copy[&field];
        *value = match value.clone() {
            serde_json::Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
            serde_json::Value::Bool(value) => (!value).into(),
            serde_json::Value::Array(mut values) => {
                values.pop();
                values.into()
            }
            serde_json::Value::Object(mut fields) => {
                fields.insert("name".to_owned(), "else".into());
                fields.into()
            }
            serde_json::Value::String(text) if field == "cluster" => text.replace('7', "8").into(),
            serde_json::Value::String(text) => format!("{text}0").into(),
            serde_json::Value::Null => continue,
        };
        let Ok(tampered) = serde_json::from_value::<RecoveryPlan>(copy) else { continue };
        if tampered != plan {
            assert!(tampered.check().is_err(), "{field}");
            edited += 1;
        }
    }
    assert!(edited >= 13, "{edited}");
}

fn seen(plan: &RecoveryPlan) -> RecoverySeen {
    let masters = std::iter::once(&plan.keeper).chain(&plan.rejoin);
    RecoverySeen {
        cluster: plan.cluster.to_string(),
        epoch: plan.begins,
        quorate: true,
        leader: Some(plan.keeper.node),
        plan_sha256: Some(plan.hash.clone()),
        tombstones: plan.written_off.iter().map(|gone| gone.node).collect(),
        masters: masters.map(|it| (it.node, (it.node == plan.keeper.node, None))).collect(),
    }
}

#[test]
fn a_recovery_is_complete_when_all_of_it_is_seen_and_not_before() {
    let plan = decide(&[report(1, 5, 4, 10, 9), report(2, 5, 4, 11, 9)]).unwrap();
    let bad = |change: &dyn Fn(&mut RecoverySeen)| {
        let mut seen = seen(&plan);
        change(&mut seen);
        verify(Some(&plan), &seen).iter().filter(|finding| !finding.good).count()
    };
    assert_eq!(bad(&|_| {}), 0);
    assert_eq!(bad(&|it| it.leader = None), 1);
    assert_eq!(bad(&|it| it.epoch = Epoch(0)), 1);
    assert_eq!(bad(&|it| it.plan_sha256 = None), 1);
    assert_eq!(bad(&|it| it.cluster = "else".to_owned()), 1);
    assert_eq!(
        bad(&|it| {
            it.tombstones.pop_first();
        }),
        1
    );
    assert_eq!(bad(&|it| it.masters = BTreeMap::new()), 3, "both survivors and their votes");
    assert_eq!(bad(&|it| it.masters.get_mut(&NodeId(1)).unwrap().0 = true), 1, "two votes");
    let silent = |it: &mut RecoverySeen| {
        it.masters.get_mut(&NodeId(1)).unwrap().1 = Some("it is silent".to_owned());
    };
    assert_eq!(bad(&silent), 1);
    assert!(verify(None, &RecoverySeen::default()).iter().all(|finding| !finding.good));
}

/// A history of a Raft group, small enough to know which entries were acknowledged: every entry is
/// appended by a leader whose log is the most advanced of a majority, to a random set of followers.
#[derive(Debug, Clone)]
struct History {
    voters: usize,
    rounds: Vec<(u8, u8, u8)>,
    survivors: u8,
}

fn histories() -> impl Strategy<Value = History> {
    (1..8_usize, prop::collection::vec(any::<(u8, u8, u8)>(), 1..30), any::<u8>())
        .prop_map(|(voters, rounds, survivors)| History { voters, rounds, survivors })
}

proptest! {
    #[test]
    fn whenever_a_plan_says_that_nothing_is_lost_nothing_is_lost(history in histories()) {
        let count = history.voters;
        let majority = count / 2 + 1;
        let mut logs: Vec<Vec<u64>> = vec![Vec::new(); count];
        let mut acknowledged: Vec<Vec<u64>> = Vec::new();
        let ahead = |log: &Vec<u64>| (log.last().copied().unwrap_or(0), log.len());
        for (term, (electors, receivers, entries)) in (1..).zip(&history.rounds) {
            let is_in = |set: u8, node: usize| set & (1 << node) != 0;
            let electing: Vec<usize> = (0..count).filter(|node| is_in(*electors, *node)).collect();
            if electing.len() < majority {
                continue;
            }
            let leader = *electing.iter().max_by_key(|node| ahead(&logs[**node])).unwrap();
            for _ in 0..=entries % 3 {
                logs[leader].push(term);
            }
            let log = logs[leader].clone();
            let mut have = 1;
            for node in (0..count).filter(|node| *node != leader && is_in(*receivers, *node)) {
                logs[node].clone_from(&log);
                have += 1;
            }
            if have >= majority {
                acknowledged.push(log);
            }
        }
        let present: BTreeSet<usize> =
            (0..count).filter(|node| history.survivors & (1 << node) != 0).collect();
        let reports: Vec<RecoveryReport> = present
            .iter()
            .map(|node| {
                let log = &logs[*node];
                changed(report(*node as u64 + 1, count as u64, 1, 1, 1), |it| {
                    it.last_log = log.last().map(|term| position(*term, log.len() as u64));
                    it.committed = None;
                    it.state.sha256 = format!("{log:?}");
                })
            })
            .collect();
        match decide(&reports) {
            Ok(plan) => {
                prop_assert!(present.len() < majority);
                let kept = &logs[plan.keeper.node.0 as usize - 1];
                let lost = acknowledged.iter().any(|log| !kept.starts_with(log));
                prop_assert!(plan.may_lose || !lost, "{kept:?} {acknowledged:?}");
                prop_assert_eq!(plan.written_off.len(), count - present.len());
            }
            Err(refusals) => {
                let needless = refusals[0].code == codes::RECOVERY_NOT_NEEDED;
                prop_assert!(!needless || present.len() >= majority);
                prop_assert!(
                    needless || reports.iter().all(|report| report.last_log.is_none()),
                    "{:?}", refusals
                );
            }
        }
    }
}
