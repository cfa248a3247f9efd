//! What is wanted of components and their instances, and the generations of the orders.

use quorate_model::{
    DesireChange, Epoch, Generation, NodeId, OperationRequest, RunState, StepStatus, Term, codes,
};

use super::world::{
    World, component_name, create_plan, desire, instance_name, operation_id, plan, refused,
    remove_plan, restart_plan, spec,
};

#[test]
fn a_new_component_is_recorded_stopped_and_started_by_its_steps() {
    let mut world = World::cluster();
    let id = operation_id(1);
    world.submit(id, create_plan(&spec("orders", 3))).unwrap();
    world.begin(id, 0, 1).unwrap();
    assert_eq!(world.record("orders", "orders-1").run, RunState::Stopped);
    world.finish(id, 0, 1).unwrap();
    world.begin(id, 1, 1).unwrap();
    assert_eq!(world.record("orders", "orders-1").run, RunState::Running);
    assert_eq!(world.record("orders", "orders-2").run, RunState::Stopped);
}

#[test]
fn only_a_restart_asks_for_a_new_process() {
    let mut world = World::with_orders();
    let before = world.record("orders", "orders-2");
    assert!(before.start_generation < before.generation);
    let id = operation_id(2);
    let restart = restart_plan(&world, &["orders-2"]);
    world.submit(id, restart).unwrap();
    world.run_to_end(id);
    let after = world.record("orders", "orders-2");
    assert!(after.generation > before.generation);
    assert_eq!(after.start_generation, after.generation);
    assert_eq!(world.operation(id).records[0].generation, Some(after.generation));
}

#[test]
fn a_component_created_again_under_its_old_name_gets_new_generations() {
    let mut world = World::with_orders();
    let before = world.state.metadata.last_generation;
    let id = operation_id(2);
    let remove = remove_plan(&world);
    world.submit(id, remove).unwrap();
    world.run_to_end(id);
    assert_eq!(world.revision("orders"), None);
    let id = operation_id(3);
    world.submit(id, create_plan(&spec("orders", 1))).unwrap();
    world.begin(id, 0, 1).unwrap();
    assert!(world.record("orders", "orders-1").generation > before);
}

#[test]
fn a_component_with_an_instance_that_shall_run_is_not_forgotten() {
    let mut world = World::with_orders();
    let request = OperationRequest::ComponentRemove { component: component_name("orders") };
    let forget = desire(DesireChange::Forget { component: component_name("orders") }, None);
    let id = operation_id(2);
    let remove = plan(request, world.revision("orders"), vec![forget]);
    world.submit(id, remove).unwrap();
    assert_eq!(refused(world.begin(id, 0, 1)), codes::IN_USE);
    assert_eq!(world.steps(id), [StepStatus::Pending]);
}

#[test]
fn names_must_be_free_and_nodes_must_be_node_managers_when_a_component_is_recorded() {
    let mut twice = spec("other", 2);
    twice.instances[1].name = instance_name("other-1");
    let mut taken = spec("other", 1);
    taken.instances[0].name = instance_name("orders-1");
    let mut nowhere = spec("other", 1);
    nowhere.instances[0].node = NodeId(9);
    let table = [
        (spec("orders", 3), codes::NAME_TAKEN),
        (twice, codes::NAME_TAKEN),
        (taken, codes::NAME_TAKEN),
        (nowhere, codes::NOT_FOUND),
    ];
    for (spec, code) in table {
        let mut world = World::with_orders();
        let mut create = create_plan(&spec);
        create.pins.clear();
        world.submit(operation_id(2), create).unwrap();
        assert_eq!(refused(world.begin(operation_id(2), 0, 1)), code, "{}", spec.name);
    }
}

#[test]
fn an_order_to_an_unknown_instance_is_refused() {
    let mut world = World::with_orders();
    let id = operation_id(2);
    let restart = restart_plan(&world, &["orders-9"]);
    world.submit(id, restart).unwrap();
    assert_eq!(refused(world.begin(id, 0, 1)), codes::NOT_FOUND);
}

#[test]
fn a_node_manager_is_told_of_its_own_instances_with_all_addresses() {
    let world = World::with_orders();
    let desired = world.state.metadata.desired_of(NodeId(2), Epoch(0), Term(5));
    assert_eq!(desired.len(), 1);
    assert_eq!(desired[0].instance, instance_name("orders-2"));
    assert_eq!(desired[0].term, Term(5));
    assert_eq!(desired[0].addresses.len(), 3);
    assert_eq!(desired[0].addresses[&NodeId(3)], "db-3.example");
    assert!(desired[0].generation > Generation(0));
    assert!(world.state.metadata.desired_of(NodeId(9), Epoch(0), Term(5)).is_empty());
}
