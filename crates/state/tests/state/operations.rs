//! The life of an operation: submitted, begun, finished, failed, paused, resumed.

use quorate_model::{OperationStatus, Refusal, RequestId, StepStatus, Subject, codes};
use quorate_state::{Applied, Command};

use super::world::{
    World, create_plan, operation_id, plan, refused, remove_plan, restart_plan, spec,
};

const ALL: [&str; 3] = ["orders-1", "orders-2", "orders-3"];

fn restarting() -> (World, quorate_model::OperationId) {
    let mut world = World::with_orders();
    let id = operation_id(2);
    let restart = restart_plan(&world, &ALL);
    world.submit(id, restart).unwrap();
    (world, id)
}

#[test]
fn steps_are_done_in_order_and_the_last_one_ends_the_operation() {
    let (mut world, id) = restarting();
    assert_eq!(refused(world.begin(id, 1, 1)), codes::OPERATION_STATUS);
    assert_eq!(refused(world.begin(id, 3, 1)), codes::OPERATION_STATUS);
    assert_eq!(refused(world.begin(id, u32::MAX, 1)), codes::OPERATION_STATUS);
    assert_eq!(refused(world.finish(id, 0, 1)), codes::OPERATION_STATUS);
    world.begin(id, 0, 1).unwrap();
    assert_eq!(refused(world.begin(id, 1, 1)), codes::OPERATION_STATUS);
    world.finish(id, 0, 1).unwrap();
    assert_eq!(refused(world.finish(id, 0, 1)), codes::OPERATION_STATUS);
    assert_eq!(refused(world.begin(id, 0, 1)), codes::OPERATION_STATUS);
    world.run_to_end(id);
    assert!(world.operation(id).ended_at.is_some());
    for outcome in [world.begin(id, 2, 1), world.fail(id, 2, 1), world.undo(id, 2, 1)] {
        assert_eq!(refused(outcome), codes::OPERATION_STATUS);
    }
}

#[test]
fn a_new_leader_begins_a_started_step_again_without_ordering_a_second_restart() {
    let (mut world, id) = restarting();
    world.begin(id, 0, 1).unwrap();
    let ordered = world.record("orders", "orders-1");
    let first = world.operation(id).records[0].clone();
    world.begin(id, 0, 2).unwrap();
    assert_eq!(world.record("orders", "orders-1"), ordered);
    assert_eq!(world.operation(id).records[0], first, "when it began first is kept");
    let last = world.operation(id).transcript.last().unwrap();
    assert_eq!(last.what, "step 1 begun again: a title");
}

#[test]
fn a_step_that_failed_after_its_order_does_not_order_again_when_it_is_retried() {
    let (mut world, id) = restarting();
    world.begin(id, 0, 1).unwrap();
    let ordered = world.record("orders", "orders-1");
    world.fail(id, 0, 1).unwrap();
    world.resume(id).unwrap();
    world.begin(id, 0, 1).unwrap();
    assert_eq!(world.record("orders", "orders-1"), ordered);
}

#[test]
fn the_leader_of_an_older_term_is_refused() {
    let (mut world, id) = restarting();
    world.begin(id, 0, 5).unwrap();
    for outcome in [world.begin(id, 0, 4), world.finish(id, 0, 4), world.fail(id, 0, 4)] {
        assert_eq!(refused(outcome), codes::OPERATION_STATUS);
    }
    world.abort(id).unwrap();
    assert_eq!(refused(world.undo(id, 0, 4)), codes::OPERATION_STATUS);
    world.undo(id, 0, 5).unwrap();
}

#[test]
fn a_paused_operation_ends_the_step_in_hand_and_begins_no_other() {
    let (mut world, id) = restarting();
    world.begin(id, 0, 1).unwrap();
    world.pause(id).unwrap();
    world.pause(id).unwrap();
    world.finish(id, 0, 1).unwrap();
    assert_eq!(refused(world.begin(id, 1, 1)), codes::OPERATION_STATUS);
    world.resume(id).unwrap();
    world.resume(id).unwrap();
    world.run_to_end(id);
}

