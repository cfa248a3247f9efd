//! Restarting, removing and replacing nodes, as an operator reads it, and what it leans on.

use std::{sync::Arc, time::Duration};

use quorate_model::{
    Condition, Generation, NamedNode, NodeId, NodeOrder, Operation, OperationId, OperationRequest,
    OperationStatus, OrderKind, Refusal, StepKind, Term, codes,
};
use quorate_plan::{LEVEL_LAG, MasterObserved, MastersObserved, confirmation};

use super::{
    golden::golden,
    world::{NOW, World},
};

const HEARD: MasterObserved =
    MasterObserved { voter: true, heard_ago: Some(Duration::from_millis(30)), lag: Some(0) };

/// Three masters led by one of them, and two node managers.
pub(super) fn world(leader: u64) -> World {
    let mut world = World::bare();
    let members = (1..=3).map(|number| (NodeId(number), HEARD)).collect();
    world.seen.masters = MastersObserved { leader: Some(NodeId(leader)), joint: false, members };
    world
}

/// The first of the two node managers becomes a master that has no vote yet.
fn with_learner(mut world: World) -> World {
    world.state.metadata.nodes.get_mut(&NodeId(4)).unwrap().roles.master = true;
    world.seen.masters.members.insert(NodeId(4), MasterObserved { voter: false, ..HEARD });
    world
}

pub(super) fn silence(world: &mut World, number: u64) {
    let seen = world.seen.masters.members.get_mut(&NodeId(number)).unwrap();
    seen.heard_ago = Some(Duration::from_secs(9));
}

pub(super) fn node(number: u64) -> NamedNode {
    NamedNode {
        id: NodeId(number),
        name: quorate_model::NodeName::new(format!("db-{number}")).unwrap(),
    }
}

fn restart(numbers: impl IntoIterator<Item = u64>, accept_interruption: bool) -> OperationRequest {
    OperationRequest::NodeRestart {
        nodes: numbers.into_iter().map(node).collect(),
        accept_interruption,
    }
}

fn remove(number: u64, allow_even: Option<&str>) -> OperationRequest {
    OperationRequest::NodeRemove { node: node(number), allow_even: allow_even.map(str::to_owned) }
}

fn replace(old: u64, new: u64, take_name: bool) -> OperationRequest {
    OperationRequest::NodeReplace { old: node(old), new: node(new), take_name }
}

#[test]
fn a_reset_tells_what_is_lost_and_purges_the_masters_one_by_one_the_leader_last() {
    let mut world = World::voting(3, 1);
    world.seen.masters = self::world(2).seen.masters;
    golden("reset", &world.plan(&OperationRequest::Reset));
}

#[test]
fn a_reset_waits_for_no_master_that_is_away_and_says_when_nobody_is_to_spare() {
    let mut world = world(1);
    silence(&mut world, 3);
    golden("reset-1-away", &world.plan(&OperationRequest::Reset));
}

#[test]
fn a_reset_names_what_stands_and_ends_with_it_and_waits_for_what_can_act() {
    let mut world = world(1);
    let refusal = Refusal::new(codes::STEP_DEADLINE, "it took too long");
    let stuck = OperationStatus::Stuck { refusal, aborting: false };
    let id = OperationId::from_parts(NOW.0, 1);
    let add = |world: &mut World, status| {
        let plan = world.plan(&OperationRequest::MasterTransferLeader { to: Some(node(2)) });
        let operation = Operation {
            id,
            key: None,
            records: Vec::new(),
            plan: plan.unwrap(),
            status,
            requested_by: "user:eve".to_owned(),
            requested_at: NOW,
            ended_at: None,
            term: Term(1),
            transcript: Vec::new(),
        };
        world.state.metadata.operations = std::iter::once((id, Arc::new(operation))).collect();
    };
    for status in [stuck, OperationStatus::Paused] {
        world.state.metadata.operations.clear();
        let word = status.as_str();
        add(&mut world, status);
        let plan = world.plan(&OperationRequest::Reset).unwrap();
        let says =
            format!("`master transfer-leader --to db-2` ({id}), which is {word}, ends where");
        assert!(plan.steps[0].why.contains(&says), "{}", plan.steps[0].why);
    }
    for status in [OperationStatus::Running, OperationStatus::Aborting] {
        world.state.metadata.operations.clear();
        add(&mut world, status);
        let refusals = world.plan(&OperationRequest::Reset).unwrap_err();
        assert_eq!(refusals[0].code, codes::OPERATION_CONFLICT);
    }
}

