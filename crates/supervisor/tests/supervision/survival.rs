//! The node manager, the shim or the host dies; what runs is found again, or its end is told.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use quorate_model::{ExitStatus, Generation};
use quorate_supervisor::{Attachment, StopSignal};
use rustix::process::Signal;

use crate::host::*;

/// Says hello, says more once `go` exists, and ends with code 7 once `end` exists.
fn patient(host: &Host) -> String {
    let folder = host.path("").display().to_string();
    format!(
        "echo hello; while [ ! -e {folder}/go ]; do sleep 0.02; done; echo more; \
         while [ ! -e {folder}/end ]; do sleep 0.02; done; exit 7"
    )
}

#[tokio::test]
async fn an_instance_survives_kill_9_of_its_node_manager_with_pid_output_and_exit_code() {
    let host = Host::new();
    let db = name("db-1");
    let mut manager = Command::new(FIXTURE)
        .arg("hold")
        .args([host.path("run"), host.path("log")])
        .args(["db-1", "3", "/bin/sh", "-c", &patient(&host)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(manager.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let pid: u32 = said.trim().parse().unwrap_or_else(|_| panic!("{said}"));
    host.logged(&db, "hello").await;
    manager.kill().unwrap();
    manager.wait().unwrap();

    let found = running(host.supervisor.attach(&db).await.unwrap());
    assert_eq!((found.pid, found.generation, found.shim_alive), (pid, Generation(3), true));
    assert_eq!(host.supervisor.list().unwrap(), std::slice::from_ref(&db));
    std::fs::write(host.path("go"), "").unwrap();
    host.logged(&db, "more").await;
    assert_eq!(running(host.supervisor.attach(&db).await.unwrap()).pid, pid);
    let watch = tokio::spawn(host.supervisor.watch(&db));
    std::fs::write(host.path("end"), "").unwrap();
    assert_eq!(watch.await.unwrap().unwrap(), ExitStatus::Code(7));
    assert_eq!(exit_of(host.supervisor.attach(&db).await.unwrap()), ExitStatus::Code(7));
}

#[tokio::test]
async fn an_exit_that_nobody_watched_is_still_known_later() {
    let host = Host::new();
    host.start(&script("db-1", "exit 42")).await;
    watched(&host.supervisor, &name("db-1")).await;
    let late = host.successor().attach(&name("db-1")).await.unwrap();
    assert_eq!(exit_of(late), ExitStatus::Code(42));
    assert_eq!(watched(&host.successor(), &name("db-1")).await, ExitStatus::Code(42));
}

#[tokio::test]
async fn an_end_by_signal_is_recorded_as_that_signal() {
    let host = Host::new();
    let db = name("db-1");
    let started = host.start(&program("db-1", &["/bin/sleep", "600"])).await;
    kill(started.pid, Signal::USR1);
    assert_eq!(watched(&host.supervisor, &db).await, ExitStatus::Signal(10));
}

#[tokio::test]
async fn with_its_shim_killed_an_instance_still_counts_as_running_and_can_be_stopped() {
    let host = Host::new();
    let db = name("db-1");
    let started = host.start(&script("db-1", "sleep 600 & wait")).await;
    kill(host.shim_pid(&db).unsigned_abs(), Signal::KILL);
    until("the shim's end", || !lives(host.shim_pid(&db))).await;

    let found = running(host.supervisor.attach(&db).await.unwrap());
    assert_eq!((found.pid, found.shim_alive), (started.pid, false));
    let again = host.supervisor.start(&script("db-1", "sleep 600 & wait")).await.unwrap();
    assert_eq!(again.pid, started.pid);

    let group = members_of(started.pid);
    assert_eq!(group.len(), 2, "{group:?}");
    let status = host.supervisor.stop(&db, StopSignal::Term, DEADLINE).await.unwrap();
    assert_eq!(status, Some(ExitStatus::Unknown));
    assert!(members_of(started.pid).is_empty());
}

#[tokio::test]
async fn an_end_without_a_shim_is_an_unknown_exit_and_takes_the_group_with_it() {
    let host = Host::new();
    let db = name("db-1");
    let started = host.start(&script("db-1", "sleep 600 & wait")).await;
    kill(host.shim_pid(&db).unsigned_abs(), Signal::KILL);
    until("the shim's end", || !lives(host.shim_pid(&db))).await;
    let watch = tokio::spawn(host.supervisor.watch(&db));
    kill(started.pid, Signal::KILL);
    assert_eq!(watch.await.unwrap().unwrap(), ExitStatus::Unknown);
    assert!(members_of(started.pid).is_empty());
}

#[tokio::test]
async fn a_component_its_shim_did_not_live_to_record_is_found_in_the_shims_session() {
    let host = Host::new();
    let db = name("db-1");
    let started = host.start(&program("db-1", &["/bin/sleep", "600"])).await;
    kill(host.shim_pid(&db).unsigned_abs(), Signal::KILL);
    until("the shim's end", || !lives(host.shim_pid(&db))).await;
    host.alter_handle(&db, |handle| handle["component"] = serde_json::Value::Null);

    let found = running(host.supervisor.attach(&db).await.unwrap());
    assert_eq!((found.pid, found.shim_alive), (started.pid, false));
    let status = host.supervisor.stop(&db, StopSignal::Term, DEADLINE).await.unwrap();
    assert_eq!(status, Some(ExitStatus::Unknown));
    assert!(!lives(started.pid.cast_signed()));
}

#[tokio::test]
async fn a_shim_that_died_before_the_component_was_started_is_a_start_failure() {
    let host = Host::new();
    let db = name("db-1");
    host.start(&script("db-1", "exit 0")).await;
    watched(&host.supervisor, &db).await;
    until("the shim's end", || !lives(host.shim_pid(&db))).await;
    host.alter_handle(&db, |handle| {
        handle["component"] = serde_json::Value::Null;
        handle["end"] = serde_json::Value::Null;
    });
    let found = host.supervisor.attach(&db).await.unwrap();
    assert!(matches!(found, Attachment::StartFailed { .. }), "{found:?}");
}

#[tokio::test]
async fn after_a_restart_of_the_host_the_exit_is_unknown_whatever_has_the_pid() {
    let host = Host::new();
    let db = name("db-1");
    let started = host.start(&program("db-1", &["/bin/sleep", "600"])).await;
    let handle = host.handle(&db);
    host.alter_handle(&db, |handle| handle["boot_id"] = "an-earlier-boot".into());
    // The shim of this boot holds the lock, as none would after a restart.
    kill(host.shim_pid(&db).unsigned_abs(), Signal::KILL);
    assert_eq!(exit_of(host.supervisor.attach(&db).await.unwrap()), ExitStatus::Unknown);
    let stopped = host.supervisor.stop(&db, StopSignal::Term, DEADLINE).await.unwrap();
    assert_eq!(stopped, Some(ExitStatus::Unknown));
    assert!(lives(started.pid.cast_signed()));
    std::fs::write(host.handle_path(&db), serde_json::to_vec(&handle).unwrap()).unwrap();
}

#[tokio::test]
async fn a_shim_shrugs_off_a_terminals_signals_and_passes_a_stop_on() {
    let host = Host::new();
    let db = name("db-1");
    host.start(&script("db-1", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"))
        .await;
    host.logged(&db, "ready").await;
    let shim = host.shim_pid(&db).unsigned_abs();
    for signal in [Signal::HUP, Signal::INT, Signal::QUIT] {
        kill(shim, signal);
    }
    kill(shim, Signal::TERM);
    assert_eq!(watched(&host.supervisor, &db).await, ExitStatus::Code(5));
}

pub(crate) fn members_of(group: u32) -> Vec<i32> {
    procfs::process::all_processes()
        .unwrap()
        .filter_map(|process| process.ok()?.stat().ok())
        .filter(|stat| stat.pgrp == group.cast_signed() && stat.state != 'Z')
        .map(|stat| stat.pid)
        .collect()
}
