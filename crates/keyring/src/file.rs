//! Writing files so that a crash leaves either the old content or the new, never a part, and
//! folders for their owner only.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use crate::{KeyringError, encoding::to_base64, random::random_bytes};

/// Writes `bytes` to `path` with exactly the permissions `mode` (such as `0o600`), atomically and
/// durably: a temporary file beside it is written and synchronised, renamed over `path`, and the
/// folder is synchronised. Anyone who reads `path` sees the old content or the new.
///
/// # Errors
/// [`KeyringError::File`]; the old content is then still in place (or, when only the last
/// synchronisation of the folder failed, the new content may be).
pub fn atomic_write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyringError> {
    replace(path, bytes, mode).map_err(|source| KeyringError::file("write", path, source))
}

/// Makes a folder and those above it where they are missing, for their owner only.
///
/// # Errors
/// When the file system refuses it, or something else is in the way.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes the entries of a folder durable: what was created, renamed or removed in it.
///
/// # Errors
/// [`KeyringError::File`].
pub fn sync_folder(folder: &Path) -> Result<(), KeyringError> {
    File::open(folder)
        .and_then(|opened| opened.sync_all())
        .map_err(|source| KeyringError::file("synchronise", folder, source))
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, KeyringError> {
    fs::read(path).map_err(|source| KeyringError::file("read", path, source))
}

/// Reads a whole text file.
pub(crate) fn read_text(path: &Path) -> Result<String, KeyringError> {
    fs::read_to_string(path).map_err(|source| KeyringError::file("read", path, source))
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "the path does not end in a file name")
    })?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // A random name: a leftover of a crashed attempt never stands in the way.
    let mut temporary_name = std::ffi::OsString::from(".");
    temporary_name.push(name);
    temporary_name.push(format!(".{}.tmp", to_base64(&random_bytes::<9>())));
    let temporary = folder.join(temporary_name);

    let written = write_new(&temporary, bytes, mode).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode & 0o600).open(path)?;
    // Set afterwards, because the mode at creation is narrowed by the process's umask.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_is_replaced_whole_and_gets_exactly_the_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (content, mode) in [("one", 0o600), ("two, longer", 0o644), ("3", 0o600)] {
            atomic_write(&path, content.as_bytes(), mode).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert_eq!(mode_of(&path), mode);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind_and_names_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let occupied = folder.path().join("occupied");
        fs::create_dir(&occupied).unwrap();
        fs::write(occupied.join("inside"), "x").unwrap();
        let error = atomic_write(&occupied, b"bytes", 0o600).unwrap_err().to_string();
        assert!(error.contains("occupied"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let absent = folder.path().join("absent/file");
        assert!(atomic_write(&absent, b"bytes", 0o600).is_err());
        assert!(atomic_write(Path::new("/"), b"bytes", 0o600).is_err());
    }
}
