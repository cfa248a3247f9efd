//! `/audit`: who changed what.

use quorate_api::rest::AuditView;

use crate::{Client, ClientError, call::Call};

impl Client {
    /// The newest changes and refused attempts, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn audit(&self, limit: usize) -> Result<Vec<AuditView>, ClientError> {
        self.json(&Call::get(&["audit"])?.query("limit", limit.to_string())).await
    }
}
