//! What can go wrong when processes are supervised, and how it is told to people.

use std::{io, path::PathBuf};

use quorate_model::{Generation, InstanceName, Refusal, codes};

use crate::{StartFailure, StartFailureKind};

/// Why the supervisor could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The specification cannot be started on any system.
    #[error("instance `{instance}` cannot be started: {reason}")]
    SpecInvalid {
        /// The instance.
        instance: InstanceName,
        /// What is wrong with it.
        reason: String,
    },
    /// The instance runs for another generation; it must be stopped first.
    #[error("instance `{instance}` already runs for generation {generation} (pid {pid})")]
    AlreadyRunning {
        /// The instance.
        instance: InstanceName,
        /// Its process.
        pid: u32,
        /// The generation it was started for.
        generation: Generation,
    },
    /// Another start of the instance did not end in time.
    #[error("instance `{instance}` is being started by someone else")]
    Busy {
        /// The instance.
        instance: InstanceName,
    },
    /// The component could not be started.
    #[error("instance `{instance}` could not be started: {}", failure.reason)]
    StartFailed {
        /// The instance.
        instance: InstanceName,
        /// Why.
        failure: StartFailure,
    },
    /// The shim could not be started.
    #[error("the shim of instance `{instance}` could not be started from {}", program.display())]
    StartShim {
        /// The instance.
        instance: InstanceName,
        /// The program that should have run.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The shim ended before it recorded anything.
    #[error("the shim of instance `{instance}` ended at once: {complaint}")]
    ShimDied {
        /// The instance.
        instance: InstanceName,
        /// What it said before it ended.
        complaint: String,
    },
    /// The shim lives but records nothing.
    #[error("the shim of instance `{instance}` does not record what became of it")]
    ShimSilent {
        /// The instance.
        instance: InstanceName,
    },
    /// The process did not end even after SIGKILL.
    #[error("instance `{instance}` (pid {pid}) does not end, not even by SIGKILL")]
    StillRunning {
        /// The instance.
        instance: InstanceName,
        /// Its process.
        pid: u32,
    },
    /// The handle is torn, foreign, or not a handle.
    #[error("the handle {} cannot be used: {reason}", path.display())]
    HandleUnreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The handle was written by a newer version.
    #[error("the handle {} has version {version}; this binary reads up to {newest}", path.display())]
    HandleTooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The newest version this binary reads.
        newest: u32,
    },
    /// A file or folder could not be used.
    #[error("cannot {action} {}", path.display())]
    Folder {
        /// What was attempted, such as `write`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A process could not be looked at or signalled.
    #[error("cannot {action} process {pid}")]
    Process {
        /// What was attempted, such as `signal`.
        action: &'static str,
        /// Which process.
        pid: u32,
        /// Why not.
        source: io::Error,
    },
}

impl SupervisorError {
    /// The error as people see it, with its code, cause and hint.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let code = match self {
            Self::SpecInvalid { .. } => codes::SPECIFICATION_INVALID,
            Self::AlreadyRunning { .. } | Self::Busy { .. } => codes::IN_USE,
            Self::StartFailed { failure, .. } => match failure.kind {
                StartFailureKind::ProgramNotFound | StartFailureKind::InterpreterNotFound => {
                    codes::PROGRAM_MISSING
                }
                _ => codes::INSTANCE_START_FAILED,
            },
            Self::StartShim { .. } | Self::ShimDied { .. } | Self::ShimSilent { .. } => {
                codes::INSTANCE_START_FAILED
            }
            Self::StillRunning { .. } => codes::MEMBER_UNHEALTHY,
            Self::HandleUnreadable { .. } => codes::STORAGE_FAILED,
            Self::HandleTooNew { .. } => codes::FORMAT_TOO_NEW,
            Self::Folder { .. } | Self::Process { .. } => codes::FILE_ACCESS,
        };
        let mut refusal = Refusal::new(code, self.to_string());
        if let Some(source) = std::error::Error::source(self) {
            refusal = refusal.cause(source.to_string());
        }
        match self.hint() {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::AlreadyRunning { .. } => "stop it first".to_owned(),
            Self::StartFailed { failure, .. } => match failure.kind {
                StartFailureKind::ProgramNotFound => {
                    "install the program on this host, or give its full path".to_owned()
                }
                StartFailureKind::InterpreterNotFound => {
                    "install the interpreter named in the program's first line".to_owned()
                }
                StartFailureKind::PermissionDenied => {
                    "make the program executable, and the folders above it accessible".to_owned()
                }
                StartFailureKind::WorkingFolder => "create the working folder".to_owned(),
                _ => return None,
            },
            Self::StillRunning { .. } => {
                "it probably waits for a failing disk: look for state D in `ps`".to_owned()
            }
            Self::HandleUnreadable { path, .. } => format!(
                "check by hand whether the instance still runs, then remove {}",
                path.display()
            ),
            Self::HandleTooNew { .. } => "install the newer binary again".to_owned(),
            Self::ShimSilent { .. } => {
                "look at shim.err in the instance's run folder, and whether that disk is full"
                    .to_owned()
            }
            _ => return None,
        })
    }
}
