//! One instance's part of the run folder: names, permissions, locks and atomic writes.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::SupervisorError;

/// The folder `<run folder>/<instance>`.
#[derive(Debug, Clone)]
pub(crate) struct InstanceFolder(PathBuf);

impl InstanceFolder {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn handle(&self) -> PathBuf {
        self.0.join("handle.json")
    }

    pub(crate) fn complaints(&self) -> PathBuf {
        self.0.join("shim.err")
    }

    pub(crate) fn start_lock(&self) -> PathBuf {
        self.0.join("start.lock")
    }

    fn shim_lock(&self) -> PathBuf {
        self.0.join("shim.lock")
    }

    /// Makes the folder, for its owner only.
    pub(crate) fn create(&self) -> Result<(), SupervisorError> {
        create_private_folder(&self.0)
    }

    /// Tries to become the one who may write the handle; `None` while another is.
    pub(crate) fn try_shim_lock(&self) -> Result<Option<File>, SupervisorError> {
        try_lock(&self.shim_lock())
    }

    /// Whether some shim is at work in this folder.
    ///
    /// The probe takes the lock shared, so that two probes never see each other; a shim that
    /// meets one tries again.
    pub(crate) fn shim_at_work(&self) -> Result<bool, SupervisorError> {
        let path = self.shim_lock();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => {
                return Err(SupervisorError::Folder { action: "open", path, source });
            }
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => {
                Err(SupervisorError::Folder { action: "lock", path, source })
            }
        }
    }

    /// Removes specifications that no shim has read. A shim reads its specification only while it
    /// holds its lock, and without one starts nothing, so this also cancels a start whose
    /// supervisor died half-way.
    pub(crate) fn sweep_specs(&self) -> Result<(), SupervisorError> {
        let fail =
            |action, source| SupervisorError::Folder { action, path: self.0.clone(), source };
        for entry in fs::read_dir(&self.0).map_err(|source| fail("read", source))? {
            let entry = entry.map_err(|source| fail("read", source))?;
            if entry.file_name().to_string_lossy().starts_with("spec-") {
                remove_if_there(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// Tries to take an exclusive lock on the file; `None` while another holder has it. The lock ends
/// with the returned file, or with its process.
pub(crate) fn try_lock(path: &Path) -> Result<Option<File>, SupervisorError> {
    let fail = |action, source| SupervisorError::Folder { action, path: path.to_owned(), source };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| fail("open", source))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(fail("lock", source)),
    }
}

/// Makes a folder and those above it, accessible to its owner only.
pub(crate) fn create_private_folder(path: &Path) -> Result<(), SupervisorError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| {
        SupervisorError::Folder { action: "create", path: path.to_owned(), source }
    })
}

/// Writes a new file readable by its owner only.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?.write_all(bytes)
}

/// Replaces a file so that a reader, or a crash, sees the old bytes or the new ones, whole.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Removes a file; that there is none is no error.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), SupervisorError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(SupervisorError::Folder { action: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
