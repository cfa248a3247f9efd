//! The settings space.

use serde::{Deserialize, Serialize};

/// A new value.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettingBody {
    /// Any JSON value.
    pub value: serde_json::Value,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettingView {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: serde_json::Value,
    /// The revision of its last change.
    pub revision: u64,
}

/// A setting was written or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettingWritten {
    /// Its key.
    pub key: String,
    /// The revision of the change (of the deleted value, for a deletion).
    pub revision: u64,
}
