//! Joiners that wait for a person's approval.

use std::time::Duration;

use quorate_model::{NodeId, codes};
use quorate_state::{Applied, Command, JoinToken, TokenStatus};

use super::{
    samples::{enrolment, token, token_id},
    world::{START, World, create_cluster, new_node, refused},
};

const HOUR: Duration = Duration::from_secs(3600);

/// A token whose bearer must be approved.
fn world() -> World {
    let mut world = World::empty();
    world.apply(create_cluster()).unwrap();
    let token = JoinToken { auto_approve: false, ..token() };
    world.apply(Command::CreateToken { id: token_id(1), token }).unwrap();
    world
}

fn request(key: &str, name: &str) -> Command {
    Command::RequestEnrolment { token: token_id(1), enrolment: enrolment(key, name) }
}

fn approve(key: &str) -> Command {
    Command::ApproveEnrolment { token: token_id(1), key_sha256: key.to_owned() }
}

fn enrol(key: &str, name: &str) -> Command {
    Command::Enrol { token: token_id(1), key_sha256: key.to_owned(), node: new_node(name) }
}

const REFUSE: fn() -> Command = || Command::RefuseEnrolment { token: token_id(1) };

#[test]
fn nobody_comes_in_before_a_person_approved_and_then_only_the_one_who_was_seen() {
    let mut world = world();
    assert_eq!(refused(world.apply(enrol("k", "db-2"))), codes::JOIN_TOKEN_INVALID);
    world.apply(request("k", "db-2")).unwrap();
    assert_eq!(refused(world.apply(enrol("k", "db-2"))), codes::ENROLMENT_PENDING);
    assert_eq!(refused(world.apply(approve("other"))), codes::REVISION_MISMATCH);
    world.apply(approve("k")).unwrap();
    assert_eq!(refused(world.apply(enrol("other", "db-2"))), codes::JOIN_TOKEN_INVALID);
    assert_eq!(refused(world.apply(enrol("k", "db-7"))), codes::JOIN_TOKEN_INVALID);
    assert_eq!(world.apply(enrol("k", "db-2")), Ok(Applied::Node(NodeId(2))));
    assert_eq!(world.apply(enrol("k", "db-2")), Ok(Applied::Node(NodeId(2))));
}

#[test]
fn the_first_key_at_the_door_keeps_its_place_and_may_knock_again() {
    let mut world = world();
    world.apply(request("k", "db-2")).unwrap();
    assert_eq!(refused(world.apply(request("thief", "db-3"))), codes::JOIN_TOKEN_INVALID);
    world.apply(request("k", "db-2")).unwrap();
    // It may correct itself until it was approved, and must be approved anew afterwards.
    world.apply(request("k", "db-4")).unwrap();
    world.apply(approve("k")).unwrap();
    world.apply(request("k", "db-4")).unwrap();
    let status = world.state.iam.tokens[&token_id(1)].status.clone();
    assert!(matches!(status, TokenStatus::Approved { .. }), "{status:?}");
    world.apply(request("k", "db-5")).unwrap();
    assert_eq!(refused(world.apply(enrol("k", "db-5"))), codes::ENROLMENT_PENDING);
}

#[test]
fn who_waits_when_the_token_expires_waits_in_vain() {
    let mut world = world();
    world.apply(request("k", "db-2")).unwrap();
    world.at = START.plus(HOUR);
    assert_eq!(refused(world.apply(approve("k"))), codes::JOIN_TOKEN_INVALID);
    assert_eq!(refused(world.apply(enrol("k", "db-2"))), codes::JOIN_TOKEN_INVALID);
}

#[test]
fn who_was_approved_in_the_last_moment_still_comes_in_but_not_for_ever() {
    for (minutes_late, allowed) in [(1, true), (16, false)] {
        let mut world = world();
        world.apply(request("k", "db-2")).unwrap();
        world.at = START.plus(HOUR - Duration::from_secs(5));
        world.apply(approve("k")).unwrap();
        world.at = START.plus(HOUR + Duration::from_secs(60 * minutes_late));
        assert_eq!(world.apply(enrol("k", "db-2")).is_ok(), allowed, "{minutes_late}");
    }
}

#[test]
fn who_was_turned_away_cannot_come_back_with_the_same_token() {
    for approved in [false, true] {
        let mut world = world();
        assert_eq!(refused(world.apply(REFUSE())), codes::NOT_FOUND);
        world.apply(request("k", "db-2")).unwrap();
        if approved {
            world.apply(approve("k")).unwrap();
        }
        world.apply(REFUSE()).unwrap();
        for command in [request("k", "db-2"), enrol("k", "db-2")] {
            assert_eq!(refused(world.apply(command)), codes::JOIN_TOKEN_INVALID);
        }
        assert_eq!(refused(world.apply(approve("k"))), codes::NOT_FOUND);
    }
}

#[test]
fn a_name_that_is_taken_meanwhile_is_refused_at_the_approval() {
    let mut world = world();
    world.apply(request("k", "db-2")).unwrap();
    world.apply(Command::CreateToken { id: token_id(2), token: token() }).unwrap();
    let faster =
        Command::Enrol { token: token_id(2), key_sha256: "f".to_owned(), node: new_node("db-2") };
    world.apply(faster).unwrap();
    assert_eq!(refused(world.apply(approve("k"))), codes::NAME_TAKEN);
}
