//! Removing a component, as an operator reads it.

use std::time::Duration;

use quorate_model::{NodeId, OperationRequest, RunState, StepKind, Undo};

use super::{golden::golden, world::World};

fn remove(world: &World) -> OperationRequest {
    OperationRequest::ComponentRemove { component: world.name.clone() }
}

#[test]
fn a_component_is_stopped_awaited_and_forgotten() {
    let world = World::voting(3, 1);
    golden("remove-3-members", &world.plan(&remove(&world)));
}

#[test]
fn every_silent_node_is_named() {
    let mut world = World::voting(3, 1);
    world.silence(1, Duration::from_secs(60));
    world.seen.nodes.remove(&NodeId(3));
    golden("remove-silent-nodes-refused", &world.plan(&remove(&world)));
}

#[test]
fn aborting_a_removal_starts_nothing_that_stood_still_before() {
    let mut world = World::serving(2);
    world.edit_record(2, |record| record.run = RunState::Stopped);
    let plan = world.plan(&remove(&world)).unwrap();
    assert!(matches!(
        &plan.steps[0].undo,
        Undo::Do { kind } if matches!(**kind, StepKind::Desire { .. })
    ));
    assert_eq!(plan.steps[1].undo, Undo::Nothing);
}
