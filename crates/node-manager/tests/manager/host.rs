//! A host of its own for each test: folders, node managers on it, and an end to what they started.

use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use quorate_model::{ExitStatus, InstanceName, InstanceObservation, NodeId, ProcessState};
use quorate_node_manager::{
    KnownMasters, NodeManager, NodeManagerError, NodeManagerFolders, NodeManagerOptions,
};
use quorate_supervisor::{StopSignal, Supervisor};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::oneshot, task::JoinHandle};

use crate::{clock::SystemClock, leader::FakeMaster, plain::PlainConnector};

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
const FIXTURE: &str = env!("CARGO_BIN_EXE_node-manager-fixture");

/// Waits for a condition.
pub(crate) fn until(what: impl Display, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        // Shown only now, so that it may tell what was seen last.
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) struct Host {
    root: TempDir,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    pub(crate) fn options(&self, masters: &[&FakeMaster]) -> NodeManagerOptions {
        let folders = NodeManagerFolders {
            data: self.path("data"),
            run: self.path("run"),
            log: self.path("log"),
        };
        let masters = masters.iter().map(|it| (it.node, it.addr.clone())).collect();
        NodeManagerOptions::new(NodeId(7), folders, FIXTURE.into(), masters)
    }

    /// Runs a node manager in this process.
    pub(crate) fn manage(&self, masters: &[&FakeMaster]) -> Managed {
        Managed::new(self.options(masters))
    }

    /// Runs a node manager as a process of its own.
    pub(crate) fn manage_apart(&self, master: &FakeMaster) -> ManagedApart {
        let child = Command::new(FIXTURE)
            .arg("manage")
            .arg(self.root.path())
            .arg(&master.addr)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        ManagedApart(child)
    }

    /// The masters that the node manager will ask after a restart.
    pub(crate) fn known_masters(&self) -> Vec<NodeId> {
        KnownMasters::load(&self.path("data")).unwrap().masters.into_keys().collect()
    }

    pub(crate) fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap_or_default()
    }

    pub(crate) fn log(&self, instance: &str) -> String {
        self.read(&format!("log/instances/{instance}.log"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let supervisor = Supervisor::new(
            self.path("run/instances"),
            self.path("log/instances"),
            Path::new(FIXTURE).to_owned(),
            Arc::new(SystemClock),
        )
        .unwrap();
        let names: Vec<InstanceName> = supervisor.list().unwrap_or_default();
        Runtime::new().unwrap().block_on(async {
            for name in names {
                let _torn = supervisor.stop(&name, StopSignal::Term, Duration::ZERO).await;
            }
        });
    }
}

/// A node manager in this process, with a runtime of its own.
pub(crate) struct Managed {
    runtime: Runtime,
    stop: oneshot::Sender<()>,
    run: JoinHandle<Result<(), NodeManagerError>>,
}

impl Managed {
    pub(crate) fn new(options: NodeManagerOptions) -> Self {
        let runtime = Runtime::new().unwrap();
        let manager =
            NodeManager::new(options, Arc::new(PlainConnector), Arc::new(SystemClock)).unwrap();
        let (stop, stopped) = oneshot::channel();
        let run = runtime.spawn(manager.run(async move {
            let _ = stopped.await;
        }));
        Self { runtime, stop, run }
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(self) {
        self.stop.send(()).unwrap();
        self.runtime.block_on(self.run).unwrap().unwrap();
    }
}

/// A node manager that can be killed.
pub(crate) struct ManagedApart(Child);

impl ManagedApart {
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for ManagedApart {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

pub(crate) fn pid_of(seen: &InstanceObservation) -> u32 {
    match seen.process {
        ProcessState::Running { pid, .. } => pid,
        ref other => panic!("it should run: {other:?}"),
    }
}

pub(crate) fn runs(seen: &InstanceObservation) -> bool {
    matches!(seen.process, ProcessState::Running { .. })
}

pub(crate) fn exit_of(seen: &InstanceObservation) -> Option<&ExitStatus> {
    match &seen.process {
        ProcessState::Exited { status, .. } => Some(status),
        _ => None,
    }
}

pub(crate) fn lives(pid: u32) -> bool {
    test_kill_process(raw(pid)).is_ok()
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    kill_process(raw(pid), signal).unwrap();
}

fn raw(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed()).unwrap()
}
