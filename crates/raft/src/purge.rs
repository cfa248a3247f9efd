//! Removes from a stopped node's disk whatever its newest snapshot makes needless.
//!
//! A purge of the running log removes entries; the database file keeps their sealed bytes in free
//! pages until it needs the room. So the log is written anew, and the new file takes the place of
//! the old one at once: a crash leaves either.

use std::{
    fs::{self, File},
    io,
};

use quorate_model::LogIndex;

use crate::{
    Place, RaftError,
    log_store::{Change, Loaded, LogFile},
    node::check_no_gap,
    state_machine::SnapshotFile,
    types::LogId,
};

/// What a purge left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// The end of the snapshot; nothing up to here is in the log.
    pub snapshot: LogIndex,
    /// How many entries behind it are in the log.
    pub entries: usize,
}

/// Purges the node's log up to its snapshot. The caller holds the node's folder, so that no node
/// runs on it. `None` when there is no snapshot, and so nothing that can go.
///
/// # Errors
/// When the folder is damaged, of another node or keyring, or cannot be written. What is there is
/// as it was then.
pub fn purge(place: &Place) -> Result<Option<Purged>, RaftError> {
    let (path, new) = (place.log(), place.folder.join("log.redb.new"));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(RaftError::file("remove", &new, error));
        }
        _ => {}
    }
    let snapshots = SnapshotFile::new(&place.folder, place.vault());
    let Some(snapshot) = snapshots.read()?.and_then(|snapshot| snapshot.meta.last_log_id) else {
        return Ok(None);
    };
    let (file, loaded) = LogFile::open(&path, place.vault())?;
    file.close();
    check_no_gap(loaded.purged, Some(snapshot), &snapshots)?;
    let (file, _) = LogFile::open(&new, place.vault())?;
    let (changes, entries) = kept(loaded, snapshot);
    let written = file.apply(&changes);
    file.close();
    let _unpurged = written.map_err(|error| RaftError::file("write", &new, error))?;
    File::open(&new)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&new, &path))
        .and_then(|()| File::open(&place.folder)?.sync_all())
        .map_err(|error| RaftError::file("replace", &path, error))?;
    Ok(Some(Purged { snapshot: LogIndex(snapshot.index), entries }))
}

/// What the new log holds: all but the entries that are in the snapshot.
fn kept(loaded: Loaded, snapshot: LogId) -> (Vec<Change>, usize) {
    let entries: Vec<_> =
        loaded.entries.into_iter().filter(|entry| entry.log_id.index > snapshot.index).collect();
    let number = entries.len();
    let mut changes: Vec<Change> = loaded.vote.map(Change::Vote).into_iter().collect();
    changes.push(Change::Purge { upto: snapshot, at_most: u64::MAX });
    changes.push(Change::Committed(loaded.committed.max(Some(snapshot))));
    if !entries.is_empty() {
        changes.push(Change::Append(entries));
    }
    (changes, number)
}
