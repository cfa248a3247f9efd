//! The rolling restart, as an operator reads it, and why it is refused.

use std::{sync::Arc, time::Duration};

use quorate_model::{
    MemberRole, Operation, OperationId, OperationRequest, OperationStatus, Readiness, Term, codes,
};

use super::{
    golden::golden,
    world::{NOW, World, component},
};

#[test]
fn the_leader_goes_last_wherever_it_stands() {
    for leader in 1..=3 {
        let name = format!("restart-3-members-led-by-{leader}");
        golden(&name, &World::voting(3, leader).restart());
    }
}

#[test]
fn five_members_go_one_by_one() {
    golden("restart-5-members", &World::voting(5, 2).restart());
}

#[test]
fn independent_instances_go_one_by_one_without_a_word_of_leaders() {
    golden("restart-2-instances", &World::serving(2).restart());
}

#[test]
fn a_single_instance_is_restarted_only_when_the_interruption_is_accepted() {
    let world = World::serving(1);
    golden("restart-1-instance-refused", &world.restart());
    golden("restart-1-instance-accepted", &world.restart_interrupting());
    assert_eq!(World::voting(1, 1).restart().unwrap_err()[0].code, codes::INTERRUPTION_CERTAIN);
}

#[test]
fn two_members_have_no_member_to_spare() {
    golden("restart-2-members-refused", &World::voting(2, 1).restart());
}

#[test]
fn an_unhealthy_member_is_named_with_what_is_wrong_and_what_to_do() {
    let mut world = World::voting(3, 1);
    world.stop(3);
    golden("restart-member-down-refused", &world.restart());
}

#[test]
fn one_unhealthy_member_of_five_is_refused_too_although_the_quorum_would_hold() {
    let mut world = World::voting(5, 1);
    world.edit(4, |seen| {
        seen.readiness = Readiness::NotReady { reason: "it knows no leader".to_owned() };
    });
    golden("restart-1-of-5-unhealthy-refused", &world.restart());
}

#[test]
fn a_member_nobody_has_heard_of_lately_counts_as_away() {
    let mut world = World::voting(3, 1);
    world.silence(2, Duration::from_secs(252));
    golden("restart-member-unknown-refused", &world.restart());
}

#[test]
fn a_member_that_cannot_be_asked_counts_as_away() {
    let mut world = World::voting(3, 1);
    world.edit(2, |seen| {
        seen.readiness = Readiness::Unknown { reason: "it did not answer within 3 s".to_owned() };
    });
    let refusals = world.restart().unwrap_err();
    let codes: Vec<_> = refusals.iter().map(|one| one.code).collect();
    assert_eq!(codes, [codes::QUORUM_WOULD_BE_LOST, codes::MEMBER_UNKNOWN]);
}

#[test]
fn a_component_without_a_leader_is_left_alone() {
    let mut world = World::voting(3, 1);
    for number in 1..=3 {
        world.edit_member(number, |member| {
            member.role = MemberRole::Follower;
            member.leader_id = None;
        });
    }
    golden("restart-leaderless-refused", &world.restart());
}

#[test]
fn a_learner_has_no_vote_to_keep_the_quorum_with() {
    let mut world = World::voting(3, 1);
    world.edit_member(3, |member| member.role = MemberRole::Learner);
    golden("restart-learner-refused", &world.restart());
}

#[test]
fn members_added_behind_our_back_are_counted() {
    // Three are specified, but the members say that five vote: of those, two would remain seen.
    let mut world = World::voting(3, 1);
    for number in 1..=3 {
        world.edit_member(number, |member| member.voters = 5);
    }
    golden("restart-5-voters-3-specified-refused", &world.restart());
}

#[test]
fn what_can_be_restarted_without_an_interruption_is_even_where_one_is_accepted() {
    let world = World::voting(3, 2);
    let (rolling, accepted) = (world.restart().unwrap(), world.restart_interrupting().unwrap());
    assert_eq!(rolling.steps, accepted.steps);
}

#[test]
fn a_component_that_lost_its_quorum_is_restarted_whole_when_the_interruption_is_accepted() {
    let mut world = World::voting(3, 1);
    world.stop(2);
    world.stop(3);
    golden("restart-quorum-lost-accepted", &world.restart_interrupting());
    world.silence(3, Duration::from_secs(60));
    let refusals = world.restart_interrupting().unwrap_err();
    assert_eq!(refusals[0].code, codes::NODE_SILENT, "an order to it would not be obeyed");
}

#[test]
fn a_component_held_by_another_operation_is_refused_with_its_id() {
    let mut world = World::voting(3, 1);
    let plan = world.restart().unwrap();
    let id = OperationId::from_parts(NOW.0, 1);
    let running = Operation {
        id,
        key: None,
        records: Vec::new(),
        plan,
        status: OperationStatus::Paused,
        requested_by: "user:eve".to_owned(),
        requested_at: NOW,
        ended_at: None,
        term: Term(1),
        transcript: Vec::new(),
    };
    world.state.metadata.operations.insert(id, Arc::new(running.clone()));
    golden("restart-locked-refused", &world.restart());
    assert_eq!(world.restart_interrupting(), world.restart());
    let ended = Operation { status: OperationStatus::Succeeded, ..running };
    world.state.metadata.operations.insert(id, Arc::new(ended));
    assert!(world.restart().is_ok(), "an ended operation holds nothing");
}

#[test]
fn an_unknown_component_and_an_unknown_pack_are_refused() {
    let mut world = World::voting(3, 1);
    let unknown = OperationRequest::ComponentRestart {
        component: component("nothing"),
        accept_interruption: true,
    };
    assert_eq!(world.plan(&unknown).unwrap_err()[0].code, codes::NOT_FOUND);
    let known = world.state.metadata.components.get_mut(&component("orders")).unwrap();
    known.spec.pack = quorate_model::PackName::new("mystery").unwrap();
    let refusal = world.restart().unwrap_err().remove(0);
    assert_eq!(refusal.code, codes::SPECIFICATION_INVALID);
    assert_eq!(refusal.hint.as_deref(), Some("the packs are: serving, voting"));
}
