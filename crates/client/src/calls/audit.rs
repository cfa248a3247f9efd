//! `/audit`: who changed what.

use quorate_api::rest::AuditView;

use crate::{Client, ClientError, call::Call};

impl Client {
    /// The newest changes and refused attempts, newest first, at most `limit`; those of operations' single
    /// steps only with `steps`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn audit(&self, limit: usize, steps: bool) -> Result<Vec<AuditView>, ClientError> {
        let mut call = Call::get(&["audit"])?.query("limit", limit.to_string());
        if steps {
            call = call.query("steps", "true");
        }
        self.json(&call).await
    }
}
