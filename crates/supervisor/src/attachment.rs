//! What is found when an instance is looked for on this host.

use quorate_model::{ExitStatus, Generation, Timestamp};
use serde::{Deserialize, Serialize};

/// What became of an instance here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attachment {
    /// It was never started here, or was forgotten.
    Absent,
    /// Its process runs.
    Running(Running),
    /// Its process ended.
    Exited {
        /// How; `Unknown` when nobody witnessed it.
        status: ExitStatus,
        /// When it ended, or when it was first seen to have ended.
        at: Timestamp,
        /// The generation it had been started for.
        generation: Generation,
        /// How many bytes of its output could not be written to its log.
        dropped_log_bytes: u64,
    },
    /// Its last start failed.
    StartFailed {
        /// Why.
        failure: StartFailure,
        /// The generation it should have been started for.
        generation: Generation,
    },
}

/// An instance's living process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The component's own process id (not the shim's).
    pub pid: u32,
    /// When it was started.
    pub started_at: Timestamp,
    /// The generation it was started for.
    pub generation: Generation,
    /// Whether its shim lives. Without one its output is lost and its exit status will be
    /// `Unknown`; it can still be watched and stopped.
    pub shim_alive: bool,
    /// SHA-256 of its command line and working folder, in hexadecimal.
    pub command_digest: String,
}

/// Why a component could not be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartFailure {
    /// What kind of reason it is.
    pub kind: StartFailureKind,
    /// The reason in words, naming the program or folder.
    pub reason: String,
    /// When it was tried.
    pub at: Timestamp,
}

/// The kinds of reasons for which a component cannot be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartFailureKind {
    /// There is no such program.
    ProgramNotFound,
    /// The program exists, but the interpreter or loader it names does not.
    InterpreterNotFound,
    /// The program may not be executed.
    PermissionDenied,
    /// The file is not a program of this host.
    NotAProgram,
    /// The working folder is missing, not a folder, or closed to us.
    WorkingFolder,
    /// The shim ended before it could start the component.
    ShimDied,
    /// Anything else, such as too many processes.
    #[serde(other)]
    Other,
}
