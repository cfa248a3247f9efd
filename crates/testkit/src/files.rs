//! What lies below a folder, for tests that nothing was changed there.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Every file below a folder with its content; nothing where there is no such folder.
///
/// # Panics
/// When a file cannot be read.
#[must_use]
pub fn files_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.is_file() {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    files
}
