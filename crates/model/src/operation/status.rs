//! Where operations and their steps stand.

use serde::{Deserialize, Serialize};

use crate::{Generation, Refusal, Timestamp};

/// Where an operation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum OperationStatus {
    /// Its steps are being done.
    Running,
    /// A person paused it; it stands between two steps.
    Paused,
    /// A step failed; it stands there until a person retries or aborts.
    Stuck {
        /// Why.
        refusal: Refusal,
        /// Whether it was being undone: then going on means going on to undo.
        #[serde(default)]
        aborting: bool,
    },
    /// A person ended it; the undos are being done, backwards.
    Aborting,
    /// Every step was done.
    Succeeded,
    /// It was ended before its end, and undone as far as it can be.
    Aborted,
}

impl OperationStatus {
    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Aborted)
    }

    /// One word for tables.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stuck { .. } => "stuck",
            Self::Aborting => "aborting",
            Self::Succeeded => "succeeded",
            Self::Aborted => "aborted",
        }
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Not begun.
    Pending,
    /// Begun.
    Started,
    /// Done.
    Finished,
    /// Failed.
    Failed,
    /// Begun and taken back.
    Undone,
    /// Begun, and left as it is while the operation was aborted: there is nothing to take back.
    Kept,
}

impl StepStatus {
    /// One word for tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Started => "started",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Undone => "undone",
            Self::Kept => "kept",
        }
    }
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Where it stands.
    pub status: StepStatus,
    /// When it began first.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// How often it was begun after it had not been: 2 once it is retried after a failure.
    #[serde(default)]
    pub attempts: u32,
    /// The generation that a `Desire`, `Node` or `Cluster` step ordered.
    #[serde(default)]
    pub generation: Option<Generation>,
    /// What was seen.
    #[serde(default)]
    pub seen: String,
}

impl StepRecord {
    /// Whether the step was ever begun, and so may have left something.
    #[must_use]
    pub const fn is_begun(&self) -> bool {
        self.started_at.is_some()
    }
}

/// One line of the record of what was done, when, by whom, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptEntry {
    /// When.
    pub at: Timestamp,
    /// Who: a person, or the master that led (`n1`, term 4).
    pub by: String,
    /// What.
    pub what: String,
}
