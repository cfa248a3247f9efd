//! Stops: asked first, killed after the grace, nothing of the group left.

use std::time::{Duration, Instant};

use quorate_model::ExitStatus;
use quorate_supervisor::{Attachment, StopSignal};
use rustix::process::Signal;

use crate::{host::*, survival::members_of};

#[tokio::test]
async fn a_component_that_heeds_the_signal_ends_with_its_own_exit_code() {
    let host = Host::new();
    let db = name("db-1");
    for (signal, trap) in
        [(StopSignal::Term, "TERM"), (StopSignal::Int, "INT"), (StopSignal::Quit, "QUIT")]
    {
        let text = format!("trap 'exit 9' {trap}; echo ready-{trap}; while :; do sleep 0.02; done");
        host.start(&script("db-1", &text)).await;
        host.logged(&db, &format!("ready-{trap}")).await;
        let status = host.supervisor.stop(&db, signal, DEADLINE).await.unwrap();
        assert_eq!(status, Some(ExitStatus::Code(9)), "{trap}");
    }
}

#[tokio::test]
async fn a_component_that_ignores_the_signal_is_killed_after_the_grace() {
    let host = Host::new();
    let db = name("db-1");
    host.start(&script("db-1", "trap '' TERM; echo ready; while :; do sleep 0.02; done")).await;
    host.logged(&db, "ready").await;
    let (grace, began) = (Duration::from_millis(300), Instant::now());
    let status = host.supervisor.stop(&db, StopSignal::Term, grace).await.unwrap();
    assert_eq!(status, Some(ExitStatus::Signal(9)));
    assert!(began.elapsed() >= grace);
}

#[tokio::test]
async fn a_frozen_component_is_woken_so_that_it_heeds_the_signal() {
    let host = Host::new();
    let db = name("db-1");
    let text = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done";
    let started = host.start(&script("db-1", text)).await;
    host.logged(&db, "ready").await;
    kill(started.pid, Signal::STOP);
    until("the frost", || is_in_state(started.pid.cast_signed(), 'T')).await;
    let status = host.supervisor.stop(&db, StopSignal::Term, DEADLINE).await.unwrap();
    assert_eq!(status, Some(ExitStatus::Code(9)));
}

#[tokio::test]
async fn stopping_what_is_stopped_or_never_ran_changes_nothing() {
    let host = Host::new();
    let db = name("db-1");
    let stop = || host.supervisor.stop(&db, StopSignal::Term, DEADLINE);
    assert_eq!(stop().await.unwrap(), None);
    host.start(&script("db-1", "exit 3")).await;
    watched(&host.supervisor, &db).await;
    assert_eq!(stop().await.unwrap(), Some(ExitStatus::Code(3)));
    assert_eq!(stop().await.unwrap(), Some(ExitStatus::Code(3)));
}

#[tokio::test]
async fn two_stops_at_once_both_learn_the_end() {
    let host = Host::new();
    let db = name("db-1");
    host.start(&program("db-1", &["/bin/sleep", "600"])).await;
    let other = host.successor();
    let (one, two) = tokio::join!(
        host.supervisor.stop(&db, StopSignal::Term, DEADLINE),
        other.stop(&db, StopSignal::Term, DEADLINE),
    );
    assert_eq!(one.unwrap(), Some(ExitStatus::Signal(15)));
    assert_eq!(two.unwrap(), Some(ExitStatus::Signal(15)));
}

#[tokio::test]
async fn grandchildren_that_ignore_the_signal_end_with_the_component() {
    let host = Host::new();
    let db = name("db-1");
    // The inner shell ignores TERM and is orphaned when the outer one heeds it.
    let text = "(trap '' TERM; echo inner; while :; do sleep 0.02; done) & \
                trap 'exit 0' TERM; echo outer; while :; do sleep 0.02; done";
    let started = host.start(&script("db-1", text)).await;
    host.logged(&db, "inner").await;
    host.logged(&db, "outer").await;
    let status = host.supervisor.stop(&db, StopSignal::Term, DEADLINE).await.unwrap();
    assert_eq!(status, Some(ExitStatus::Code(0)));
    assert!(members_of(started.pid).is_empty());
}

#[tokio::test]
async fn a_component_that_ends_by_itself_leaves_nothing_of_its_group() {
    let host = Host::new();
    let db = name("db-1");
    let started = host.start(&script("db-1", "sleep 600 & sleep 600 & exit 4")).await;
    assert_eq!(watched(&host.supervisor, &db).await, ExitStatus::Code(4));
    assert!(members_of(started.pid).is_empty());
}

#[tokio::test]
async fn orphans_of_a_running_component_are_reaped_by_its_shim() {
    let host = Host::new();
    let db = name("db-1");
    let text = "for i in 1 2 3; do (sleep 0.05 & echo child-$!); done; exec sleep 600";
    host.start(&script("db-1", text)).await;
    let children = || -> Vec<i32> {
        let log = host.log(&db);
        log.lines().filter_map(|line| line.strip_prefix("child-")?.parse().ok()).collect()
    };
    until("three orphans", || children().len() == 3).await;
    let gone = |pid: &i32| !lives(*pid) && !is_zombie(*pid);
    until("the orphans to be reaped", || children().iter().all(gone)).await;
    assert!(matches!(host.supervisor.attach(&db).await.unwrap(), Attachment::Running(_)));
}
