//! Orders to nodes over orders that were not obeyed, and orders that a node could not carry out.

use quorate_model::{
    Generation, NodeId, NodeOrder, OrderKind, OrderOutcome, OrderReport, Refusal, StepStatus, Term,
    codes,
};
use quorate_state::{Command, NewNode};

use super::{
    samples::{token, token_id},
    upgrades::binary,
    world::{World, new_node, operation_id, orders_plan, refused, replace_plan},
};

fn ordered(world: &World) -> NodeOrder {
    world.state.metadata.nodes[&NodeId(1)].order.clone().unwrap()
}

/// Has an operation give the order, and ends the operation.
fn order(world: &mut World, number: u64, kind: OrderKind) -> quorate_state::Outcome {
    let id = operation_id(number);
    world.submit(id, orders_plan([kind])).unwrap();
    world.do_first(id, 2);
    let given = world.begin(id, 2, 1);
    world.abort(id).unwrap();
    while let Some(step) = world.operation(id).next_undo() {
        world.undo(id, u32::try_from(step).unwrap(), 1).unwrap();
    }
    given
}

fn obeys(world: &mut World, obeyed: Generation) {
    let node = NewNode { obeyed, ..new_node("db-1") };
    world.apply(Command::UpdateNode { id: NodeId(1), node }).unwrap();
}

#[test]
fn a_purge_that_was_not_obeyed_is_not_forgotten_over_a_restart() {
    let mut world = World::cluster();
    order(&mut world, 1, OrderKind::Purge).unwrap();
    let purge = ordered(&world);
    order(&mut world, 2, OrderKind::Restart).unwrap();
    let both = ordered(&world);
    assert_eq!(both.kind, OrderKind::Purge);
    assert!(both.generation > purge.generation);
    let stage = OrderKind::Stage { binary: binary(1) };
    let upgrade = OrderKind::Upgrade { binary: binary(1), ready_within_ms: 1000 };
    for (number, kind) in [(3, stage.clone()), (4, upgrade)] {
        assert_eq!(refused(order(&mut world, number, kind)), codes::OPERATION_STATUS);
        assert_eq!(ordered(&world), both);
    }
    // A late word of the process of before is no sign of it.
    obeys(&mut world, purge.generation);
    order(&mut world, 5, OrderKind::Restart).unwrap();
    assert_eq!(ordered(&world).kind, OrderKind::Purge);
    let obeyed = ordered(&world).generation;
    obeys(&mut world, obeyed);
    order(&mut world, 6, OrderKind::Restart).unwrap();
    assert_eq!(ordered(&world).kind, OrderKind::Restart);
    order(&mut world, 7, stage.clone()).unwrap();
    assert_eq!(ordered(&world).kind, stage);
}

/// Two upgrades, of which the second one waits for what its node says.
fn upgrading() -> (World, quorate_model::OperationId) {
    let mut world = World::cluster();
    let id = operation_id(1);
    let upgrade = OrderKind::Upgrade { binary: binary(1), ready_within_ms: 1000 };
    world.submit(id, orders_plan([OrderKind::Stage { binary: binary(1) }, upgrade])).unwrap();
    world.do_first(id, 7);
    world.begin(id, 7, 1).unwrap();
    (world, id)
}

fn says_failed(world: &mut World) {
    let generation = ordered(world).generation;
    let refusal = Refusal::new(codes::UPGRADE_ROLLED_BACK, "it goes back");
    let report = OrderReport { generation, outcome: OrderOutcome::Failed { refusal } };
    world.apply(Command::ReportOrder { id: NodeId(1), report }).unwrap();
}

#[test]
fn an_order_that_a_node_did_not_carry_out_is_given_again_when_the_operation_is_resumed() {
    let (finished, pending) = (StepStatus::Finished, StepStatus::Pending);
    let (mut world, id) = upgrading();
    let before = ordered(&world);
    says_failed(&mut world);
    world.fail(id, 7, 1).unwrap();
    world.resume(id).unwrap();
    let steps = world.steps(id);
    // What must hold before the node goes away once more is looked at once more.
    assert_eq!(steps[..4], [finished; 4]);
    assert_eq!(steps[4..], [pending; 4]);
    for step in 4..7 {
        world.begin(id, step, 2).unwrap();
        world.finish(id, step, 2).unwrap();
    }
    let again = ordered(&world);
    assert_eq!(again.kind, before.kind);
    assert!(again.generation > before.generation);
    assert_eq!(world.operation(id).records[6].attempts, 2);
    // Begun again by the next leader, it is not given a third time.
    world.begin(id, 7, 2).unwrap();
    world.fail(id, 7, 2).unwrap();
    world.resume(id).unwrap();
    assert_eq!(world.steps(id)[..7], [finished; 7], "it only took too long");
    assert_eq!(ordered(&world), again);
}

#[test]
fn what_only_the_leader_heard_of_a_node_manager_counts_as_well() {
    let (mut world, id) = upgrading();
    let refusal = Refusal::new(codes::BINARY_UNFIT, "it does not run here");
    world.apply(Command::FailStep { id, step: 7, term: Term(1), refusal }).unwrap();
    world.resume(id).unwrap();
    assert_eq!(world.operation(id).next_step(), Some(4));
}

#[test]
fn a_name_that_an_operation_will_give_is_given_to_nobody_else() {
    let mut world = World::cluster();
    let id = operation_id(1);
    world.apply(Command::CreateToken { id: token_id(9), token: token() }).unwrap();
    let join = |name: &str| Command::Enrol {
        token: token_id(9),
        key_sha256: "key".to_owned(),
        node: new_node(name),
    };
    world.submit(id, replace_plan()).unwrap();
    world.do_first(id, 3);
    assert!(!world.state.metadata.nodes.contains_key(&NodeId(3)));
    let refusal = world.apply(join("db-3")).unwrap_err();
    assert_eq!(refusal.code, codes::NAME_TAKEN);
    assert!(refusal.cause.unwrap().contains("node replace db-3"));
    world.begin(id, 3, 1).unwrap();
    world.finish(id, 3, 1).unwrap();
    world.begin(id, 4, 1).unwrap();
    world.finish(id, 4, 1).unwrap();
    assert_eq!(world.state.metadata.nodes[&NodeId(2)].name.as_str(), "db-3");
    world.apply(join("db-2")).unwrap();
}
