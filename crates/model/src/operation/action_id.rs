//! The name of one attempt at a component action.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{OperationId, Term};

/// Names one attempt at a component action of an operation, so that a repeated order is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActionId {
    /// The operation.
    pub operation: OperationId,
    /// The step's position in the plan, counted from 0.
    pub step: u32,
    /// The leader's term, so that an answer to an older order is not taken for this.
    pub term: Term,
    /// The step's attempt: a retry after a failure is a new order, not a question for the outcome
    /// of the old one.
    #[serde(default)]
    pub attempt: u32,
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}.{}", self.operation, self.step, self.term, self.attempt)
    }
}
