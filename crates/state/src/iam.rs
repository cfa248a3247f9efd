//! The `iam` part of the state: people, their sessions, and join tokens.

use imbl::OrdMap;
use quorate_model::{EnrolRole, NodeId, RequestId, Timestamp, TokenId, UserName};
use serde::{Deserialize, Serialize};

use crate::NewNode;

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserRole {
    /// Read everything but secrets.
    Viewer,
    /// Also start, pause, resume and abort operations, and change settings.
    Operator,
    /// Everything.
    Admin,
}

/// A person or program that can log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The argon2id hash of the password, in PHC form.
    pub password_hash: String,
    /// Until the password is changed, nothing else is allowed.
    pub must_change_password: bool,
    /// What the user may do.
    pub role: UserRole,
}

/// A login. Only the token's hash is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whose.
    pub user: UserName,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A joiner at the door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The joiner's public key (hex SHA-256): people compare it on both sides.
    pub key_sha256: String,
    /// What it would become.
    pub node: NewNode,
    /// When it first asked.
    pub asked_at: Timestamp,
}

/// Where a join token stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum TokenStatus {
    /// Nobody has used it.
    Unused,
    /// A joiner waits for a person's approval.
    Pending {
        /// Who asks.
        enrolment: Box<Enrolment>,
    },
    /// A person let this joiner in; it has not taken its place yet.
    Approved {
        /// Who asked.
        enrolment: Box<Enrolment>,
        /// Who approved.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// A person turned the joiner away.
    Refused {
        /// Who refused.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// It made this node.
    Used {
        /// The node.
        node: NodeId,
        /// The certificate request that used it (hex SHA-256), so that the same joiner may repeat
        /// itself.
        key_sha256: String,
    },
}

/// A request that its principal may repeat: the same key finds what it made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedRequest {
    /// The key that the principal chose.
    pub key: RequestId,
    /// Hex SHA-256 of what was asked for, so that the key cannot stand for something else.
    pub request_sha256: String,
}

/// A join token: single-use, time-limited; only its secret's hash is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// SHA-256 of the secret, in hex.
    pub secret_sha256: String,
    /// What its bearer becomes.
    pub role: EnrolRole,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Whether its first bearer is let in without a person's approval.
    #[serde(default = "yes")]
    pub auto_approve: bool,
    /// Where it stands.
    pub status: TokenStatus,
    /// How its maker may ask for it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<KeyedRequest>,
}

/// Users, sessions, tokens.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Iam {
    /// By login name.
    pub users: OrdMap<UserName, User>,
    /// By hex SHA-256 of the session token.
    pub sessions: OrdMap<String, Session>,
    /// By token id.
    pub tokens: OrdMap<TokenId, JoinToken>,
}

/// Tokens of before there was an approval let their bearers in.
const fn yes() -> bool {
    true
}
