//! Users and sessions.

use std::time::Duration;

use quorate_model::{UserName, codes};
use quorate_state::{Command, User, UserRole};

use super::{
    samples::session,
    world::{START, World, refused, user},
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
fn a_clock_that_is_ahead_ends_nobodys_session() {
    let mut world = World::cluster();
    world.apply(log_in("a", "admin", 600)).unwrap();
    world.at = START.plus(Duration::from_secs(3600));
    world.apply(log_in("b", "admin", 7200)).unwrap();
    assert_eq!(tokens(&world), ["a", "b"]);
}

#[test]
fn sessions_do_not_pile_up_and_those_that_expire_first_go_first() {
    let mut world = World::cluster();
    let eve = UserName::new("eve").unwrap();
    world.apply(Command::PutUser { name: eve, user: user("hash"), former: None }).unwrap();
    world.apply(log_in("eves", "eve", 1)).unwrap();
    for number in 0..1001 {
        world.apply(log_in(&format!("{number:04}"), "admin", 10_000 + number)).unwrap();
    }
    let kept = tokens(&world);
    assert_eq!(kept.len(), 1001, "a thousand of the one user and the other's");
    assert!(!kept.contains(&"0000") && kept.contains(&"0001") && kept.contains(&"1000"));
    assert!(kept.contains(&"eves"));
}

#[test]
fn the_last_administrator_stays_one() {
    let mut world = World::cluster();
    let put = |name: &str, role| Command::PutUser {
        name: UserName::new(name).unwrap(),
        user: User { role, ..user("hash") },
        former: None,
    };
    for role in [UserRole::Operator, UserRole::Viewer] {
        assert_eq!(refused(world.apply(put("admin", role))), codes::LAST_ADMIN);
    }
    world.apply(put("eve", UserRole::Viewer)).unwrap();
    assert_eq!(refused(world.apply(put("admin", UserRole::Viewer))), codes::LAST_ADMIN);
    world.apply(put("eve", UserRole::Admin)).unwrap();
    world.apply(put("admin", UserRole::Viewer)).unwrap();
    assert_eq!(refused(world.apply(put("eve", UserRole::Operator))), codes::LAST_ADMIN);
}

#[test]
fn a_changed_password_ends_the_sessions_of_that_user_only() {
    let mut world = World::cluster();
    let eve = UserName::new("eve").unwrap();
    world.apply(Command::PutUser { name: eve.clone(), user: user("old"), former: None }).unwrap();
    world.apply(log_in("a", "admin", 600)).unwrap();
    world.apply(log_in("e", "eve", 600)).unwrap();
    let mut same_password = user("old");
    same_password.must_change_password = true;
    world.apply(Command::PutUser { name: eve.clone(), user: same_password, former: None }).unwrap();
    assert_eq!(tokens(&world), ["a", "e"]);
    world.apply(Command::PutUser { name: eve, user: user("new"), former: None }).unwrap();
    assert_eq!(tokens(&world), ["a"]);
}