#[test]
fn a_pause_in_the_last_step_does_not_keep_the_operation_from_succeeding() {
    let (mut world, id) = restarting();
    world.do_first(id, 2);
    world.begin(id, 2, 1).unwrap();
    world.pause(id).unwrap();
    world.finish(id, 2, 1).unwrap();
    assert_eq!(world.status(id), OperationStatus::Succeeded);
}

#[test]
fn a_failed_step_stands_until_it_is_resumed() {
    let (mut world, id) = restarting();
    world.begin(id, 0, 1).unwrap();
    world.fail(id, 0, 1).unwrap();
    assert!(matches!(
        world.status(id),
        OperationStatus::Stuck { aborting: false, refusal } if refusal.code == codes::STEP_DEADLINE
    ));
    assert_eq!(world.steps(id)[0], StepStatus::Failed);
    for outcome in [world.begin(id, 0, 1), world.finish(id, 0, 1), world.pause(id)] {
        assert_eq!(refused(outcome), codes::OPERATION_STATUS);
    }
    world.resume(id).unwrap();
    assert_eq!(world.steps(id)[0], StepStatus::Pending);
    world.run_to_end(id);
}

#[test]
fn a_step_whose_begin_was_refused_can_fail() {
    let (mut world, id) = restarting();
    world.fail(id, 0, 1).unwrap();
    assert_eq!(world.steps(id)[0], StepStatus::Failed);
}

#[test]
fn a_late_word_about_another_step_does_not_stop_the_operation() {
    let (mut world, id) = restarting();
    world.begin(id, 0, 1).unwrap();
    world.finish(id, 0, 1).unwrap();
    world.begin(id, 1, 1).unwrap();
    assert_eq!(refused(world.fail(id, 0, 1)), codes::OPERATION_STATUS);
    assert_eq!(refused(world.fail(id, 2, 1)), codes::OPERATION_STATUS);
    assert_eq!(world.status(id), OperationStatus::Running);
}

#[test]
fn an_operation_that_stands_stuck_does_not_fail_twice() {
    let (mut world, id) = restarting();
    world.begin(id, 0, 1).unwrap();
    world.abort(id).unwrap();
    world.fail(id, 0, 1).unwrap();
    assert_eq!(refused(world.fail(id, 0, 1)), codes::OPERATION_STATUS);
    assert!(matches!(world.status(id), OperationStatus::Stuck { aborting: true, .. }));
}

#[test]
fn an_operation_locks_its_components_until_it_has_ended() {
    let (mut world, id) = restarting();
    let second = restart_plan(&world, &ALL);
    let refusal = world.submit(operation_id(3), second.clone()).unwrap_err();
    assert_eq!(refusal.code, codes::OPERATION_CONFLICT);
    assert!(refusal.cause.unwrap().contains(&id.to_string()));
    assert!(refusal.hint.unwrap().contains(&id.to_string()));
    world.fail(id, 0, 1).unwrap();
    assert_eq!(
        refused(world.submit(operation_id(3), second)),
        codes::OPERATION_CONFLICT,
        "a stuck operation holds its lock"
    );
    world.abort(id).unwrap();
    let third = restart_plan(&world, &ALL);
    world.submit(operation_id(4), third).unwrap();
}

#[test]
fn whoever_cannot_do_that_now_is_told_the_command_that_does() {
    let (mut world, id) = restarting();
    let says = |refusal: Refusal, commands: &[&str]| {
        let hint = refusal.hint.unwrap();
        for command in ["watch", "resume", "abort", "show", "list"] {
            let said = hint.contains(&format!("quorate operation {command}"));
            assert_eq!(said, commands.contains(&command), "{command}: {hint}");
        }
    };
    says(world.resume(operation_id(9)).unwrap_err(), &["list"]);
    let second = restart_plan(&world, &ALL);
    let again = |world: &mut World| world.submit(operation_id(3), second.clone()).unwrap_err();
    says(again(&mut world), &["watch"]);
    world.pause(id).unwrap();
    says(again(&mut world), &["resume", "abort"]);
    world.resume(id).unwrap();
    world.begin(id, 0, 1).unwrap();
    world.fail(id, 0, 1).unwrap();
    says(again(&mut world), &["show", "resume", "abort"]);
    says(world.pause(id).unwrap_err(), &["show", "resume", "abort"]);
    world.resume(id).unwrap();
    world.run_to_end(id);
    for refusal in [world.pause(id), world.resume(id), world.abort(id)] {
        says(refusal.unwrap_err(), &["show"]);
    }
}

