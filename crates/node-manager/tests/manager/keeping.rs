//! Desired state is obeyed, and nothing but an order ends a process.

use std::sync::Arc;

use quorate_model::{ExitStatus, Generation, ProcessState, RunState, codes};
use rustix::process::Signal;
use serde_json::json;

use crate::{
    fake_pack::FakePack,
    host::{Host, Managed, exit_of, kill, lives, pid_of, runs, until},
    leader::FakeMaster,
    orders::{Reorder, command, fake, script},
};

#[test]
fn an_instance_is_started_and_stopped_as_ordered_and_stays_stopped() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    leader.desire([script("db-1", "trap 'exit 7' TERM; echo set; while :; do sleep 0.01; done")]);
    let _manager = host.manage(&[&leader]);
    let seen = leader.observed("db-1", "ready", |it| it.is_ready());
    assert_eq!((seen.generation, seen.starts), (Generation(1), 1));
    assert_eq!(seen.component.as_str(), "process");
    until("the trap", || host.log("db-1").contains("set"));

    leader.desire([script("db-1", "sleep 1000").stopped(2)]);
    let seen = leader.observed("db-1", "stopped", |it| exit_of(it).is_some());
    assert_eq!(exit_of(&seen), Some(&ExitStatus::Code(7)), "it was asked, not killed");
    assert_eq!(seen.generation, Generation(2));
    // Two further reports later it still does not run.
    for _ in 0..2 {
        assert!(!runs(&leader.observed("db-1", "any report", |_| true)));
    }
    leader.desire([script("db-1", "sleep 1000").at(1, 1, 3)]);
    let seen = leader.observed("db-1", "running again", runs);
    assert_eq!((seen.generation, seen.starts), (Generation(3), 2));
}

#[test]
fn an_instance_that_never_shall_run_is_reported_absent() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    leader.desire([script("db-1", "exit").stopped(1)]);
    let _manager = host.manage(&[&leader]);
    let seen = leader.observed("db-1", "known", |_| true);
    assert_eq!((seen.process, seen.starts), (ProcessState::Absent, 0));
}

#[test]
fn a_changed_specification_is_written_out_and_does_not_restart_the_process() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    let (pack, mut options) = (Arc::new(FakePack::default()), host.options(&[&leader]));
    pack.put_into(&mut options);
    let _manager = Managed::new(options);
    let order = fake("db-1", "sleep 1000").set("content", json!("one"));
    leader.desire([order.clone()]);
    let before = leader.observed("db-1", "running", runs);
    let config = "data/instances/db-1/config/fake.conf";
    assert_eq!(host.read(config), "one");

    let changed = order.at(1, 1, 2).set("content", json!("two")).set("command", json!(["x"]));
    leader.desire([changed.clone()]);
    let after = leader.observed("db-1", "obeyed", |it| it.generation == Generation(2));
    until("the changed file", || host.read(config) == "two");
    assert_eq!(pid_of(&after), pid_of(&before));
    // An order that cannot be rendered at all does not, either.
    leader.desire([changed.at(1, 1, 3).set("command", json!(null))]);
    let after = leader.observed("db-1", "obeyed", |it| it.generation == Generation(3));
    assert_eq!((pid_of(&after), after.starts), (pid_of(&before), 1));
}

#[test]
fn a_restart_that_could_not_start_again_stops_nothing() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    let (pack, mut options) = (Arc::new(FakePack::default()), host.options(&[&leader]));
    pack.put_into(&mut options);
    let _manager = Managed::new(options);
    let order = fake("db-1", "sleep 1000");
    leader.desire([order.clone()]);
    let before = leader.observed("db-1", "running", runs);
    leader.desire([order.clone().restarted(2).set("command", json!(null))]);
    let after = leader.observed("db-1", "obeyed", |it| it.generation == Generation(2));
    assert_eq!(pid_of(&after), pid_of(&before));
    // The mended order does restart it.
    leader.desire([order.restarted(3)]);
    let after = leader.observed("db-1", "restarted", |it| it.starts == 2 && runs(it));
    assert_ne!(pid_of(&after), pid_of(&before));
}

#[test]
fn an_instance_the_leader_lists_no_more_is_left_alone_and_not_reported() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    let manager = host.manage(&[&leader]);
    let order = script("db-1", "sleep 1000");
    leader.desire([order.clone(), script("db-2", "sleep 1000")]);
    let pid = pid_of(&leader.observed("db-1", "running", runs));
    leader.observed("db-2", "running", runs);
    leader.desire([script("db-2", "sleep 1000")]);
    leader.report("a report without it", |it| it.instances.len() == 1);
    assert!(lives(pid));

    // Nor is it taken up by the next node manager, or started again when it ends.
    manager.stop();
    let _manager = host.manage(&[&leader]);
    leader.report("a report without it", |it| it.instances.len() == 1);
    kill(pid, Signal::KILL);
    for _ in 0..3 {
        leader.report("a report without it", |it| it.instances.len() == 1);
    }
    // Until it is listed again.
    leader.desire([order, script("db-2", "sleep 1000")]);
    assert_ne!(pid_of(&leader.observed("db-1", "running", runs)), pid);
}

#[test]
fn a_list_that_cannot_be_read_in_part_forgets_nothing() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    let _manager = host.manage(&[&leader]);
    leader.desire([script("db-1", "sleep 1000"), script("db-2", "sleep 1000")]);
    leader.observed("db-1", "running", runs);
    let known = serde_json::to_value(script("db-2", "sleep 1000").stopped(2)).unwrap();
    let list = json!([{"instance": "db-1", "of": "a later version"}, known]).to_string();
    leader.send(quorate_api::internal::to_node::Message::DesiredJson(list));
    leader.observed("db-2", "stopped", |it| exit_of(it).is_some());
    leader.observed("db-1", "still reported", runs);
}

#[test]
fn a_start_that_fails_is_reported_with_its_reason_and_tried_again() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    let program = host.path("late-program");
    leader.desire([command("db-1", &[program.to_str().unwrap()])]);
    let _manager = host.manage(&[&leader]);
    let failed = |seen: &quorate_model::InstanceObservation| {
        matches!(&seen.process, ProcessState::Failed { refusal }
            if refusal.code == codes::PROGRAM_MISSING && refusal.hint.is_some())
    };
    leader.observed("db-1", "failed", failed);
    // It stays failed between the attempts.
    assert!(failed(&leader.observed("db-1", "any report", |_| true)));
    std::fs::write(&program, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .unwrap();
    let seen = leader.observed("db-1", "running", runs);
    assert_eq!(seen.starts, 1, "a failed start is none");
}

#[test]
fn an_order_to_stop_ends_the_attempts_to_start() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    let _manager = host.manage(&[&leader]);
    let order = command("db-1", &["/does/not/exist"]);
    leader.desire([order.clone()]);
    leader.observed("db-1", "failed", |it| matches!(it.process, ProcessState::Failed { .. }));
    assert_eq!(order.run, RunState::Running);
    leader.desire([order.stopped(2)]);
    leader.observed("db-1", "obeyed", |it| it.generation == Generation(2) && !runs(it));
}
