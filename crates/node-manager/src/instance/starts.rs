//! How often an instance's process was started on this host, and how it last ended.

use std::path::{Path, PathBuf};

use quorate_model::{ProcessEnd, Timestamp};
use quorate_supervisor::Running;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::disk::{RECORD_VERSION, read_record, write_record};

/// `starts.json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Record {
    version: u32,
    count: u64,
    /// The process that was counted last, so that finding it again does not count it again, and
    /// one that was started just before a crash of the node manager is counted after it.
    pid: u32,
    started_at: Timestamp,
    /// Kept, since a process may end and be replaced before any leader hears of it.
    #[serde(default)]
    last_end: Option<ProcessEnd>,
}

/// What is kept of the processes that an instance has had.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// How many there were.
    pub(crate) starts: u64,
    /// The last end of one.
    pub(crate) last_end: Option<ProcessEnd>,
}

/// Counts the starts of one instance, and remembers its last end.
#[derive(Debug)]
pub(crate) struct Starts {
    path: PathBuf,
    record: Record,
    history: History,
}

impl Starts {
    /// Reads the count in the instance's folder; a count that cannot be read begins anew.
    pub(crate) fn open(folder: &Path) -> Self {
        let path = folder.join("starts.json");
        let record = read_record(&path).unwrap_or_else(|error| {
            warn!(%error, "the number of starts is lost");
            None
        });
        let record: Record = record.unwrap_or_default();
        let history = History { starts: record.count, last_end: record.last_end.clone() };
        Self { path, record, history }
    }

    pub(crate) const fn history(&self) -> &History {
        &self.history
    }

    /// Counts a process, once.
    pub(crate) fn note(&mut self, running: &Running) {
        let Running { pid, started_at, .. } = *running;
        if (self.record.pid, self.record.started_at) == (pid, started_at) {
            return;
        }
        self.record.count += 1;
        (self.record.pid, self.record.started_at) = (pid, started_at);
        self.history.starts = self.record.count;
        self.keep();
    }

    /// Remembers an end, once.
    pub(crate) fn note_end(&mut self, end: &ProcessEnd) {
        if self.record.last_end.as_ref() == Some(end) {
            return;
        }
        self.record.last_end = Some(end.clone());
        self.history.last_end = Some(end.clone());
        self.keep();
    }

    fn keep(&mut self) {
        self.record.version = RECORD_VERSION;
        if let Err(error) = write_record(&self.path, &self.record) {
            warn!(%error, "the number of starts cannot be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_model::{ExitStatus, Generation};

    use super::*;

    #[test]
    fn a_process_is_counted_once_however_often_it_is_found() {
        let temp = tempfile::tempdir().unwrap();
        let process = |pid, started_at| Running {
            pid,
            started_at: Timestamp(started_at),
            generation: Generation(1),
            shim_alive: true,
            command_digest: String::new(),
        };
        let mut starts = Starts::open(temp.path());
        starts.note(&process(7, 1));
        starts.note(&process(7, 1));
        assert_eq!(starts.history().starts, 1);
        let mut starts = Starts::open(temp.path());
        starts.note(&process(7, 1));
        assert_eq!(starts.history().starts, 1);
        starts.note(&process(7, 2));
        assert_eq!(Starts::open(temp.path()).history().starts, 2, "the same pid, another process");
    }

    #[test]
    fn the_last_end_is_remembered_when_another_process_runs_and_by_the_next_node_manager() {
        let temp = tempfile::tempdir().unwrap();
        let end = ProcessEnd { status: ExitStatus::Code(7), at: Timestamp(3) };
        let mut starts = Starts::open(temp.path());
        assert_eq!(starts.history().last_end, None);
        starts.note_end(&end);
        starts.note_end(&end);
        let starts = Starts::open(temp.path());
        assert_eq!(starts.history().last_end, Some(end));
        assert_eq!(starts.history().starts, 0);
    }
}