#[test]
fn a_single_master_is_reset_by_itself() {
    let mut world = world(1);
    for number in [2, 3] {
        world.state.metadata.nodes.remove(&NodeId(number));
        world.seen.masters.members.remove(&NodeId(number));
    }
    golden("reset-1-master", &world.plan(&OperationRequest::Reset));
}

#[test]
fn a_reset_is_confirmed_by_what_its_plan_shows_and_by_nothing_else() {
    let hash = |world: &World| confirmation(&world.plan(&OperationRequest::Reset).unwrap());
    let mut world = world(1);
    let before = hash(&world);
    assert_eq!(before.len(), 64);
    world.seen.nodes.remove(&NodeId(4));
    assert_eq!(hash(&world), before, "what does not matter does not change it");
    world.add(super::world::spec("orders", "voting", 3));
    assert_ne!(hash(&world), before, "there is more to lose");
    world.seen.masters.leader = None;
    let refusals = world.plan(&OperationRequest::Reset).unwrap_err();
    assert_eq!(refusals[0].code, codes::NO_LEADER);
}

#[test]
fn node_managers_are_restarted_first_then_followers_and_the_leader_last() {
    golden("node-restart-all", &world(1).plan(&restart(1..=5, false)));
}

#[test]
fn one_follower_is_restarted_without_touching_the_leadership() {
    golden("node-restart-follower", &world(1).plan(&restart([2], false)));
}

#[test]
fn no_master_is_restarted_while_another_is_down_and_every_problem_is_told() {
    let mut world = world(1);
    silence(&mut world, 3);
    world.seen.masters.members.get_mut(&NodeId(2)).unwrap().lag = Some(5000);
    world.seen.nodes.remove(&NodeId(4));
    golden("node-restart-refused", &world.plan(&restart(1..=5, false)));
}

#[test]
fn a_single_master_is_restarted_only_when_the_interruption_is_accepted() {
    let mut world = world(1);
    for number in [2, 3] {
        world.state.metadata.nodes.remove(&NodeId(number));
        world.seen.masters.members.remove(&NodeId(number));
    }
    golden("node-restart-1-master-refused", &world.plan(&restart([1], false)));
    golden("node-restart-1-master-accepted", &world.plan(&restart([1], true)));
}

#[test]
fn a_removal_that_leaves_two_masters_needs_a_reason() {
    golden("node-remove-even-refused", &world(1).plan(&remove(3, None)));
    golden("node-remove-even", &world(1).plan(&remove(3, Some("db-6 comes on Monday"))));
}

#[test]
fn the_leader_is_removed_after_its_leadership_moved_and_a_learner_takes_its_vote() {
    golden("node-remove-leader", &with_learner(world(2)).plan(&remove(2, None)));
}

#[test]
fn a_master_is_removed_only_when_those_that_vote_afterwards_are_quorate() {
    // Of three, one is dead: that one may go, with a reason; a living one may not.
    let mut world = world(1);
    silence(&mut world, 3);
    assert!(world.plan(&remove(3, Some("dead"))).is_ok());
    let refusals = world.plan(&remove(2, Some("spare"))).unwrap_err();
    assert_eq!(refusals[0].code, codes::QUORUM_WOULD_BE_LOST, "{refusals:?}");
    // Of three, two are dead: nothing can be agreed on at all.
    silence(&mut world, 2);
    let refusals = world.plan(&remove(3, Some("dead"))).unwrap_err();
    assert_eq!(refusals[0].code, codes::QUORUM_LOST, "{refusals:?}");
}

#[test]
fn a_node_that_carries_instances_is_not_removed() {
    let mut carrying = World::voting(3, 1);
    carrying.seen.masters = world(1).seen.masters;
    golden("node-remove-in-use-refused", &carrying.plan(&remove(3, Some("broken"))));
}

#[test]
fn a_node_manager_is_removed_at_once() {
    golden("node-remove-node-manager", &world(1).plan(&remove(5, None)));
}

