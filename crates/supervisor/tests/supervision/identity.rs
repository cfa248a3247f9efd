//! A pid is not an identity, and a file is not believed because it is there.

use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
    time::Duration,
};

use quorate_model::ExitStatus;
use quorate_supervisor::{StopSignal, SupervisorError};
use rustix::process::Signal;

use crate::host::*;

#[tokio::test]
async fn a_pid_reused_by_another_process_is_never_taken_for_the_instance() {
    let host = Host::new();
    let db = name("db-1");
    host.start(&script("db-1", "exit 0")).await;
    watched(&host.supervisor, &db).await;
    until("the shim's end", || !lives(host.shim_pid(&db))).await;

    // A stranger, leader of its own group like a component, has got the pid.
    let mut stranger = Command::new("/bin/sleep").arg("600").process_group(0).spawn().unwrap();
    let pid = stranger.id();
    let ticks = start_ticks(pid.cast_signed()).unwrap();
    host.alter_handle(&db, |handle| {
        handle["component"] = serde_json::json!({ "pid": pid, "start_ticks": ticks - 1 });
        handle["end"] = serde_json::Value::Null;
    });
    let before = std::fs::read(host.handle_path(&db)).unwrap();
    for verb in ["attach", "stop", "watch"] {
        std::fs::write(host.handle_path(&db), &before).unwrap();
        let status = match verb {
            "attach" => exit_of(host.supervisor.attach(&db).await.unwrap()),
            "stop" => {
                let grace = Duration::from_millis(1);
                host.supervisor.stop(&db, StopSignal::Term, grace).await.unwrap().unwrap()
            }
            _ => watched(&host.supervisor, &db).await,
        };
        assert_eq!(status, ExitStatus::Unknown, "{verb}");
        assert!(lives(pid.cast_signed()), "{verb}");
    }
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_shims_reused_pid_does_not_keep_an_ended_instance_in_doubt() {
    let host = Host::new();
    let db = name("db-1");
    let started = host.start(&program("db-1", &["/bin/sleep", "600"])).await;
    kill(host.shim_pid(&db).unsigned_abs(), Signal::KILL);
    kill(started.pid, Signal::KILL);
    until("both ends", || !lives(host.shim_pid(&db)) && !lives(started.pid.cast_signed())).await;
    let me = std::process::id();
    let ticks = start_ticks(me.cast_signed()).unwrap();
    host.alter_handle(&db, |handle| {
        handle["shim"] = serde_json::json!({ "pid": me, "start_ticks": ticks - 1 });
    });
    assert_eq!(exit_of(host.supervisor.attach(&db).await.unwrap()), ExitStatus::Unknown);
}

#[tokio::test]
async fn a_torn_foreign_or_newer_handle_is_an_error_for_every_verb_and_starts_nothing() {
    let host = Host::new();
    let db = name("db-1");
    host.start(&script("db-1", "exit 0")).await;
    watched(&host.supervisor, &db).await;
    let whole = std::fs::read(host.handle_path(&db)).unwrap();
    let foreign = String::from_utf8(whole.clone()).unwrap().replace("db-1", "db-2").into_bytes();
    for bad in [&whole[..whole.len() / 2], b"", b"\0\0\0\0", &foreign, b"{\"version\":99}"] {
        std::fs::write(host.handle_path(&db), bad).unwrap();
        let spec = script("db-1", "touch started");
        let errors = [
            host.supervisor.attach(&db).await.unwrap_err(),
            host.supervisor.start(&spec).await.unwrap_err(),
            host.supervisor.stop(&db, StopSignal::Term, DEADLINE).await.unwrap_err(),
            host.supervisor.watch(&db).await.unwrap_err(),
        ];
        for error in errors {
            assert!(
                matches!(
                    error,
                    SupervisorError::HandleUnreadable { .. } | SupervisorError::HandleTooNew { .. }
                ),
                "{error}"
            );
            assert!(error.refusal().hint.is_some());
        }
    }
    assert_eq!(host.supervisor.list().unwrap(), [db]);
}

#[tokio::test]
async fn folders_and_files_are_for_their_owner_only() {
    let host = Host::new();
    let db = name("db-1");
    host.start(&script("db-1", "echo out")).await;
    watched(&host.supervisor, &db).await;
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for folder in ["run", "log", "run/db-1"] {
        assert_eq!(mode(&host.path(folder)), 0o700, "{folder}");
    }
    let files = std::fs::read_dir(host.path("run/db-1"))
        .unwrap()
        .chain(std::fs::read_dir(host.path("log")).unwrap());
    for file in files {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}
