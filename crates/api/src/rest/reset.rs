//! The reset.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The confirmation of a reset, and how to log in afterwards.
#[derive(Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResetBody {
    /// The hash of the plan, or its first eight characters or more.
    #[serde(default)]
    pub confirm: String,
    /// The password with which `admin` logs in once and chooses another: 12 characters or more.
    /// The caller chooses it, so that an answer that is lost does not lock everybody out.
    #[serde(default)]
    pub one_time_password: String,
}

impl fmt::Debug for ResetBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResetBody").field("confirm", &self.confirm).finish_non_exhaustive()
    }
}
