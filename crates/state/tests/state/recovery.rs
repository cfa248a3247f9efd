//! A new epoch after a lost quorum.

use quorate_model::{Epoch, Generation, NodeId, codes};
use quorate_state::{Applied, Command};

use super::{
    samples::{self, token, token_id},
    world::{World, new_node, refused},
};

#[test]
fn a_recovery_begins_an_epoch_and_makes_tombstones_of_the_written_off() {
    let mut world = World::cluster();
    assert_eq!(world.apply(samples::recover(1, &[2, 7])), Ok(Applied::Done));
    let state = &world.state;
    assert_eq!(state.epoch, Epoch(1));
    assert!(!state.metadata.nodes.contains_key(&NodeId(2)));
    assert_eq!(state.metadata.tombstones[&NodeId(2)].name.as_str(), "db-2");
    // Joined in entries that did not survive: nobody here knows its name.
    assert_eq!(state.metadata.tombstones[&NodeId(7)].name.as_str(), "n7");
    let recovery = state.metadata.recovery.as_ref().unwrap();
    assert_eq!((recovery.keeper, recovery.plan_sha256.as_str()), (NodeId(1), "9f1ac0"));
    let audited = state.audit.entries.last().unwrap();
    assert_eq!(&*audited.action, "cluster.recover");
    assert_eq!(&*audited.target, "epoch 1 from n1, without n2, n7, plan 9f1ac0");
}

#[test]
fn an_epoch_begins_once_and_never_again() {
    let mut world = World::cluster();
    world.apply(samples::recover(2, &[2])).unwrap();
    for epoch in [0, 1, 2] {
        let before = world.state.metadata.clone();
        assert_eq!(refused(world.apply(samples::recover(epoch, &[3]))), codes::RECOVERY_CONFLICT);
        assert_eq!(world.state.metadata, before);
    }
    world.apply(samples::recover(3, &[3])).unwrap();
    assert_eq!(world.state.epoch, Epoch(3));
}

#[test]
fn who_goes_on_is_not_written_off() {
    let mut world = World::cluster();
    assert_eq!(refused(world.apply(samples::recover(1, &[1]))), codes::RECOVERY_PLAN_INVALID);
    assert_eq!(world.state.epoch, Epoch(0));
}

#[test]
fn ids_and_generations_that_lost_masters_may_have_given_out_are_not_given_out_again() {
    let mut world = World::cluster();
    world.apply(samples::recover(1, &[2])).unwrap();
    assert_eq!(world.state.metadata.last_generation, Generation(1000));
    world.apply(Command::CreateToken { id: token_id(50), token: token() }).unwrap();
    let enrol = Command::Enrol {
        token: token_id(50),
        key_sha256: "new".to_owned(),
        node: new_node("db-2"),
    };
    assert_eq!(world.apply(enrol), Ok(Applied::Node(NodeId(101))), "under the old name, too");
}
