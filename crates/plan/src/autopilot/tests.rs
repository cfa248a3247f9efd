//! Tables of autopilot's decisions.

use super::*;

const STABLE: Duration = Duration::from_secs(2);
const STALL: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(600);

fn voter() -> MasterSeen {
    MasterSeen {
        voter: true,
        member: true,
        lag: Some(0),
        level_for: STABLE,
        stuck_for: Duration::ZERO,
        silent_for: Duration::ZERO,
        moved: false,
        learner_only: false,
        was_started: true,
        carries_instances: false,
    }
}

fn silent() -> MasterSeen {
    MasterSeen { lag: None, level_for: Duration::ZERO, silent_for: LONG, ..voter() }
}

fn learner(lag: Option<u64>, level_for: Duration) -> MasterSeen {
    MasterSeen { voter: false, lag, level_for, ..voter() }
}

fn level() -> MasterSeen {
    learner(Some(0), STABLE)
}

fn unwanted(seen: MasterSeen) -> MasterSeen {
    MasterSeen { learner_only: true, ..seen }
}

fn input(masters: Vec<MasterSeen>) -> AutopilotInput {
    AutopilotInput {
        leader: NodeId(1),
        masters: masters.into_iter().zip(1..).map(|(seen, id)| (NodeId(id), seen)).collect(),
        removed_voters: BTreeSet::new(),
        removed_learners: BTreeSet::new(),
        stabilization: STABLE,
        stall_after: STALL,
        even_allowed: false,
        clean_up: None,
        held: false,
        joint: false,
    }
}

fn decided(masters: Vec<MasterSeen>) -> AutopilotDecision {
    decide(&input(masters))
}

/// Who gets and who loses a vote.
fn change(decision: AutopilotDecision) -> (Vec<u64>, Vec<u64>) {
    let ids = |ids: Vec<NodeId>| ids.into_iter().map(|id| id.0).collect();
    match decision {
        AutopilotDecision::ChangeVoters(change) => (ids(change.promote), ids(change.demote)),
        other => panic!("{other:?}"),
    }
}

fn waits(decision: &AutopilotDecision, words: &str) -> bool {
    matches!(decision, AutopilotDecision::Nothing { why } if why.contains(words))
}

#[test]
fn a_half_done_change_of_voters_is_finished_before_anything_else() {
    let new = MasterSeen { member: false, ..learner(None, STABLE) };
    let input = AutopilotInput { joint: true, held: true, ..input(vec![voter(), new]) };
    assert_eq!(decide(&input), AutopilotDecision::FinishChange);
}

#[test]
fn a_master_that_announced_a_new_address_is_found_there_even_during_an_operation() {
    let moved = MasterSeen { moved: true, ..voter() };
    for held in [false, true] {
        let input = AutopilotInput { held, ..input(vec![voter(), moved.clone()]) };
        assert_eq!(decide(&input), AutopilotDecision::SetAddress(NodeId(2)));
    }
}

#[test]
fn a_leader_that_moved_records_its_own_address_too() {
    let moved = MasterSeen { moved: true, ..voter() };
    assert_eq!(decided(vec![moved]), AutopilotDecision::SetAddress(NodeId(1)));
}

#[test]
fn while_an_operation_holds_the_masters_nobody_gains_or_loses_a_vote() {
    for masters in
        [vec![voter(), level(), level()], vec![voter(), voter(), unwanted(voter()), level()]]
    {
        let input = AutopilotInput { held: true, ..input(masters) };
        assert!(waits(&decide(&input), "operation"), "{:?}", decide(&input));
    }
}

#[test]
fn who_joins_while_an_operation_holds_the_masters_receives_the_log_already() {
    let new = MasterSeen { member: false, ..learner(None, STABLE) };
    let input = AutopilotInput { held: true, ..input(vec![voter(), new]) };
    assert_eq!(decide(&input), AutopilotDecision::AddLearner(NodeId(2)));
}

#[test]
fn a_new_master_becomes_a_learner_first() {
    let new = MasterSeen { member: false, ..learner(None, STABLE) };
    assert_eq!(decided(vec![voter(), new]), AutopilotDecision::AddLearner(NodeId(2)));
}

