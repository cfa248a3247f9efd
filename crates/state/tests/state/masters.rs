//! Votes, priorities and the masters' policy.

use quorate_model::{Code, NodeId, NodeRoles, codes};
use quorate_state::{Command, MasterPolicy};

use super::{
    samples::{token, token_id},
    world::{World, new_node, refused},
};

fn votes(nodes: &[u64], votes: bool, reason: &str, even_because: Option<&str>) -> Command {
    Command::SetVotes {
        nodes: nodes.iter().copied().map(NodeId).collect(),
        votes,
        reason: reason.to_owned(),
        even_because: even_because.map(str::to_owned),
    }
}

#[test]
fn why_a_master_has_no_vote_is_kept_until_it_shall_have_one_again() {
    let mut world = World::cluster();
    let before = world.state.metadata.masters_revision;
    world.apply(votes(&[2, 3], false, " the host is slow ", None)).unwrap();
    for id in [2, 3] {
        let stated = world.state.metadata.nodes[&NodeId(id)].learner_only.clone().unwrap();
        assert_eq!((&*stated.reason, &*stated.by), ("the host is slow", "user:admin"));
    }
    assert!(world.state.metadata.masters_revision > before);
    world.apply(votes(&[2], true, "", None)).unwrap();
    assert_eq!(world.state.metadata.nodes[&NodeId(2)].learner_only, None);
    assert!(world.state.metadata.nodes[&NodeId(3)].learner_only.is_some());
}

#[test]
fn an_even_number_is_allowed_for_a_stated_reason_until_that_is_withdrawn() {
    let mut world = World::cluster();
    assert_eq!(
        refused(world.apply(votes(&[2], false, "slow", Some("  ")))),
        codes::REQUEST_MALFORMED
    );
    world.apply(votes(&[2], false, "slow", Some("two rooms"))).unwrap();
    assert_eq!(world.state.metadata.even_voters.as_ref().unwrap().reason, "two rooms");
    let audited = world.state.audit.entries.last().unwrap();
    assert!(format!("{audited:?}").contains("two rooms"), "{audited:?}");
    world.apply(Command::AllowEvenVoters { because: None }).unwrap();
    assert_eq!(world.state.metadata.even_voters, None);
}

#[test]
fn a_priority_is_a_masters_and_survives_its_new_address() {
    let mut world = World::cluster();
    world.apply(Command::SetPriority { id: NodeId(2), priority: 7 }).unwrap();
    world.apply(Command::UpdateNode { id: NodeId(2), node: new_node("moved") }).unwrap();
    let node = &world.state.metadata.nodes[&NodeId(2)];
    assert_eq!((node.priority, node.started_at), (7, Some(world.at)));
}

#[test]
fn only_masters_that_exist_vote_or_are_preferred() {
    let mut world = World::cluster();
    let mut manager = new_node("nm");
    manager.roles = NodeRoles { master: false, node_manager: true };
    let token = quorate_state::JoinToken { role: quorate_model::EnrolRole::NodeManager, ..token() };
    world.apply(Command::CreateToken { id: token_id(7), token }).unwrap();
    let enrol = Command::Enrol { token: token_id(7), key_sha256: "k".to_owned(), node: manager };
    world.apply(enrol).unwrap();
    for (id, code) in [(4, codes::REQUEST_MALFORMED), (9, codes::NOT_FOUND)] {
        assert_eq!(refused(world.apply(votes(&[1, id], true, "", None))), code);
        let priority = Command::SetPriority { id: NodeId(id), priority: 1 };
        assert_eq!(refused(world.apply(priority)), code);
    }
}

#[test]
fn a_policy_that_makes_no_sense_is_refused() {
    let good = MasterPolicy::default();
    let bad = codes::REQUEST_MALFORMED;
    let table: [(MasterPolicy, Option<Code>); 7] = [
        (good.clone(), None),
        (MasterPolicy { fail_back_ms: 0, ..good.clone() }, None),
        (MasterPolicy { cleanup_after_ms: Some(30_000), ..good.clone() }, None),
        (MasterPolicy { cleanup_after_ms: Some(29_999), ..good.clone() }, Some(bad)),
        (MasterPolicy { stall_after_ms: 999, ..good.clone() }, Some(bad)),
        (MasterPolicy { cleanup_floor: 0, ..good.clone() }, Some(bad)),
        (MasterPolicy { fail_back_ms: u64::MAX, ..good }, Some(bad)),
    ];
    for (policy, wanted) in table {
        let mut world = World::cluster();
        let outcome = world.apply(Command::SetMasterPolicy { policy: policy.clone() });
        assert_eq!(outcome.err().map(|refusal| refusal.code), wanted, "{policy:?}");
        assert_eq!(world.state.metadata.policy == policy, wanted.is_none(), "{policy:?}");
    }
}
