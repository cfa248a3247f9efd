//! A folder as an archive target: local disk, or a share mounted there.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use quorate_keyring::OsIdSource;
use quorate_model::IdSource;

use crate::{ArchiveError, ArchiveTarget, ObjectInfo, ObjectName};

/// How much of an object is in memory while it is copied.
const COPY_BYTES: usize = 128 * 1024;

/// Keeps each object as a file (mode 0600) below a folder. A file being written has a name with a
/// leading dot, which no object has, so a crash leaves nothing that a listing shows.
#[derive(Debug, Clone)]
pub struct FolderTarget {
    folder: PathBuf,
}

impl FolderTarget {
    /// Keeps objects below `folder`, which is created (mode 0700) at the first `put`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn path(&self, name: &ObjectName) -> PathBuf {
        self.folder.join(name.as_str())
    }

    fn storage(&self, action: &'static str, name: &str, source: io::Error) -> ArchiveError {
        ArchiveError::Storage { action, name: name.to_owned(), target: self.describe(), source }
    }

    /// Copies into a temporary file and renames it into place.
    fn write(
        &self,
        name: &ObjectName,
        temporary: &Path,
        path: &Path,
        content: &mut dyn Read,
    ) -> Result<u64, ArchiveError> {
        let storage = |source| self.storage("put", name.as_str(), source);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(temporary)
            .map_err(storage)?;
        let mut buffer = vec![0; COPY_BYTES];
        let mut bytes = 0;
        loop {
            let count = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    return Err(ArchiveError::Content { name: name.clone(), source });
                }
            };
            file.write_all(&buffer[..count]).map_err(storage)?;
            bytes += count as u64;
        }
        file.sync_all().map_err(storage)?;
        fs::rename(temporary, path).map_err(storage)?;
        Ok(bytes)
    }

    /// Makes the entries on the way from the object's folder up to the target's parent durable.
    fn sync_up(&self, from: &Path) -> io::Result<()> {
        let above = self.folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        for folder in from.ancestors().take_while(|folder| folder.starts_with(&self.folder)) {
            File::open(folder)?.sync_all()?;
        }
        above.map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    }
}

impl ArchiveTarget for FolderTarget {
    fn describe(&self) -> String {
        format!("folder {}", self.folder.display())
    }

    fn put(&self, name: &ObjectName, content: &mut dyn Read) -> Result<u64, ArchiveError> {
        let storage = |source| self.storage("put", name.as_str(), source);
        let path = self.path(name);
        let (folder, file_name) = match (path.parent(), path.file_name()) {
            (Some(folder), Some(file_name)) => (folder.to_owned(), file_name.to_owned()),
            _ => return Err(storage(io::ErrorKind::InvalidInput.into())),
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(storage)?;
        let mut temporary_name = OsString::from(".");
        temporary_name.push(file_name);
        temporary_name.push(format!(".{:016x}.tmp", OsIdSource.random() as u64));
        let temporary = folder.join(temporary_name);

        let written = self.write(name, &temporary, &path, content);
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        let bytes = written?;
        self.sync_up(&folder).map_err(storage)?;
        Ok(bytes)
    }

    fn get(&self, name: &ObjectName) -> Result<Box<dyn Read + Send>, ArchiveError> {
        let absent = || ArchiveError::Absent { name: name.clone(), target: self.describe() };
        let storage = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => absent(),
            _ => self.storage("get", name.as_str(), source),
        };
        let file = File::open(self.path(name)).map_err(storage)?;
        if file.metadata().map_err(storage)?.is_file() { Ok(Box::new(file)) } else { Err(absent()) }
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, ArchiveError> {
        let mut found = Vec::new();
        collect(&self.folder, "", prefix, &mut found)
            .map_err(|source| self.storage("list", prefix, source))?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn delete(&self, name: &ObjectName) -> Result<(), ArchiveError> {
        let storage = |source| self.storage("delete", name.as_str(), source);
        let path = self.path(name);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound
                        | io::ErrorKind::NotADirectory
                        | io::ErrorKind::IsADirectory
                ) =>
            {
                return Ok(());
            }
            Err(source) => return Err(storage(source)),
        }
        // Folders that became empty go too; one that is not, or is gone already, ends the walk.
        let mut folder = path.parent();
        while let Some(inner) = folder.filter(|folder| *folder != self.folder) {
            if fs::remove_dir(inner).is_err() {
                break;
            }
            folder = inner.parent();
        }
        match folder {
            Some(kept) => File::open(kept).and_then(|opened| opened.sync_all()).map_err(storage),
            None => Ok(()),
        }
    }
}

/// Adds the objects below `folder`, whose names begin with `above`. A folder that cannot hold a
/// match is not entered; one that disappears meanwhile holds nothing.
fn collect(
    folder: &Path,
    above: &str,
    prefix: &str,
    found: &mut Vec<ObjectInfo>,
) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let Some(text) = entry.file_name().to_str().map(|name| format!("{above}{name}")) else {
            continue;
        };
        // What cannot be an object's name, such as a temporary file, is not ours to list.
        let Ok(name) = ObjectName::new(text.clone()) else {
            continue;
        };
        let metadata = match entry.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata?,
        };
        if metadata.is_dir() {
            let below = format!("{text}/");
            if below.starts_with(prefix) || prefix.starts_with(&below) {
                collect(&entry.path(), &below, prefix, found)?;
            }
        } else if metadata.is_file() && text.starts_with(prefix) {
            found.push(ObjectInfo { name, bytes: metadata.len() });
        }
    }
    Ok(())
}