#[test]
fn one_master_becomes_three_in_one_change_and_never_stands_at_two() {
    assert!(waits(&decided(vec![voter(), level()]), "another is needed"));
    assert_eq!(
        decided(vec![voter(), level(), level()]),
        AutopilotDecision::Promote(vec![NodeId(2), NodeId(3)])
    );
}

#[test]
fn three_become_five_in_one_change_and_never_stand_at_four() {
    assert!(waits(&decided(vec![voter(), voter(), voter(), level()]), "another is needed"));
    assert_eq!(
        decided(vec![voter(), voter(), voter(), level(), level(), level()]),
        AutopilotDecision::Promote(vec![NodeId(4), NodeId(5)])
    );
}

#[test]
fn an_even_number_of_voters_is_mended_by_one() {
    let almost = learner(Some(1), STABLE);
    assert_eq!(
        decided(vec![voter(), voter(), almost]),
        AutopilotDecision::Promote(vec![NodeId(3)])
    );
}

#[test]
fn an_even_number_that_was_asked_for_is_made_and_not_mended() {
    let even = |masters| AutopilotInput { even_allowed: true, ..input(masters) };
    assert_eq!(
        decide(&even(vec![voter(), voter(), voter(), level()])),
        AutopilotDecision::Promote(vec![NodeId(4)])
    );
    let four = vec![voter(), voter(), voter(), voter()];
    assert_eq!(decide(&even(four)), AutopilotDecision::Nothing { why: String::new() });
    let wanted = even(vec![voter(), voter(), unwanted(voter())]);
    assert_eq!(change(decide(&wanted)), (vec![], vec![3]));
}

#[test]
fn a_learner_that_lags_or_has_only_just_caught_up_is_not_promoted() {
    for seen in [
        learner(Some(2), STABLE),
        learner(None, STABLE),
        learner(Some(0), STABLE - Duration::from_millis(1)),
    ] {
        let decision = decided(vec![voter(), seen, level()]);
        assert!(waits(&decision, "have not caught up"), "{decision:?}");
    }
}

#[test]
fn a_learner_is_stalled_when_it_is_silent_or_gets_no_further_and_not_otherwise() {
    let just_not = STALL - Duration::from_millis(1);
    let behind = |lag, stuck_for| MasterSeen { stuck_for, ..learner(lag, Duration::ZERO) };
    let table = [
        (behind(Some(500), STALL), Some("500 entries behind")),
        (behind(None, STALL), Some("nothing was replicated")),
        (behind(Some(500), just_not), None),
        (behind(Some(MAX_LAG), LONG), None),
        (MasterSeen { silent_for: STALL, ..level() }, Some("not been heard from for 30 s")),
        (MasterSeen { silent_for: just_not, ..level() }, None),
        (silent(), None),
        (MasterSeen { member: false, stuck_for: LONG, ..learner(None, STABLE) }, None),
    ];
    for (seen, wanted) in table {
        let said = stalled(&seen, STALL);
        match (wanted, &said) {
            (None, None) => {}
            (Some(wanted), Some(said)) if said.contains(wanted) => {}
            _ => panic!("{seen:?}: {said:?}"),
        }
        if said.is_some() {
            let decision = decided(vec![voter(), seen, level()]);
            assert!(matches!(decision, AutopilotDecision::Nothing { .. }), "{decision:?}");
        }
    }
}

#[test]
fn whoever_is_kept_as_a_learner_is_not_promoted() {
    let masters = vec![voter(), unwanted(level()), level()];
    assert!(waits(&decided(masters), "another is needed"));
}

