//! A host of its own for each test: folders, a supervisor, and an end to everything started.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use quorate_model::{Clock, ExitStatus, Generation, InstanceName, ManualClock, Timestamp};
use quorate_supervisor::{
    Attachment, LaunchSpec, LogRotation, Running, Supervisor, SupervisorError, logs,
};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
pub(crate) const FIXTURE: &str = env!("CARGO_BIN_EXE_shim-fixture");

pub(crate) struct Host {
    folder: TempDir,
    pub(crate) supervisor: Supervisor,
}

impl Host {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let supervisor = supervisor_on(folder.path(), FIXTURE);
        Self { folder, supervisor }
    }

    /// Another supervisor on the same host, as after a restart of the node manager.
    pub(crate) fn successor(&self) -> Supervisor {
        supervisor_on(self.folder.path(), FIXTURE)
    }

    pub(crate) fn with_shim_program(&self, program: &str) -> Supervisor {
        supervisor_on(self.folder.path(), program)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn handle_path(&self, instance: &InstanceName) -> PathBuf {
        self.path("run").join(instance.as_str()).join("handle.json")
    }

    pub(crate) fn handle(&self, instance: &InstanceName) -> Value {
        serde_json::from_slice(&fs::read(self.handle_path(instance)).unwrap()).unwrap()
    }

    pub(crate) fn alter_handle(&self, instance: &InstanceName, alter: impl FnOnce(&mut Value)) {
        let mut handle = self.handle(instance);
        alter(&mut handle);
        fs::write(self.handle_path(instance), serde_json::to_vec(&handle).unwrap()).unwrap();
    }

    pub(crate) fn shim_pid(&self, instance: &InstanceName) -> i32 {
        pid_in(&self.handle(instance), "shim").unwrap()
    }

    pub(crate) async fn start(&self, spec: &LaunchSpec) -> Running {
        self.supervisor.start(spec).await.unwrap()
    }

    pub(crate) fn log(&self, instance: &InstanceName) -> String {
        let bytes = logs::tail(&self.path("log"), instance, 1 << 20).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until the log holds the text.
    pub(crate) async fn logged(&self, instance: &InstanceName, text: &str) {
        until(&format!("`{text}` in the log"), || self.log(instance).contains(text)).await;
    }
}

impl Drop for Host {
    /// Ends what a failed test may have left, by pid, and waits until the shims are gone.
    fn drop(&mut self) {
        let Ok(entries) = fs::read_dir(self.path("run")) else {
            return;
        };
        for entry in entries.flatten() {
            let Ok(bytes) = fs::read(entry.path().join("handle.json")) else {
                continue;
            };
            let Ok(handle) = serde_json::from_slice::<Value>(&bytes) else {
                continue;
            };
            if let Some(pid) = pid_in(&handle, "component")
                && start_ticks(pid) == handle["component"]["start_ticks"].as_u64()
            {
                let _gone = kill_process_group(Pid::from_raw(pid).unwrap(), Signal::KILL);
            }
            let deadline = Instant::now() + DEADLINE;
            while let Some(pid) = pid_in(&handle, "shim")
                && start_ticks(pid) == handle["shim"]["start_ticks"].as_u64()
                && lives(pid)
                && Instant::now() < deadline
            {
                // A test may have frozen it.
                let _gone = kill_process(Pid::from_raw(pid).unwrap(), Signal::CONT);
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        ManualClock::new(Timestamp(1_700_000_000_000)).now()
    }
}

fn supervisor_on(folder: &Path, program: &str) -> Supervisor {
    Supervisor::new(folder.join("run"), folder.join("log"), program.into(), Arc::new(SystemClock))
        .unwrap()
}

pub(crate) fn name(text: &str) -> InstanceName {
    InstanceName::new(text).unwrap()
}

/// A shell script as a component.
pub(crate) fn script(instance: &str, text: &str) -> LaunchSpec {
    program(instance, &["/bin/sh", "-c", text])
}

pub(crate) fn program(instance: &str, command: &[&str]) -> LaunchSpec {
    LaunchSpec {
        instance: name(instance),
        command: command.iter().map(ToString::to_string).collect(),
        env: BTreeMap::new(),
        working_dir: "/".into(),
        generation: Generation(1),
        log: LogRotation::default(),
    }
}

pub(crate) fn exit_of(attachment: Attachment) -> ExitStatus {
    match attachment {
        Attachment::Exited { status, .. } => status,
        other => panic!("it should have ended: {other:?}"),
    }
}

pub(crate) fn running(attachment: Attachment) -> Running {
    match attachment {
        Attachment::Running(running) => running,
        other => panic!("it should run: {other:?}"),
    }
}

/// Waits for the instance's end.
pub(crate) async fn watched(supervisor: &Supervisor, instance: &InstanceName) -> ExitStatus {
    let watch: Result<ExitStatus, SupervisorError> =
        tokio::time::timeout(DEADLINE, supervisor.watch(instance)).await.unwrap();
    watch.unwrap()
}

pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// Whether a process of that pid is there and no zombie.
pub(crate) fn lives(pid: i32) -> bool {
    stat(pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

pub(crate) fn is_zombie(pid: i32) -> bool {
    is_in_state(pid, 'Z')
}

pub(crate) fn is_in_state(pid: i32, state: char) -> bool {
    stat(pid).is_some_and(|stat| stat.state == state)
}

pub(crate) fn start_ticks(pid: i32) -> Option<u64> {
    stat(pid).map(|stat| stat.starttime)
}

fn stat(pid: i32) -> Option<procfs::process::Stat> {
    procfs::process::Process::new(pid).ok()?.stat().ok()
}

fn pid_in(handle: &Value, part: &str) -> Option<i32> {
    i32::try_from(handle[part]["pid"].as_i64()?).ok().filter(|pid| *pid > 1)
}
