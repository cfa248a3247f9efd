//! Durable procedures: request, plan, steps, outcome. The planner makes them, the engine runs
//! them, the state keeps them.

mod action_id;
mod condition;
mod next;
mod request;
mod status;
mod step;
mod subject;

use serde::{Deserialize, Serialize};

use crate::{OperationId, RequestId, Revision, Term, Timestamp};

pub use action_id::ActionId;
pub use condition::Condition;
pub use request::{NamedNode, OperationRequest};
pub use status::{OperationStatus, StepRecord, StepStatus, TranscriptEntry};
pub use step::{DesireChange, Step, StepKind, Undo};
pub use subject::Subject;

/// A record a plan depends on, at the revision it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// What.
    #[serde(flatten)]
    pub subject: Subject,
    /// Its revision; `None` when it must not exist.
    pub revision: Option<Revision>,
}

/// A procedure, decided but not begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What was asked for.
    pub request: OperationRequest,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// What the plan was made for; it is not applied once any of these has changed.
    pub pins: Vec<Pin>,
    /// What the operation locks while it runs.
    pub locks: Vec<Subject>,
}

/// A durable operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// Its plan.
    pub plan: Plan,
    /// Where it stands.
    pub status: OperationStatus,
    /// One record for each step of the plan.
    pub records: Vec<StepRecord>,
    /// Who asked for it.
    pub requested_by: String,
    /// The key by which the asker repeats the request, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<RequestId>,
    /// When.
    pub requested_at: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// The highest term of a leader that worked on it; older leaders are refused.
    pub term: Term,
    /// What was done.
    pub transcript: Vec<TranscriptEntry>,
}

impl Operation {
    /// The step to do next: the first that is not finished. `None` when all are.
    #[must_use]
    pub fn next_step(&self) -> Option<usize> {
        self.records.iter().position(|record| record.status != StepStatus::Finished)
    }

    /// The step to take back next: the last that was begun and is neither undone nor kept. A step
    /// whose begin was refused left nothing. `None` when nothing remains to be undone.
    #[must_use]
    pub fn next_undo(&self) -> Option<usize> {
        let is_settled = |status| matches!(status, StepStatus::Undone | StepStatus::Kept);
        self.records.iter().rposition(|record| record.is_begun() && !is_settled(record.status))
    }

    /// Whether it is unfinished and holds a subject, or one that overlaps with it.
    #[must_use]
    pub fn holds(&self, subject: &Subject) -> bool {
        !self.status.is_final() && self.plan.locks.iter().any(|held| held.overlaps(subject))
    }

    /// The step that is its point of no return, once that was begun.
    #[must_use]
    pub fn passed(&self) -> Option<usize> {
        let mut steps = self.plan.steps.iter().zip(&self.records);
        steps.position(|(step, record)| step.undo == Undo::Impossible && record.is_begun())
    }

    /// The first unfinished step without which something would be half-done.
    #[must_use]
    pub fn must_be_done(&self) -> Option<usize> {
        let mut steps = self.plan.steps.iter().zip(&self.records);
        steps.position(|(step, record)| {
            record.status != StepStatus::Finished && !step.kind.may_be_left()
        })
    }

    /// Whether it is stuck past its point of no return, and may end where it stands.
    #[must_use]
    pub fn can_be_left(&self) -> bool {
        matches!(self.status, OperationStatus::Stuck { aborting: false, .. })
            && self.passed().is_some()
            && self.must_be_done().is_none()
    }

    /// Whether something may happen on its behalf without anybody saying so first. A paused one
    /// still ends the step in hand; one that is stuck stands still.
    #[must_use]
    pub fn can_act(&self) -> bool {
        let in_hand = |record: &StepRecord| record.status == StepStatus::Started;
        match self.status {
            OperationStatus::Running | OperationStatus::Aborting => true,
            OperationStatus::Paused => self.records.iter().any(in_hand),
            OperationStatus::Stuck { .. }
            | OperationStatus::Succeeded
            | OperationStatus::Aborted => false,
        }
    }

    /// How many steps are finished.
    #[must_use]
    pub fn finished_steps(&self) -> usize {
        self.records.iter().filter(|record| record.status == StepStatus::Finished).count()
    }
}
