//! The leader is found through any master, and found again.

use std::time::{Duration, Instant};

use crate::{
    host::{Host, pid_of, runs, until},
    leader::FakeMaster,
    orders::{Reorder, script},
};

#[test]
fn a_redirect_is_followed_and_remembered() {
    let host = Host::new();
    let (leader, follower) = (FakeMaster::leader(2, 1, 1), FakeMaster::follower(1));
    follower.knows(Some(2), &[&leader, &follower]);
    leader.knows(Some(2), &[&leader, &follower]);
    let manager = host.manage(&[&follower]);
    leader.report("a report", |_| true);
    assert_eq!((follower.sessions(), follower.reports()), (1, 0));
    // The next one needs to be told of no master.
    manager.stop();
    let _manager = host.manage(&[]);
    leader.report("a report", |_| true);
    assert_eq!(follower.sessions(), 1, "the last known leader is asked first");
}

#[test]
fn a_dead_leaders_successor_is_found_within_three_seconds() {
    let host = Host::new();
    let (first, second) = (FakeMaster::leader(1, 1, 1), FakeMaster::follower(2));
    first.knows(Some(1), &[&first, &second]);
    second.knows(Some(1), &[&first, &second]);
    let order = script("db-1", "exec sleep 1000");
    first.desire([order.clone()]);
    let _manager = host.manage(&[&first]);
    let pid = pid_of(&first.observed("db-1", "running", runs));

    let began = Instant::now();
    first.die();
    // For a while the survivor goes on naming the dead leader.
    until("a question to the survivor", || second.sessions() >= 1);
    second.desire([order.at(1, 2, 1)]);
    second.lead(1, 2);
    let seen = second.observed("db-1", "running", runs);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!((pid_of(&seen), seen.starts), (pid, 1));
}

#[test]
fn masters_that_came_during_a_session_are_asked_when_its_leader_dies() {
    let host = Host::new();
    let (first, second) = (FakeMaster::leader(1, 1, 1), FakeMaster::follower(2));
    first.knows(Some(1), &[&first]);
    second.knows(Some(1), &[&first, &second]);
    let manager = host.manage(&[&first]);
    first.report("a report", |_| true);
    first.knows(Some(1), &[&first, &second]);
    first.welcome_again();
    until("the second master is kept", || host.known_masters() == [first.node, second.node]);
    first.die();
    until("a question to the second", || second.sessions() >= 1);
    second.lead(1, 2);
    second.report("a report", |_| true);
    manager.stop();
}

#[test]
fn a_leader_that_steps_down_passes_its_node_managers_on() {
    let host = Host::new();
    let (first, second) = (FakeMaster::leader(1, 1, 1), FakeMaster::leader(2, 1, 2));
    first.knows(Some(2), &[&first, &second]);
    second.knows(Some(2), &[&first, &second]);
    let _manager = host.manage(&[&first]);
    first.report("a report", |_| true);
    let began = Instant::now();
    first.redirect();
    second.report("a report", |_| true);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn masters_without_a_leader_are_asked_until_there_is_one() {
    let host = Host::new();
    let (first, second) = (FakeMaster::follower(1), FakeMaster::follower(2));
    first.knows(None, &[&first, &second]);
    second.knows(None, &[&first, &second]);
    let _manager = host.manage(&[&first, &second]);
    until("questions to both", || first.sessions() >= 2 && second.sessions() >= 2);
    second.lead(1, 1);
    second.report("a report", |_| true);
}
