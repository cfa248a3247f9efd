//! Starts: once, whoever tries; with exactly the given environment; and never a silent failure.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt};

use quorate_model::{ExitStatus, Generation, codes};
use quorate_supervisor::{
    Attachment, LaunchSpec, StartFailureKind, StopSignal, Supervisor, SupervisorError,
};

use crate::host::*;

async fn failure(supervisor: &Supervisor, spec: &LaunchSpec) -> (StartFailureKind, String) {
    match supervisor.start(spec).await.unwrap_err() {
        error @ SupervisorError::StartFailed { .. } => {
            let refusal = error.refusal();
            let SupervisorError::StartFailed { failure, .. } = error else { unreachable!() };
            assert!(refusal.message.contains(&failure.reason), "{refusal}");
            // It stays known.
            let found = supervisor.attach(&spec.instance).await.unwrap();
            let Attachment::StartFailed { failure: kept, generation } = found else {
                panic!("{found:?}")
            };
            assert_eq!((&kept, generation), (&failure, spec.generation));
            (failure.kind, failure.reason)
        }
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn starting_twice_is_starting_once() {
    let host = Host::new();
    let spec = program("db-1", &["/bin/sleep", "600"]);
    let first = host.start(&spec).await;
    let second = host.successor().start(&spec).await.unwrap();
    assert_eq!(first, second);
    let newer = LaunchSpec { generation: Generation(2), ..spec };
    let error = host.supervisor.start(&newer).await.unwrap_err();
    assert!(
        matches!(error, SupervisorError::AlreadyRunning { generation: Generation(1), .. }),
        "{error}"
    );
}

#[tokio::test]
async fn of_many_racing_starts_exactly_one_starts_the_component() {
    let host = Host::new();
    let spec = script("db-1", "echo started; exec sleep 600");
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let (supervisor, spec) = (host.successor(), spec.clone());
            tokio::spawn(async move { supervisor.start(&spec).await.unwrap().pid })
        })
        .collect();
    let mut pids = Vec::new();
    for start in starts {
        pids.push(start.await.unwrap());
    }
    pids.dedup();
    assert_eq!(pids.len(), 1, "{pids:?}");
    host.logged(&spec.instance, "started").await;
    assert_eq!(host.log(&spec.instance), "started\n");
}

#[tokio::test]
async fn a_stopped_instance_starts_anew_for_the_next_generation() {
    let host = Host::new();
    let db = name("db-1");
    for generation in 1..=5 {
        let spec = program("db-1", &["/bin/sleep", "600"]);
        let started = host.start(&LaunchSpec { generation: Generation(generation), ..spec }).await;
        assert_eq!(started.generation, Generation(generation));
        let stopped = host.supervisor.stop(&db, StopSignal::Term, DEADLINE).await.unwrap();
        assert_eq!(stopped, Some(ExitStatus::Signal(15)));
    }
}

#[tokio::test]
async fn a_program_that_is_missing_is_named() {
    let host = Host::new();
    let (kind, reason) =
        failure(&host.supervisor, &program("db-1", &["/nowhere/etcd", "--x"])).await;
    assert_eq!(kind, StartFailureKind::ProgramNotFound);
    assert_eq!(reason, "there is no program `/nowhere/etcd`");
    let (kind, reason) = failure(&host.supervisor, &program("db-1", &["no-such-program"])).await;
    assert_eq!(kind, StartFailureKind::ProgramNotFound);
    assert_eq!(reason, "there is no program `no-such-program` in the instance's PATH");
    let error = host.supervisor.start(&program("db-1", &["no-such-program"])).await.unwrap_err();
    assert_eq!(error.refusal().code, codes::PROGRAM_MISSING);
}

#[tokio::test]
async fn a_program_that_may_not_be_executed_is_told_from_one_that_is_missing() {
    let host = Host::new();
    let path = host.path("tool");
    std::fs::write(&path, "#!/bin/sh\n").unwrap();
    let tool = path.to_str().unwrap();
    let (kind, reason) = failure(&host.supervisor, &program("db-1", &[tool])).await;
    assert_eq!(kind, StartFailureKind::PermissionDenied, "{reason}");
    let (kind, reason) = failure(&host.supervisor, &program("db-1", &["/bin"])).await;
    assert_eq!(kind, StartFailureKind::PermissionDenied, "{reason}");

    std::fs::write(&path, "#!/nowhere/interpreter\n").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
    let (kind, reason) = failure(&host.supervisor, &program("db-1", &[tool])).await;
    assert_eq!(kind, StartFailureKind::InterpreterNotFound, "{reason}");
}

