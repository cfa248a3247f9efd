//! Starting an instance: one shim, one component, whoever else tries at the same time.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use quorate_model::InstanceName;
use tokio::{
    process::{Child, Command},
    time::Instant,
};

use super::{Supervisor, process_error};
use crate::{
    Attachment, LaunchSpec, Running, StopSignal, SupervisorError,
    folder::{self, InstanceFolder},
    handle::{End, Handle},
    logs,
    shim::ShimSpec,
};

/// How long a shim may take until it has recorded a start or a failure.
const START_DEADLINE: Duration = Duration::from_secs(5);
/// How long a start waits for another start of the same instance.
const TURN_DEADLINE: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

impl Supervisor {
    /// Starts an instance under a new shim and returns once its process runs. When it already
    /// runs for the same generation, nothing is started and the running one is returned.
    ///
    /// The shim is a child of this process; it is reaped by the async runtime this is called in.
    ///
    /// # Errors
    /// [`SupervisorError::AlreadyRunning`] when it runs for another generation,
    /// [`SupervisorError::StartFailed`] with the reason when the component cannot be started, and
    /// others when the shim or a file gives trouble. After an error nothing was left running.
    pub async fn start(&self, spec: &LaunchSpec) -> Result<Running, SupervisorError> {
        spec.check()?;
        let instance = &spec.instance;
        let folder = self.folder(instance);
        folder.create()?;
        let _turn = self.take_turn(instance).await?;
        folder.sweep_specs()?;
        if let Attachment::Running(running) = self.attach(instance).await? {
            return self.same_generation(spec, running);
        }
        let spec_path = self.write_spec(spec, &folder)?;
        let started = self.start_shim(spec, &folder, &spec_path).await;
        if started.is_err() {
            // The shim removes it; this is for a shim that never came so far.
            folder::remove_if_there(&spec_path)?;
        }
        started
    }

    /// Waits until no other start, of this or another process, works on the instance.
    pub(super) async fn take_turn(&self, instance: &InstanceName) -> Result<File, SupervisorError> {
        let path = self.folder(instance).start_lock();
        let deadline = Instant::now() + TURN_DEADLINE;
        loop {
            if let Some(lock) = folder::try_lock(&path)? {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                return Err(SupervisorError::Busy { instance: instance.clone() });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn same_generation(
        &self,
        spec: &LaunchSpec,
        running: Running,
    ) -> Result<Running, SupervisorError> {
        if running.generation == spec.generation {
            return Ok(running);
        }
        Err(SupervisorError::AlreadyRunning {
            instance: spec.instance.clone(),
            pid: running.pid,
            generation: running.generation,
        })
    }

    /// Hands the specification to the shim in a file: argument lists and environments can be
    /// read by others.
    fn write_spec(
        &self,
        spec: &LaunchSpec,
        folder: &InstanceFolder,
    ) -> Result<PathBuf, SupervisorError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = folder.path().join(format!("spec-{}-{number}.json", std::process::id()));
        let log_path = logs::path(&self.shared.log_folder, &spec.instance);
        serde_json::to_vec(&ShimSpec::new(spec.clone(), log_path))
            .map_err(io::Error::other)
            .and_then(|bytes| folder::write_new(&path, &bytes))
            .map_err(|source| SupervisorError::Folder {
                action: "write",
                path: path.clone(),
                source,
            })?;
        Ok(path)
    }

    async fn start_shim(
        &self,
        spec: &LaunchSpec,
        folder: &InstanceFolder,
        spec_path: &PathBuf,
    ) -> Result<Running, SupervisorError> {
        let complaints = folder.complaints();
        let stderr = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&complaints)
            .map_err(|source| SupervisorError::Folder {
                action: "open",
                path: complaints,
                source,
            })?;
        // The environment is cleared because ours may hold the root key.
        let child = Command::new(&self.shared.shim_program)
            .arg("shim")
            .arg(spec_path)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .map_err(|source| SupervisorError::StartShim {
                instance: spec.instance.clone(),
                program: self.shared.shim_program.clone(),
                source,
            })?;
        self.await_record(spec, folder, child).await
    }

    /// Waits until the shim has recorded the start or its failure, or has died.
    async fn await_record(
        &self,
        spec: &LaunchSpec,
        folder: &InstanceFolder,
        mut child: Child,
    ) -> Result<Running, SupervisorError> {
        let instance = &spec.instance;
        let shim_pid = child.id();
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            // The order matters: a shim that had ended before the handle was read has written
            // its last word by then.
            let ended = child
                .try_wait()
                .map_err(process_error("wait for", shim_pid.unwrap_or_default()))?
                .is_some();
            let ours = Handle::read(folder, instance)?.filter(|h| Some(h.shim.pid) == shim_pid);
            match ours {
                Some(Handle { end: Some(End::StartFailed { failure }), .. }) => {
                    reap(child);
                    return Err(SupervisorError::StartFailed {
                        instance: instance.clone(),
                        failure,
                    });
                }
                Some(handle) if let Some(component) = handle.component => {
                    reap(child);
                    // It may have ended already; that it was started is what was asked for.
                    return Ok(handle.running(component, !ended));
                }
                _ if ended => return self.after_shim_died(spec, folder).await,
                _ if Instant::now() >= deadline => {
                    // Nothing may be left behind that runs, or could start something later.
                    child
                        .kill()
                        .await
                        .map_err(process_error("end the shim", shim_pid.unwrap_or_default()))?;
                    self.stop(instance, StopSignal::Term, Duration::ZERO).await?;
                    return Err(SupervisorError::ShimSilent { instance: instance.clone() });
                }
                _ => tokio::time::sleep(POLL_INTERVAL).await,
            }
        }
    }

    /// A shim that ended without a record met another shim that was faster, or failed early.
    async fn after_shim_died(
        &self,
        spec: &LaunchSpec,
        folder: &InstanceFolder,
    ) -> Result<Running, SupervisorError> {
        if let Attachment::Running(running) = self.attach(&spec.instance).await? {
            return self.same_generation(spec, running);
        }
        let mut complaint = String::new();
        let read = File::open(folder.complaints())
            .and_then(|file| file.take(4096).read_to_string(&mut complaint));
        let complaint = match complaint.trim() {
            "" => match read {
                Ok(_) => "it said nothing".to_owned(),
                Err(error) => format!("its complaints cannot be read: {error}"),
            },
            said => said.to_owned(),
        };
        Err(SupervisorError::ShimDied { instance: spec.instance.clone(), complaint })
    }
}

/// Sees to it that the shim leaves no zombie when it ends.
fn reap(mut child: Child) {
    tokio::spawn(async move {
        if let Err(error) = child.wait().await {
            tracing::warn!(%error, "a shim that ended could not be reaped: {error}");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specification_file_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("spec-1.json");
        folder::write_new(&path, b"{}").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
