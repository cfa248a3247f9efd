//! What a started step waits for: observed, shown to people, never replicated.

use quorate_model::OperationId;

/// What an operation's started step waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The operation.
    pub operation: OperationId,
    /// The step's position in the plan, counted from 0.
    pub step: usize,
    /// In words.
    pub on: String,
}