#[test]
fn votes_that_somebody_wants_gone_are_taken_when_the_rest_is_odd_and_can_act() {
    let five = |fourth: MasterSeen| vec![voter(), voter(), voter(), fourth, unwanted(voter())];
    // Two at once leave three.
    assert_eq!(change(decided(five(unwanted(voter())))), (vec![], vec![4, 5]));
    // One alone would leave four.
    assert!(waits(&decided(five(voter())), "even in number"));
    // A level learner takes its place in the same change.
    let mut masters = five(voter());
    masters.push(level());
    assert_eq!(change(decided(masters)), (vec![6], vec![5]));
    // The rest could not act.
    let masters = vec![voter(), silent(), silent(), unwanted(voter()), unwanted(voter())];
    assert!(waits(&decided(masters), "too few to act"));
}

#[test]
fn the_last_voter_keeps_its_vote() {
    assert!(waits(&decided(vec![unwanted(voter())]), "too few"));
}

#[test]
fn a_leader_that_shall_lose_its_vote_hands_over_to_the_furthest_ahead_first() {
    let behind = MasterSeen { lag: Some(7), ..voter() };
    let masters = vec![unwanted(voter()), unwanted(voter()), behind, voter(), silent()];
    assert_eq!(decided(masters), AutopilotDecision::HandOver(NodeId(4)));
}

#[test]
fn a_wish_about_votes_is_judged_before_it_is_decided() {
    use VotesVerdict::{Even, Fine, TooFew};
    let three = || vec![voter(), voter(), voter()];
    let with = |mut masters: Vec<MasterSeen>, more: Vec<MasterSeen>| {
        masters.extend(more);
        masters
    };
    let table = [
        (three(), vec![3], false, Even(2)),
        (three(), vec![2, 3], false, Fine),
        (three(), vec![1, 2, 3], false, TooFew),
        (with(three(), vec![level()]), vec![3], false, Fine),
        (with(three(), vec![unwanted(level())]), vec![4], true, Even(4)),
        (with(three(), vec![unwanted(level()), level()]), vec![4], true, Fine),
        (vec![voter(), silent(), voter()], vec![3], false, TooFew),
        (vec![voter(), unwanted(level())], vec![2], false, Fine),
    ];
    for (masters, nodes, votes, wanted) in table {
        let nodes: Vec<NodeId> = nodes.into_iter().map(NodeId).collect();
        let input = input(masters);
        assert_eq!(judge_votes(&input, &nodes, votes), wanted, "{nodes:?} {votes} {input:?}");
        if let Even(_) = wanted {
            let even = AutopilotInput { even_allowed: true, ..input };
            assert_eq!(judge_votes(&even, &nodes, votes), Fine);
        }
    }
}

#[test]
fn silent_voters_keep_their_votes_unless_a_policy_says_otherwise() {
    let masters = vec![voter(), voter(), voter(), silent(), silent()];
    assert_eq!(decided(masters), AutopilotDecision::Nothing { why: String::new() });
}

#[test]
fn the_clean_up_takes_what_leaves_an_odd_quorate_number_at_or_above_the_floor() {
    let clean = |floor, masters| {
        let clean_up = Some(CleanUp { after: LONG, floor });
        decide(&AutopilotInput { clean_up, ..input(masters) })
    };
    let two_of_five = || vec![voter(), voter(), voter(), silent(), silent()];
    assert_eq!(change(clean(3, two_of_five())), (vec![], vec![4, 5]));
    // Below the floor.
    assert!(waits(&clean(5, two_of_five()), "floor of 5"));
    // A single one would leave four, or two.
    assert!(waits(&clean(3, vec![voter(), voter(), voter(), voter(), silent()]), "even"));
    assert!(waits(&clean(1, vec![voter(), voter(), silent()]), "even"));
    // From four it leaves three.
    assert_eq!(change(clean(3, vec![voter(), voter(), voter(), silent()])), (vec![], vec![4]));
    // A level learner takes the place.
    assert_eq!(change(clean(3, vec![voter(), voter(), silent(), level()])), (vec![4], vec![3]));
    // Not long enough.
    let quiet = MasterSeen { silent_for: LONG - Duration::from_secs(1), ..silent() };
    let masters = vec![voter(), voter(), voter(), quiet.clone(), quiet];
    assert_eq!(clean(3, masters), AutopilotDecision::Nothing { why: String::new() });
    // The rest, though not silent long enough to go, could not act.
    let lost = MasterSeen { silent_for: MASTER_FRESH_FOR, ..silent() };
    let masters = vec![voter(), lost.clone(), lost, silent(), silent()];
    assert!(waits(&clean(3, masters), "too few to act"));
}

