//! Small versioned records on disk, and folders for their owner only.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use quorate_keyring::atomic_write;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::NodeManagerError;

/// The version that every record of this crate is written with.
pub(crate) const RECORD_VERSION: u32 = 1;

/// Makes a folder and those above it, mode 0700, when missing.
pub(crate) fn make_folder(path: &Path) -> Result<(), NodeManagerError> {
    make_private(path).map_err(|source| NodeManagerError::Folder {
        action: "make",
        path: path.to_owned(),
        source,
    })
}

/// As [`make_folder`], with the bare error.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Reads a record; `None` when there is none.
pub(crate) fn read_record<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, NodeManagerError> {
    let fail = |reason: String| NodeManagerError::ReadRecord { path: path.to_owned(), reason };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error.to_string())),
    };
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| fail(error.to_string()))?;
    let version =
        value.get("version").and_then(Value::as_u64).and_then(|it| u32::try_from(it).ok());
    match version {
        None => Err(fail("it has no version".to_owned())),
        Some(found) if found > RECORD_VERSION => Err(NodeManagerError::RecordTooNew {
            path: path.to_owned(),
            found,
            newest: RECORD_VERSION,
        }),
        Some(_) => serde_json::from_value(value).map(Some).map_err(|error| fail(error.to_string())),
    }
}

/// Writes a record durably: a crash leaves the former one or this one.
pub(crate) fn write_record(path: &Path, record: &impl Serialize) -> Result<(), NodeManagerError> {
    let bytes = serde_json::to_vec(record).map_err(|error| NodeManagerError::ReadRecord {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    atomic_write(path, &bytes, 0o600)
        .map_err(|source| NodeManagerError::WriteRecord { path: path.to_owned(), source })
}

/// Does blocking work where it holds up nobody else.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    // `None` only when the work panicked or the runtime is shutting down.
    tokio::task::spawn_blocking(work).await.ok()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        version: u32,
        word: String,
    }

    #[test]
    fn a_record_of_a_newer_version_is_refused_and_not_misread() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("record.json");
        assert_eq!(read_record::<Record>(&path).unwrap(), None);
        let record = Record { version: RECORD_VERSION, word: "one".into() };
        write_record(&path, &record).unwrap();
        assert_eq!(read_record(&path).unwrap(), Some(record));

        fs::write(&path, r#"{"version": 2, "words": ["one"]}"#).unwrap();
        let error = read_record::<Record>(&path).unwrap_err();
        assert!(matches!(error, NodeManagerError::RecordTooNew { found: 2, .. }), "{error}");
        fs::write(&path, r#"{"version": 1, "wo"#).unwrap();
        let error = read_record::<Record>(&path).unwrap_err();
        assert!(matches!(error, NodeManagerError::ReadRecord { .. }), "{error}");
    }
}
