//! Operations: all of them, and one with its live progress.

use askama::Template;
use quorate_api::rest::{OperationSummary, OperationView, StepView};
use quorate_model::Refusal;

use super::{Main, parts};
use crate::words;

/// The `main` part of the list of operations.
#[derive(Template)]
#[template(path = "pages/operations.html")]
pub(crate) struct OperationsMain {
    /// All operations, newest first.
    pub(crate) operations: Vec<OperationSummary>,
}

impl OperationsMain {
    fn open(&self) -> Vec<&OperationSummary> {
        self.operations.iter().filter(|it| !words::is_over(&it.status)).collect()
    }

    fn ended(&self) -> Vec<&OperationSummary> {
        self.operations.iter().filter(|it| words::is_over(&it.status)).collect()
    }
}

impl Main for OperationsMain {
    fn title(&self) -> String {
        "Operations".to_owned()
    }

    fn source(&self) -> String {
        "/operations".to_owned()
    }

    fn place(&self) -> &'static str {
        "/operations"
    }
}

/// The `main` part of an operation's page.
#[derive(Template)]
#[template(path = "pages/operation.html")]
pub(crate) struct OperationMain {
    /// The operation.
    pub(crate) operation: OperationView,
    /// Why a pause, resume or abort was refused just now.
    pub(crate) refused: Option<Refusal>,
    /// Goes into the forms.
    pub(crate) form_token: String,
    /// Whether the visitor may run operations.
    pub(crate) may_operate: bool,
}

impl OperationMain {
    fn status(&self) -> &str {
        &self.operation.summary.status
    }

    /// The step it stands at.
    fn current(&self) -> Option<&StepView> {
        self.operation
            .step_list
            .iter()
            .find(|step| matches!(step.status.as_str(), "started" | "failed"))
    }

    fn can_pause(&self) -> bool {
        self.status() == "running"
    }

    fn can_resume(&self) -> bool {
        matches!(self.status(), "paused" | "stuck")
    }

    fn can_abort(&self) -> bool {
        matches!(self.status(), "running" | "paused" | "stuck")
    }

    fn is_reset(&self) -> bool {
        self.operation.summary.title == "reset"
    }

    /// Whether a step's reason is worth showing without being asked for.
    fn is_open(&self, step: &StepView) -> bool {
        matches!(step.status.as_str(), "started" | "failed")
    }
}

impl Main for OperationMain {
    fn title(&self) -> String {
        let summary = &self.operation.summary;
        match summary.status.as_str() {
            "running" => {
                format!("{}/{} {}", summary.finished_steps, summary.steps, summary.title)
            }
            status => format!("{status}: {}", summary.title),
        }
    }

    /// A refusal would be gone with the next refresh, before it is read.
    fn source(&self) -> String {
        if self.refused.is_some() {
            return String::new();
        }
        format!("/operations/{}", self.operation.summary.id)
    }

    fn place(&self) -> &'static str {
        "/operations"
    }
}
