//! The supervisor: a view of the run folder, and the verbs that act on it, one per file.

mod attach;
mod start;
mod stop;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use quorate_model::{Clock, InstanceName};

use crate::{
    Attachment, SupervisorError,
    folder::{self, InstanceFolder},
    logs,
};

/// Starts, finds, watches and stops the instances of one host. It keeps nothing in memory: what
/// is true stands in the run folder and in the process table, so any number of supervisors, one
/// after the other or at once, see the same. Cloning is cheap.
#[derive(Clone)]
pub struct Supervisor {
    shared: Arc<Shared>,
}

struct Shared {
    run_folder: PathBuf,
    log_folder: PathBuf,
    shim_program: PathBuf,
    clock: Arc<dyn Clock>,
}

impl Supervisor {
    /// A supervisor of the instances whose handles are in `run_folder` and whose output goes to
    /// `log_folder`; both are created, for their owner only, when missing. `shim_program` is
    /// started as `<shim_program> shim <file>` and must hand over to [`crate::shim::run`].
    ///
    /// # Errors
    /// When a folder cannot be created.
    pub fn new(
        run_folder: PathBuf,
        log_folder: PathBuf,
        shim_program: PathBuf,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SupervisorError> {
        // The shim works in `/`, so it must be given absolute paths.
        let absolute = |path: PathBuf| {
            std::path::absolute(&path).map_err(|source| SupervisorError::Folder {
                action: "resolve",
                path,
                source,
            })
        };
        let (run_folder, log_folder) = (absolute(run_folder)?, absolute(log_folder)?);
        let shim_program = absolute(shim_program)?;
        folder::create_private_folder(&run_folder)?;
        folder::create_private_folder(&log_folder)?;
        Ok(Self { shared: Arc::new(Shared { run_folder, log_folder, shim_program, clock }) })
    }

    /// The names of all instances that have a handle here, running or not, in order.
    ///
    /// # Errors
    /// When the run folder cannot be read.
    pub fn list(&self) -> Result<Vec<InstanceName>, SupervisorError> {
        let path = &self.shared.run_folder;
        let fail = |source| SupervisorError::Folder { action: "read", path: path.clone(), source };
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_str().and_then(|text| InstanceName::new(text).ok());
            names.extend(name.filter(|name| self.folder(name).handle().exists()));
        }
        names.sort();
        Ok(names)
    }

    /// Forgets an instance that does not run: removes its handle and keeps its logs. Forgetting
    /// twice is forgetting once.
    ///
    /// # Errors
    /// [`SupervisorError::AlreadyRunning`] while it runs; otherwise when it cannot be looked at
    /// or its files cannot be removed.
    pub async fn forget(&self, instance: &InstanceName) -> Result<(), SupervisorError> {
        let folder = self.folder(instance);
        if !folder.path().exists() {
            return Ok(());
        }
        let _turn = self.take_turn(instance).await?;
        if let Attachment::Running(running) = self.attach(instance).await? {
            return Err(SupervisorError::AlreadyRunning {
                instance: instance.clone(),
                pid: running.pid,
                generation: running.generation,
            });
        }
        folder.sweep_specs()?;
        folder::remove_if_there(&folder.complaints())?;
        // The lock files stay: whoever waits for one must not end up with a lock on a file that
        // has no name any more.
        folder::remove_if_there(&folder.handle())
    }

    /// The file that an instance's output is written to now.
    #[must_use]
    pub fn log_path(&self, instance: &InstanceName) -> PathBuf {
        logs::path(&self.shared.log_folder, instance)
    }

    /// The folder of all instances' logs.
    #[must_use]
    pub fn log_folder(&self) -> &Path {
        &self.shared.log_folder
    }

    fn folder(&self, instance: &InstanceName) -> InstanceFolder {
        InstanceFolder::new(self.shared.run_folder.join(instance.as_str()))
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("run_folder", &self.shared.run_folder)
            .field("log_folder", &self.shared.log_folder)
            .field("shim_program", &self.shared.shim_program)
            .finish_non_exhaustive()
    }
}

/// Names the process in an error about it.
fn process_error(action: &'static str, pid: u32) -> impl FnOnce(io::Error) -> SupervisorError {
    move |source| SupervisorError::Process { action, pid, source }
}
