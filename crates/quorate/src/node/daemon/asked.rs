//! The process that a person has asked to stop, kept in the run folder by `quorate stop`.
//!
//! A process that becomes another program hears no signal for a moment: one that arrives just then
//! ends it without a word. A guard that finds it ended must know that this was wanted.

use std::{io, path::Path};

use quorate_supervisor::ProcessIdentity;

use crate::node::pid_file;

const NAME: &str = "stop-asked";

/// Keeps that this process was asked, over what was kept of one before. It need not survive the host,
/// so it waits for no disk: a node on a disk that hangs must be stoppable, too.
///
/// # Errors
/// When it cannot be written.
pub(in crate::node) fn keep(run: &Path, node: ProcessIdentity) -> io::Result<()> {
    let new = run.join(format!("{NAME}.new"));
    std::fs::write(&new, pid_file::text(node)?)?;
    std::fs::rename(new, run.join(NAME))
}

/// Forgets what was kept: the node hears signals from now on, and says by itself that it stops. A
/// signal of before that was lost, with nobody waiting for its end, asks for nothing any more.
pub(in crate::node) fn forget(run: &Path) {
    // One that stays makes a guard leave early, and names a process that was asked.
    let _ = std::fs::remove_file(run.join(NAME));
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
        forget(folder.path());
        assert!(!was_asked(folder.path(), later));
    }
}