#[tokio::test]
async fn a_missing_working_folder_is_not_mistaken_for_a_missing_program() {
    let host = Host::new();
    let spec = LaunchSpec { working_dir: "/nowhere".into(), ..script("db-1", "exit 0") };
    let (kind, reason) = failure(&host.supervisor, &spec).await;
    assert_eq!(kind, StartFailureKind::WorkingFolder);
    assert!(reason.contains("/nowhere"), "{reason}");
}

#[tokio::test]
async fn a_failed_start_can_be_mended_and_tried_again() {
    let host = Host::new();
    failure(&host.supervisor, &program("db-1", &["/nowhere/etcd"])).await;
    let started = host.start(&program("db-1", &["/bin/sleep", "600"])).await;
    assert!(lives(started.pid.cast_signed()));
}

#[tokio::test]
async fn a_shim_program_that_is_missing_or_says_nothing_is_an_error_that_tells() {
    let host = Host::new();
    let spec = script("db-1", "exit 0");
    let missing = host.with_shim_program("/nowhere/quorate").start(&spec).await.unwrap_err();
    assert!(matches!(missing, SupervisorError::StartShim { .. }), "{missing}");
    let silent = host.with_shim_program("/bin/true").start(&spec).await.unwrap_err();
    assert!(matches!(silent, SupervisorError::ShimDied { .. }), "{silent}");
    assert_eq!(host.supervisor.attach(&spec.instance).await.unwrap(), Attachment::Absent);
    let left = std::fs::read_dir(host.path("run/db-1")).unwrap();
    for file in left {
        assert!(!file.unwrap().file_name().to_string_lossy().starts_with("spec-"));
    }
}

#[tokio::test]
async fn the_environment_is_exactly_the_given_one_and_stays_in_no_file_and_no_argument() {
    let host = Host::new();
    let db = name("db-1");
    let env = BTreeMap::from([("DB_TOKEN".to_owned(), "hunter2-secret".to_owned())]);
    let spec = LaunchSpec { env, ..program("db-1", &["/usr/bin/env"]) };
    host.start(&spec).await;
    watched(&host.supervisor, &db).await;
    assert_eq!(host.log(&db), "DB_TOKEN=hunter2-secret\n");

    let spec = LaunchSpec { command: vec!["/bin/sleep".into(), "600".into()], ..spec };
    host.start(&spec).await;
    for file in std::fs::read_dir(host.path("run/db-1")).unwrap() {
        let text = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("hunter2"));
    }
    let shim = host.shim_pid(&db);
    for file in ["cmdline", "environ"] {
        let text = std::fs::read(format!("/proc/{shim}/{file}")).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("hunter2"), "{file}");
        assert!(file == "cmdline" || text.is_empty(), "the shim's environment is empty");
    }
}

#[tokio::test]
async fn a_shim_is_small_and_leaves_no_zombie() {
    let host = Host::new();
    let db = name("db-1");
    host.start(&program("db-1", &["/bin/sleep", "600"])).await;
    let shim = host.shim_pid(&db);
    let status = procfs::process::Process::new(shim).unwrap().status().unwrap();
    assert!(status.rssanon.unwrap() < 4 * 1024, "{:?} KiB", status.rssanon);
    host.supervisor.stop(&db, StopSignal::Term, DEADLINE).await.unwrap();
    until("the shim to be reaped", || !lives(shim) && !is_zombie(shim)).await;
}

#[tokio::test]
async fn only_an_instance_that_does_not_run_can_be_forgotten_and_its_logs_stay() {
    let host = Host::new();
    let db = name("db-1");
    host.supervisor.forget(&db).await.unwrap();
    host.start(&script("db-1", "echo words; exec sleep 600")).await;
    host.logged(&db, "words").await;
    let error = host.supervisor.forget(&db).await.unwrap_err();
    assert!(matches!(error, SupervisorError::AlreadyRunning { .. }), "{error}");
    host.supervisor.stop(&db, StopSignal::Term, DEADLINE).await.unwrap();
    host.supervisor.forget(&db).await.unwrap();
    host.supervisor.forget(&db).await.unwrap();
    assert_eq!(host.supervisor.attach(&db).await.unwrap(), Attachment::Absent);
    assert!(host.supervisor.list().unwrap().is_empty());
    assert_eq!(host.log(&db), "words\n");
}
