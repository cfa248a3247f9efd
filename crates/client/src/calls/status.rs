//! `/status` and `/doctor`: the state of the quorum, and what is wrong or will be.

use quorate_api::rest::{DoctorView, StatusView};

use crate::{Client, ClientError, call::Call};

impl Client {
    /// The state of the quorum, in one answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self) -> Result<StatusView, ClientError> {
        self.json(&Call::get(&["status"])?).await
    }

    /// Everything the doctor finds. Takes a few seconds when a master is silent.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn doctor(&self) -> Result<DoctorView, ClientError> {
        self.json(&Call::get(&["doctor"])?).await
    }
}
