//! `upgrade.json`: which binary a start goes on as, and which attempt at another is under way.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use quorate_keyring::atomic_write;
use quorate_model::{Binary, BinaryDigest, Generation, Refusal, codes};
use serde::{Deserialize, Serialize};

use crate::node::{Folders, refuse_file};

/// The version of the record.
const VERSION: u32 = 1;

/// A binary by what tells it from others and what people call it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) sha256: BinaryDigest,
    pub(super) version: String,
}

/// An upgrade that was begun and is not confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempt {
    /// The order it obeys.
    pub(super) generation: Generation,
    /// The new binary.
    pub(super) binary: Known,
    /// How long it may take until it is ready, in milliseconds.
    pub(super) ready_within_ms: u64,
    /// The process that became the new binary. Written before it did, so that a binary which
    /// ends at once is never tried twice.
    #[serde(default)]
    pub(super) begun_by: Option<u32>,
}

/// `upgrade.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    /// The file that whoever starts this node starts.
    pub(super) installed: PathBuf,
    /// The binary that was confirmed last; the installed one when absent.
    #[serde(default)]
    pub(super) current: Option<Known>,
    #[serde(default)]
    pub(super) attempt: Option<Attempt>,
}

impl Record {
    pub(super) const fn new(installed: PathBuf) -> Self {
        Self { version: VERSION, installed, current: None, attempt: None }
    }

    /// The record; nothing when this node was never upgraded.
    pub(super) fn load(folders: &Folders) -> Result<Option<Self>, Refusal> {
        let file = folders.upgrade_file();
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refuse_file("read", &file, &error)),
        };
        let record: Self = serde_json::from_slice(&bytes)
            .map_err(|error| refuse_file("read", &file, &io::Error::other(error.to_string())))?;
        if record.version > VERSION {
            return Err(Refusal::new(
                codes::FORMAT_TOO_NEW,
                format!("{} is of a newer version", file.display()),
            ));
        }
        Ok(Some(record))
    }

    pub(super) fn store(&self, folders: &Folders) -> Result<(), Refusal> {
        let bytes = serde_json::to_vec(self)
            .map_err(|error| Refusal::new(codes::INTERNAL, error.to_string()))?;
        atomic_write(&folders.upgrade_file(), &bytes, 0o600).map_err(|error| Refusal::from(&error))
    }
}

/// Writes down that this process shall go on as another binary. `program` is the file this one was
/// started from.
pub(in crate::node) fn begin_attempt(
    folders: &Folders,
    program: &Path,
    generation: Generation,
    binary: &Binary,
    ready_within_ms: u64,
) -> Result<(), Refusal> {
    let mut record = Record::load(folders)?.unwrap_or_else(|| Record::new(program.to_owned()));
    if !is_staged(folders, program) {
        program.clone_into(&mut record.installed);
    }
    let known = Known { sha256: binary.sha256.clone(), version: binary.facts.version.clone() };
    record.attempt = Some(Attempt { generation, binary: known, ready_within_ms, begun_by: None });
    record.store(folders)
}

/// The order whose attempt is under way.
pub(in crate::node) fn attempted(folders: &Folders) -> Result<Option<Generation>, Refusal> {
    Ok(Record::load(folders)?.and_then(|record| record.attempt).map(|it| it.generation))
}

/// The file that whoever starts this node starts, when this process is another one.
pub(in crate::node) fn installed(folders: &Folders, program: &Path) -> Option<PathBuf> {
    let record = Record::load(folders).ok()??;
    (is_staged(folders, program) && record.installed.exists()).then_some(record.installed)
}

/// Whether a program lies among the node's own binaries.
pub(super) fn is_staged(folders: &Folders, program: &Path) -> bool {
    fs::canonicalize(folders.binaries()).is_ok_and(|folder| program.starts_with(folder))
}
