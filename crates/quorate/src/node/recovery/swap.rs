//! Puts a new Raft folder in the place of the old one, so that it can be repeated from wherever it
//! was interrupted: the old folder is kept, and each step shows on disk whether it was done.

use std::{fs, path::Path};

use quorate_keyring::sync_folder;
use quorate_model::{Epoch, Refusal};

use super::failpoint::reach;
use crate::node::{Folders, refuse_file};

/// Builds the new folder with `build` and swaps it in. The old one becomes
/// `raft.before-epoch-N`, whose presence says that the new one was whole.
pub(super) fn swap(
    folders: &Folders,
    begins: Epoch,
    build: impl FnOnce(&Path) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let (raft, new, before) =
        (folders.raft(), folders.new_raft(), folders.raft_before_epoch(begins));
    if !before.exists() {
        if new.exists() {
            fs::remove_dir_all(&new).map_err(|error| refuse_file("remove", &new, &error))?;
        }
        reach(2);
        build(&new)?;
        sync(folders)?;
        reach(3);
        // A master that never ran has no folder to put aside.
        let aside =
            if raft.exists() { fs::rename(&raft, &before) } else { fs::create_dir(&before) };
        aside.map_err(|error| refuse_file("put aside", &raft, &error))?;
        sync(folders)?;
    }
    reach(4);
    if new.exists() {
        fs::rename(&new, &raft).map_err(|error| refuse_file("rename", &new, &error))?;
    }
    reach(5);
    sync(folders)
}

fn sync(folders: &Folders) -> Result<(), Refusal> {
    sync_folder(&folders.data).map_err(|error| Refusal::from(&error))
}
