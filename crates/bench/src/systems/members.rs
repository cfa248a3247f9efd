//! The processes of a cluster, some of which may be dead.

use std::{path::Path, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    error::BenchError,
    process::Process,
    usage::{CpuReading, resident_mib},
};

/// One place per member.
#[derive(Debug)]
pub(crate) struct Members(Vec<Option<Process>>);

impl Members {
    /// So many, none of them running.
    pub(crate) fn new(number: usize) -> Self {
        Self((0..number).map(|_| None).collect())
    }

    /// One more, not running.
    pub(crate) fn grow(&mut self) {
        self.0.push(None);
    }

    /// How many there are, dead ones included.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A member runs now.
    pub(crate) fn set(&mut self, member: usize, process: Process) {
        self.0[member] = Some(process);
    }

    /// Ends one with SIGKILL.
    pub(crate) fn kill(&mut self, member: usize) {
        self.0[member] = None;
    }

    /// Asks one to end (SIGTERM).
    pub(crate) fn ask_to_end(&self, member: usize) {
        if let Some(process) = &self.0[member] {
            process.ask_to_end();
        }
    }

    /// Waits until one that was asked has ended.
    pub(crate) async fn await_end(
        &mut self,
        member: usize,
        system: &'static str,
        patience: Duration,
    ) -> Result<(), BenchError> {
        let until = Instant::now() + patience;
        while self.0[member].as_mut().is_some_and(|process| !process.has_ended()) {
            if Instant::now() >= until {
                let (what, last) = ("a member to end", "it runs".to_owned());
                return Err(BenchError::Waited { system, what, waited: patience, last });
            }
            sleep(Duration::from_millis(5)).await;
        }
        self.0[member] = None;
        Ok(())
    }

    /// Ends all with SIGKILL.
    pub(crate) fn stop(&mut self) {
        self.0.iter_mut().for_each(|process| *process = None);
    }

    /// Whether a member was started and not killed.
    pub(crate) fn is_running(&self, member: usize) -> bool {
        self.0[member].is_some()
    }

    /// Processor time of all.
    pub(crate) fn cpu(&self) -> CpuReading {
        CpuReading::of(&self.pids())
    }

    /// Resident memory of each, in MiB.
    pub(crate) fn resident_mib(&self) -> Vec<f64> {
        self.pids().into_iter().filter_map(resident_mib).collect()
    }

    /// The process ids of those that run.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.0.iter().flatten().map(Process::pid).collect()
    }

    /// An error if one has ended by itself.
    pub(crate) fn check(&mut self, system: &'static str) -> Result<(), BenchError> {
        for (index, process) in self.0.iter_mut().enumerate() {
            if let Some(process) = process
                && process.has_ended()
            {
                let log = process.log_tail();
                return Err(BenchError::Ended { system, member: index + 1, log });
            }
        }
        Ok(())
    }
}

/// Makes a folder and those above it.
pub(super) fn make_folder(path: &Path) -> Result<(), BenchError> {
    std::fs::create_dir_all(path).map_err(|source| BenchError::File {
        action: "create",
        path: path.into(),
        source,
    })
}

/// Writes a small file.
pub(super) fn write_file(path: &Path, text: &str) -> Result<(), BenchError> {
    std::fs::write(path, text).map_err(|source| BenchError::File {
        action: "write",
        path: path.into(),
        source,
    })
}
