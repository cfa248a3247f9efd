//! Instances outlive the node manager, and the next one finds them as they were.

use quorate_model::{ExitStatus, Generation, ProcessState, codes};
use rustix::process::Signal;

use crate::{
    host::{Host, exit_of, kill, lives, pid_of, runs, until},
    leader::FakeMaster,
    orders::{Reorder, script},
};

/// Says how often it was asked to go on, and ends with code 9 when it is told to.
const TALKER: &str = "trap 'exit 9' INT; trap 'echo again' USR1; echo first; \
                      while :; do sleep 0.01; done";

#[test]
fn instances_outlive_the_end_and_the_killing_of_the_node_manager() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    leader.desire([script("db-1", TALKER)]);
    let manager = host.manage(&[&leader]);
    let pid = pid_of(&leader.observed("db-1", "running", runs));
    until("its first word", || host.log("db-1").contains("first"));
    manager.stop();
    assert!(lives(pid));

    let manager = host.manage_apart(&leader);
    let seen = leader.observed("db-1", "ready", |it| it.is_ready());
    assert_eq!((pid_of(&seen), seen.starts), (pid, 1));
    manager.kill();
    assert!(lives(pid));
    kill(pid, Signal::USR1);
    until("a word said while nobody managed", || host.log("db-1").contains("again"));

    let _manager = host.manage(&[&leader]);
    let seen = leader.observed("db-1", "ready", |it| it.is_ready());
    assert_eq!((pid_of(&seen), seen.starts), (pid, 1));
    let log = leader.ask_log(1, "db-1", 1000);
    assert_eq!(String::from_utf8(log.content).unwrap(), "first\nagain\n");
    kill(pid, Signal::INT);
    let ended = leader.observed("db-1", "ended", |it| exit_of(it).is_some());
    assert_eq!(exit_of(&ended), Some(&ExitStatus::Code(9)));
}

#[test]
fn an_end_that_nobody_managed_is_reported_by_the_next_node_manager() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    leader.desire([script("db-1", TALKER)]);
    let manager = host.manage_apart(&leader);
    let pid = pid_of(&leader.observed("db-1", "running", runs));
    manager.kill();
    kill(pid, Signal::INT);
    until("its end", || host.read("run/instances/db-1/handle.json").contains("exited"));
    leader.desire([script("db-1", TALKER).stopped(2)]);
    // The order to stop may come after the instance was started anew, so it is put in place.
    let record = host.path("data/instances/db-1/obeyed.json");
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, text.replace(r#""run":"running""#, r#""run":"stopped""#)).unwrap();
    let _manager = host.manage(&[&leader]);
    let seen = leader.observed("db-1", "ended", |it| exit_of(it).is_some());
    assert_eq!(exit_of(&seen), Some(&ExitStatus::Code(9)));
    assert_eq!(seen.starts, 1);
}

#[test]
fn instances_are_kept_as_last_ordered_without_any_master() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    let marks = host.path("marks");
    let text = format!("echo $$ >> {}; exec sleep 1000", marks.display());
    leader.desire([script("db-1", &text), script("db-2", "exit").stopped(1)]);
    let manager = host.manage(&[&leader]);
    let pid = pid_of(&leader.observed("db-1", "running", runs));
    manager.stop();
    leader.die();
    kill(pid, Signal::KILL);

    let _manager = host.manage(&[]);
    until("a start without any master", || host.read("marks").lines().count() == 2);
    let second: u32 = host.read("marks").lines().last().unwrap().parse().unwrap();
    kill(second, Signal::KILL);
    until("another", || host.read("marks").lines().count() == 3);
    assert!(!host.path("run/instances/db-2/handle.json").exists());
}

#[test]
fn a_leader_that_comes_back_finds_what_was_obeyed() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    leader.desire([script("db-1", "exec sleep 1000").at(1, 1, 4)]);
    let manager = host.manage(&[&leader]);
    leader.observed("db-1", "running", runs);
    manager.stop();
    // This leader orders nothing.
    let next = FakeMaster::leader(2, 1, 2);
    let _manager = host.manage(&[&next]);
    leader.die();
    let seen = next.observed("db-1", "running", runs);
    assert_eq!(seen.generation, Generation(4));
}

#[test]
fn what_is_let_go_runs_on_is_told_and_is_no_part_of_what_comes_under_its_name() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    leader.desire([script("db-1", TALKER)]);
    let manager = host.manage(&[&leader]);
    let pid = pid_of(&leader.observed("db-1", "running", runs));
    // As after a reset: nothing is desired any more.
    leader.desire([]);
    let left = |report: &quorate_model::NodeReport| {
        report.instances.is_empty() && report.unmanaged.iter().any(|left| left.pid == pid)
    };
    let report = leader.report("let go", left);
    assert_eq!(report.unmanaged[0].instance.as_str(), "db-1");
    manager.stop();
    let _manager = host.manage(&[&leader]);
    leader.report("still let go after a restart", left);

    // A new instance of the name: what runs is neither stopped nor adopted.
    let mut anew = script("db-1", TALKER).at(1, 1, 8);
    (anew.start_generation, anew.first_generation) = (Generation(8), Generation(7));
    for order in [anew.clone().stopped(7), anew] {
        let generation = order.generation;
        leader.desire([order]);
        let refused = |it: &quorate_model::InstanceObservation| {
            it.generation == generation
                && matches!(&it.process, ProcessState::Failed { refusal }
                    if refusal.code == codes::INSTANCE_LEFT_RUNNING)
        };
        leader.observed("db-1", "refused", refused);
        assert!(lives(pid));
    }
    kill(pid, Signal::KILL);
    let seen = leader.observed("db-1", "its own process", runs);
    assert_ne!(pid_of(&seen), pid);
    assert!(leader.last_report().unwrap().unmanaged.is_empty());
}
