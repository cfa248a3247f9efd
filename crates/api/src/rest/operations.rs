//! Operations and plans.

use quorate_model::Refusal;
use serde::{Deserialize, Serialize};

/// A plan: a numbered runbook with the reason of every step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanView {
    /// What was asked for, such as `component restart orders`.
    pub title: String,
    /// What happens, in order.
    pub steps: Vec<StepView>,
    /// What it locks while it runs.
    pub locks: Vec<String>,
    /// The hash by which it must be confirmed, where a plain yes does not do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
}

/// One step of a plan or of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepView {
    /// Its number, from 1.
    pub number: usize,
    /// The instruction: `require`, `desire`, `await`, `member`, `voter`, `node`,
    /// `cluster`, `verify`.
    pub kind: String,
    /// What is done.
    pub title: String,
    /// Why, and why it is safe.
    pub why: String,
    /// How long it may take, in milliseconds.
    pub deadline_ms: u64,
    /// `pending`, `started`, `finished`, `failed` or `undone`.
    pub status: String,
    /// When it began, RFC 3339.
    pub started_at: Option<String>,
    /// When it ended, RFC 3339.
    pub ended_at: Option<String>,
    /// What was seen, or what it waits for.
    pub seen: String,
}

/// An operation in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationSummary {
    /// Its id.
    pub id: String,
    /// What was asked for.
    pub title: String,
    /// `running`, `paused`, `stuck`, `aborting`, `succeeded` or `aborted`.
    pub status: String,
    /// How many steps are finished.
    pub finished_steps: usize,
    /// How many steps there are.
    pub steps: usize,
    /// Who asked.
    pub requested_by: String,
    /// When, RFC 3339.
    pub requested_at: String,
    /// When it ended, RFC 3339.
    pub ended_at: Option<String>,
}

/// How an operation is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AbortBody {
    /// It is stuck past its point of no return, in a step that only looks or waits: end it where it
    /// stands, and undo nothing.
    #[serde(default)]
    pub leave_as_is: bool,
}

/// An operation, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationView {
    /// The operation in one line.
    #[serde(flatten)]
    pub summary: OperationSummary,
    /// Its steps.
    #[serde(rename = "stepList")]
    pub step_list: Vec<StepView>,
    /// Why it is stuck.
    #[schema(value_type = Option<Object>)]
    pub refusal: Option<Refusal>,
    /// Whether it is stuck past its point of no return, where it can only be resumed or left as it
    /// is (`leaveAsIs`).
    #[serde(default)]
    pub can_be_left: bool,
    /// What a person can do about it where it stands, in order, each with its command.
    #[serde(default)]
    pub to_do: Vec<String>,
    /// What was done, when, by whom, and what was seen.
    pub transcript: Vec<TranscriptView>,
}

/// One line of a transcript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TranscriptView {
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub by: String,
    /// What.
    pub what: String,
}
