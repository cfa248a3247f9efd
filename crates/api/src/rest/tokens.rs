//! Join tokens.

use serde::{Deserialize, Serialize};

/// A token to be made.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateTokenBody {
    /// `master`, `node-manager` or `both`.
    pub role: String,
    /// How long it can be used, in milliseconds; at most a week.
    #[serde(default = "default_ttl_ms")]
    pub ttl_ms: u64,
    /// Whether its bearer is let in at once; otherwise the enrolment waits for approval.
    #[serde(default)]
    pub auto_approve: bool,
}

const fn default_ttl_ms() -> u64 {
    15 * 60 * 1000
}

/// A token was made; its text is shown this once.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenCreated {
    /// Its id.
    pub id: String,
    /// The token; whoever has it can join.
    pub token: String,
    /// Until when, RFC 3339.
    pub expires_at: String,
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    /// Its id.
    pub id: String,
    /// `master`, `node-manager` or `both`.
    pub role: String,
    /// Until when, RFC 3339.
    pub expires_at: String,
    /// Who made it.
    pub created_by: String,
    /// `unused`, `waits for approval`, `approved`, `refused by user:ann`, `expired`, or
    /// `used by n4`.
    pub status: String,
    /// Whether its bearer is let in at once.
    #[serde(default)]
    pub auto_approve: bool,
}