#[test]
fn a_plan_is_refused_once_what_it_was_made_for_has_changed() {
    let mut world = World::with_orders();
    let planned = restart_plan(&world, &ALL);
    let other = restart_plan(&world, &["orders-1"]);
    world.submit(operation_id(2), other).unwrap();
    world.run_to_end(operation_id(2));
    assert_eq!(refused(world.submit(operation_id(3), planned)), codes::PLAN_OUTDATED);
    let create = create_plan(&spec("orders", 3));
    assert_eq!(
        refused(world.submit(operation_id(3), create)),
        codes::PLAN_OUTDATED,
        "pinned to its absence"
    );
    let mut gone = remove_plan(&world);
    gone.pins[0].subject = Subject::from(&super::world::component_name("gone"));
    assert_eq!(refused(world.submit(operation_id(3), gone)), codes::PLAN_OUTDATED);
}

#[test]
fn a_repeated_submission_finds_the_operation_that_the_first_one_made() {
    let mut world = World::with_orders();
    let key = Some(RequestId::new("once").unwrap());
    let restart = |world: &World| restart_plan(world, &ALL);
    let submit = |id, plan| Command::SubmitOperation { id, plan, key: key.clone() };
    let first = restart(&world);
    world.apply(submit(operation_id(2), first)).unwrap();
    // The component is locked, and then it has changed: a repeat is answered all the same.
    for _ in 0..2 {
        let again = restart(&world);
        let outcome = world.apply(submit(operation_id(3), again));
        assert_eq!(outcome, Ok(Applied::Operation(operation_id(2))));
        if world.operation(operation_id(2)).ended_at.is_none() {
            world.run_to_end(operation_id(2));
        }
    }
    let other = remove_plan(&world);
    assert_eq!(refused(world.apply(submit(operation_id(4), other))), codes::REQUEST_MALFORMED);
    let plan = restart(&world);
    let command = submit(operation_id(5), plan);
    let outcome = world.propose(None, "user:bob", command);
    assert_eq!(outcome, Ok(Applied::Operation(operation_id(5))), "a key belongs to its principal");
}

#[test]
fn an_id_and_a_plan_without_steps_are_refused() {
    let (mut world, id) = restarting();
    let again = create_plan(&spec("other", 1));
    assert_eq!(refused(world.submit(id, again.clone())), codes::NAME_TAKEN);
    let empty = plan(again.request, None, Vec::new());
    assert_eq!(refused(world.submit(operation_id(3), empty)), codes::REQUEST_MALFORMED);
}

#[test]
fn what_is_said_to_an_unknown_operation_is_refused() {
    let mut world = World::cluster();
    let id = operation_id(9);
    for outcome in [
        world.begin(id, 0, 1),
        world.finish(id, 0, 1),
        world.fail(id, 0, 1),
        world.undo(id, 0, 1),
        world.pause(id),
        world.resume(id),
        world.abort(id),
    ] {
        assert_eq!(refused(outcome), codes::NOT_FOUND);
    }
}

#[test]
fn the_operations_that_ended_longest_ago_are_forgotten_whatever_their_ids() {
    let mut world = World::with_orders();
    // Ids fall while time rises, as they do when the proposers' clocks differ.
    for number in (10_000..10_501).rev() {
        let restart = restart_plan(&world, &["orders-1"]);
        world.submit(operation_id(number), restart).unwrap();
        world.run_to_end(operation_id(number));
    }
    let kept = &world.state.metadata.operations;
    assert!(kept.len() <= 501, "{}", kept.len());
    assert!(!kept.contains_key(&operation_id(1)), "the first one ended longest ago");
    assert!(kept.contains_key(&operation_id(10_000)), "the newest one is kept");
}
