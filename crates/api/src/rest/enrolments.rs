//! Joiners that wait for a person's approval.

use serde::{Deserialize, Serialize};

/// A joiner at the door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnrolmentView {
    /// Its id: the id of the token it came with.
    pub id: String,
    /// The name it would have.
    pub name: String,
    /// `master`, `node-manager` or `both`.
    pub role: String,
    /// The fingerprint of its key as `join` shows it: compare the two before you approve.
    pub fingerprint: String,
    /// The whole digest of its key, hex SHA-256; an approval names it.
    pub key_sha256: String,
    /// The host or IP address it would be reached at.
    pub address: String,
    /// `HOST:PORT` of its internal port, or empty.
    pub internal_addr: String,
    /// The version of its binary.
    pub version: String,
    /// When it first asked, RFC 3339.
    pub asked_at: String,
    /// Until when it can be approved, RFC 3339.
    pub expires_at: String,
    /// Who made the token.
    pub token_by: String,
    /// `waits` or `approved by user:ann`.
    pub status: String,
}

/// An approval.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApproveBody {
    /// The digest of the key that was compared, so that no other joiner is let in.
    pub key_sha256: String,
}
