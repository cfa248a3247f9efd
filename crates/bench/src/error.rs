//! Why a benchmark could not be run.

use std::{io, path::PathBuf, time::Duration};

/// What was attempted and failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A system under test is not on this machine.
    #[error("{system} is not installed: {missing} is missing; {hint}")]
    NotInstalled {
        /// The system.
        system: &'static str,
        /// The program or file that was looked for.
        missing: String,
        /// How to get it.
        hint: &'static str,
    },
    /// A file or folder could not be worked on.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// The verb, such as `create`.
        action: &'static str,
        /// Which one.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// Its name.
        program: String,
        /// The reason.
        source: io::Error,
    },
    /// A program that should finish well did not.
    #[error("{program} failed: {detail}")]
    Command {
        /// What was run.
        program: String,
        /// What it said.
        detail: String,
    },
    /// A member ended though nobody asked it to.
    #[error("member {member} of {system} ended by itself; the end of its log:\n{log}")]
    Ended {
        /// The system.
        system: &'static str,
        /// The member, counted from 1.
        member: usize,
        /// The last lines that it wrote.
        log: String,
    },
    /// Something was awaited in vain.
    #[error("{system}: waited {} s for {what}; last seen: {last}", waited.as_secs())]
    Waited {
        /// The system.
        system: &'static str,
        /// What should have come.
        what: &'static str,
        /// How long.
        waited: Duration,
        /// The last thing that was seen instead.
        last: String,
    },
    /// No loopback port was free.
    #[error("cannot find free ports on {address}: {source}")]
    Ports {
        /// The address.
        address: String,
        /// The reason.
        source: io::Error,
    },
    /// A client could not do what was asked.
    #[error("{system}: {source}")]
    Client {
        /// The system.
        system: &'static str,
        /// The reason.
        source: WriteError,
    },
    /// A person or the host asked for the end.
    #[error("interrupted; nothing is left running")]
    Interrupted,
}

/// A write, or the connection for it, failed. The reason is for people: the load goes on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WriteError(pub(crate) String);

impl WriteError {
    /// With the reason of another error.
    pub(crate) fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}
