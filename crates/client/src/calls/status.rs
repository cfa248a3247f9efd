//! `/status`: the state of the quorum.

use quorate_api::rest::StatusView;

use crate::{Client, ClientError, call::Call};

impl Client {
    /// The state of the quorum, in one answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self) -> Result<StatusView, ClientError> {
        self.json(&Call::get(&["status"])?).await
    }
}
