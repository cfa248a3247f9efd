//! Aborting: undos backwards, the point of no return, and getting stuck on the way.

use quorate_model::{OperationStatus, RunState, StepStatus, codes};

use super::world::{World, create_plan, operation_id, refused, remove_plan, spec};

fn creating(steps_done: u32) -> (World, quorate_model::OperationId) {
    let mut world = World::cluster();
    let id = operation_id(1);
    world.submit(id, create_plan(&spec("orders", 3))).unwrap();
    for step in 0..steps_done {
        world.begin(id, step, 1).unwrap();
        world.finish(id, step, 1).unwrap();
    }
    (world, id)
}

#[test]
fn an_abort_undoes_what_was_begun_from_the_last_step_to_the_first() {
    let (mut world, id) = creating(2);
    world.begin(id, 2, 1).unwrap();
    world.abort(id).unwrap();
    world.abort(id).unwrap();
    assert_eq!(refused(world.undo(id, 1, 1)), codes::OPERATION_STATUS, "not the last");
    assert_eq!(refused(world.undo(id, 3, 1)), codes::OPERATION_STATUS, "never begun");
    assert_eq!(refused(world.begin(id, 3, 1)), codes::OPERATION_STATUS);
    assert_eq!(refused(world.finish(id, 2, 1)), codes::OPERATION_STATUS);
    world.undo(id, 2, 1).unwrap();
    assert_eq!(world.record("orders", "orders-2").run, RunState::Stopped);
    world.undo(id, 1, 1).unwrap();
    world.undo(id, 0, 1).unwrap();
    assert_eq!(world.revision("orders"), None);
    assert_eq!(world.status(id), OperationStatus::Aborted);
    let undone = StepStatus::Undone;
    assert_eq!(world.steps(id), [undone, undone, undone, StepStatus::Pending]);
    world.abort(id).unwrap();
}

#[test]
fn an_operation_that_began_nothing_is_aborted_at_once() {
    let (mut world, id) = creating(0);
    world.abort(id).unwrap();
    assert_eq!(world.status(id), OperationStatus::Aborted);
    assert!(world.operation(id).ended_at.is_some());
}

#[test]
fn a_step_whose_begin_was_refused_is_not_undone() {
    let (mut world, id) = creating(1);
    world.fail(id, 1, 1).unwrap();
    world.abort(id).unwrap();
    assert_eq!(refused(world.undo(id, 1, 1)), codes::OPERATION_STATUS);
    world.undo(id, 0, 1).unwrap();
    assert_eq!(world.status(id), OperationStatus::Aborted);
}

#[test]
fn a_step_that_failed_and_was_not_yet_retried_is_undone_too() {
    let (mut world, id) = creating(1);
    world.begin(id, 1, 1).unwrap();
    world.fail(id, 1, 1).unwrap();
    world.resume(id).unwrap();
    assert_eq!(world.steps(id)[1], StepStatus::Pending);
    world.abort(id).unwrap();
    world.undo(id, 1, 1).unwrap();
    assert_eq!(world.record("orders", "orders-1").run, RunState::Stopped);
}

#[test]
fn an_undo_that_failed_is_resumed_as_an_undo() {
    let (mut world, id) = creating(2);
    world.abort(id).unwrap();
    assert_eq!(refused(world.fail(id, 0, 1)), codes::OPERATION_STATUS, "not the one in hand");
    world.fail(id, 1, 1).unwrap();
    assert_eq!(world.steps(id)[1], StepStatus::Finished, "it was done, and is not undone");
    world.resume(id).unwrap();
    assert_eq!(world.status(id), OperationStatus::Aborting);
    assert_eq!(refused(world.pause(id)), codes::OPERATION_STATUS);
    assert_eq!(refused(world.resume(id)), codes::OPERATION_STATUS);
    world.undo(id, 1, 2).unwrap();
    world.undo(id, 0, 2).unwrap();
    assert_eq!(world.status(id), OperationStatus::Aborted);
}

#[test]
fn a_paused_operation_can_be_aborted() {
    let (mut world, id) = creating(1);
    world.pause(id).unwrap();
    world.abort(id).unwrap();
    world.undo(id, 0, 1).unwrap();
    assert_eq!(world.status(id), OperationStatus::Aborted);
}

#[test]
fn there_is_no_way_back_from_the_point_of_no_return_once_it_was_begun() {
    let mut world = World::with_orders();
    let id = operation_id(2);
    let remove = remove_plan(&world);
    world.submit(id, remove).unwrap();
    world.do_first(id, 3);
    let mut before = World { state: world.state.clone(), ..world };
    before.fail(id, 3, 1).unwrap();
    before.abort(id).unwrap();
    for step in (0..3).rev() {
        before.undo(id, step, 1).unwrap();
    }
    assert_eq!(before.record("orders", "orders-3").run, RunState::Running);

    let mut world = World { state: World::with_orders().state, index: before.index, at: before.at };
    let remove = remove_plan(&world);
    world.submit(id, remove).unwrap();
    world.do_first(id, 3);
    world.begin(id, 3, 1).unwrap();
    let refusal = world.abort(id).unwrap_err();
    assert_eq!(refusal.code, codes::OPERATION_STATUS);
    assert_eq!(refusal.cause.as_deref(), Some("step 4 is its point of no return"));
    world.finish(id, 3, 1).unwrap();
    assert_eq!(refused(world.abort(id)), codes::OPERATION_STATUS);
}