#[test]
fn a_master_is_replaced_in_one_joint_change_dead_or_alive() {
    let mut world = with_learner(world(1));
    golden("node-replace-leader", &world.plan(&replace(1, 4, true)));
    silence(&mut world, 3);
    let dead = world.plan(&replace(3, 4, false)).unwrap();
    assert!(dead.steps.iter().any(|step| matches!(step.kind, StepKind::Voter { .. })));
    // With another one dead as well, the change would not find its majority.
    silence(&mut world, 2);
    let refusals = world.plan(&replace(3, 4, false)).unwrap_err();
    assert_eq!(refusals[0].code, codes::QUORUM_LOST, "{refusals:?}");
}

#[test]
fn only_a_learner_that_has_caught_up_replaces_a_voter() {
    let mut world = with_learner(world(1));
    for (old, new, code) in [
        (1, 1, codes::MASTER_UNFIT),
        (1, 2, codes::MASTER_UNFIT),
        (1, 5, codes::MASTER_UNFIT),
        (4, 1, codes::MASTER_UNFIT),
    ] {
        let refusals = world.plan(&replace(old, new, false)).unwrap_err();
        assert_eq!(refusals[0].code, code, "{old} {new} {refusals:?}");
    }
    world.seen.masters.members.get_mut(&NodeId(4)).unwrap().lag = Some(LEVEL_LAG + 1);
    let refusals = world.plan(&replace(1, 4, false)).unwrap_err();
    assert_eq!(refusals[0].code, codes::MEMBER_UNHEALTHY, "{refusals:?}");
}

#[test]
fn leadership_moves_to_the_master_that_is_asked_for_or_to_the_one_furthest_ahead() {
    let mut world = with_learner(world(1));
    world.seen.masters.members.get_mut(&NodeId(2)).unwrap().lag = Some(3);
    let to = |number| OperationRequest::MasterTransferLeader { to: Some(node(number)) };
    golden("master-transfer-leader", &world.plan(&to(2)));
    let plan = world.plan(&OperationRequest::MasterTransferLeader { to: None }).unwrap();
    assert!(matches!(plan.steps[0].kind, StepKind::Voter { node: NodeId(3), .. }), "{plan:?}");
    for unfit in [4, 5] {
        let refusals = world.plan(&to(unfit)).unwrap_err();
        assert_eq!(refusals[0].code, codes::MASTER_UNFIT, "{refusals:?}");
    }
    silence(&mut world, 2);
    assert_eq!(world.plan(&to(2)).unwrap_err()[0].code, codes::MASTER_UNFIT);
}

#[test]
fn a_restarted_master_is_ready_once_it_has_obeyed_answers_and_is_level() {
    let mut world = world(1);
    let ready = Condition::NodeReady { node: NodeId(2) };
    assert!(world.judge(&ready).is_ok());
    let order = NodeOrder { generation: Generation(9), kind: OrderKind::Restart };
    world.state.metadata.nodes.get_mut(&NodeId(2)).unwrap().order = Some(order);
    world.seen.obeyed.insert(NodeId(2), Generation(9));
    assert!(world.judge(&ready).is_err(), "it is still the process of before");
    world.state.metadata.nodes.get_mut(&NodeId(2)).unwrap().obeyed = Generation(9);
    assert!(world.judge(&ready).is_ok());
    world.seen.obeyed.insert(NodeId(2), Generation(8));
    assert!(world.judge(&ready).is_err(), "its node manager is not back");
    world.seen.obeyed.insert(NodeId(2), Generation(9));
    silence(&mut world, 2);
    assert!(world.judge(&ready).is_err());
    world.seen.masters.leader = None;
    assert!(world.judge(&ready).is_err(), "a master that does not lead cannot tell");
}

#[test]
fn quorum_is_counted_on_fresh_answers_of_voters() {
    let mut world = with_learner(world(1));
    let without = |number| Condition::MastersQuorateWithout { node: NodeId(number) };
    assert!(world.judge(&without(2)).is_ok());
    silence(&mut world, 3);
    assert!(world.judge(&without(2)).is_err(), "a learner does not count");
    assert!(world.judge(&without(3)).is_ok(), "the one that is away already may be away");
    world.seen.masters.joint = true;
    assert!(world.judge(&without(3)).is_err(), "not while voters change");
}
