//! The cluster's beginning and its nodes.

use quorate_model::{NodeId, codes};
use quorate_state::{Applied, Command, FEATURE_LEVEL};

use super::world::{World, create_cluster, new_node, refused};

#[test]
fn the_first_command_makes_the_cluster_once() {
    let mut world = World::empty();
    assert_eq!(world.apply(create_cluster()), Ok(Applied::Node(NodeId(1))));
    assert_eq!(world.state.feature_level, FEATURE_LEVEL);
    assert_eq!(world.state.kms.sealed_ca, [0, 1, 255]);
    assert_eq!(refused(world.apply(create_cluster())), codes::ALREADY_INITIALISED);
}

#[test]
fn the_feature_level_is_what_the_first_command_says_whatever_binary_applies_it() {
    let mut command = create_cluster();
    if let Command::CreateCluster { feature_level, .. } = &mut command {
        *feature_level = FEATURE_LEVEL + 6;
    }
    let mut world = World::empty();
    world.apply(command).unwrap();
    assert_eq!(world.state.feature_level, FEATURE_LEVEL + 6);
}

#[test]
fn an_update_changes_where_a_node_is_reached_and_nothing_that_it_is() {
    let mut world = World::cluster();
    let mut new = new_node("renamed");
    new.roles.master = false;
    world.apply(Command::UpdateNode { id: NodeId(2), node: new }).unwrap();
    let node = &world.state.metadata.nodes[&NodeId(2)];
    assert_eq!(node.name.as_str(), "db-2");
    assert!(node.roles.master);
    assert_eq!(node.address, "renamed.example");
    let unknown = Command::UpdateNode { id: NodeId(9), node: new_node("db-9") };
    assert_eq!(refused(world.apply(unknown)), codes::NOT_FOUND);
}