#[test]
fn the_clean_up_removes_who_is_dead_and_has_no_vote_and_nobody_else() {
    use AutopilotDecision::{Nothing, Remove};
    let dead = || MasterSeen { voter: false, ..silent() };
    let clean = |policy: bool, others: Vec<MasterSeen>| {
        let clean_up = policy.then_some(CleanUp { after: LONG, floor: 3 });
        let masters = [vec![voter(), voter(), voter()], others].concat();
        decide(&AutopilotInput { clean_up, ..input(masters) })
    };
    assert_eq!(clean(true, vec![dead()]), Remove(NodeId(4)));
    assert!(matches!(clean(false, vec![dead()]), Nothing { .. }));
    let laden = || MasterSeen { carries_instances: true, ..dead() };
    assert!(waits(&clean(true, vec![laden()]), "carries instances"));
    assert_eq!(clean(true, vec![laden(), dead()]), Remove(NodeId(5)));
    let spared = [
        unwanted(dead()),
        MasterSeen { was_started: false, ..dead() },
        MasterSeen { silent_for: LONG - Duration::from_millis(1), ..dead() },
    ];
    for seen in spared {
        let decision = clean(true, vec![seen.clone()]);
        assert!(matches!(decision, Nothing { .. }), "{seen:?}: {decision:?}");
    }
    // Whoever holds the masters decides about them meanwhile.
    let clean_up = Some(CleanUp { after: LONG, floor: 3 });
    let masters = vec![voter(), voter(), voter(), dead()];
    let held = AutopilotInput { clean_up, held: true, ..input(masters) };
    assert!(waits(&decide(&held), "operation"));
}

#[test]
fn a_settled_cluster_is_left_alone() {
    assert_eq!(
        decided(vec![voter(), voter(), voter()]),
        AutopilotDecision::Nothing { why: String::new() }
    );
}

/// These masters, and members for which tombstones stand: with a vote, and without.
fn beside(masters: Vec<MasterSeen>, voters: &[u64], learners: &[u64]) -> AutopilotInput {
    let ids = |ids: &[u64]| ids.iter().copied().map(NodeId).collect();
    AutopilotInput {
        removed_voters: ids(voters),
        removed_learners: ids(learners),
        ..input(masters)
    }
}

#[test]
fn a_removed_master_that_a_change_under_way_made_a_voter_loses_the_vote_and_is_forgotten() {
    // Removed while two learners were promoted: of three voters it is one.
    assert_eq!(change(decide(&beside(vec![voter(), voter()], &[9], &[]))), (vec![], vec![9]));
    // A learner that is level takes the place.
    let with_learner = vec![voter(), voter(), level()];
    assert_eq!(change(decide(&beside(with_learner, &[9], &[]))), (vec![3], vec![9]));
    // One learner too many would make the number even again.
    let three = vec![voter(), voter(), voter(), level()];
    assert_eq!(change(decide(&beside(three, &[9], &[]))), (vec![], vec![9]));
    let forgotten = AutopilotDecision::Forget(vec![NodeId(8), NodeId(9)]);
    assert_eq!(decide(&beside(vec![voter()], &[], &[8, 9])), forgotten);
    // An operation decides itself what becomes of its node.
    let held = AutopilotInput { held: true, ..beside(vec![voter(), voter()], &[9], &[8]) };
    assert!(waits(&decide(&held), "operation"));
}

#[test]
fn a_removed_master_keeps_the_vote_as_long_as_the_others_could_not_act() {
    assert!(waits(&decide(&beside(vec![voter(), silent()], &[9], &[])), "too few to act"));
    // The leader itself was removed: another one leads first, and takes its vote.
    let mut removed = beside(vec![voter(), voter()], &[9], &[]);
    removed.leader = NodeId(9);
    assert_eq!(decide(&removed), AutopilotDecision::HandOver(NodeId(1)));
}
