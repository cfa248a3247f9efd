//! Upgrading Quorate's own nodes, as an operator reads it, and what the steps lean on.

use quorate_model::{
    Binary, Condition, Generation, NodeId, NodeOrder, OperationRequest, OrderKind, OrderOutcome,
    OrderReport, Refusal, StepKind, codes,
};
use quorate_plan::{Facts, is_hopeless};

use super::{
    golden::golden,
    nodes::{node, silence, world},
    world::World,
};

fn binary(oldest: u32, newest: u32) -> Binary {
    serde_json::from_value(serde_json::json!({
        "sha256": "0f".repeat(32), "size": 1, "version": "0.2.0", "architecture": "x86_64",
        "featureLevels": { "from": oldest, "to": newest },
    }))
    .unwrap()
}

fn upgrade(numbers: impl IntoIterator<Item = u64>, binary: Binary) -> OperationRequest {
    OperationRequest::NodeUpgrade {
        nodes: numbers.into_iter().map(node).collect(),
        binary,
        ready_within_ms: 60_000,
        accept_interruption: false,
    }
}

fn at_level(mut world: World, level: u32) -> World {
    world.state.feature_level = level;
    for number in 1..=5 {
        world.state.metadata.nodes.get_mut(&NodeId(number)).unwrap().reads_level = level;
    }
    world
}

#[test]
fn every_node_tries_the_binary_before_any_stops_the_leader_goes_last_and_the_level_after_it() {
    golden("node-upgrade-all", &at_level(world(1), 1).plan(&upgrade(1..=5, binary(1, 2))));
}

#[test]
fn the_level_stays_where_a_node_that_is_not_upgraded_cannot_read_it() {
    let plan = at_level(world(1), 1).plan(&upgrade(1..=4, binary(1, 2))).unwrap();
    assert!(plan.steps.iter().all(|step| !matches!(step.kind, StepKind::Raise { .. })));
    // The last one, when the others read it already.
    let mut world = at_level(world(1), 1);
    for number in 1..=4 {
        world.state.metadata.nodes.get_mut(&NodeId(number)).unwrap().reads_level = 2;
    }
    let plan = world.plan(&upgrade([5], binary(1, 2))).unwrap();
    assert!(matches!(plan.steps.last().unwrap().kind, StepKind::Raise { level: 2 }), "{plan:?}");
}

#[test]
fn a_binary_that_cannot_read_the_cluster_is_refused() {
    golden(
        "node-upgrade-too-old-refused",
        &at_level(world(1), 3).plan(&upgrade([1], binary(1, 2))),
    );
    let refusals = at_level(world(1), 3).plan(&upgrade([1], binary(4, 5))).unwrap_err();
    assert_eq!(refusals[0].code, codes::BINARY_UNFIT, "{refusals:?}");
}

#[test]
fn nothing_is_upgraded_while_a_master_is_down() {
    let mut world = at_level(world(1), 1);
    silence(&mut world, 3);
    golden("node-upgrade-refused", &world.plan(&upgrade(1..=5, binary(1, 1))));
}

#[test]
fn an_upgraded_node_is_ready_by_its_own_word_and_one_that_went_back_is_waited_for_no_longer() {
    let (generation, catalog) = (Generation(9), quorate_pack::fakes::catalog());
    let mut world = at_level(world(1), 1);
    let ready = Condition::NodeReady { node: NodeId(2) };
    let done = Condition::OrderDone { node: NodeId(2) };
    let kind = OrderKind::Upgrade { binary: binary(1, 1), ready_within_ms: 1000 };
    // A master in the log, a node manager in its reports.
    let mut say = |obeyed: u64, outcome: Option<OrderOutcome>| {
        let report = outcome.map(|outcome| OrderReport { generation, outcome });
        let node = world.state.metadata.nodes.get_mut(&NodeId(2)).unwrap();
        node.order = Some(NodeOrder { generation, kind: kind.clone() });
        node.obeyed = Generation(obeyed);
        node.order_report.clone_from(&report);
        world.seen.obeyed.insert(NodeId(2), Generation(obeyed));
        world.seen.orders.remove(&NodeId(2));
        if let Some(report) = report {
            world.seen.orders.insert(NodeId(2), report);
        }
        let hopeless = is_hopeless(&ready, &Facts::new(&world.state, &world.seen, &catalog));
        ([&ready, &done].map(|it| world.judge(it).map_err(|no| no.code)), hopeless)
    };
    let not_yet = || [Err(codes::MEMBER_UNHEALTHY), Err(codes::MEMBER_UNHEALTHY)];
    assert_eq!(say(8, None), (not_yet(), false));
    assert_eq!(say(9, None), (not_yet(), false), "having begun anew is not enough");
    assert_eq!(say(9, Some(OrderOutcome::UnderWay)), (not_yet(), false));
    let refusal = Refusal::new(codes::UPGRADE_ROLLED_BACK, "it goes back");
    let (judged, hopeless) = say(9, Some(OrderOutcome::Failed { refusal }));
    assert!(hopeless);
    assert_eq!(judged[0], Err(codes::UPGRADE_ROLLED_BACK));
    let (judged, hopeless) = say(9, Some(OrderOutcome::Done { seen: "it runs".to_owned() }));
    assert!(!hopeless && judged.iter().all(Result::is_ok), "{judged:?}");
}

#[test]
fn the_level_is_readable_once_every_node_has_said_so() {
    let mut world = at_level(world(1), 2);
    let readable = Condition::LevelReadable { level: 2 };
    assert!(world.judge(&readable).is_ok());
    world.state.metadata.nodes.get_mut(&NodeId(5)).unwrap().reads_level = 0;
    assert_eq!(world.judge(&readable).unwrap_err().code, codes::FEATURE_LEVEL_UNREADABLE);
}
