//! How often an instance's process was started on this host.

use std::path::{Path, PathBuf};

use quorate_model::Timestamp;
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
}

/// Counts the starts of one instance.
#[derive(Debug)]
pub(crate) struct Starts {
    path: PathBuf,
    record: Record,
}

impl Starts {
    /// Reads the count in the instance's folder; a count that cannot be read begins anew.
    pub(crate) fn open(folder: &Path) -> Self {
        let path = folder.join("starts.json");
        let record = read_record(&path).unwrap_or_else(|error| {
            warn!(%error, "the number of starts is lost");
            None
        });
        Self { path, record: record.unwrap_or_default() }
    }

    pub(crate) const fn count(&self) -> u64 {
        self.record.count
    }

    /// Counts a process, once.
    pub(crate) fn note(&mut self, running: &Running) {
        let Running { pid, started_at, .. } = *running;
        if (self.record.pid, self.record.started_at) == (pid, started_at) {
            return;
        }
        let count = self.record.count + 1;
        self.record = Record { version: RECORD_VERSION, count, pid, started_at };
        if let Err(error) = write_record(&self.path, &self.record) {
            warn!(%error, "the number of starts cannot be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_model::Generation;

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
        assert_eq!(starts.count(), 1);
        let mut starts = Starts::open(temp.path());
        starts.note(&process(7, 1));
        assert_eq!(starts.count(), 1);
        starts.note(&process(7, 2));
        assert_eq!(Starts::open(temp.path()).count(), 2, "the same pid, another process");
    }
}
