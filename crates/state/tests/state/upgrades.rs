//! Orders to nodes, what they say became of them, and the feature level.

use quorate_model::{
    Binary, Generation, NodeAction, NodeId, OrderKind, OrderOutcome, OrderReport, Plan, StepKind,
    Undo, codes,
};
use quorate_state::Command;

use super::world::{World, new_node, operation_id, refused, restart_plan, step};

fn report(generation: u64, outcome: OrderOutcome) -> Command {
    let report = OrderReport { generation: Generation(generation), outcome };
    Command::ReportOrder { id: NodeId(1), report }
}

fn done() -> OrderOutcome {
    OrderOutcome::Done { seen: "it runs 0.2.0".to_owned() }
}

pub(crate) fn binary(level: u32) -> Binary {
    serde_json::from_value(serde_json::json!({
        "sha256": "0f".repeat(32), "size": 1, "version": "0.2.0", "architecture": "x86_64",
        "featureLevels": { "from": 1, "to": level },
    }))
    .unwrap()
}

fn plan_of(world: &World, kinds: impl IntoIterator<Item = StepKind>) -> Plan {
    let mut plan = restart_plan(world, &["orders-1"]);
    plan.steps = kinds.into_iter().map(|kind| step(kind, Undo::Nothing)).collect();
    plan
}

fn reads(world: &mut World, node: u64, level: u32) {
    let id = NodeId(node);
    let command = Command::RecordBinary { id, version: "0.2.0".to_owned(), reads_level: level };
    world.apply(command).unwrap();
}

#[test]
fn each_order_of_an_upgrade_has_its_own_generation_and_is_given_once() {
    let mut world = World::with_orders();
    let order = |order| StepKind::Node { node: NodeId(1), action: NodeAction::Order { order } };
    let stage = OrderKind::Stage { binary: binary(1) };
    let upgrade = OrderKind::Upgrade { binary: binary(1), ready_within_ms: 1000 };
    let plan = plan_of(&world, [order(stage.clone()), order(upgrade.clone())]);
    let id = operation_id(2);
    world.submit(id, plan).unwrap();
    let ordered = |world: &World| world.state.metadata.nodes[&NodeId(1)].order.clone().unwrap();
    world.begin(id, 0, 1).unwrap();
    let first = ordered(&world);
    assert_eq!(first.kind, stage);
    // The next leader begins the step again.
    world.begin(id, 0, 2).unwrap();
    assert_eq!(ordered(&world), first);
    world.finish(id, 0, 2).unwrap();
    world.begin(id, 1, 2).unwrap();
    let second = ordered(&world);
    assert!(second.kind == upgrade && second.generation > first.generation);
}

#[test]
fn what_a_node_says_of_its_order_is_kept_and_not_taken_back() {
    let mut world = World::cluster();
    world.apply(report(4, OrderOutcome::UnderWay)).unwrap();
    assert_eq!(world.state.metadata.nodes[&NodeId(1)].obeyed, Generation(0));
    world.apply(report(4, done())).unwrap();
    assert_eq!(world.state.metadata.nodes[&NodeId(1)].obeyed, Generation(4));
    // An announcement that was held up on the way.
    let mut late = new_node("db-1");
    late.order_report =
        Some(OrderReport { generation: Generation(4), outcome: OrderOutcome::UnderWay });
    world.apply(Command::UpdateNode { id: NodeId(1), node: late }).unwrap();
    let node = &world.state.metadata.nodes[&NodeId(1)];
    assert_eq!(node.order_report.as_ref().unwrap().outcome, done());
    let OrderReport { generation, outcome } = node.order_report.clone().unwrap();
    let unknown =
        Command::ReportOrder { id: NodeId(9), report: OrderReport { generation, outcome } };
    assert_eq!(refused(world.apply(unknown)), codes::NOT_FOUND);
}

#[test]
fn the_feature_level_rises_only_when_every_node_reads_it_and_never_falls() {
    let mut world = World::with_orders();
    let id = operation_id(2);
    world.submit(id, plan_of(&world, [StepKind::Raise { level: 2 }])).unwrap();
    assert_eq!(refused(world.begin(id, 0, 1)), codes::FEATURE_LEVEL_UNREADABLE);
    let nodes: Vec<u64> = world.state.metadata.nodes.keys().map(|id| id.0).collect();
    for (node, rest) in nodes.iter().zip((0..nodes.len()).rev()) {
        reads(&mut world, *node, 2);
        if rest > 0 {
            assert_eq!(refused(world.begin(id, 0, 1)), codes::FEATURE_LEVEL_UNREADABLE);
            assert_eq!(world.state.feature_level, 1);
        }
    }
    world.begin(id, 0, 1).unwrap();
    assert_eq!(world.state.feature_level, 2);
    world.finish(id, 0, 1).unwrap();
    let lower = operation_id(3);
    world.submit(lower, plan_of(&world, [StepKind::Raise { level: 1 }])).unwrap();
    world.begin(lower, 0, 1).unwrap();
    assert_eq!(world.state.feature_level, 2);
}

#[test]
fn a_node_that_never_said_what_it_reads_reads_the_first_level() {
    let mut world = World::cluster();
    reads(&mut world, 1, 0);
    let node = &world.state.metadata.nodes[&NodeId(1)];
    assert!(node.reads(1) && !node.reads(2));
}
