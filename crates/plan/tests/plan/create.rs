//! Creating a component, as an operator reads it, and everything that can be wrong with it.

use std::time::Duration;

use quorate_model::{
    ComponentSpec, NodeId, OperationRequest, PackName, Subject, UnmanagedInstance, codes,
};

use super::{
    golden::golden,
    world::{World, component, instance, spec},
};

/// Where new instances would listen, by node and port, and why they may not.
type PortCase<'a> = (&'a [(u64, u16)], &'a [&'a str]);

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

/// A component of one instance each on the nodes of these numbers, listening on these ports.
fn listening(name: &str, instances: &[(u64, u16)]) -> ComponentSpec {
    let mut spec = spec(name, "serving", u64::try_from(instances.len()).unwrap());
    for (instance, (node, port)) in spec.instances.iter_mut().zip(instances) {
        instance.node = NodeId(*node);
        instance.settings.insert("port".to_owned(), (*port).into());
    }
    spec
}

#[test]
fn no_two_on_one_host_get_the_same_port() {
    let mut world = World::bare();
    world.add(listening("web", &[(1, 8080), (2, 8080)]));
    for (number, port) in [(1, 9100), (2, 9200)] {
        let node = world.state.metadata.nodes.get_mut(&NodeId(number)).unwrap();
        node.admin_addr = format!("10.0.0.{number}:{port}");
        node.internal_addr = format!("db-{number}.example:{}", port + 1);
    }
    // db-5 is another node on the host of db-4, as in a throw-away cluster.
    world.state.metadata.nodes.get_mut(&NodeId(5)).unwrap().address = "10.0.0.4".to_owned();
    let cases: [PortCase<'_>; 9] = [
        (&[(3, 8080)], &[]),
        (&[(1, 8081), (2, 8082)], &[]),
        (&[(1, 8080)], &["instance `web-1` of `web` has it on that host (10.0.0.1)"]),
        (
            &[(1, 8080), (2, 8080)],
            &[
                "instance `web-1` of `web` has it on that host (10.0.0.1)",
                "instance `web-2` of `web` has it on that host (10.0.0.2)",
            ],
        ),
        (&[(3, 7), (3, 7)], &["instance `new-1` of `new` has it on that host (10.0.0.3)"]),
        (&[(4, 7), (5, 7)], &["instance `new-1` of `new` has it on that host (10.0.0.4)"]),
        (&[(1, 9100)], &["the admin port of node `db-1` has it on that host (10.0.0.1)"]),
        (&[(2, 9201)], &["the internal port of node `db-2` has it on that host (10.0.0.2)"]),
        (&[(2, 9100)], &[]),
    ];
    for (instances, expected) in cases {
        let planned = world.plan(&create(listening("new", instances)));
        let refusals = planned.err().unwrap_or_default();
        assert!(refusals.iter().all(|refusal| refusal.code == codes::PORT_CLASH), "{refusals:?}");
        let causes: Vec<_> = refusals.iter().filter_map(|refusal| refusal.cause.clone()).collect();
        assert_eq!(causes, expected, "{instances:?}");
    }
}

#[test]
fn nothing_is_created_over_a_process_that_was_let_go() {
    let mut world = World::bare();
    let left = UnmanagedInstance {
        component: component("old"),
        instance: instance("new-1"),
        pid: 4711,
        ports: vec![8080],
    };
    world.seen.unmanaged.insert(NodeId(2), vec![left]);
    // On another host the name is free, and so is the port.
    assert!(world.plan(&create(listening("new", &[(1, 8080)]))).is_ok());
    let refusals = world.plan(&create(listening("new", &[(2, 8081)]))).unwrap_err();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_eq!(refusals[0].code, codes::INSTANCE_LEFT_RUNNING);
    assert!(refusals[0].hint.as_ref().unwrap().contains("kill 4711"), "{refusals:?}");
    // Under another name the port is still taken.
    let refusals = world.plan(&create(listening("other", &[(2, 8080)]))).unwrap_err();
    assert_eq!(refusals[0].code, codes::PORT_CLASH);
    let cause = refusals[0].cause.as_ref().unwrap();
    assert!(cause.contains("the unmanaged process 4711 of `new-1`"), "{cause}");
}
