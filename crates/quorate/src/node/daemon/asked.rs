//! The process that a person has asked to stop, kept in the run folder by `quorate stop`.
//!
//! A process that becomes another program hears no signal for a moment: one that arrives just then
//! ends it without a word. A guard that finds it ended must know that this was wanted.

use std::{io, path::Path};

use quorate_supervisor::ProcessIdentity;

use crate::node::pid_file;

const NAME: &str = "stop-asked";

/// Keeps that this process was asked, over what was kept of one before. Nobody removes it: it names
/// one process of one boot of the host and means nothing for any other.
///
/// # Errors
/// When it cannot be written.
pub(in crate::node) fn keep(run: &Path, node: ProcessIdentity) -> io::Result<()> {
    quorate_keyring::atomic_write(&run.join(NAME), pid_file::text(node)?.as_bytes(), 0o644)
        .map_err(io::Error::other)
}

/// Whether this process was asked to stop.
pub(in crate::node) fn was_asked(run: &Path, node: ProcessIdentity) -> bool {
    let kept = std::fs::read_to_string(run.join(NAME)).ok();
    kept.is_some() && kept == pid_file::text(node).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_process_that_was_asked_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let node = ProcessIdentity { pid: 71, start_ticks: 905 };
        assert!(!was_asked(folder.path(), node));
        keep(folder.path(), node).unwrap();
        assert!(was_asked(folder.path(), node));
        let later = ProcessIdentity { start_ticks: 906, ..node };
        assert!(!was_asked(folder.path(), later), "its pid was given to another one");
        keep(folder.path(), later).unwrap();
        assert!(was_asked(folder.path(), later) && !was_asked(folder.path(), node));
    }
}
