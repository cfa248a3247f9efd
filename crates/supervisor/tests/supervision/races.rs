//! Death at every moment of a start: whatever was reached, nothing runs twice or unknown.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use quorate_model::Generation;
use quorate_supervisor::{Attachment, StopSignal};
use rustix::process::{Pid, Signal, kill_process};

use crate::host::*;

/// How finely, and how far into the start, the moment of death is moved.
const STEP: Duration = Duration::from_micros(700);
const STEPS: u32 = 30;

fn manager(host: &Host, command: &[&str]) -> Child {
    Command::new(FIXTURE)
        .arg("hold")
        .args([host.path("run"), host.path("log")])
        .args(["db-1", "1"])
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The living processes with this very argument.
fn with_argument(argument: &str) -> Vec<i32> {
    procfs::process::all_processes()
        .unwrap()
        .filter_map(|process| {
            let process = process.ok()?;
            let found = process.cmdline().ok()?.iter().any(|word| word == argument);
            (found && lives(process.pid)).then_some(process.pid)
        })
        .collect()
}

/// Components only: shims and managers carry the argument in no or another form.
fn components(seconds: &str) -> Vec<i32> {
    let is_sleep = |pid: &i32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm == "sleep\n")
    };
    with_argument(seconds).into_iter().filter(is_sleep).collect()
}

#[tokio::test]
async fn a_node_manager_killed_at_any_moment_of_a_start_never_leads_to_two_components() {
    let host = Host::new();
    let db = name("db-1");
    let seconds = format!("6{}", std::process::id());
    let command = ["/bin/sleep", seconds.as_str()];
    for step in 0..STEPS {
        let mut manager = manager(&host, &command);
        tokio::time::sleep(STEP * step).await;
        manager.kill().unwrap();
        manager.wait().unwrap();
        let running = host.start(&program("db-1", &command)).await;
        assert_eq!(running.generation, Generation(1));
        let one = || components(&seconds) == [running.pid.cast_signed()];
        until(&format!("the one component, step {step}"), one).await;
        host.supervisor.stop(&db, StopSignal::Term, DEADLINE).await.unwrap();
        assert!(components(&seconds).is_empty(), "step {step}");
    }
}

#[tokio::test]
async fn a_shim_killed_at_any_moment_of_a_start_leaves_nothing_that_cannot_be_stopped() {
    let host = Host::new();
    let db = name("db-1");
    let seconds = format!("7{}", std::process::id());
    let command = ["/bin/sleep", seconds.as_str()];
    for step in 0..STEPS {
        let mut manager = manager(&host, &command);
        let deadline = Instant::now() + DEADLINE;
        let shim = loop {
            if let Some(shim) = shim_below(manager.id()) {
                break shim;
            }
            assert!(Instant::now() < deadline, "no shim appears");
        };
        tokio::time::sleep(STEP * step / 2).await;
        kill_process(Pid::from_raw(shim).unwrap(), Signal::KILL).unwrap();
        until("the shim's end", || !lives(shim)).await;
        let found = host.supervisor.attach(&db).await.unwrap();
        let alive = components(&seconds);
        match found {
            Attachment::Running(running) => {
                assert_eq!(alive, [running.pid.cast_signed()], "step {step}");
            }
            _ => assert!(alive.is_empty(), "step {step}: {found:?}"),
        }
        manager.kill().unwrap();
        manager.wait().unwrap();
        host.supervisor.stop(&db, StopSignal::Term, DEADLINE).await.unwrap();
        assert!(components(&seconds).is_empty(), "step {step}");
    }
}

/// The first child of the manager, whichever of its threads started it.
fn shim_below(manager: u32) -> Option<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{manager}/task")).ok()?;
    tasks.flatten().find_map(|task| {
        let children = std::fs::read_to_string(task.path().join("children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    })
}

#[tokio::test]
async fn a_frozen_shim_is_reported_and_starts_nothing_anew() {
    let host = Host::new();
    let db = name("db-1");
    let started = host.start(&program("db-1", &["/bin/sleep", "600"])).await;
    let shim = host.shim_pid(&db).unsigned_abs();
    kill(shim, Signal::STOP);
    until("the shim's frost", || is_in_state(shim.cast_signed(), 'T')).await;
    kill(started.pid, Signal::KILL);
    until("the component's end", || is_zombie(started.pid.cast_signed())).await;
    let error = host.supervisor.start(&program("db-1", &["/bin/sleep", "600"])).await.unwrap_err();
    assert!(matches!(error, quorate_supervisor::SupervisorError::ShimSilent { .. }), "{error}");
    kill(shim, Signal::CONT);
    let status = watched(&host.supervisor, &db).await;
    assert_eq!(status, quorate_model::ExitStatus::Signal(9));
}
