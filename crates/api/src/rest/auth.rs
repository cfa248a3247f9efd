//! Logging in and out.

use serde::{Deserialize, Serialize};

/// A login.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Login {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The answer to a login.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginAnswer {
    /// Send it as `Authorization: Bearer TOKEN`.
    pub access_token: String,
    /// When it ends, RFC 3339.
    pub expires_at: String,
    /// Until the password is changed, nothing else is allowed.
    pub must_change_password: bool,
}

/// A new password for oneself.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangePassword {
    /// The password of now.
    pub current: String,
    /// The password from now on; 12 characters or more.
    pub new: String,
}

/// Who is logged in.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhoAmI {
    /// The user name.
    pub username: String,
    /// `viewer`, `operator` or `admin`.
    pub role: String,
}
