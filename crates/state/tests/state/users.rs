//! Users and sessions.

use quorate_model::{UserName, codes};
use quorate_state::Command;

use super::{
    samples::session,
    world::{World, refused, user},
};

fn log_in(token: &str, name: &str, expires_after_s: u64) -> Command {
    Command::CreateSession {
        token_sha256: token.to_owned(),
        session: session(name, expires_after_s),
    }
}

fn tokens(world: &World) -> Vec<&str> {
    world.state.iam.sessions.keys().map(String::as_str).collect()
}

#[test]
fn a_session_needs_its_user() {
    let mut world = World::cluster();
    assert_eq!(refused(world.apply(log_in("t", "nobody", 60))), codes::NOT_FOUND);
    world.apply(log_in("t", "admin", 60)).unwrap();
    assert_eq!(tokens(&world), ["t"]);
}

#[test]
fn a_session_ends_once_and_ending_it_again_is_done_already() {
    let mut world = World::cluster();
    world.apply(log_in("t", "admin", 600)).unwrap();
    for _ in 0..2 {
        world.apply(Command::EndSession { token_sha256: "t".to_owned() }).unwrap();
        assert!(tokens(&world).is_empty());
    }
}

#[test]
fn expired_sessions_are_dropped_when_one_is_made() {
    let mut world = World::cluster();
    world.apply(log_in("short", "admin", 8)).unwrap();
    world.apply(log_in("long", "admin", 600)).unwrap();
    assert_eq!(tokens(&world), ["long", "short"]);
    world.apply(log_in("new", "admin", 600)).unwrap();
    assert_eq!(tokens(&world), ["long", "new"]);
}

#[test]
fn a_changed_password_ends_the_sessions_of_that_user_only() {
    let mut world = World::cluster();
    let eve = UserName::new("eve").unwrap();
    world.apply(Command::PutUser { name: eve.clone(), user: user("old") }).unwrap();
    world.apply(log_in("a", "admin", 600)).unwrap();
    world.apply(log_in("e", "eve", 600)).unwrap();
    let mut same_password = user("old");
    same_password.must_change_password = true;
    world.apply(Command::PutUser { name: eve.clone(), user: same_password }).unwrap();
    assert_eq!(tokens(&world), ["a", "e"]);
    world.apply(Command::PutUser { name: eve, user: user("new") }).unwrap();
    assert_eq!(tokens(&world), ["a"]);
}
