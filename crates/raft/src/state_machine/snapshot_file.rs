//! The newest snapshot on disk: one sealed file, replaced atomically.
//!
//! Layout: eight bytes of magic, the file format as u32 big-endian, then the sealed record.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    RaftError,
    ondisk::{RECORD_VERSION, Record, RecordError, SnapshotRecord},
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
}

impl SnapshotFile {
    pub(crate) fn new(folder: &Path, vault: Vault) -> Self {
        Self(Arc::new(Place {
            path: folder.join("snapshot.bin"),
            temporary: folder.join("snapshot.tmp"),
            folder: folder.to_owned(),
            vault,
        }))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Writes the snapshot so that a crash leaves either the old one or the new one.
    pub(crate) fn write(&self, snapshot: &SnapshotRecord) -> io::Result<()> {
        let sealed = self.0.vault.seal_snapshot(&snapshot.to_bytes());
        let written = self.replace(&sealed);
        if written.is_err() {
            // Half a file only takes space that may be what is missing.
            drop(fs::remove_file(&self.0.temporary));
        }
        written
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
            Ok(snapshot) => Ok(Some(snapshot)),
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
