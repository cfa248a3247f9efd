//! A restart is done once, and a crash is answered with a start after a pause.

use std::time::Instant;

use quorate_model::{ExitStatus, Generation, InstanceObservation, ProcessState};
use rustix::process::Signal;

use crate::{
    host::{Host, exit_of, kill, pid_of, runs, until},
    leader::FakeMaster,
    orders::{Reorder, script},
};

fn started_for(seen: &InstanceObservation) -> Option<Generation> {
    match seen.process {
        ProcessState::Running { start_generation, .. } => Some(start_generation),
        _ => None,
    }
}

#[test]
fn a_restart_is_done_once_however_often_it_is_ordered_and_by_whom() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    let marks = host.path("marks");
    let order = script("db-1", &format!("echo x >> {}; exec sleep 1000", marks.display()));
    leader.desire([order.clone()]);
    let manager = host.manage(&[&leader]);
    let first = leader.observed("db-1", "ready", |it| it.is_ready());
    let restarted = order.restarted(2);
    for _ in 0..10 {
        leader.desire([restarted.clone()]);
    }
    let second = leader.observed("db-1", "restarted", |it| started_for(it) == Some(Generation(2)));
    assert_ne!(pid_of(&first), pid_of(&second));
    assert_eq!((second.starts, second.generation), (2, Generation(2)));

    // The node manager is restarted, then the leader changes, and the order is repeated.
    manager.stop();
    leader.lead(1, 2);
    let again = restarted.at(1, 2, 2);
    leader.desire([again.clone()]);
    let _manager = host.manage(&[&leader]);
    leader.observed("db-1", "ready", |it| it.is_ready());
    for _ in 0..10 {
        leader.desire([again.clone()]);
    }
    let third = leader.observed("db-1", "any report", |_| true);
    assert_eq!((pid_of(&third), third.starts), (pid_of(&second), 2));
    assert_eq!(host.read("marks"), "x\nx\n");
}

#[test]
fn a_restart_that_was_ordered_while_nobody_listened_is_done_once() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    let order = script("db-1", "exec sleep 1000");
    leader.desire([order.clone()]);
    let manager = host.manage(&[&leader]);
    let first = leader.observed("db-1", "running", runs);
    manager.stop();
    leader.desire([order.restarted(5)]);
    let _manager = host.manage(&[&leader]);
    let second = leader.observed("db-1", "restarted", |it| started_for(it) == Some(Generation(5)));
    assert_ne!(pid_of(&first), pid_of(&second));
    assert_eq!(second.starts, 2);
}

#[test]
fn a_process_that_ends_by_itself_is_started_again_after_growing_pauses_and_counted() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    let marks = host.path("marks");
    leader.desire([script("db-1", &format!("echo x >> {}; exit 3", marks.display()))]);
    let _manager = host.manage(&[&leader]);
    let seen = leader.observed("db-1", "ended", |it| exit_of(it).is_some());
    assert_eq!(exit_of(&seen), Some(&ExitStatus::Code(3)));
    let starts = || host.read("marks").lines().count();
    until("the first start", || starts() >= 1);
    let began = Instant::now();
    until("three starts", || starts() >= 3);
    // Pauses of one and two seconds lie between them.
    let took = began.elapsed().as_millis();
    assert!((2500..6000).contains(&took), "{took} ms");
    let seen = leader.observed("db-1", "three starts counted", |it| it.starts == 3);
    assert_eq!(seen.generation, Generation(1));
}

#[test]
fn a_killed_process_is_started_again_for_the_same_generation() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    leader.desire([script("db-1", "exec sleep 1000")]);
    let _manager = host.manage(&[&leader]);
    let first = leader.observed("db-1", "running", runs);
    kill(pid_of(&first), Signal::KILL);
    let ended = leader.observed("db-1", "ended", |it| exit_of(it).is_some());
    assert_eq!(exit_of(&ended), Some(&ExitStatus::Signal(9)));
    let second = leader.observed("db-1", "running again", runs);
    assert_eq!((second.starts, started_for(&second)), (2, Some(Generation(1))));
}
