//! Where an instance's output is, and its last bytes.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use quorate_model::InstanceName;

/// More rotated files than this are not looked for.
const MOST_FILES: u32 = 10_000;

/// The file an instance's output is written to; rotated files have `.1` (the newest), `.2`, ...
/// appended.
#[must_use]
pub fn path(log_folder: &Path, instance: &InstanceName) -> PathBuf {
    log_folder.join(format!("{instance}.log"))
}

/// The rotated file number `number` of a log; number 0 is the log itself.
#[must_use]
pub(crate) fn numbered(log: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return log.to_owned();
    }
    let mut name = log.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// The last `max_bytes` bytes of an instance's output, across rotated files; fewer when there is
/// no more, none when it never wrote any.
///
/// # Errors
/// When a log file exists but cannot be read.
pub fn tail(log_folder: &Path, instance: &InstanceName, max_bytes: u64) -> io::Result<Vec<u8>> {
    let log = path(log_folder, instance);
    let mut wanted = max_bytes;
    let mut parts = Vec::new();
    // A rotation while this runs moves a file from one number to the next; it is read once.
    let mut seen = BTreeSet::new();
    for number in 0..MOST_FILES {
        if wanted == 0 {
            break;
        }
        let mut file = match File::open(numbered(&log, number)) {
            Ok(file) => file,
            // The current file is absent for an instant during a rotation.
            Err(error) if error.kind() == io::ErrorKind::NotFound && number == 0 => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if !seen.insert((metadata.dev(), metadata.ino())) {
            continue;
        }
        let take = metadata.len().min(wanted);
        file.seek(SeekFrom::Start(metadata.len() - take))?;
        let mut part = Vec::new();
        file.take(take).read_to_end(&mut part)?;
        wanted -= take;
        parts.push(part);
    }
    parts.reverse();
    Ok(parts.concat())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_tail_reaches_back_across_rotated_files_and_no_further() {
        let temp = tempfile::tempdir().unwrap();
        let name = InstanceName::new("db-1").unwrap();
        assert_eq!(tail(temp.path(), &name, 10).unwrap(), b"");
        fs::write(temp.path().join("db-1.log.2"), "one\n").unwrap();
        fs::write(temp.path().join("db-1.log.1"), "two\n").unwrap();
        fs::write(temp.path().join("db-1.log"), "three\n").unwrap();
        assert_eq!(tail(temp.path(), &name, 3).unwrap(), b"ee\n");
        assert_eq!(tail(temp.path(), &name, 8).unwrap(), b"o\nthree\n");
        assert_eq!(tail(temp.path(), &name, 1000).unwrap(), b"one\ntwo\nthree\n");
    }
}
