//! The newest snapshot on disk: one sealed file, replaced atomically.
//!
//! Layout: eight bytes of magic, the file format as u32 big-endian, then the sealed record.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    RaftError,
    ondisk::{RECORD_VERSION, Record, RecordError, SnapshotRecord},
    types::LogId,
    vault::Vault,
};

const MAGIC: &[u8; 8] = b"QUORSNAP";
const FILE_FORMAT: u32 = 1;
const HEADER_BYTES: usize = MAGIC.len() + 4;

/// Where a node keeps its snapshot. Clones name the same file.
#[derive(Clone)]
pub(crate) struct SnapshotFile(Arc<Place>);

struct Place {
    path: PathBuf,
    temporary: PathBuf,
    folder: PathBuf,
    vault: Vault,
    /// Held by whoever writes: a builder runs beside the installation of a newer snapshot.
    written: Mutex<Written>,
}

/// What is known of the file.
#[derive(Default)]
struct Written {
    /// The last entry in the newest snapshot that was read or written here.
    newest: Option<LogId>,
    closed: bool,
}

impl SnapshotFile {
    pub(crate) fn new(folder: &Path, vault: Vault) -> Self {
        Self(Arc::new(Place {
            path: folder.join("snapshot.bin"),
            temporary: folder.join("snapshot.tmp"),
            folder: folder.to_owned(),
            vault,
            written: Mutex::default(),
        }))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Writes the snapshot so that a crash leaves either the old one or the new one. One that is
    /// older than what is in the file already is not written: the log behind it may be purged.
    pub(crate) fn write(&self, snapshot: &SnapshotRecord) -> io::Result<()> {
        let mut written = self.0.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.closed {
            return Err(io::Error::other("the snapshot's folder is closed"));
        }
        if snapshot.meta.last_log_id < written.newest {
            return Ok(());
        }
        let sealed = self.0.vault.seal_snapshot(&snapshot.to_bytes());
        let replaced = self.replace(&sealed);
        if replaced.is_ok() {
            written.newest = snapshot.meta.last_log_id;
        } else {
            // Half a file only takes space that may be what is missing.
            drop(fs::remove_file(&self.0.temporary));
        }
        replaced
    }

    /// Waits for whoever writes; nobody writes after that.
    pub(crate) fn close(&self) {
        self.0.written.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
    }

    /// Whether a write that failed did so because the node was shut down.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.written.lock().unwrap_or_else(PoisonError::into_inner).closed
    }

    fn replace(&self, sealed: &[u8]) -> io::Result<()> {
        let mut file = File::create(&self.0.temporary)?;
        file.write_all(MAGIC)?;
        file.write_all(&FILE_FORMAT.to_be_bytes())?;
        file.write_all(sealed)?;
        file.sync_all()?;
        fs::rename(&self.0.temporary, &self.0.path)?;
        File::open(&self.0.folder)?.sync_all()
    }

    /// Reads and verifies the snapshot; `None` when there is none yet.
    pub(crate) fn read(&self) -> Result<Option<SnapshotRecord>, RaftError> {
        let bytes = match fs::read(&self.0.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RaftError::file("read", &self.0.path, error)),
        };
        let header = bytes
            .first_chunk::<HEADER_BYTES>()
            .filter(|header| header.starts_with(MAGIC))
            .ok_or_else(|| self.corrupt("it does not begin as a snapshot does".to_owned()))?;
        let found = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        if found > FILE_FORMAT {
            return Err(self.too_new(found));
        }
        if found < FILE_FORMAT {
            return Err(self.corrupt(format!("its format version {found} never existed")));
        }
        let plain = self
            .0
            .vault
            .unseal_snapshot(&bytes[HEADER_BYTES..])
            .map_err(|_| self.corrupt("it does not unseal".to_owned()))?;
        match SnapshotRecord::from_bytes(&plain) {
            Ok(snapshot) => {
                let mut written = self.0.written.lock().unwrap_or_else(PoisonError::into_inner);
                written.newest = written.newest.max(snapshot.meta.last_log_id);
                Ok(Some(snapshot))
            }
            Err(RecordError::TooNew { found }) => Err(self.too_new(u32::from(found))),
            Err(error) => Err(self.corrupt(error.to_string())),
        }
    }

    pub(crate) fn corrupt(&self, reason: String) -> RaftError {
        RaftError::Corrupt {
            what: "snapshot",
            node: self.0.vault.node(),
            path: self.0.path.clone(),
            reason,
        }
    }

    fn too_new(&self, found: u32) -> RaftError {
        RaftError::FormatTooNew {
            what: "snapshot",
            path: self.0.path.clone(),
            found,
            supported: FILE_FORMAT.max(u32::from(RECORD_VERSION)),
        }
    }
}

#[cfg(test)]
mod tests {
    use openraft::vote::RaftLeaderIdExt;
    use quorate_keyring::{Keyring, RootKey};
    use quorate_model::{ClusterId, NodeId};
    use tempfile::TempDir;

    use super::*;
    use crate::types::{LeaderId, SnapshotMeta, StoredMembership};

    fn file(folder: &TempDir, keyring: &Keyring) -> SnapshotFile {
        let vault = Vault::new(keyring.clone(), ClusterId::from_parts(1, 2), NodeId(2));
        SnapshotFile::new(folder.path(), vault)
    }

    fn upto(index: u64) -> SnapshotRecord {
        let last_log_id = Some(LogId::new(LeaderId::new_committed(1, 0), index));
        let meta = SnapshotMeta { last_log_id, last_membership: StoredMembership::default() };
        // Large enough that two writers of one temporary file would meet in it.
        SnapshotRecord { meta, state: vec![u8::try_from(index).unwrap(); 1 << 20].into() }
    }

    fn held(file: &SnapshotFile) -> u64 {
        file.read().unwrap().unwrap().meta.last_log_id.unwrap().index
    }

    fn keyring() -> Keyring {
        Keyring::create(&RootKey::generate(), ClusterId::from_parts(1, 2)).unwrap().0
    }

    #[test]
    fn an_older_snapshot_that_comes_late_does_not_replace_a_newer_one() {
        let (folder, keyring) = (TempDir::new().unwrap(), keyring());
        let here = file(&folder, &keyring);
        here.write(&upto(9)).unwrap();
        here.write(&upto(5)).unwrap();
        assert_eq!(held(&here), 9);
        let opened_again = file(&folder, &keyring);
        assert_eq!(held(&opened_again), 9);
        opened_again.write(&upto(7)).unwrap();
        assert_eq!(held(&opened_again), 9);
        opened_again.write(&upto(10)).unwrap();
        assert_eq!(held(&opened_again), 10);
    }

    #[test]
    fn writers_at_the_same_time_leave_the_newest_snapshot_whole() {
        let (folder, keyring) = (TempDir::new().unwrap(), keyring());
        let here = file(&folder, &keyring);
        for round in 0..8 {
            std::thread::scope(|threads| {
                for index in [3, 1, 4, 2] {
                    let here = here.clone();
                    threads.spawn(move || here.write(&upto(round * 4 + index)).unwrap());
                }
            });
            assert_eq!(held(&here), round * 4 + 4);
        }
    }

    #[test]
    fn nobody_writes_once_the_folder_is_closed() {
        let (folder, keyring) = (TempDir::new().unwrap(), keyring());
        let here = file(&folder, &keyring);
        here.write(&upto(1)).unwrap();
        here.close();
        assert!(here.write(&upto(2)).is_err());
        assert_eq!(held(&here), 1);
    }
}
