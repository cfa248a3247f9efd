//! What applying a command gave.

use quorate_model::{NodeId, OperationId, Refusal, Revision, TokenId};
use serde::{Deserialize, Serialize};

/// What a command that was allowed gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Applied {
    /// It is done.
    Done,
    /// The record has this revision now.
    Revision(Revision),
    /// The node has this id.
    Node(NodeId),
    /// The operation that the request made, now or when it was asked for first.
    Operation(OperationId),
    /// The join token that the request made, now or when it was asked for first.
    Token(TokenId),
}

/// The answer to a proposal: applied, or refused without any change.
pub type Outcome = Result<Applied, Refusal>;
