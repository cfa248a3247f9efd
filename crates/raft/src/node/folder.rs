//! The folder a node keeps its log and snapshot in, locked for as long as the node runs.

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use quorate_keyring::make_private_folder;

use crate::RaftError;

/// Dropping it releases the folder.
#[derive(Debug)]
pub(super) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Makes the folder where it is absent and takes it for this node alone.
    pub(super) fn take(folder: &Path) -> Result<Self, RaftError> {
        make_private_folder(folder).map_err(|error| RaftError::file("create", folder, error))?;
        let path = folder.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| RaftError::file("open", &path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(RaftError::FolderInUse { folder: folder.to_owned() })
            }
            Err(TryLockError::Error(error)) => Err(RaftError::file("lock", &path, error)),
        }
    }
}
