//! Creating a component, as an operator reads it, and everything that can be wrong with it.

use std::time::Duration;

use quorate_model::{ComponentSpec, NodeId, OperationRequest, PackName, Subject, codes};

use super::{
    golden::golden,
    world::{World, component, instance, spec},
};

fn create(spec: ComponentSpec) -> OperationRequest {
    OperationRequest::ComponentCreate { spec }
}

#[test]
fn a_component_is_recorded_started_together_and_awaited() {
    golden("create-3-members", &World::bare().plan(&create(spec("orders", "voting", 3))));
    golden("create-1-instance", &World::bare().plan(&create(spec("web", "serving", 1))));
}

#[test]
fn every_error_is_said_at_once() {
    let mut world = World::voting(3, 1);
    world.seen.nodes.insert(NodeId(2), Duration::from_secs(60));
    world.seen.nodes.remove(&NodeId(4));
    world.state.metadata.nodes.get_mut(&NodeId(5)).unwrap().roles.node_manager = false;
    let mut wrong = spec("orders", "voting", 5);
    wrong.settings.insert("colour".to_owned(), "green".into());
    wrong.instances[1].name = instance("new-2");
    wrong.instances[3].name = instance("new-2");
    let mut once_more = wrong.instances[3].clone();
    once_more.name = instance("new-6");
    wrong.instances.push(once_more);
    golden("create-every-error-refused", &world.plan(&create(wrong)));
}

#[test]
fn a_component_without_instances_or_of_an_unknown_pack_is_refused() {
    let world = World::bare();
    let refusals = world.plan(&create(spec("orders", "voting", 0))).unwrap_err();
    assert_eq!(refusals[0].code, codes::SPECIFICATION_INVALID);
    let unknown =
        ComponentSpec { pack: PackName::new("mystery").unwrap(), ..spec("orders", "voting", 3) };
    let refusals = world.plan(&create(unknown)).unwrap_err();
    assert_eq!(refusals[0].message, "there is no pack `mystery`");
}

#[test]
fn the_plan_is_pinned_to_there_being_no_such_component() {
    let plan = World::bare().plan(&create(spec("orders", "voting", 3))).unwrap();
    assert_eq!(plan.pins[0].revision, None);
    assert_eq!(plan.locks, [Subject::from(&component("orders"))]);
}
