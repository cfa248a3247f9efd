//! Join tokens: single use, limited in time, repeatable by the same joiner.

use std::time::Duration;

use quorate_model::{EnrolRole, NodeId, NodeName, NodeRoles, RequestId, codes};
use quorate_state::{Applied, Command, JoinToken, KeyedRequest, TokenStatus};

use super::{
    samples::{token, token_id},
    world::{START, World, create_cluster, new_node, refused},
};

fn world() -> World {
    let mut world = World::empty();
    world.apply(create_cluster()).unwrap();
    world.apply(Command::CreateToken { id: token_id(1), token: token() }).unwrap();
    world
}

fn enrol(key: &str, name: &str) -> Command {
    Command::Enrol { token: token_id(1), key_sha256: key.to_owned(), node: new_node(name) }
}

#[test]
fn a_token_makes_one_node_and_the_same_joiner_may_ask_again() {
    let mut world = world();
    assert_eq!(world.apply(enrol("k", "db-2")), Ok(Applied::Node(NodeId(2))));
    assert_eq!(world.apply(enrol("k", "db-2")), Ok(Applied::Node(NodeId(2))));
    assert_eq!(refused(world.apply(enrol("other", "db-3"))), codes::JOIN_TOKEN_INVALID);
    assert_eq!(world.state.metadata.nodes.len(), 2);
    let used = TokenStatus::Used { node: NodeId(2), key_sha256: "k".to_owned() };
    assert_eq!(world.state.iam.tokens[&token_id(1)].status, used);
}

#[test]
fn the_same_joiner_gets_its_answer_again_after_the_expiry() {
    let mut world = world();
    world.apply(enrol("k", "db-2")).unwrap();
    world.at = START.plus(Duration::from_secs(7200));
    assert_eq!(world.apply(enrol("k", "db-2")), Ok(Applied::Node(NodeId(2))));
}

#[test]
fn an_expired_token_is_refused_from_its_last_moment_on() {
    for (seconds_left, allowed) in [(1, true), (0, false)] {
        let mut world = world();
        // Applying moves the clock on by one second.
        world.at = START.plus(Duration::from_secs(3600 - 1 - seconds_left));
        assert_eq!(world.apply(enrol("k", "db-2")).is_ok(), allowed, "{seconds_left}");
    }
}

#[test]
fn a_revoked_or_unknown_token_is_refused() {
    let mut world = world();
    world.apply(Command::RevokeToken { id: token_id(1) }).unwrap();
    assert_eq!(refused(world.apply(enrol("k", "db-2"))), codes::JOIN_TOKEN_INVALID);
    assert_eq!(refused(world.apply(Command::RevokeToken { id: token_id(1) })), codes::NOT_FOUND);
}

#[test]
fn a_token_is_for_its_role_only() {
    let mut world = world();
    let mut node = new_node("db-2");
    node.roles = NodeRoles { master: false, node_manager: true };
    let command = Command::Enrol { token: token_id(1), key_sha256: "k".to_owned(), node };
    assert_eq!(refused(world.apply(command)), codes::JOIN_TOKEN_INVALID);
    assert_eq!(world.state.iam.tokens[&token_id(1)].status, TokenStatus::Unused);
}

#[test]
fn a_name_that_is_taken_does_not_spend_the_token() {
    let mut world = world();
    assert_eq!(refused(world.apply(enrol("k", "db-1"))), codes::NAME_TAKEN);
    assert_eq!(world.apply(enrol("k", "db-2")), Ok(Applied::Node(NodeId(2))));
    let named = world.state.metadata.node_named(&NodeName::new("db-2").unwrap());
    assert_eq!(named.map(|(id, _)| id), Some(NodeId(2)));
}

#[test]
fn a_token_id_is_given_once() {
    let mut world = world();
    let again = Command::CreateToken { id: token_id(1), token: token() };
    assert_eq!(refused(world.apply(again)), codes::NAME_TAKEN);
}

#[test]
fn a_repeated_request_finds_the_token_that_the_first_one_made() {
    let mut world = world();
    let keyed = |number, key: &str, asked: &str| Command::CreateToken {
        id: token_id(number),
        token: JoinToken {
            request: Some(KeyedRequest {
                key: RequestId::new(key).unwrap(),
                request_sha256: asked.to_owned(),
            }),
            secret_sha256: format!("secret of {number}"),
            ..token()
        },
    };
    assert_eq!(world.apply(keyed(2, "k", "a")), Ok(Applied::Token(token_id(2))));
    assert_eq!(world.apply(keyed(3, "k", "a")), Ok(Applied::Token(token_id(2))));
    assert_eq!(refused(world.apply(keyed(4, "k", "b"))), codes::REQUEST_MALFORMED);
    assert_eq!(world.apply(keyed(5, "other", "a")), Ok(Applied::Token(token_id(5))));
    let kept: Vec<_> = world.state.iam.tokens.keys().copied().collect();
    assert_eq!(kept, [token_id(1), token_id(2), token_id(5)]);
    assert_eq!(world.state.iam.tokens[&token_id(2)].secret_sha256, "secret of 2");
}

#[test]
fn tokens_do_not_pile_up_and_a_clock_that_is_ahead_drops_none() {
    let mut world = world();
    world.at = START.plus(Duration::from_secs(365 * 24 * 3600));
    let late = JoinToken {
        role: EnrolRole::Master,
        expires_at: START.plus(Duration::from_secs(7200)),
        ..token()
    };
    for number in 2..=1000 {
        world.apply(Command::CreateToken { id: token_id(number), token: late.clone() }).unwrap();
    }
    assert!(world.state.iam.tokens.contains_key(&token_id(1)));
    let soon = JoinToken { expires_at: START, ..token() };
    world.apply(Command::CreateToken { id: token_id(1001), token: soon }).unwrap();
    assert_eq!(world.state.iam.tokens.len(), 1000);
    assert!(!world.state.iam.tokens.contains_key(&token_id(1)), "it expired first");
    assert!(world.state.iam.tokens.contains_key(&token_id(1001)), "the newest is kept");
}
