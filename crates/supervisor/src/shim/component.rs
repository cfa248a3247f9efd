//! The component as the shim's child: started in its own group, waited for, cleared away.

use std::{
    fs, io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use quorate_model::{Clock, ExitStatus};
use rustix::{
    fs::{Access, access},
    io::Errno,
    process::{
        Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process_group, waitid,
        waitpgid, waitpid,
    },
};
use tokio::net::unix::pipe;

use crate::{LaunchSpec, StartFailure, StartFailureKind};

/// How long killed members of the group may take to end.
const GROUP_DEADLINE: Duration = Duration::from_secs(5);
const GROUP_INTERVAL: Duration = Duration::from_millis(2);

/// A started component that has not been waited for. Until [`Component::finish`] its pid cannot
/// be given to another process, so signals to its group cannot go astray.
pub(super) struct Component {
    pid: Pid,
}

impl Component {
    /// Starts the component with exactly the given environment, standard output and error on one
    /// pipe (so that lines keep their order), standard input on nothing.
    pub(super) fn start(
        launch: &LaunchSpec,
        clock: &dyn Clock,
    ) -> Result<(Self, pipe::Receiver), StartFailure> {
        let fail = |kind, reason| StartFailure { kind, reason, at: clock.now() };
        if let Err(error) = usable_as_working_folder(&launch.working_dir) {
            let reason =
                format!("the working folder {} is unusable: {error}", launch.working_dir.display());
            return Err(fail(StartFailureKind::WorkingFolder, reason));
        }
        let other = |error: io::Error| fail(StartFailureKind::Other, error.to_string());
        let Some((program, arguments)) = launch.command.split_first() else {
            return Err(fail(StartFailureKind::Other, "the start command is empty".to_owned()));
        };
        let (reader, writer) = io::pipe().map_err(other)?;
        let receiver = pipe::Receiver::from_owned_fd(OwnedFd::from(reader)).map_err(other)?;
        let stderr = writer.try_clone().map_err(other)?;
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(&launch.env)
            .current_dir(&launch.working_dir)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(stderr)
            .spawn()
            .map_err(|error| {
                let (kind, reason) = explain(program, &launch.working_dir, &error);
                fail(kind, reason)
            })?;
        Ok((Self { pid: Pid::from_child(&child) }, receiver))
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    /// Signals the whole group; that nobody is left to hear it is no error.
    pub(super) fn signal(&self, signal: Signal) {
        let _nobody_left = kill_process_group(self.pid, signal);
    }

    /// Whether the component has ended; it stays unreaped.
    pub(super) fn has_ended(&self) -> bool {
        self.peek().is_some()
    }

    /// Reaps adopted processes that have ended, but never the component.
    pub(super) fn reap_orphans(&self) {
        let me = getpid().as_raw_pid();
        let Ok(children) = fs::read_to_string(format!("/proc/self/task/{me}/children")) else {
            // A kernel without this list: they are reaped when this process ends.
            return;
        };
        for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            if let Some(child) = Pid::from_raw(child).filter(|child| *child != self.pid) {
                let _still_running = waitpid(Some(child), WaitOptions::NOHANG);
            }
        }
    }

    /// Ends what is left of the group, reaps it and the component, and says how that ended.
    pub(super) async fn finish(&mut self) -> ExitStatus {
        let deadline = Instant::now() + GROUP_DEADLINE;
        // After an unsuccessful record the component was killed but may need a moment.
        let mut status = self.peek();
        while status.is_none() && Instant::now() < deadline {
            tokio::time::sleep(GROUP_INTERVAL).await;
            status = self.peek();
        }
        // The unreaped component still owns the group's number: this hits its group only.
        self.signal(Signal::KILL);
        while Instant::now() < deadline {
            match waitpgid(self.pid, WaitOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) => tokio::time::sleep(GROUP_INTERVAL).await,
                Err(_) => break,
            }
        }
        status.unwrap_or(ExitStatus::Unknown)
    }

    fn peek(&self) -> Option<ExitStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.pid), options) {
            Ok(None) | Err(Errno::INTR) => None,
            Ok(Some(status)) => Some(
                status
                    .exit_status()
                    .map(ExitStatus::Code)
                    .or_else(|| status.terminating_signal().map(ExitStatus::Signal))
                    .unwrap_or(ExitStatus::Unknown),
            ),
            Err(_) => Some(ExitStatus::Unknown),
        }
    }
}

/// Checked apart, because the system answers alike for a missing folder and a missing program.
fn usable_as_working_folder(folder: &Path) -> io::Result<()> {
    if !fs::metadata(folder)?.is_dir() {
        return Err(Errno::NOTDIR.into());
    }
    Ok(access(folder, Access::EXEC_OK)?)
}

/// Puts into words why a program could not be executed.
fn explain(program: &str, working_dir: &Path, error: &io::Error) -> (StartFailureKind, String) {
    let path = working_dir.join(program);
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) if program.contains('/') && path.exists() => (
            StartFailureKind::InterpreterNotFound,
            format!("`{program}` names an interpreter that is not on this host"),
        ),
        Some(Errno::NOENT) if program.contains('/') => {
            (StartFailureKind::ProgramNotFound, format!("there is no program `{program}`"))
        }
        Some(Errno::NOENT) => (
            StartFailureKind::ProgramNotFound,
            format!("there is no program `{program}` in the instance's PATH"),
        ),
        Some(Errno::ACCESS) if path.is_dir() => {
            (StartFailureKind::PermissionDenied, format!("`{program}` is a folder"))
        }
        Some(Errno::ACCESS) => {
            (StartFailureKind::PermissionDenied, format!("`{program}` may not be executed"))
        }
        Some(Errno::PERM) => {
            (StartFailureKind::PermissionDenied, format!("executing `{program}` is forbidden"))
        }
        Some(Errno::NOEXEC) => (
            StartFailureKind::NotAProgram,
            format!("`{program}` is not a program of this host, nor a script that names one"),
        ),
        _ => (StartFailureKind::Other, format!("`{program}` could not be executed: {error}")),
    }
}
