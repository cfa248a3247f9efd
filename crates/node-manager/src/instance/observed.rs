//! What became of a process, in the words of an observation.

use quorate_model::{InstanceName, ProcessState, Refusal};
use quorate_supervisor::{Attachment, SupervisorError};

/// What is reported of a process; `failure` is why its last start did not succeed.
pub(super) fn process_of(
    instance: &InstanceName,
    attachment: &Attachment,
    failure: Option<&Refusal>,
) -> ProcessState {
    match (attachment, failure) {
        (Attachment::Running(running), _) => ProcessState::Running {
            pid: running.pid,
            started_at: running.started_at,
            start_generation: running.generation,
        },
        (_, Some(refusal)) => ProcessState::Failed { refusal: refusal.clone() },
        (Attachment::Absent, None) => ProcessState::Absent,
        (Attachment::Exited { status, at, .. }, None) => {
            ProcessState::Exited { status: status.clone(), at: *at }
        }
        (Attachment::StartFailed { failure, .. }, None) => ProcessState::Failed {
            refusal: SupervisorError::StartFailed {
                instance: instance.clone(),
                failure: failure.clone(),
            }
            .refusal(),
        },
    }
}
