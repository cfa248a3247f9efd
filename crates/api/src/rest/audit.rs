//! The audit trail.

use serde::{Deserialize, Serialize};

/// One change, or one refused attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditView {
    /// The log index of the command.
    pub index: u64,
    /// When it was proposed, RFC 3339.
    pub at: String,
    /// Who asked.
    pub principal: String,
    /// What, such as `setting.put`.
    pub action: String,
    /// To what.
    pub target: String,
    /// The code of the refusal; `null` when it was applied.
    pub refused: Option<String>,
    /// The link of the hash chain, hex SHA-256.
    pub hash: String,
}
