//! `/operations`: looking, pausing, resuming, aborting.

use quorate_api::rest::{AbortBody, OperationSummary, OperationView};
use reqwest::Method;

use crate::{Client, ClientError, call::Call};

impl Client {
    /// All operations, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn operations(&self) -> Result<Vec<OperationSummary>, ClientError> {
        self.json(&Call::get(&["operations"])?).await
    }

    /// One operation with its steps and its transcript.
    ///
    /// # Errors
    /// [`ClientError::Api`] with `NOT_FOUND` when there is none of that id.
    pub async fn operation(&self, id: &str) -> Result<OperationView, ClientError> {
        self.json(&Call::get(&["operations", id])?).await
    }

    /// Lets an operation stand between two steps.
    ///
    /// # Errors
    /// [`ClientError::Api`] with `OPERATION_STATUS` when it cannot be paused now.
    pub async fn operation_pause(&self, id: &str) -> Result<OperationView, ClientError> {
        self.intervene(id, "pause").await
    }

    /// Lets a paused operation go on, or a stuck one try its step again.
    ///
    /// # Errors
    /// [`ClientError::Api`] with `OPERATION_STATUS` when it neither stands nor is stuck.
    pub async fn operation_resume(&self, id: &str) -> Result<OperationView, ClientError> {
        self.intervene(id, "resume").await
    }

    /// Ends an operation and undoes it as far as it can be.
    ///
    /// # Errors
    /// [`ClientError::Api`] with `OPERATION_STATUS` when it has ended.
    pub async fn operation_abort(&self, id: &str) -> Result<OperationView, ClientError> {
        self.intervene(id, "abort").await
    }

    /// Ends an operation where it stands that is stuck past its point of no return.
    ///
    /// # Errors
    /// [`ClientError::Api`] with `OPERATION_STATUS` when it is not, or something would be half-done.
    pub async fn operation_leave(&self, id: &str) -> Result<OperationView, ClientError> {
        let call = Call::change(Method::POST, &["operations", id, "abort"])?
            .body(&AbortBody { leave_as_is: true })?;
        self.json(&call).await
    }

    async fn intervene(&self, id: &str, verb: &str) -> Result<OperationView, ClientError> {
        self.json(&Call::change(Method::POST, &["operations", id, verb])?).await
    }
}
